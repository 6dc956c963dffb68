"""The filter and order grammar: what it reads, what it refuses and where, and which rows answer."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.core.errors import Invalid
from muster.core.filters import MODEL_FIELDS, VERSION_FIELDS, Field, like
from muster.core.models import (
    Annotations,
    Artifact,
    Code,
    Data,
    Lineage,
    Manifest,
    ModelVersion,
    Parent,
    RegisteredModel,
    Run,
)
from muster.core.query import (
    And,
    Attribute,
    Comparison,
    Everything,
    Filter,
    IsNull,
    Not,
    Or,
    Order,
    Text,
    matches,
    parse,
    parse_order,
    sorted_rows,
    unparse,
    unparse_order,
)

BIKES = ModelVersion(
    Manifest(
        model="bikes",
        version=3,
        created_at="2026-05-01T12:00:00Z",
        created_by="Ada <ada@example.org>",
        artifacts=(
            Artifact(".", "skops", 2048, "sha256:" + "a" * 64, (), ("sklearn", "python_function")),
            Artifact("model.onnx", "onnx", 1024, "sha256:" + "b" * 64, (), ("onnx",)),
        ),
        label="1.4.0",
        metrics={"rmse": 0.25, "val/rmse": 0.5, "n": 3},
        params={"depth": 5, "lr": 0.1, "name": "gbt", "bootstrap": True, "seed": "42"},
        lineage=Lineage(
            source="s3://bucket/bikes",
            run=Run("run-7", "mlflow", "exp-2"),
            code=Code("https://example.org/repo", "c0ffee"),
            data=(Data("rides", "s3://bucket/rides", "md5:1"),),
            parents=(Parent("bikes", 2), Parent("base", 1)),
        ),
    ),
    Annotations(
        "Predicts hourly demand, 50% off_peak", {"risk review": "passed", "team": "Rides", "priority": "10"}
    ),
    stage="production",
    aliases=("champion", "blue"),
    commit="f" * 40,
)
BARE = ModelVersion(
    Manifest(
        "churn",
        1,
        "2026-04-01T00:00:00Z",
        "Bo <bo@example.org>",
        (Artifact(".", "onnx", 10, "sha256:0", ()),),
    ),
    Annotations(),
    stage=None,
    aliases=(),
    commit=None,
)
MODEL = RegisteredModel(
    "bikes",
    "Hourly demand",
    owners=("ada", "team-rides"),
    tags={"domain": "mobility"},
    versions=(1, 2, 3),
    aliases={"champion": 3},
    stages={"Production": (3,), "staging": ()},
)
EMPTY = RegisteredModel("empty")


def holds(text: str, row: ModelVersion | RegisteredModel = BIKES) -> bool:
    return matches(parse(text, "versions" if isinstance(row, ModelVersion) else "models"), row)


@pytest.mark.parametrize(
    "text",
    [
        "name = 'bikes'",
        'name = "bikes"',
        "name='bikes'",
        "  name\t=\n'bikes'  ",
        "attribute.name = 'bikes'",
        "attributes.name = 'bikes'",
        "name != 'churn'",
        "name LIKE 'b%'",
        "name like '%ke_'",
        "name ILIKE 'BIK%'",
        "name IN ('churn', 'bikes')",
        "name IN ('bikes',)",
        'name NOT IN ("churn")',
        "run_id = 'run-7'",
        "run_id IN ('run-7', 'run-8')",
        "source_path = 's3://bucket/bikes'",
        "source_path ILIKE 'S3://%'",
        "version_number = 3",
        "version_number = '3'",
        "version_number != 2",
        "version_number > 2 AND version_number < 4",
        "version_number >= 3 and version_number <= 3",
        "tags.team = 'Rides'",
        "tag.team = 'Rides'",
        "tags.team != 'Other'",
        "tags.team ILIKE 'ri%'",
        "tags.`risk review` = 'passed'",
        "tags.\"risk review\" = 'passed'",
        "name = 'bikes' AND tags.team = 'Rides' AND run_id = 'run-7'",
    ],
)
def test_what_mlflow_reads_is_read_as_mlflow_reads_it(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize("text", ["tags.absent = 'x'", "tags.absent != 'x'", "tags.absent NOT LIKE 'x'"])
def test_a_missing_tag_never_matches(text: str) -> None:
    assert not holds(text)
    assert holds(f"NOT {text}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "name = 'x' OR name = 'bikes'",
        "NOT name = 'x'",
        "not not name = 'bikes'",
        "(name = 'x' OR version = 3) AND label = '1.4.0'",
        "alias = 'champion'",
        "alias = 'blue'",
        "aliases LIKE 'champ%'",
        "alias IN ('green', 'blue')",
        "alias IS NOT NULL",
        "stage = 'production'",
        "stage = 'Production'",
        "stage != 'staging'",
        "stage ILIKE 'Prod%'",
        "stage IN ('Staging', 'PRODUCTION')",
        "stage != 'None'",
        "stage NOT IN ('none', 'archived')",
        "description LIKE 'Predicts%'",
        "description IS NOT NULL",
        "created_at > '2026-05-01'",
        "created_at < '2026-05-01T12:00:01Z'",
        "created_at = '2026-05-01T14:00:00+02:00'",
        "created_at = '2026-05-01 12:00'",
        "created_at >= 1777636800000 AND creation_timestamp <= 1777636800000",
        "timestamp > 1777636799999",
        "last_updated_timestamp = 1777636800000",
        "created_by LIKE '%ada@example.org%'",
        "metrics.rmse < 0.3",
        "metrics.rmse <= .25",
        "metrics.rmse = 2.5e-1",
        "metrics.n = 3.0",
        "metrics.`val/rmse` = 0.5",
        "metrics.val/rmse = 0.5",
        "metrics.rmse != 0.3",
        "metrics.absent IS NULL",
        "metrics.n IN (2, 3)",
        "params.depth = 5",
        "params.depth = '5'",
        "params.depth > 4.5",
        "params.lr >= '0.1'",
        "params.name = 'gbt'",
        "params.name != 5",
        "params.bootstrap = true",
        "params.bootstrap = 'true'",
        "parameters.seed < 100",
        "params.seed = '42'",
        "params.depth IN ('x', 5)",
        "tags.priority > 9",
        "tags.team IN ('Rides')",
        "format = 'onnx'",
        "flavor = 'sklearn' AND flavor = 'onnx'",
        "size = 3072",
        "size > 1e3",
        "digest LIKE 'sha256:b%'",
        "yanked = false",
        "yanked != 'TRUE'",
        "experiment = 'exp-2'",
        "code_commit = 'c0ffee'",
        "parent = 'bikes/2'",
        "data = 'rides' AND data = 's3://bucket/rides' AND data = 'md5:1'",
        "demand",
        "'HOURLY demand'",
        "BIK",
        "'50% off_peak'",
        "demand and not churn",
    ],
)
def test_more_than_mlflow_can_be_asked(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "alias != 'champion'",
        "alias NOT IN ('blue')",
        "alias = 'CHAMPION'",
        "alias IS NULL",
        "stage = 'None'",
        "stage IN ('None', 'staging')",
        "stage NOT IN ('None', 'production')",
        "created_at = '2026-05-01'",
        "metrics.absent != 1",
        "metrics.absent < 1",
        "params.depth = true",
        "params.bootstrap = 1",
        "params.bootstrap IN (1)",
        "params.name > 1",
        "tags.team > 1",
        "format NOT IN ('onnx')",
        "yanked = true",
        "weather",
        "'off peak'",
        "name = 'BIKES'",
    ],
)
def test_what_is_not_so_does_not_match(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "stage = 'None'",
        "stage IN ('staging', 'None')",
        "stage IS NULL",
        "alias IS NULL",
        "label IS NULL AND description IS NULL AND run_id IS NULL AND experiment IS NULL AND source IS NULL",
        "code_commit IS NULL AND parent IS NULL AND data IS NULL AND flavor IS NULL",
        "NOT alias = 'champion'",
        "NOT stage = 'production'",
        "yanked IS NOT NULL",
    ],
)
def test_what_a_version_lacks_can_be_asked_for(text: str) -> None:
    assert holds(text, BARE)


def test_a_yanked_version_is_yanked() -> None:
    assert holds("yanked = true", replace(BARE, annotations=Annotations(yanked="leaks")))


def test_a_metric_that_is_not_finite_is_a_missing_one() -> None:
    row = replace(BARE, manifest=replace(BARE.manifest, metrics={"a": float("nan"), "b": float("inf")}))
    assert holds("metrics.a IS NULL AND metrics.b IS NULL", row)


@pytest.mark.parametrize(
    "text",
    [
        "name = 'bikes'",
        "owner = 'ada' AND owners LIKE 'team-%'",
        "tags.domain = 'mobility'",
        "alias = 'champion'",
        "stage = 'Production'",
        "stage != 'staging'",
        "latest_version = 3",
        "latest > 2",
        "hourly",
    ],
)
def test_models_can_be_asked(text: str) -> None:
    assert holds(text, MODEL)
    assert not holds(text, EMPTY)


def test_not_binds_tighter_than_and_and_and_than_or() -> None:
    a, b, c = Text("a"), Text("b"), Text("c")
    assert parse("a OR NOT b AND c", "versions") == Or((a, And((Not(b), c))))
    assert parse("NOT (a OR b) AND c", "versions") == And((Not(Or((a, b))), c))
    assert parse("a AND b AND c", "versions") == And((a, b, c))


def test_a_quote_is_written_twice_within_its_own_kind() -> None:
    assert parse("'it''s'", "versions") == parse('"it\'s"', "versions") == Text("it's")
    assert parse('"a""b"', "versions") == Text('a"b')
    assert parse("tags.`a``b` = ''", "versions") == Comparison(Attribute("tags", "a`b"), "=", "")


@pytest.mark.parametrize(
    ("text", "character", "rule", "words"),
    [
        ("and stag = 'x'", 1, "query_parses", "expected an attribute, a word or '(', not 'and',"),
        (
            "stag = 'x'",
            1,
            "attribute_exists",
            "unknown attribute 'stag' at character 1; did you mean 'stage'?",
        ),
        ("name = 'x' AND stag = 'y'", 16, "attribute_exists", "at character 16; did you mean 'stage'?"),
        ("owner = 'ada'", 1, "attribute_exists", "models have it, versions do not"),
        ("wholly_unlike = 1", 1, "attribute_exists", "unknown attribute 'wholly_unlike' at character 1"),
        ("name.first = 'x'", 1, "attribute_exists", "unknown attribute 'name.first'"),
        ("attribute.tags.x = 'x'", 1, "attribute_exists", "unknown attribute"),
        ("attribute.tags = 'x'", 1, "attribute_exists", "unknown attribute"),
        ("tags = 'x'", 1, "attribute_exists", "'tags' lacks a key at character 1, as in tags.name"),
        ("tags.`` = 'x'", 1, "attribute_exists", "lacks a key"),
        ("'name' = 'x'", 1, "attribute_exists", "is a text"),
        ("name", 1, "query_parses", "'name' is an attribute and lacks a comparison"),
        ("x OR tags.team", 6, "query_parses", "lacks a comparison"),
        ("tags.`a b`", 1, "query_parses", "lacks a comparison"),
        ("name = bikes", 8, "value_is_quoted", "the text 'bikes' needs quotes around it"),
        ("name = 5", 8, "value_is_quoted", "needs quotes"),
        ("tags.x = y", 10, "value_fits", "needs quotes"),
        ("name = NULL", 8, "query_parses", "IS NULL"),
        ("name = ", 8, "query_parses", "expected a value, not the end"),
        ("name = ('x')", 8, "query_parses", "expected a value"),
        ("name == 'x'", 6, "operator_fits", "did you mean '='?"),
        ("name <> 'x'", 6, "operator_fits", "did you mean '!='?"),
        ("name < 'x'", 6, "operator_fits", "'<' does not compare name"),
        ("version LIKE '1%'", 9, "operator_fits", "'LIKE' does not compare version"),
        ("yanked IN (true)", 8, "operator_fits", "'IN' does not compare yanked"),
        ("version > 'three'", 11, "value_fits", "'three' is not a number"),
        ("version > 9223372036854775808", 11, "value_fits", "is not a number"),
        (f"version > {'9' * 5000}", 11, "value_fits", "is not a number"),
        ("size > 1e999", 8, "value_fits", "'1e999' is not a number"),
        ("metrics.x > nan", 13, "value_fits", "'nan' is not a number"),
        ("params.x > 'a'", 12, "value_fits", "'a' is not a number"),
        ("params.x IN (true)", 14, "value_fits", "'true' is not a number"),
        ("created_at > '2026-13-01'", 14, "value_fits", "is not a date"),
        ("created_at > '0001-01-01T00:00+23:00'", 14, "value_fits", "is not a date"),
        ("created_at > 2026-05-01", 14, "value_fits", "is not a date"),
        ("created_at > 999999999999999", 14, "value_fits", "is not a date"),
        ("created_at > ٣", 14, "value_fits", "is not a date"),
        ("yanked = 'perhaps'", 10, "value_fits", "is not true or false"),
        ("name IN ()", 10, "query_parses", "expected a value, not ')'"),
        ("name IN 'x'", 9, "query_parses", "expected '('"),
        ("name IN ('x' 'y')", 14, "query_parses", "expected a comma or ')'"),
        ("name IS 'x'", 9, "query_parses", "expected NULL"),
        ("name NOT = 'x'", 1, "query_parses", "lacks a comparison"),
        (
            "churn email",
            7,
            "query_parses",
            "expected AND or OR, not 'email', at character 7; a text of several",
        ),
        ("(a OR b", 8, "query_parses", "expected AND, OR or ')', not the end,"),
        ("a)", 2, "query_parses", "expected AND or OR, not ')',"),
        ("name = 'x", 8, "query_parses", "the quote ' is not closed at character 8"),
        ("tags.`x = 'y'", 6, "query_parses", "the quote ` is not closed"),
        ("= 'x'", 1, "query_parses", "expected an attribute, a word or '('"),
        ("''", 1, "value_fits", "an empty text is in everything"),
        ("a OR", 5, "query_parses", "not the end"),
        ("()", 2, "query_parses", "not ')'"),
        ("(" * 51 + "a" + ")" * 51, 51, "query_is_small", "more than 50 deep"),
        ("NOT " * 51 + "a", 201, "query_is_small", "more than 50 deep"),
        ("a" * 10_001, 10_001, "query_is_small", "10001 characters"),
        (
            f"name IN ({','.join(repr(str(n)) for n in range(1001))})",
            9,
            "query_is_small",
            "1001 values",
        ),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, character: int, rule: str, words: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse(text, "versions")
    (finding,) = raised.value.findings
    assert (finding.line, finding.column, finding.rule) == (1, character, rule)
    assert words in finding.message
    assert f"at character {character}" in finding.message


def test_the_message_shows_the_text_with_a_caret_below_the_character() -> None:
    with pytest.raises(Invalid) as raised:
        parse("name = 'x' AND stag = 'y'", "versions")
    assert str(raised.value).splitlines() == [
        "cannot read this filter:",
        "    name = 'x' AND stag = 'y'",
        "                   ^",
        "unknown attribute 'stag' at character 16; did you mean 'stage'? [attribute_exists]",
    ]
    assert "created_at" in raised.value.hint


def test_a_long_text_is_shown_around_the_character_and_without_control_characters() -> None:
    with pytest.raises(Invalid) as raised:
        parse("a OR " * 100 + "stag = '\x1b[31m'" + " OR b" * 100, "versions")
    _, shown, caret, _ = str(raised.value).splitlines()
    assert shown[caret.index("^") :].startswith("stag = ' [31m'")
    assert len(shown) < 90


@pytest.mark.parametrize(
    "text", ["(" * 50 + "a" + ")" * 50, "NOT " * 50 + "a", " " * 9_999 + "a", "(NOT x) AND " * 60 + "a"]
)
def test_what_is_as_large_as_allowed_is_read(text: str) -> None:
    tree = parse(text, "versions")
    assert parse(unparse(tree), "versions") == tree
    assert matches(tree, BIKES) == ("a" in "Predicts hourly demand")


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("bikes", "bikes", True),
        ("bikes", "bike", False),
        ("bikes", "b%s", True),
        ("bikes", "%", True),
        ("", "%", True),
        ("", "", True),
        ("", "_", False),
        ("bikes", "_____", True),
        ("bikes", "____", False),
        ("aba", "ab%ba", False),
        ("abba", "ab%ba", True),
        ("a%b", "a%b", True),
        ("a\nb", "a_b", True),
        ("bikes\n", "bikes", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("aXbYaXc", "%a_c%", True),
        ("a_c", "%a_c%", True),
        ("xaab", "%a_b", True),
        ("aaab", "%a_b%%", True),
    ],
)
def test_like_is_sqls(text: str, pattern: str, expected: bool) -> None:
    assert like(text, pattern) is expected


@pytest.mark.parametrize(
    "pattern", ["%a" * 5_000 + "b", "%" + "a_" * 4_999 + "b%", "%" + "_" * 9_000 + "b%", "%_a" * 3_333 + "b"]
)
def test_a_pattern_that_would_backtrack_for_ever_is_answered(pattern: str) -> None:
    assert not like("a" * 10_000, pattern)


def _as_regex(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)


@given(st.text("ab%_", max_size=12), st.text("ab%_", max_size=8))
def test_like_agrees_with_a_regular_expression(text: str, pattern: str) -> None:
    assert like(text, pattern) is bool(re.fullmatch(_as_regex(pattern), text, re.DOTALL))


# Orders


def version(model: str, number: int, **more: Any) -> ModelVersion:
    annotations = Annotations(tags=more.pop("tags", {}))
    created_at = more.pop("created_at", "2026-05-01T12:00:00Z")
    manifest = replace(BARE.manifest, model=model, version=number, created_at=created_at, **more)
    return replace(BARE, manifest=manifest, annotations=annotations)


ROWS = [
    version("b", 1, metrics={"rmse": 0.3}, params={"x": "9"}, created_at="2026-05-03T00:00:00Z"),
    version("a", 1, metrics={"rmse": 0.1}, params={"x": 10}, created_at="2026-05-01T00:00:00Z"),
    version("a", 2, params={"x": "auto"}, created_at="2026-05-02T00:00:00Z", label="1.0"),
    version("b", 2, metrics={"rmse": 0.3}, created_at="2026-05-03T00:00:00Z", tags={"t": "z"}),
]


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("", "a/2 a/1 b/2 b/1"),
        ([], "a/2 a/1 b/2 b/1"),
        ("name DESC", "b/2 b/1 a/2 a/1"),
        (["version_number ASC"], "a/1 b/1 a/2 b/2"),
        (["version_number", "name desc"], "b/1 a/1 b/2 a/2"),
        ("creation_timestamp DESC, version ASC", "b/1 b/2 a/2 a/1"),
        (["last_updated_timestamp DESC", "name ASC", "version_number DESC"], "b/2 b/1 a/2 a/1"),
        ("timestamp", "a/1 a/2 b/2 b/1"),
        ("attribute.timestamp", "a/1 a/2 b/2 b/1"),
        ("last_updated_timestamp, creation_timestamp", "a/1 a/2 b/2 b/1"),
        ("metrics.rmse ASC", "a/1 b/2 b/1 a/2"),
        ("metrics.rmse DESC", "b/2 b/1 a/1 a/2"),
        ("params.x", "b/1 a/1 a/2 b/2"),
        ("params.x DESC", "a/2 a/1 b/1 b/2"),
        ("tags.`t`, label", "b/2 a/2 a/1 b/1"),
        ("yanked, label DESC", "a/2 a/1 b/2 b/1"),
        ("parent DESC", "a/2 a/1 b/2 b/1"),
    ],
)
def test_rows_are_ordered_with_missing_values_last_and_ties_by_name_and_latest_first(
    order_by: str | list[str], expected: str
) -> None:
    assert " ".join(map(str, sorted_rows(ROWS, parse_order(order_by, "versions")))) == expected


def test_models_are_ordered_too() -> None:
    rows = [EMPTY, MODEL, RegisteredModel("z", versions=(7,))]
    names = [m.name for m in sorted_rows(rows, parse_order("latest_version DESC", "models"))]
    assert names == ["z", "bikes", "empty"]


@pytest.mark.parametrize(
    ("order_by", "character", "rule"),
    [
        ("name, name DESC", 7, "order_key_is_unique"),
        (["name", "attribute.name"], 7, "order_key_is_unique"),
        (["timestamp", "last_updated_timestamp"], 12, "order_key_is_unique"),
        ("foo", 1, "attribute_exists"),
        ("tags", 1, "attribute_exists"),
        ("name version", 6, "query_parses"),
        ("name,", 6, "query_parses"),
        ([""], 1, "query_parses"),
        ("name = 'x'", 6, "query_parses"),
        ("'name'", 1, "query_parses"),
    ],
)
def test_what_is_wrong_with_an_order_is_pointed_at(
    order_by: str | list[str], character: int, rule: str
) -> None:
    with pytest.raises(Invalid, match="cannot read this order") as raised:
        parse_order(order_by, "versions")
    (finding,) = raised.value.findings
    assert (finding.column, finding.rule) == (character, rule)


# Properties

KEYS = st.text(min_size=1, max_size=4) | st.sampled_from(["rmse", "val/rmse", "a.b", "risk review"])
TEXTS = st.text(max_size=6)
STAGES = TEXTS.map(str.casefold).filter(lambda s: s != "none")
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes().map(lambda at: at.replace(tzinfo=timezone.utc))
PATTERNS = ["LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"]


def one_of_each(values: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    lists = st.lists(values, min_size=1, max_size=3).map(tuple)
    return {"=": values, "!=": values, "IN": lists, "NOT IN": lists}


def comparable(type: str) -> dict[str, st.SearchStrategy[Any]]:
    """Which values each operator takes, for attributes of this type."""
    match type:
        case "text":
            return {**one_of_each(TEXTS), **dict.fromkeys(PATTERNS, TEXTS)}
        case "stage":
            return {**one_of_each(STAGES), **dict.fromkeys(PATTERNS, TEXTS.map(str.casefold))}
        case "flag":
            return dict.fromkeys(["=", "!="], st.booleans())
        case "scalar":
            either = TEXTS | NUMBERS
            equal = dict.fromkeys(["=", "!="], either | st.booleans())
            ordered = dict.fromkeys(["<", "<=", ">", ">="], NUMBERS)
            return {**one_of_each(either), **equal, **ordered, **dict.fromkeys(PATTERNS, TEXTS)}
        case _:
            values = NUMBERS if type == "number" else TIMES
            return {**one_of_each(values), **dict.fromkeys(["<", "<=", ">", ">="], values)}


def attributes(fields: Any) -> st.SearchStrategy[tuple[Attribute, str]]:
    def of(kind: str) -> st.SearchStrategy[tuple[Attribute, str]]:
        field: Field[Any] = fields[kind]
        keys = KEYS if field.keyed else st.just("")
        return keys.map(lambda key: (Attribute(kind, key), field.type))

    return st.sampled_from(sorted(fields)).flatmap(of)


def comparisons(fields: Any) -> st.SearchStrategy[Filter]:
    def of(pair: tuple[Attribute, str]) -> st.SearchStrategy[Filter]:
        attribute, type = pair
        return st.one_of(
            values.map(lambda value, operator=operator: Comparison(attribute, operator, value))
            for operator, values in comparable(type).items()
        )

    return attributes(fields).flatmap(of)


def filters(fields: Any) -> st.SearchStrategy[Filter]:
    leaves = (
        comparisons(fields)
        | attributes(fields).map(lambda pair: IsNull(pair[0]))
        | st.text(min_size=1, max_size=6).map(Text)
    )

    def grow(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        return parts.map(Not) | several.map(And) | several.map(Or)

    return st.recursive(leaves, grow, max_leaves=6)


@settings(max_examples=300)
@given(filters(VERSION_FIELDS))
def test_a_filter_over_versions_survives_writing_and_reading(tree: Filter) -> None:
    assert parse(unparse(tree), "versions") == tree


@given(filters(MODEL_FIELDS))
def test_a_filter_over_models_survives_writing_and_reading(tree: Filter) -> None:
    assert parse(unparse(tree), "models") == tree


def test_the_filter_that_holds_for_everything_is_written_as_nothing() -> None:
    assert unparse(Everything()) == ""
    assert parse("", "models") == Everything()


@given(st.lists(attributes(VERSION_FIELDS), unique_by=lambda pair: pair[0], max_size=4), st.data())
def test_an_order_survives_writing_and_reading(
    pairs: list[tuple[Attribute, str]], draw: st.DataObject
) -> None:
    order = tuple(Order(attribute, draw.draw(st.booleans())) for attribute, _ in pairs)
    assert parse_order(unparse_order(order), "versions") == order


SYNTAX = """
    name tags. metrics.x stage 'x' "y" `k` = != < LIKE IN IS NOT NULL AND OR ( ) , 5 1e9 true ' . -
"""
WORDS = st.sampled_from(SYNTAX.split())


@settings(max_examples=300)
@given(
    st.text(max_size=40)
    | st.lists(WORDS, max_size=12).map(" ".join)
    | st.lists(WORDS, max_size=12).map("".join)
)
def test_any_text_is_read_or_refused_with_one_finding(text: str) -> None:
    for subject in ("versions", "models"):
        for read, write in ((parse, unparse), (parse_order, unparse_order)):
            try:
                tree: Any = read(text, subject)  # type: ignore[operator]
            except Invalid as refusal:
                (finding,) = refusal.findings
                assert 1 <= finding.column <= len(text) + 1
            else:
                assert read(write(tree), subject) == tree  # type: ignore[operator]


# A naive reading of the same filters, over rows as plain mappings of lists

SMALL_TEXTS = st.sampled_from(["a", "b", "ab", "A", "1", "true", "a%", "_", ""])
SMALL_NUMBERS = st.sampled_from([0, 1, 2, 0.5, -1])
ROW_TIMES = st.integers(0, 3).map(lambda day: f"2026-05-0{day + 1}T00:00:00Z")


@st.composite
def rows(draw: st.DrawFn) -> ModelVersion:
    names = st.sampled_from(["a", "b", "ab", "A"])
    manifest = replace(
        BARE.manifest,
        model=draw(names),
        version=draw(st.integers(1, 3)),
        created_at=draw(ROW_TIMES),
        label=draw(st.none() | names),
        metrics=draw(st.dictionaries(names, SMALL_NUMBERS, max_size=2)),
        params=draw(st.dictionaries(names, SMALL_TEXTS | SMALL_NUMBERS | st.booleans(), max_size=2)),
        lineage=Lineage(run=draw(st.none() | names.map(Run))),
    )
    notes = Annotations(draw(SMALL_TEXTS), draw(st.dictionaries(names, SMALL_TEXTS, max_size=2)))
    aliases = tuple(draw(st.lists(names, unique=True, max_size=2)))
    return ModelVersion(manifest, notes, draw(st.none() | st.sampled_from(["a", "B"])), aliases, None)


NAIVE_KINDS = {
    "name": SMALL_TEXTS,
    "label": SMALL_TEXTS,
    "alias": SMALL_TEXTS,
    "run_id": SMALL_TEXTS,
    "description": SMALL_TEXTS,
    "version": SMALL_NUMBERS,
    "metrics": SMALL_NUMBERS,
    "created_at": ROW_TIMES.map(lambda at: datetime.fromisoformat(at.replace("Z", "+00:00"))),
    "stage": SMALL_TEXTS.map(str.casefold),
    "params": SMALL_TEXTS | SMALL_NUMBERS | st.booleans(),
    "tags": SMALL_TEXTS | SMALL_NUMBERS | st.booleans(),
}


@st.composite
def naive_comparisons(draw: st.DrawFn) -> Filter:
    kind = draw(st.sampled_from(sorted(NAIVE_KINDS)))
    key = draw(st.sampled_from(["a", "b", "ab", "A"])) if kind in ("metrics", "params", "tags") else ""
    value = draw(NAIVE_KINDS[kind])
    operators = ["=", "!="]
    if isinstance(value, str):
        operators += PATTERNS
    elif not isinstance(value, bool):
        operators += ["<", "<=", ">", ">="]
    operator: Any = draw(st.sampled_from([*operators, "IN", "NOT IN", "null"]))
    if operator == "null":
        return IsNull(Attribute(kind, key))
    if operator in ("IN", "NOT IN"):
        value = (
            ()
            if isinstance(value, bool)
            else (value, draw(NAIVE_KINDS[kind].filter(lambda v: v is not True)))
        )
    return Comparison(Attribute(kind, key), operator, value)


def naive_values(row: ModelVersion, attribute: Attribute) -> list[Any]:
    run = row.manifest.lineage.run
    created = datetime(2026, 5, 1, tzinfo=timezone.utc) + timedelta(days=int(row.manifest.created_at[9]) - 1)
    found = {
        "name": [row.model],
        "label": [row.label],
        "alias": list(row.aliases),
        "run_id": [run and run.run_id],
        "description": [row.description or None],
        "version": [row.version],
        "metrics": [row.metrics.get(attribute.key)],
        "created_at": [created],
        "stage": [row.stage and row.stage.lower()],
        "params": [row.params.get(attribute.key)],
        "tags": [row.tags.get(attribute.key)],
    }[attribute.kind]
    return [value for value in found if value is not None]


def naive_equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return str(value).lower() == str(wanted).lower()
    if isinstance(wanted, str):
        return (str(value).lower() if isinstance(value, bool) else str(value)) == wanted
    if isinstance(value, bool):
        return False  # to Python alone, True is the number 1
    return value == wanted or (isinstance(value, str) and value == "1" == str(wanted))


def naive_less(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return value == "1" and wanted > 1
    return bool(value < wanted)


def naive_matches(tree: Filter, row: ModelVersion) -> bool:
    match tree:
        case And(parts):
            return not any(not naive_matches(part, row) for part in parts)
        case Or(parts):
            return any(naive_matches(part, row) for part in parts)
        case Not(part):
            return not naive_matches(part, row)
        case Text(text):
            return text.lower() in f"{row.model}\0{row.description}".lower()
        case IsNull(attribute):
            return naive_values(row, attribute) == []
        case Comparison(attribute, operator, wanted):
            values = naive_values(row, attribute)
            match operator:
                case "=":
                    return any(naive_equal(v, wanted) for v in values)
                case "IN":
                    return any(naive_equal(v, w) for v in values for w in wanted)
                case "<":
                    return any(naive_less(v, wanted) for v in values)
                case ">":
                    return any(
                        not naive_less(v, wanted) and not naive_equal(v, wanted)
                        for v in values
                        if not isinstance(v, bool) and (not isinstance(v, str) or v == "1")
                    )
                case "<=" | ">=":
                    strict: Any = operator[0]
                    either = (Comparison(attribute, strict, wanted), Comparison(attribute, "=", wanted))
                    return naive_matches(Or(either), row)
                case "LIKE" | "ILIKE":
                    flags = re.DOTALL | (re.IGNORECASE if operator == "ILIKE" else 0)
                    texts = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
                    return any(re.fullmatch(_as_regex(wanted), text, flags) for text in texts)
                case _:
                    positive: Any = "=" if operator == "!=" else operator.removeprefix("NOT ")
                    return values != [] and not naive_matches(Comparison(attribute, positive, wanted), row)
    return True


@pytest.mark.slow
@settings(max_examples=600)
@given(
    st.recursive(
        naive_comparisons() | st.sampled_from(["a", "B", "1"]).map(Text),
        lambda parts: parts.map(Not) | st.tuples(parts, parts).map(And) | st.tuples(parts, parts).map(Or),
        max_leaves=4,
    ),
    rows(),
)
def test_matching_agrees_with_a_naive_reading(tree: Filter, row: ModelVersion) -> None:
    assert matches(tree, row) is naive_matches(tree, row)
