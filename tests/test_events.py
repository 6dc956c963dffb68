"""What a change means, in words: every kind of event, and never a failure to tell."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import operations as ops
from muster.core.events import EventKind, events, summary, with_renames
from muster.core.models import Evaluation
from muster.core.policy import Pointer
from muster.core.snapshot import EMPTY, Change, Snapshot
from support.registry import ANN, NO_GATES, NOON, after, built, edited, swapped, valid, version, yaml

HOLD = yaml("versions: [1]\nby: Ann\nat: '2026-05-01T12:00:00Z'\nreason: alerts")
VALID = edited(valid(), {"models/taxis/holds/%40live.yaml": HOLD})
BIKES = "models/bikes"
OTHERS = edited(VALID, {f"{BIKES}/stages/staging.yaml": yaml("versions: [3, 6]")})
FAILED = Evaluation("bias", False, NOON, "bot")

Files = dict[str, bytes | None]
WORDS: list[tuple[str, Files | ops.Operation, str, list[str]]] = [
    (
        "stage_changed",
        {"models/taxis/stages/production.yaml": yaml("versions: [1]")},
        "taxis",
        ["production none -> 1"],
    ),
    (
        "stage_changed",
        {f"{BIKES}/stages/production.yaml": yaml("versions: [3]")},
        "bikes",
        ["production 2 -> 3"],
    ),
    ("stage_changed", {f"{BIKES}/stages/production.yaml": None}, "bikes", ["production 2 -> none"]),
    (
        "stage_changed",
        {f"{BIKES}/stages/staging.yaml": yaml("versions: [3, 6]")},
        "bikes",
        ["6 joins staging"],
    ),
    (
        "stage_changed",
        {f"{BIKES}/stages/archived.yaml": yaml("versions: [3, 6]")},
        "bikes",
        ["3 joins archived, 6 joins archived, 1 leaves archived"],
    ),
    ("alias_set", ops.SetAlias("bikes", "next", 6), "bikes", ["@next none -> 6"]),
    ("alias_set", ops.SetAlias("bikes", "champion", 6), "bikes", ["@champion 2 -> 6"]),
    ("alias_removed", ops.DeleteAlias("bikes", "champion"), "bikes", ["@champion 2 -> none"]),
    (
        "hold_placed",
        {f"{BIKES}/holds/production.yaml": HOLD},
        "bikes",
        ["production held after rollback: alerts"],
    ),
    (
        "hold_lifted",
        ops.LiftHold(Pointer("alias", "taxis", "live")),
        "taxis",
        ["hold on @live lifted"],
    ),
    ("version_registered", version("bikes", "x"), "bikes", ["registered 7"]),
    ("version_registered", version("bikes", "x", label="2.0"), "bikes", ["registered 7 (2.0)"]),
    ("version_deleted", ops.DeleteVersion("bikes", 6, ANN, NOON, "unused"), "bikes", ["6 deleted: unused"]),
    (
        "version_deleted",
        {f"{BIKES}/versions/6.yaml": None, f"{BIKES}/versions/6.dvc": None},
        *("bikes", ["6 removed"]),
    ),
    ("version_yanked", ops.Yank("bikes", 6, ANN, NOON, "wrong data"), "bikes", ["6 yanked: wrong data"]),
    ("version_yanked", ops.Yank("bikes", 4, ANN, NOON, "wrong units"), "bikes", ["4 yanked: wrong units"]),
    ("version_unyanked", ops.Yank("bikes", 4, ANN, NOON, undo=True), "bikes", ["4 no longer yanked"]),
    ("version_annotated", ops.Annotate("bikes", 6, "x"), "bikes", ["6 description changed"]),
    (
        "version_annotated",
        ops.Annotate("bikes", 2, tags={"risk-review": "failed"}),
        "bikes",
        ["2 risk-review=failed"],
    ),
    ("version_annotated", {f"{BIKES}/annotations/2.yaml": None}, "bikes", ["2 risk-review removed"]),
    ("version_annotated", ops.Annotate("bikes", 2, evaluations=(FAILED,)), "bikes", ["2 bias failed"]),
    (
        "version_changed",
        {f"{BIKES}/versions/6.yaml": swapped(VALID, f"{BIKES}/versions/6.yaml", "50.0", "5.0")},
        *("bikes", ["manifest of 6 changed"]),
    ),
    ("model_created", ops.CreateModel("cars"), "cars", ["created"]),
    ("model_created", {"models/lorries/model.yaml": yaml("name: lorries")}, "lorries", ["created"]),
    ("model_renamed", ops.RenameModel("bikes", "rides"), "bikes", ["renamed to rides"]),
    ("model_deleted", ops.DeleteModel("bikes", ANN, NOON, "x"), "bikes", ["deleted"]),
    ("model_changed", ops.AnnotateModel("bikes", owners=("Bob",)), "bikes", ["owners changed"]),
    (
        "model_changed",
        {
            f"{BIKES}/model.yaml": VALID.files[f"{BIKES}/model.yaml"]
            + b"policy: {stages: {staging: {review: true}}}\n"
        },
        *("bikes", ["policy changed"]),
    ),
    (
        "registry_changed",
        {"registry.yaml": NO_GATES + b"description: x\n"},
        "",
        ["policy changed (registry.yaml)"],
    ),
    ("registry_changed", {"registry.yaml": None}, "", ["policy removed (registry.yaml)"]),
    ("file_changed", {"README.md": b"x"}, "", ["README.md added"]),
    ("file_changed", {".dvc/config": b"x"}, "", [".dvc/config changed"]),
    ("file_changed", {".dvc/config": None}, "", [".dvc/config removed"]),
    ("file_changed", {f"{BIKES}/model.yaml": b"["}, "", [f"{BIKES}/model.yaml changed, and cannot be read"]),
    (
        "file_changed",
        {f"{BIKES}/stages/staging.yaml": b"x"},
        "",
        [f"{BIKES}/stages/staging.yaml changed, and cannot be read"],
    ),
]


@pytest.mark.parametrize(
    ("kind", "change", "model", "texts"), WORDS, ids=lambda v: v[0] if isinstance(v, list) else ""
)
def test_a_change_is_told_in_words(
    kind: str, change: Files | ops.Operation, model: str, texts: list[str]
) -> None:
    made = Change(change) if isinstance(change, dict) else ops.plan(VALID, change)
    found = events(VALID, made)
    assert [(e.kind, e.model, str(e)) for e in found] == [
        (kind, model, f"{model}: {text}" if model else text) for text in texts
    ]


def test_every_kind_of_event_is_told_by_some_row() -> None:
    assert {row[0] for row in WORDS} == set(get_args(EventKind))


def test_a_move_says_what_was_gained_and_lost() -> None:
    production, staging, archived = events(VALID, ops.plan(VALID, ops.SetStage("bikes", 3, "production")))
    assert (production.name, production.gained, production.lost) == ("production", (3,), (2,))
    assert (staging.name, staging.gained, staging.lost) == ("staging", (), (3,))
    assert (archived.name, archived.gained, archived.lost) == ("archived", (2,), ())


def test_what_changes_nothing_means_nothing() -> None:
    same = {
        path: data + b"# a comment\n"
        for path, data in VALID.files.items()
        if "/stages/" in path or "/aliases/" in path
    }
    assert events(VALID, Change(same)) == []
    assert events(VALID, Change({})) == []


def test_a_rename_is_told_once_and_what_is_slipped_in_beside_it_is_told_too() -> None:
    renamed = ops.plan(VALID, ops.RenameModel("bikes", "rides"))
    assert [e.kind for e in events(VALID, renamed)] == ["model_renamed"]
    slipped = Change(
        {
            **renamed.files,
            "models/rides/stages/production.yaml": yaml("versions: [6]"),
            "models/rides/annotations/2.yaml": None,
        }
    )
    texts = [str(e) for e in events(VALID, slipped)]
    assert texts == ["rides: production 2 -> 6", "bikes: renamed to rides", "rides: 2 risk-review removed"]


def test_a_rename_onto_a_model_that_exists_moves_nothing_there() -> None:
    trace = Change(
        {
            "models/taxis/model.yaml": yaml("name: taxis\nrenamed_to: bikes"),
            "models/taxis/versions/1.yaml": None,
        }
    )
    assert with_renames(VALID, trace) is VALID


def test_two_models_cannot_both_lend_their_past_to_one_name() -> None:
    traces = {f"models/{m}/model.yaml": yaml(f"name: {m}\nrenamed_to: cabs") for m in ("taxis", "bikes")}
    stages = {"models/bikes/stages/production.yaml": None, "models/taxis/versions/1.yaml": None}
    moved = with_renames(VALID, Change({**traces, **stages}))
    assert ("models/cabs/stages/production.yaml" in moved) != ("models/cabs/versions/1.yaml" in moved)


def test_pointers_come_before_the_rest_and_production_before_archived() -> None:
    change = ops.plan(
        VALID,
        ops.CreateModel("cars"),
        ops.Annotate("bikes", 3, "x"),
        ops.SetAlias("bikes", "champion", 3),
        ops.SetStage("bikes", 3, "production"),
        version("taxis", "new"),
    )
    assert [e.kind for e in events(VALID, change)] == [
        *("version_registered", "stage_changed", "stage_changed", "stage_changed"),
        *("alias_set", "version_annotated", "model_created"),
    ]


def test_a_summary_names_each_model_once_and_is_one_short_line() -> None:
    many = [ops.CreateModel(f"model-{n}", "x" * 99) for n in range(9)]
    text = summary(events(VALID, ops.plan(VALID, *many, ops.SetStage("bikes", 3, "production"))))
    assert text.startswith("bikes: production 2 -> 3, staging 3 -> none, 2 joins archived; model-0: created")
    assert text.endswith("; and 7 more")
    yank = ops.plan(VALID, ops.Yank("bikes", 6, ANN, NOON, "why " * 1000))
    assert len(yank.message) <= 200
    assert yank.message.endswith("...")


def test_the_first_commit_of_a_registry_is_told() -> None:
    kinds = {e.kind for e in events(EMPTY, Change(VALID.files))}
    assert {"registry_changed", "model_created", "version_registered", "stage_changed", "alias_set"} <= kinds


def test_an_event_is_told_the_same_with_the_state_after_at_hand() -> None:
    change = ops.plan(VALID, ops.SetStage("bikes", 3, "production"), ops.RenameModel("taxis", "cabs"))
    assert events(VALID, change) == events(VALID, change, after(VALID, change))


_paths = st.sampled_from(
    [
        *VALID.files,
        *(f"models/cars/{x}.yaml" for x in ("model", "versions/1", "versions/1.deleted", "stages/x")),
    ]
)
_documents = st.sampled_from(
    [
        *(
            None,
            b"",
            b"[",
            b"\xff",
            b"[]",
            b"5",
            b"- a",
            b"{}",
            b"renamed_to: 7",
            b"renamed_to: bikes",
            b"renamed_to: [x]",
            b'renamed_to: "\\ud800"',
            b'"renamed\\x5fto": bikes',
        ),
        *(
            b"renamed_to: bikes\nrenamed_to: x",
            b"schema: 9\nrenamed_to: x",
            b"'renamed_to: y': &a x",
            b"tags: 5",
        ),
        *(
            b"versions: {}",
            b"versions: [x]",
            b"versions: 5",
            b"version: [1]",
            b"version: x",
            b"version: 1e999",
        ),
        *(
            b"yanked: 3",
            b"yanked: {}",
            b"tags: {a: [1]}",
            b"evaluations: [3]",
            b"evaluations: 5",
            b"evaluations: [{}]",
        ),
        *(
            b"reason: {}",
            b"label: [1]",
            b"policy: x",
            b"schema: x",
            b"schema: 9\nversions: [1]",
            b'renamed_to: "\\ud800"',
        ),
        *VALID.files.values(),
    ]
)


@given(st.dictionaries(_paths, _documents, max_size=5), st.dictionaries(_paths, _documents, max_size=5))
def test_telling_what_happened_never_fails(broken: Files, change: Files) -> None:
    before = edited(VALID, broken)
    assert isinstance(summary(events(before, Change(change))), str)
    assert isinstance(events(EMPTY, Change(change)), list)


def test_files_that_are_no_mapping_are_told_from_both_sides() -> None:
    before = Snapshot(None, {"models/a/annotations/1.yaml": b"[]", "models/a/versions/1.yaml": b"5"})
    found = events(before, Change({"models/a/annotations/1.yaml": yaml("description: x")}))
    assert [e.text for e in found] == ["models/a/annotations/1.yaml changed, and cannot be read"]


def test_a_state_with_no_registry_is_told() -> None:
    assert [str(e) for e in events(EMPTY, Change({"registry.yaml": NO_GATES}))] == [
        "policy added (registry.yaml)"
    ]
    assert built().declared_stages() == ("staging", "production", "archived")
