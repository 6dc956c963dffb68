"""YAML in and out: what is written is read back the same by everybody, and what is read cannot hurt."""

from __future__ import annotations

import enum
import io
import math
import string
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
import ruamel.yaml
import yaml as pyyaml
from hypothesis import example, given
from hypothesis import strategies as st

from muster.core import manifest, models, schema
from muster.core.documents import annotations_from, evaluation_to, manifest_from, manifest_to
from muster.core.errors import Invalid
from muster.core.manifest import canonical, dump, has_comments, parse, parse_marked
from support.registry import ANN, NOON, manifest_of, stored, valid

VALID = valid()

# What YAML readers are known to read as something else, and what is awkward to write.
_TRICKY = st.sampled_from(
    [
        *(
            "no",
            "No",
            "yes",
            "ON",
            "off",
            "y",
            "n",
            "true",
            "True",
            "TRUE",
            "false",
            "null",
            "Null",
            "~",
            "",
            "=",
            "<<",
        ),
        *(
            "1.10",
            "1e5",
            "1E5",
            "1.e5",
            "0x1F",
            "0o17",
            "017",
            "0b11",
            "1_000",
            "-1",
            "+1",
            ".5",
            "5.",
            "-.5",
            "+.5e3",
        ),
        *(
            "12:30:45",
            "1:30",
            "-1:30",
            "190:20:30.15",
            "2026-05-01",
            "2026-5-1",
            "2026-05-01T10:00:00Z",
            "2026-05-01 1:2:3",
        ),
        *(
            ".inf",
            "-.inf",
            "+.Inf",
            ".NaN",
            ".nan",
            "00",
            "0",
            "-0",
            "0.0",
            "1e400",
            "12345678901234567890123456789012",
        ),
        *(
            "- a",
            "a: b",
            "a #b",
            "#",
            ":",
            "?",
            "? x",
            "!x",
            "&x",
            "*x",
            "|",
            ">",
            "%x",
            "@x",
            "`x",
            "'",
            '"',
            "{",
            "[",
            "]",
        ),
        *(
            "---",
            "...",
            "--- x",
            "\n",
            "a\n",
            "\na",
            " a",
            "a ",
            "a\n\n",
            "a\n b",
            " a\nb",
            "\ta",
            "a\tb",
            "a\r\nb",
            "\x85",
            "\u2028",
        ),
        *(
            "\ufeff",
            "\x00",
            "\x1b",
            "\x7f",
            "é",
            "模型",
            "😀",
            "\U0010ffff",
            "\ufffe",
            "a\\b",
            "a" * 200,
            "x\u2029y",
            "\n  \n",
            "\n a",
        ),
    ]
)
_strings = (
    _TRICKY
    | st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
    | st.text(string.printable, max_size=12)
)
_numerals = st.text(st.sampled_from("0123456789+-._eExob:TZ "), max_size=10)
_integers = st.integers(-(10**39), 10**39)
_floats = st.floats(allow_nan=False, allow_infinity=False)
_scalars = st.none() | st.booleans() | _integers | _floats | _strings | _numerals
_keys = _strings | _numerals
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_documents = st.dictionaries(_keys, _values, max_size=5)


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same and of the same types, the sign of zero too."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return type(a) is type(b) and bool(a == b)


def plain(value: Any) -> Any:
    """What ruamel.yaml read, in plain types."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def read_as_yaml_1_2(data: bytes) -> Any:
    return plain(ruamel.yaml.YAML(typ="safe", pure=True).load(io.BytesIO(data)))


@given(_documents)
def test_what_is_written_is_read_back_the_same(document: dict[str, Any]) -> None:
    assert same(parse(dump(document)), document)


@given(_documents)
def test_other_yaml_readers_read_the_same(document: dict[str, Any]) -> None:
    data = dump(document)
    assert same(pyyaml.safe_load(data), document)
    assert same(read_as_yaml_1_2(data), document)


@given(_documents)
def test_writing_what_was_read_changes_nothing(document: dict[str, Any]) -> None:
    once = dump(document)
    assert dump(parse(once)) == once
    assert once.decode().isprintable() or "\n" in once.decode()


@given(_documents, st.sampled_from(schema.KINDS))
def test_the_canonical_form_is_its_own_canonical_form(document: dict[str, Any], kind: str) -> None:
    fields = schema.fields(kind)
    once = canonical(document, kind, fields)
    again = canonical(parse(once), kind, fields)
    assert once == again
    known = [key for key in parse(once) if key in fields]
    assert known == sorted(known, key=fields.index)


@pytest.mark.parametrize(
    "path", sorted(p for p in VALID.files if p.startswith("models/") and p.endswith(".yaml"))
)
def test_what_operations_write_is_canonical(path: str) -> None:
    from muster.core import names

    place = names.locate(path)
    assert place is not None
    data = VALID.files[path]
    assert canonical(parse(data), place.kind, schema.fields(place.kind)) == data
    assert not has_comments(data)


@given(
    st.binary(max_size=200)
    | st.text(st.sampled_from("a:-[]{},&*!|>'\"%@#?\n \t~0.=<"), max_size=60).map(str.encode)
)
@example(b"\xff\xfea\x00")
@example(b"? a\n: b\n? [x]\n: y")
@example(b"%YAML 9.9\n--- x")
@example(b'"\\ud800"')
@example(b"- \x07")
@example(b"a: " + b"9" * 5000)
@example(b"a: 1" + b"0" * 39 + b".5e+9999")
def test_whatever_is_read_is_a_value_or_invalid(data: bytes) -> None:
    try:
        value = parse(data, "x.yaml")
    except Invalid as error:
        assert error.findings and all(f.path == "x.yaml" for f in error.findings)
        return
    if isinstance(value, dict):
        assert same(parse(dump(value)), value)


@given(st.text(st.sampled_from("ab:-[]{},'\"|>#?\n 019.eE+~truefalsnoyYN_x"), max_size=40).map(str.encode))
def test_what_is_accepted_is_read_the_same_by_other_readers_or_refused(data: bytes) -> None:
    """Two readers of one file must not see two values: a reviewer's editor and the registry agree."""
    try:
        value = parse(data)
    except Invalid:
        return
    for read in (pyyaml.safe_load, read_as_yaml_1_2):
        try:
            theirs = read(data)
        except (pyyaml.YAMLError, ruamel.yaml.error.YAMLError):
            continue
        assert same(theirs, value), data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" * 500, "nested deeper than 32 levels"),
        (b"[" * 100_000, "nested deeper than 32 levels"),
        (b"{a: " * 100_000, "nested deeper than 32 levels"),
        (b"- " * 100_000, "nested deeper than 32 levels"),
        (b"\n".join(b" " * n + b"a:" for n in range(2_000)), "nested deeper than 32 levels"),
        (b"? " * 100_000, "a key must be a string"),
        (b"a: &a [x]\nb: *a", "anchors (&name) are not allowed"),
        (b"a: *a", "aliases (*name) are not allowed"),
        (b"<<: {a: 1}", "means different things"),
        (b"a: !!binary aGk=", "tags are not allowed"),
        (b"a: !foo x", "tags are not allowed"),
        (b"a: ! x", "tags are not allowed"),
        (b"!!set {a, b}", "tags are not allowed"),
        (b"%YAML 1.1\n---\na: 1", "directives"),
        (b"%TAG ! tag:x,2000:\n---\na: 1", "directives"),
        (b"a: 1\n---\nb: 2", "more than one document"),
        (b"a: 1\na: 2", "the key 'a' is here twice"),
        (b"a: {b: 1, 'b': 2}", "the key 'b' is here twice"),
        (b"1: a", "a key must be a string"),
        (b"true: a", "a key must be a string"),
        (b": a", "not YAML"),
        (b"? \n: a", "a key must be a string"),
        (b"[a]: b", "a key must be a string"),
        (b"a: .nan", ".nan is not a finite number"),
        (b"a: -.INF", "-.INF is not a finite number"),
        (b"a: 1.0e+999", "1.0e+999 is not a finite number"),
        (b"a: 1e5", "means different things"),
        (b"a: no", "means different things"),
        (b"a: 012", "means different things"),
        (b"a: 0x1f", "means different things"),
        (b"a: 12:30:45", "means different things"),
        (b"a: 2026-05-01", "means different things"),
        (b"a: 1_000", "means different things"),
        (b"a: " + b"1" * 41, "means different things"),
        (b"a: \x00", "not YAML"),
        (b"a: \x1b[2J", "not YAML"),
        ("a: é".encode("latin-1"), "not YAML"),
        ("a: 1".encode("utf-16"), "not YAML"),
        ("a: 1".encode("utf-32"), "not YAML"),
        (b"a: 'b", "not YAML"),
        (b"a: b: c", "not YAML"),
        (b"\ta: b", "not YAML"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_strict_yaml_is_invalid_and_says_why(data: bytes, says: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse(data, "x.yaml")
    (finding,) = raised.value.findings
    assert finding.rule == "yaml_is_strict"
    assert finding.path == "x.yaml"
    assert says in finding.message
    assert len(finding.message) < 200


def test_a_306_byte_bomb_is_refused_at_its_first_anchor() -> None:
    lines = [b"a: &a [" + b"x," * 8 + b"x]"]
    lines += [b"%c: &%c [%s]" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))]
    with pytest.raises(Invalid) as raised:
        parse(b"\n".join(lines))
    assert (raised.value.findings[0].line, raised.value.findings[0].column) == (1, 4)


@pytest.mark.slow
def test_a_file_of_too_many_values_or_bytes_is_refused() -> None:
    with pytest.raises(Invalid, match="more than 1000000 values"):
        parse(b"[" + b"1," * 1_000_000 + b"]")
    with pytest.raises(Invalid, match="bytes are more than the 33554432"):
        parse(b"#" * (manifest.MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", None),
        (b"# nothing\n", None),
        (b"a: 1.10", {"a": 1.1}),
        (b"a: '1.10'", {"a": "1.10"}),
        (b"a: 1.0e-05", {"a": 1e-05}),
        (b"a: -0.0", {"a": -0.0}),
        (b"a: ~", {"a": None}),
        (b"a:", {"a": None}),
        (b"a: True", {"a": True}),
        (b"a: 1.2.3", {"a": "1.2.3"}),
        (b"a: 2026-05-01-x", {"a": "2026-05-01-x"}),
        (b"\xef\xbb\xbfa: 1", {"a": 1}),
        (b"--- \na: 1\n...\n", {"a": 1}),
        (b"{a: [1, 'x', {b: null}]}", {"a": [1, "x", {"b": None}]}),
        (b"a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        (b"a: >\n  x\n  y\n", {"a": "x y\n"}),
        (b"? a\n: 1", {"a": 1}),
    ],
)
def test_strict_yaml_is_read(data: bytes, value: Any) -> None:
    assert same(parse(data), value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": [float("inf")]},
        {1: "a"},
        {"a": {None: 1}},
        {"a": {True: 1}},
        {"a": 10**40},
        {"a": b"bytes"},
        {"a": {1, 2}},
        {"a": date(2026, 5, 1)},
        {"a": datetime(2026, 5, 1)},
        {"a": object()},
        {"a": 1j},
        {"a": np.float32(1)},
        {"a": np.array([1])},
        {"a": "\ud800"},
        {"\udfff": 1},
    ],
)
def test_what_a_file_cannot_hold_is_not_written(value: dict[Any, Any]) -> None:
    with pytest.raises(Invalid):
        dump(value)


class Colour(str, enum.Enum):
    RED = "no"


class Size(enum.IntEnum):
    LARGE = 3


def test_subclasses_of_plain_types_are_written_as_what_they_are() -> None:
    written = dump({"a": np.float64(0.5), "b": Size.LARGE, "c": Colour.RED, "d": (1, 2), "e": np.str_("x")})
    assert parse(written) == {"a": 0.5, "b": 3, "c": "no", "d": [1, 2], "e": "x"}


def test_a_place_in_a_file_is_known_by_line_and_column() -> None:
    document = parse_marked(b"a: 1\nb:\n- x\n- {c: y}\n")
    assert document.place(["a"]) == (1, 4)
    assert document.place(["b", 1, "c"]) == (4, 7)
    assert document.place(["b", 1, "nothing", "there"]) == (4, 3)
    assert document.place([]) == (1, 1)


@pytest.mark.parametrize(
    ("data", "comments"),
    [
        (b"# yaml-language-server: $schema=x\na: 1\n", False),
        (b"a: 1 # why\n", True),
        (b"# why\na: 1\n", True),
        (b"# yaml-language-server: $schema=x\n# why\na: 1\n", True),
        (b"a: b#c\n", False),
        (b"a: 1\n", False),
    ],
)
def test_a_file_with_comments_of_its_own_is_known(data: bytes, comments: bool) -> None:
    assert has_comments(data) is comments


_words = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=10)
_text = st.just("") | _words
_files = st.lists(
    st.builds(models.ArtifactFile, _words, st.integers(0, 10**15), st.just("ab" * 32)), min_size=1, max_size=3
).map(tuple)
_artifacts = st.builds(
    models.Artifact,
    _words,
    _words,
    st.integers(0, 10**15),
    _words,
    _files,
    st.lists(_words, max_size=2).map(tuple),
)
_columns = st.none() | st.lists(
    st.dictionaries(_words, _scalars | st.lists(_integers, max_size=2), max_size=3), max_size=3
).map(tuple)
_numbers = st.dictionaries(_words, _integers | _floats, max_size=3)
_lineages = st.builds(
    models.Lineage,
    _text,
    st.none() | st.builds(models.Run, _words, _text, _text, _text),
    st.none() | st.builds(models.Pipeline, _words, _text, _text),
    st.none() | st.builds(models.Code, _words, _text, st.booleans()),
    st.lists(st.builds(models.Data, _words, _words, _text), max_size=2).map(tuple),
    st.lists(st.builds(models.Parent, _words, st.integers(1, 99)), max_size=2).map(tuple),
)
_manifests = st.builds(
    models.Manifest,
    model=_words,
    version=st.integers(1, 999),
    created_at=_words,
    created_by=_words,
    artifacts=st.lists(_artifacts, min_size=1, max_size=2).map(tuple),
    label=st.none() | _words,
    signature=st.none()
    | st.builds(models.Signature, _columns, _columns, _columns).filter(lambda s: s != models.Signature()),
    input_example=st.none() | _words,
    requirements=st.lists(_words, max_size=2).map(tuple),
    metrics=_numbers,
    params=st.dictionaries(_words, st.booleans() | _integers | _floats | _text, max_size=3),
    lineage=_lineages,
    model_card=st.none() | _words,
    extra=st.dictionaries(_keys, _values, max_size=2),
)


@given(_manifests)
def test_a_manifest_is_written_and_read_back_the_same(written: models.Manifest) -> None:
    data = dump(manifest_to(written), "version")
    assert manifest_from(parse(data)) == written
    assert canonical(parse(data), "version", schema.fields("version")) == data


@given(st.builds(models.Evaluation, _words, st.booleans(), _words, _words, _numbers, _text))
def test_an_evaluation_is_written_and_read_back_the_same(written: models.Evaluation) -> None:
    document = parse(dump({"evaluations": [evaluation_to(written)]}))
    assert annotations_from(document).evaluations == (written,)


@given(st.dictionaries(st.sampled_from(sorted(schema.fields("version"))), _values) | _values)
def test_whatever_a_document_is_it_is_a_manifest_or_invalid(document: Any) -> None:
    for read in (manifest_from, annotations_from):
        try:
            read(document, "x.yaml")
        except Invalid as error:
            assert error.findings[0].path == "x.yaml"


def test_a_manifest_reads_as_people_would_write_it() -> None:
    lineage = models.Lineage("s3://x", models.Run("r1", "mlflow"), data=(models.Data("rides", "s3://rides"),))
    written = manifest_of(
        "bikes", stored(b"one"), label="1.10", requirements=("skops==0.11",), lineage=lineage
    )
    sha = written.files[0].sha256
    assert (
        dump(manifest_to(written), "version").decode()
        == f"""\
# yaml-language-server: $schema={manifest.SCHEMA_URL.format("version")}
schema: 1
model: bikes
version: 0
label: '1.10'
created_at: '{NOON}'
created_by: {ANN}
artifacts:
- path: .
  format: onnx
  size: 3
  digest: {written.digest}
  files:
  - {{path: model.onnx, size: 3, sha256: {sha}}}
signature:
  inputs:
  - {{name: temperature, type: double, required: true}}
  outputs:
  - {{type: double}}
requirements:
- skops==0.11
metrics:
  rmse: 50.0
lineage:
  source: s3://x
  run:
    run_id: r1
    tracker: mlflow
  data:
  - name: rides
    uri: s3://rides
"""
    )


def test_a_digest_is_what_sha256sum_prints_hashed() -> None:
    import hashlib

    files = manifest_of("m", stored(b"one", b"two")).files
    lines = "".join(f"{f.sha256}  {f.path}\n" for f in sorted(files, key=lambda f: f.path))
    assert models.digest_of(files[::-1]) == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
