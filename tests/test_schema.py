"""The schemas: valid themselves, complete enough to be the reference, and in step with the code that reads the files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster import resources
from muster.core import manifest, models, schema
from muster.core.demands import EvaluationDemand
from muster.core.manifest import parse_marked
from muster.core.policy import Bound, Gate
from muster.core.readable import SCHEMA_VERSION
from support.registry import GATED, valid, yaml

SCHEMAS = {kind: json.loads(resources.schema(kind)) for kind in schema.KINDS}
VALID = valid(GATED)


def below(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with where it is."""
    if isinstance(node, dict):
        if "properties" in node or "type" in node or "const" in node or "enum" in node or "anyOf" in node:
            yield path, node
        for key, value in node.items():
            if key == "properties":
                for name, inner in value.items():
                    yield from below(inner, f"{path}.{name}")
            else:
                yield from below(value, f"{path}/{key}")
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from below(value, f"{path}[{n}]")


ALL = [(f"{kind}{path}", node) for kind, top in SCHEMAS.items() for path, node in below(top)]


@pytest.mark.parametrize("kind", schema.KINDS)
def test_every_schema_is_one_and_says_which(kind: str) -> None:
    top = SCHEMAS[kind]
    jsonschema.Draft202012Validator.check_schema(top)
    assert top["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert top["$id"] == manifest.SCHEMA_URL.format(kind)
    assert top["properties"]["schema"]["const"] == SCHEMA_VERSION
    assert "schema" in top["required"]


def test_there_is_a_schema_file_for_each_kind_and_no_other() -> None:
    files = {path.name for path in resources.directory("schemas").iterdir()}
    assert files == {f"{kind}.schema.json" for kind in (*schema.KINDS, "plan", "import", "lock")}


@pytest.mark.parametrize(
    ("where", "node"), [pair for pair in ALL if "properties" in pair[1]], ids=lambda v: str(v)[:60]
)
def test_every_property_has_a_title_and_a_description(where: str, node: dict[str, Any]) -> None:
    assert node["title"] and node["description"]
    for name, inner in node["properties"].items():
        assert inner.get("title", "").strip(), f"{where}.{name} has no title"
        assert inner.get("description", "").endswith((".", "]", "...")), (
            f"{where}.{name}: {inner.get('description')}"
        )


@pytest.mark.parametrize(
    ("where", "node"), [pair for pair in ALL if pair[1].get("type") == "object"], ids=lambda v: str(v)[:60]
)
def test_only_what_is_not_ours_may_hold_anything(where: str, node: dict[str, Any]) -> None:
    more = node.get("additionalProperties")
    free = where.endswith((".extra", ".inputs/items", ".outputs/items", ".params/items"))
    assert more is free or isinstance(more, dict)
    assert isinstance(more, bool) or "maxProperties" in node


@pytest.mark.parametrize(("where", "node"), ALL, ids=lambda v: str(v)[:60])
def test_everything_is_bounded_and_matched_in_full(where: str, node: dict[str, Any]) -> None:
    if "pattern" in node:
        assert node["pattern"].startswith("^")
        assert node["pattern"].endswith(r"(?![\s\S])")  # $ would let a newline follow
    elif node.get("type") == "string" and "additionalProperties" not in where.rpartition(".")[2]:
        assert "maxLength" in node, where
    if node.get("type") == "array":
        assert "maxItems" in node, where
        assert "items" in node, where


PAIRS: list[tuple[type, str, set[str]]] = [
    (models.Manifest, "version", {"schema"}),
    (models.Artifact, "version.artifacts/items", set()),
    (models.ArtifactFile, "version.artifacts/items.files/items", set()),
    (models.Signature, "version.signature", set()),
    (models.Lineage, "version.lineage", set()),
    (models.Run, "version.lineage.run", set()),
    (models.Pipeline, "version.lineage.pipeline", set()),
    (models.Code, "version.lineage.code", set()),
    (models.Data, "version.lineage.data/items", set()),
    (models.Parent, "version.lineage.parents/items", set()),
    (models.Annotations, "annotations", {"schema", "extra"}),
    (models.Evaluation, "annotations.evaluations/items", set()),
]


@pytest.mark.parametrize(("cls", "where", "more"), PAIRS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_dataclass_has_the_fields_of_its_schema(cls: type, where: str, more: set[str]) -> None:
    node = dict(ALL)[where]
    assert set(node["properties"]) == {field.name for field in dataclasses.fields(cls)} | more


def test_a_required_field_is_one_without_a_default() -> None:
    for cls, where, more in PAIRS:
        bare = {
            field.name
            for field in dataclasses.fields(cls)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        assert set(dict(ALL)[where].get("required", ())) == bare | (more & {"schema"}), where


@pytest.mark.parametrize("top", ["registry", "model.policy"])
def test_a_gate_has_the_demands_of_its_schema(top: str) -> None:
    renamed = {"from_stages": "from", "rollback_review": "rollback"}
    demands = {renamed.get(f.name, f.name) for f in dataclasses.fields(Gate)} - {"card_sections"}
    stage, alias = (
        dict(ALL)[f"{top}.{kind}/additionalProperties/anyOf[1]"] for kind in ("stages", "aliases")
    )
    assert set(stage["properties"]) == demands
    assert set(alias["properties"]) == demands - {"exclusive"}
    assert set(stage["properties"]["model_card"]["anyOf"][1]["properties"]) == {"sections"}
    evaluation = stage["properties"]["evaluations"]["items"]["anyOf"][1]["properties"]
    assert set(evaluation) == {f.name for f in dataclasses.fields(EvaluationDemand)}
    bounds = stage["properties"]["metrics"]["additionalProperties"]["properties"]
    assert set(bounds) == {f.name for f in dataclasses.fields(Bound)}


def test_a_registered_model_shows_what_its_file_says() -> None:
    shown = {field.name for field in dataclasses.fields(models.RegisteredModel)}
    derived = {"versions", "deleted", "aliases", "stages", "problem"}
    assert set(schema.fields("model")) - {"schema", "policy", "extra", "renamed_to"} == shown - derived


@pytest.mark.parametrize("path", sorted(p for p in VALID.files if p.endswith(".yaml")))
def test_what_is_written_has_its_fields_in_the_schemas_order(path: str) -> None:
    from muster.core import names

    place = names.locate(path)
    assert place is not None
    order = list(schema.fields(place.kind))
    written = list(VALID.document(path))
    assert written == sorted(written, key=order.index)


@pytest.mark.parametrize(
    ("kind", "text", "says", "place"),
    [
        ("alias", "version: 0", "version: 0 is less than the minimum of 1", (2, 10)),
        ("alias", "version: true", "version: True is not of type 'integer'", (2, 10)),
        ("alias", "version: 2.0", "version: 2.0 is not of type 'integer'", (2, 10)),
        ("alias", "version: 1000000000", "is greater than the maximum", (2, 10)),
        ("stage", "versions: [1, 1]", "has non-unique elements", (2, 11)),
        ("stage", "versions:\n- 1\n- x", "versions[1]: 'x' is not of type 'integer'", (4, 3)),
        ("alias", "", "'version' is a required property", (1, 1)),
        (
            "tombstone",
            "by: x\nat: 2026-05-01\nreason: y".replace("2026-05-01", "'2026-13-01T00:00:00Z'"),
            "at: ",
            (3, 5),
        ),
        ("tombstone", "by: x\nat: '2026-02-03T24:00:00Z'\nreason: y", "at: ", (3, 5)),
        ("tombstone", 'by: x\nat: "2026-02-03T04:00:00Z\\n"\nreason: y', "at: ", (3, 5)),
        (
            "registry",
            "name: x\nstages: {a: {soak: 1y}}",
            'stages.a.soak: "1y" does not fit: How long it must have been',
            (3, 20),
        ),
        ("registry", "name: x\nstages: {a: {reveiw: true}}", "'reveiw' was unexpected", (3, 13)),
        ("registry", "name: x\nstages: {a: {signature: 1}}", "signature: 1 is not one of", (3, 25)),
        ("registry", "name: x\nstages: {a: {metrics: {r: {}}}}", "should be non-empty", (3, 27)),
        ("registry", "name: x\nstages: {a: {metrics: {r: {max_drop: -5%}}}}", "such as 5%", (3, 38)),
        ("model", "name: x\npolicy: {}\nowners: Ann", "owners: 'Ann' is not of type 'array'", (4, 9)),
    ],
)
def test_a_finding_says_what_and_where(kind: str, text: str, says: str, place: tuple[int, int]) -> None:
    found = list(schema.problems(kind, parse_marked(yaml(text)), "x.yaml"))
    assert [(f.rule, f.line, f.column) for f in found] == [("schema_matches", *place)]
    assert says in found[0].message
    assert r"(?!" not in found[0].message


def test_a_newer_file_has_one_finding_whatever_else_is_in_it() -> None:
    found = list(schema.problems("alias", parse_marked(b"schema: 2\nvresion: x\n"), "x.yaml"))
    assert [f.rule for f in found] == ["schema_is_known"]


def test_a_large_value_is_not_echoed() -> None:
    found = list(schema.problems("alias", parse_marked(yaml(f"version: {'secret' * 99}")), "x.yaml"))
    assert len(found[0].message) < 250


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
_keys = st.sampled_from(sorted({key for top in SCHEMAS.values() for key in top["properties"]}))


@given(st.sampled_from(schema.KINDS), st.dictionaries(_keys, _anything) | _anything)
def test_whatever_a_document_is_its_problems_are_told(kind: str, value: Any) -> None:
    for finding in schema.problems(kind, manifest.Document(value, b""), "x.yaml"):
        assert finding.path == "x.yaml"
        assert len(finding.message) < 400
