"""What differs between two versions, and whether one may take the other's place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core.compare import MetricRow, Row, compare, signature_compatibility
from muster.core.models import (
    Annotations,
    Artifact,
    ArtifactFile,
    Code,
    Data,
    Lineage,
    Manifest,
    ModelVersion,
    Parent,
    Pipeline,
    Run,
    Signature,
)
from muster.core.signatures import signature_differences


def column(
    name: str | None = "x", type: str = "double", required: bool | None = None, **more: Any
) -> dict[str, Any]:
    spec = {"name": name, "type": type, "required": required, **more}
    return {key: value for key, value in spec.items() if value is not None}


def tensor(*shape: int, dtype: str = "float32", name: str | None = None) -> dict[str, Any]:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}
    return {"name": name, **spec} if name else spec


def object_of(required: bool = True, **properties: Any) -> dict[str, Any]:
    return {"name": "o", "type": "object", "properties": properties, "required": required}


def param(name: str = "p", type: str = "integer", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type, "default": 1, "shape": None, **more}


OPTIONAL = {"type": "string", "required": False}
STRING = {"type": "string", "required": True}
LONG = {"type": "long"}

INPUTS: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str, str]] = [
    ([column()], [column()], "same", ""),
    ([column()], [column(required=True)], "same", ""),
    ([column("a"), column("b")], [column("b"), column("a")], "same", ""),
    ([column()], [column(), column("y")], "incompatible", "input 'y' is new and required"),
    ([column()], [column(), column("y", required=False)], "compatible", "input 'y' is new and optional"),
    (
        [column(), column("y")],
        [column()],
        "compatible",
        "input 'y' is gone, and ignored where it is still sent",
    ),
    ([column()], [column(required=False)], "compatible", "input 'x' was required and is now optional"),
    ([column(required=False)], [column()], "incompatible", "input 'x' was optional and is now required"),
    ([column(type="integer")], [column(type="long")], "compatible", "input 'x' was integer and is now long"),
    (
        [column(type="integer")],
        [column(type="double")],
        "compatible",
        "input 'x' was integer and is now double",
    ),
    ([column(type="float")], [column(type="double")], "compatible", "input 'x' was float and is now double"),
    (
        [column(type="integer")],
        [column(type="float")],
        "incompatible",
        "input 'x' was integer and is now float",
    ),
    ([column(type="long")], [column(type="double")], "incompatible", "input 'x' was long and is now double"),
    (
        [column(type="long")],
        [column(type="integer")],
        "incompatible",
        "input 'x' was long and is now integer",
    ),
    (
        [column(type="double")],
        [column(type="string")],
        "incompatible",
        "input 'x' was double and is now string",
    ),
    ([column(type="boolean")], [column(type="integer")], "incompatible", "was boolean and is now integer"),
    ([column(type="string")], [column(type="any")], "compatible", "input 'x' was string and is now any"),
    ([column(type="any")], [column(type="string")], "incompatible", "input 'x' was any and is now string"),
    ([column(None), column(None)], [column(None)], "compatible", "input '#2' is gone"),
    ([column(None)], [column(None), column(None)], "incompatible", "input '#2' is new and required"),
    (
        [column(None, "long"), column(None, "string")],
        [column(None), column(None, "string")],
        "incompatible",
        "input '#1' was long",
    ),
    (
        [column(None)],
        [column("x")],
        "incompatible",
        "inputs were told apart by position, and are now by name",
    ),
    (
        [column("x")],
        [column(None)],
        "incompatible",
        "inputs were told apart by name, and are now by position",
    ),
    ([], [column()], "incompatible", "input 'x' is new and required"),
    ([tensor(-1, 3)], [tensor(-1, 3)], "same", ""),
    (
        [tensor(5, 3)],
        [tensor(-1, 3)],
        "compatible",
        "was a tensor of float32 (5, 3) and is now a tensor of float32 (-1, 3)",
    ),
    ([tensor(-1, 3)], [tensor(5, 3)], "incompatible", "input '#1' was a tensor of float32 (-1, 3)"),
    ([tensor(-1, 3)], [tensor(-1, 4)], "incompatible", "is now a tensor of float32 (-1, 4)"),
    ([tensor(-1, 3)], [tensor(-1, 3, 1)], "incompatible", "is now a tensor of float32 (-1, 3, 1)"),
    ([tensor(-1)], [tensor(-1, dtype="float64")], "incompatible", "is now a tensor of float64 (-1,)"),
    ([tensor(2, 2)], [tensor(-1, dtype="object")], "compatible", "is now a tensor of object (-1,)"),
    (
        [tensor(-1, name="x")],
        [column("x")],
        "incompatible",
        "was a tensor of float32 (-1,) and is now double",
    ),
    (
        [column("x")],
        [tensor(-1, name="x")],
        "incompatible",
        "was double and is now a tensor of float32 (-1,)",
    ),
    (
        [column(type="array", items={"type": "integer"})],
        [column(type="array", items=LONG)],
        "compatible",
        "input 'x[]'",
    ),
    (
        [column(type="array", items=LONG)],
        [column(type="array", items=STRING)],
        "incompatible",
        "'x[]' was long",
    ),
    ([column(type="array", items=LONG)], [column(type="long")], "incompatible", "was array and is now long"),
    (
        [column(type="map", values=LONG)],
        [column(type="map", values=STRING)],
        "incompatible",
        "'x{}' was long",
    ),
    ([object_of(a=STRING)], [object_of(a=STRING)], "same", ""),
    (
        [object_of(a=STRING)],
        [object_of(a=STRING, b=STRING)],
        "incompatible",
        "input 'o.b' is new and required",
    ),
    (
        [object_of(a=STRING)],
        [object_of(a=STRING, b=OPTIONAL)],
        "compatible",
        "input 'o.b' is new and optional",
    ),
    ([object_of(a=STRING, b=STRING)], [object_of(a=STRING)], "incompatible", "input 'o.b' is gone"),
    (
        [object_of(a=OPTIONAL)],
        [object_of(a=STRING)],
        "incompatible",
        "'o.a' was optional and is now required",
    ),
    ([object_of(a=LONG)], [object_of(a=STRING)], "incompatible", "input 'o.a' was long and is now string"),
]
OUTPUTS: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str, str]] = [
    ([column("y")], [column("y")], "same", ""),
    ([column("y")], [column("y"), column("z")], "compatible", "output 'z' is new"),
    ([column("y"), column("z")], [column("y")], "incompatible", "output 'z' is gone"),
    (
        [column("y", "integer")],
        [column("y", "long")],
        "incompatible",
        "output 'y' was integer and is now long",
    ),
    ([column("y", "any")], [column("y", "long")], "compatible", "output 'y' was any and is now long"),
    ([column("y", "long")], [column("y", "any")], "incompatible", "output 'y' was long and is now any"),
    (
        [column("y")],
        [column("y", required=False)],
        "incompatible",
        "output 'y' was required and is now optional",
    ),
    (
        [column("y", required=False)],
        [column("y")],
        "compatible",
        "output 'y' was optional and is now required",
    ),
    ([column(None)], [column(None), column(None)], "incompatible", "output '#2' is new"),
    (
        [column(None)],
        [column("y")],
        "incompatible",
        "outputs were told apart by position, and are now by name",
    ),
    ([tensor(-1)], [tensor(4)], "compatible", "output '#1' was a tensor of float32 (-1,)"),
    ([tensor(4)], [tensor(-1)], "incompatible", "output '#1' was a tensor of float32 (4,)"),
    ([tensor(-1, dtype="object")], [tensor(-1)], "incompatible", "is now a tensor of float32"),
    ([object_of(a=STRING)], [object_of(a=STRING, b=STRING)], "compatible", "output 'o.b' is new"),
    ([object_of(a=STRING, b=STRING)], [object_of(a=STRING)], "incompatible", "output 'o.b' is gone"),
]
PARAMS: list[tuple[list[dict[str, Any]] | None, list[dict[str, Any]] | None, str, str]] = [
    (None, None, "same", ""),
    (None, [], "same", ""),
    ([param()], [param()], "same", ""),
    (None, [param()], "compatible", "param 'p' is new and has a default"),
    ([param()], [param(), param("q", default=None)], "compatible", "param 'q' is new and has a default"),
    (None, [{"name": "p", "type": "long"}], "incompatible", "param 'p' is new and has no default"),
    ([param()], None, "compatible", "param 'p' is gone, and ignored where it is still sent"),
    ([param()], [param(default=2)], "compatible", "param 'p': its default was 1 and is now 2"),
    ([param()], [param(shape=[-1])], "incompatible", "param 'p': its shape was None and is now [-1]"),
    ([param(type="integer")], [param(type="float")], "compatible", "param 'p' was integer and is now float"),
    ([param(type="long")], [param(type="double")], "compatible", "param 'p' was long and is now double"),
    ([param(type="double")], [param(type="float")], "incompatible", "param 'p' was double and is now float"),
    ([param(type="string")], [param(type="long")], "incompatible", "param 'p' was string and is now long"),
]


def assert_verdict(old: Signature, new: Signature, verdict: str, reason: str) -> None:
    found, reasons = signature_compatibility(old, new)
    assert found == verdict
    assert len(reasons) == (1 if reason else 0)
    assert reason in "".join(reasons)


@pytest.mark.parametrize(("old", "new", "verdict", "reason"), INPUTS)
def test_everything_a_caller_sends_must_still_be_accepted(
    old: Any, new: Any, verdict: str, reason: str
) -> None:
    assert_verdict(Signature(tuple(old)), Signature(tuple(new)), verdict, reason)


@pytest.mark.parametrize(("old", "new", "verdict", "reason"), OUTPUTS)
def test_everything_a_caller_reads_must_still_be_returned(
    old: Any, new: Any, verdict: str, reason: str
) -> None:
    inputs = (column(),)
    assert_verdict(Signature(inputs, tuple(old)), Signature(inputs, tuple(new)), verdict, reason)


@pytest.mark.parametrize(("old", "new", "verdict", "reason"), PARAMS)
def test_every_param_a_caller_sends_or_leaves_out_must_still_do(
    old: Any, new: Any, verdict: str, reason: str
) -> None:
    before, after = (None if p is None else tuple(p) for p in (old, new))
    assert_verdict(Signature((column(),), None, before), Signature((column(),), None, after), verdict, reason)


KNOWN = Signature((column(),), (column("y"),))


@pytest.mark.parametrize(
    ("old", "new", "verdict", "reasons"),
    [
        (None, None, "unknown", ("the old version has no signature", "the new version has no signature")),
        (None, KNOWN, "unknown", ("the old version has no signature",)),
        (KNOWN, None, "unknown", ("the new version has no signature",)),
        (Signature(), Signature(), "unknown", ("neither signature declares inputs or outputs",)),
        (KNOWN, replace(KNOWN, outputs=None), "unknown", ("the new signature does not declare its outputs",)),
        (replace(KNOWN, inputs=None), KNOWN, "unknown", ("the old signature does not declare its inputs",)),
        (replace(KNOWN, outputs=None), replace(KNOWN, outputs=None), "same", ()),
        (KNOWN, KNOWN, "same", ()),
    ],
)
def test_what_is_not_declared_is_not_vouched_for(
    old: Any, new: Any, verdict: str, reasons: tuple[str, ...]
) -> None:
    assert signature_compatibility(old, new) == (verdict, reasons)


def test_a_breaking_difference_outweighs_what_is_unknown_and_what_is_harmless() -> None:
    new = Signature((column("x", "string"), column("z", required=False)))
    verdict, reasons = signature_compatibility(KNOWN, new)
    assert (verdict, reasons) == ("incompatible", ("input 'x' was double and is now string",))
    assert [(d.part, d.name, d.breaking) for d in signature_differences(KNOWN, new)] == [
        ("input", "x", True),
        ("input", "z", False),
    ]


SCALARS = st.sampled_from(["integer", "long", "float", "double", "string", "any", "boolean"]).map(
    lambda t: {"type": t}
)
TENSORS = st.lists(st.sampled_from([-1, 2, 3]), max_size=2).map(lambda shape: tensor(*shape))
TYPES = st.recursive(
    SCALARS | TENSORS,
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda values: {"type": "map", "values": values}, inner)
        | st.builds(
            lambda p: {"type": "object", "properties": p}, st.dictionaries(st.sampled_from("ab"), inner)
        )
    ),
    max_leaves=4,
)
COLUMNS = st.dictionaries(st.sampled_from("xyz"), st.tuples(TYPES, st.booleans()), max_size=3).map(
    lambda named: tuple({"name": n, **t, "required": r} for n, (t, r) in named.items())
)
SIGNATURES = st.builds(Signature, COLUMNS, COLUMNS)


@given(SIGNATURES)
def test_a_signature_is_the_same_as_itself(signature: Signature) -> None:
    assert signature_compatibility(signature, signature) == ("same", ())


@given(SIGNATURES, SIGNATURES)
def test_what_is_the_same_is_so_both_ways_and_what_differs_has_a_reason(a: Signature, b: Signature) -> None:
    there, reasons = signature_compatibility(a, b)
    back, _ = signature_compatibility(b, a)
    assert (there == "same") is (back == "same")
    assert (there == "same") is (reasons == ())


@given(COLUMNS, COLUMNS, COLUMNS)
def test_what_fits_step_by_step_fits_at_once(a: Any, b: Any, c: Any) -> None:
    """Only inputs that b does not forget: what it ignores, c may ask for again with another type."""
    kept = {spec["name"] for spec in a} <= {spec["name"] for spec in b}
    steps = [signature_compatibility(Signature(x), Signature(y))[0] for x, y in ((a, b), (b, c))]
    if kept and "incompatible" not in steps:
        assert signature_compatibility(Signature(a), Signature(c))[0] != "incompatible"


# Everything else


def file(path: str, size: int = 1, sha256: str = "0") -> ArtifactFile:
    return ArtifactFile(path, size, sha256 * 64)


def version(number: int, *files: ArtifactFile, tags: Any = (), **more: Any) -> ModelVersion:
    size = sum(f.size for f in files)
    artifact = Artifact(".", more.pop("format", "skops"), size, f"sha256:{[f.sha256 for f in files]}", files)
    manifest = Manifest("bikes", number, "2026-05-01T00:00:00Z", "Ada <a@b>", (artifact,), **more)
    return ModelVersion(manifest, Annotations(tags=dict(tags)), None, (), None)


def test_metrics_are_set_against_each_other() -> None:
    a = version(1, metrics={"rmse": 0.5, "gone": 1.0, "zero": 0.0, "loss": -2.0, "huge": -1.7e308})
    b = version(2, metrics={"rmse": 0.25, "new": 2, "zero": 1.0, "loss": -1.0, "huge": 1.7e308})
    assert compare(a, b).metrics == (
        MetricRow("gone", 1.0, None, None, None),
        MetricRow("huge", -1.7e308, 1.7e308, None, None),
        MetricRow("loss", -2.0, -1.0, 1.0, 0.5),
        MetricRow("new", None, 2, None, None),
        MetricRow("rmse", 0.5, 0.25, -0.25, -0.5),
        MetricRow("zero", 0.0, 1.0, 1.0, None),
    )


def test_params_and_tags_are_added_removed_changed_or_the_same() -> None:
    a = version(1, params={"a": 1, "b": True, "c": "x", "d": 5}, tags={"team": "x"})
    b = version(2, params={"b": 1, "c": "x", "d": "5", "e": 0}, tags={"team": "y"})
    result = compare(a, b)
    assert result.params == (
        Row("a", "removed", 1, None),
        Row("b", "changed", True, 1),
        Row("c", "same", "x", "x"),
        Row("d", "changed", 5, "5"),
        Row("e", "added", None, 0),
    )
    assert result.tags == (Row("team", "changed", "x", "y"),)


def test_files_are_compared_by_path_and_content() -> None:
    old = (file("keep", 5), file("edit", 10, "a"), file("drop", 3))
    new = (file("keep", 5), file("edit", 10, "b"), file("more", 100))
    result = compare(version(1, *old), version(2, *new, format="onnx"))
    assert [(row.name, row.change) for row in result.files] == [
        ("drop", "removed"),
        ("edit", "changed"),
        ("keep", "same"),
        ("more", "added"),
    ]
    assert result.size_delta == 97
    assert not result.same_content
    assert result.formats == Row("formats", "changed", "skops", "onnx")
    assert (result.a, result.b) == ("bikes/1", "bikes/2")


def test_requirements_are_compared_by_package_however_it_is_spelled() -> None:
    a = version(1, requirements=("scikit_learn==1.4", "numpy>=1.24", "old", "-e ."))
    b = version(
        2, requirements=("Scikit-Learn==1.5", "numpy>=1.24", "tf==2; python_version<'3'", "tf==3", "-e .")
    )
    assert [(row.name, row.change, row.b) for row in compare(a, b).requirements] == [
        ("-e .", "same", "-e ."),
        ("numpy", "same", "numpy>=1.24"),
        ("old", "removed", None),
        ("scikit-learn", "changed", "Scikit-Learn==1.5"),
        ("tf", "added", "tf==2; python_version<'3', tf==3"),
    ]


def test_lineage_is_compared_question_by_question() -> None:
    rides = Data("rides", "s3://b/rides", "md5:1")
    a = Lineage("s3://a", Run("r1", experiment="e"), None, Code("repo", "c0", dirty=True), (rides,))
    b = Lineage(
        "s3://a",
        Run("r2", experiment="e"),
        Pipeline("train", "p1", "fit"),
        Code("repo", "c1"),
        (replace(rides, digest="md5:2"), Data("holidays", "s3://b/h")),
        (Parent("bikes", 1), Parent("base", 4)),
    )
    assert [
        (r.name, r.change, r.a, r.b) for r in compare(version(1, lineage=a), version(2, lineage=b)).lineage
    ] == [
        ("code", "same", "repo", "repo"),
        ("code commit", "changed", "c0 with uncommitted changes", "c1"),
        ("data holidays", "added", None, "s3://b/h"),
        ("data rides", "changed", "md5:1", "md5:2"),
        ("experiment", "same", "e", "e"),
        ("parents", "added", None, "bikes/1, base/4"),
        ("pipeline", "added", None, "train/fit"),
        ("pipeline run", "added", None, "p1"),
        ("run", "changed", "r1", "r2"),
        ("source", "same", "s3://a", "s3://a"),
    ]


def test_a_version_differs_from_itself_in_nothing() -> None:
    a = version(
        1,
        file("m"),
        metrics={"x": 1.0},
        params={"p": "q"},
        requirements=("a",),
        signature=KNOWN,
        tags={"t": "u"},
    )
    result = compare(a, a)
    rows = (
        *result.params,
        *result.tags,
        *result.files,
        *result.requirements,
        *result.lineage,
        result.formats,
    )
    assert {row.change for row in rows} == {"same"}
    assert result.metrics == (MetricRow("x", 1.0, 1.0, 0.0, 0.0),)
    assert result.same_content
    assert (result.signature, result.signature_reasons, result.signature_differences) == ("same", (), ())
