"""What each operation plans: the files, what they mean, and when there is nothing to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from muster.core import checks, plans, requests
from muster.core import operations as ops
from muster.core.errors import Conflict, Integrity, Invalid, MusterError, NotFound, Refused
from muster.core.events import events
from muster.core.models import Evaluation
from muster.core.operations import find_version, plan
from muster.core.policy import Evidence
from muster.core.snapshot import EMPTY, Change, Snapshot
from support.registry import (
    ANN,
    GATED,
    NOON,
    after,
    built,
    edited,
    stored,
    valid,
    version,
    with_policy,
    yaml,
)

VALID = valid()
BIKES = "models/bikes"
BIAS = Evaluation("bias", True, NOON, "fairness-bot")
HEAD = (
    b"# yaml-language-server: $schema=https://raw.githubusercontent.com/muster-registry/muster/main/schemas/"
)


def told(snapshot: Snapshot, change: Change) -> list[str]:
    return [event.text for event in events(snapshot, change)]


@pytest.mark.parametrize(
    ("operation", "files", "message"),
    [
        (ops.CreateModel("cars"), {"models/cars/model.yaml"}, "cars: created"),
        (
            version("cars", "x"),
            {"models/cars/model.yaml", "models/cars/versions/1.yaml", "models/cars/versions/1.dvc"},
            "cars: registered 1, created",
        ),
        (
            version("bikes", "x", label="2.0", aliases=("next",), stage="staging", tags={"a": "b"}),
            {
                *(f"{BIKES}/versions/7.yaml", f"{BIKES}/versions/7.dvc", f"{BIKES}/annotations/7.yaml"),
                *(f"{BIKES}/labels/2.0.yaml", f"{BIKES}/aliases/next.yaml", f"{BIKES}/stages/staging.yaml"),
            },
            "bikes: registered 7 (2.0), 7 joins staging, @next none -> 7, 7 a=b",
        ),
        (ops.SetAlias("bikes", "champion", 3), {f"{BIKES}/aliases/champion.yaml"}, "bikes: @champion 2 -> 3"),
        (
            ops.DeleteAlias("bikes", "champion"),
            {f"{BIKES}/aliases/champion.yaml"},
            "bikes: @champion 2 -> none",
        ),
        (
            ops.SetStage("bikes", 3, "Production"),
            {f"{BIKES}/stages/{stage}.yaml" for stage in ("staging", "production", "archived")},
            "bikes: production 2 -> 3, staging 3 -> none, 2 joins archived",
        ),
        (ops.SetStage("bikes", 6, "staging"), {f"{BIKES}/stages/staging.yaml"}, "bikes: 6 joins staging"),
        (ops.SetStage("bikes", 3, None), {f"{BIKES}/stages/staging.yaml"}, "bikes: staging 3 -> none"),
        (
            ops.SetStage("bikes", 1, "production"),
            {f"{BIKES}/stages/production.yaml", f"{BIKES}/stages/archived.yaml"},
            "bikes: production 2 -> 1, archived 1 -> 2",
        ),
        (
            ops.Annotate("bikes", 2, "Better", {"tier": "1"}, ("risk-review",), (BIAS,)),
            {f"{BIKES}/annotations/2.yaml"},
            "bikes: 2 tier=1, risk-review removed, bias passed, description changed",
        ),
        (
            ops.AnnotateModel("bikes", "Rides", {"tier": "1"}, ("team",), ("Bob",)),
            {f"{BIKES}/model.yaml"},
            "bikes: tier=1, team removed, description changed, owners changed",
        ),
        (ops.Yank("bikes", 6, ANN, NOON, "wrong"), {f"{BIKES}/annotations/6.yaml"}, "bikes: 6 yanked: wrong"),
        (
            ops.Yank("bikes", 4, ANN, NOON, undo=True),
            {f"{BIKES}/annotations/4.yaml"},
            "bikes: 4 no longer yanked",
        ),
        (
            ops.DeleteVersion("bikes", 6, ANN, NOON, "unused"),
            {f"{BIKES}/versions/6.yaml", f"{BIKES}/versions/6.dvc", f"{BIKES}/versions/6.deleted.yaml"},
            "bikes: 6 deleted: unused",
        ),
        (
            ops.DeleteModel("taxis", ANN, NOON, "unused"),
            {
                *("models/taxis/model.yaml", "models/taxis/annotations/1.yaml"),
                *(f"models/taxis/versions/1.{suffix}" for suffix in ("yaml", "dvc", "deleted.yaml")),
            },
            "taxis: deleted",
        ),
        (
            ops.RenameModel("taxis", "cabs"),
            {
                *(f"models/{m}/model.yaml" for m in ("taxis", "cabs")),
                *(f"models/{m}/annotations/1.yaml" for m in ("taxis", "cabs")),
                *(f"models/{m}/versions/1.{suffix}" for m in ("taxis", "cabs") for suffix in ("yaml", "dvc")),
            },
            "taxis: renamed to cabs",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operation_changes_these_files_and_says_so(
    operation: ops.Operation, files: set[str], message: str
) -> None:
    change = plan(VALID, operation)
    assert set(change.files) == files
    assert change.message == message
    assert checks.check(VALID, change) == []
    assert checks.check(EMPTY, Change(after(VALID, change).files)) == []


@pytest.mark.parametrize(
    "operation",
    [
        version("bikes", "two"),
        version("bikes", "two", aliases=("champion",), stage="production", label="other", tags={"x": "y"}),
        ops.SetAlias("bikes", "champion", 2),
        ops.SetAlias("bikes", "champion", 2, expect=2),
        ops.SetStage("bikes", 2, "production"),
        ops.SetStage("bikes", 6, None),
        ops.Annotate("bikes", 2, tags={"risk-review": "passed"}),
        ops.Annotate("bikes", 6),
        ops.AnnotateModel("bikes", "Bikes rented an hour", {"team": "rides"}, owners=("@rides",)),
        ops.Yank("bikes", 6, ANN, NOON, undo=True),
        ops.Yank("bikes", 4, "Bob <bob@example.com>", "2027-01-01T00:00:00Z", "trained on the wrong data"),
        ops.RenameModel("bikes", "bikes"),
    ],
)
def test_what_is_so_already_plans_nothing(operation: ops.Operation) -> None:
    change = plan(VALID, operation)
    assert not change
    assert change.message == ""


def test_a_hand_written_file_that_says_it_already_is_left_as_it_is() -> None:
    hand = b"# who: ann\nversion: 2 # the best\nschema: 1\n"
    snapshot = edited(VALID, {f"{BIKES}/aliases/champion.yaml": hand})
    assert not plan(snapshot, ops.SetAlias("bikes", "champion", 2))
    assert plan(snapshot, ops.SetAlias("bikes", "champion", 3))


def test_files_are_written_in_canonical_form_under_the_editors_line() -> None:
    change = plan(VALID, ops.SetAlias("bikes", "next", 6))
    assert change.files[f"{BIKES}/aliases/next.yaml"] == HEAD + b"alias.schema.json\nschema: 1\nversion: 6\n"


@pytest.mark.parametrize(
    "operation",
    [
        ops.SetAlias("bikes", "champion", 3, expect=1),
        ops.SetAlias("bikes", "champion", 3, expect="none"),
        ops.SetAlias("bikes", "next", 3, expect=2),
        ops.DeleteAlias("bikes", "champion", expect=3),
        ops.SetStage("bikes", 3, "production", expect=1),
        ops.SetStage("bikes", 3, "production", expect="none"),
        ops.SetStage("bikes", 3, None, expect=2),
        ops.CreateModel("bikes"),
        version("bikes", "x", label="1.4.0"),
        ops.RenameModel("bikes", "taxis"),
        ops.RenameModel("bikes", "lorries"),
        ops.Yank("bikes", 2, ANN, NOON, "x"),
        ops.Yank("bikes", 3, ANN, NOON, "x"),
        ops.DeleteVersion("bikes", 1, ANN, NOON, "x"),
        ops.DeleteVersion("bikes", 2, ANN, NOON, "x"),
    ],
)
def test_what_somebody_else_moved_or_uses_is_a_conflict(operation: ops.Operation) -> None:
    with pytest.raises(Conflict):
        plan(VALID, operation)


@pytest.mark.parametrize(
    "operation",
    [
        ops.SetAlias("bikes", "champion", 3, expect=2),
        ops.SetAlias("bikes", "next", 3, expect="none"),
        ops.DeleteAlias("bikes", "champion", expect=2),
        ops.SetStage("bikes", 3, "production", expect=2),
        ops.SetStage("taxis", 1, "production", expect="none"),
    ],
)
def test_an_expectation_that_holds_is_no_conflict(operation: ops.Operation) -> None:
    assert plan(VALID, operation)


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (ops.SetAlias("bikes", "champion", 99), "has no version 99"),
        (ops.SetAlias("bikes", "champion", 5), "deleted by Ann Author .* holds personal data"),
        (ops.SetAlias("bykes", "champion", 1), "no model 'bykes'"),
        (ops.SetAlias("lorries", "champion", 1), "was renamed"),
        (ops.DeleteAlias("bikes", "nobody"), "no alias 'nobody'"),
        (ops.SetStage("bikes", 3, "live"), "no stage 'live'"),
        (ops.SetStage("bikes", 99, None), "has no version 99"),
        (ops.Annotate("bikes", 99, "x"), "has no version 99"),
        (ops.Annotate("bikes", 2, without_tags=("nothing",)), "no tag 'nothing' to remove"),
        (ops.AnnotateModel("nobody", "x"), "no model 'nobody'"),
        (ops.Yank("bikes", 99, ANN, NOON, "x"), "has no version 99"),
        (ops.DeleteVersion("bikes", 99, ANN, NOON, "x"), "has no version 99"),
        (ops.DeleteModel("lorries", ANN, NOON, "x"), "was renamed"),
        (ops.RenameModel("nobody", "cars"), "no model 'nobody'"),
        (version("lorries", "x"), "was renamed"),
    ],
)
def test_what_is_not_there_is_not_found(operation: ops.Operation, says: str) -> None:
    with pytest.raises(NotFound, match=says):
        plan(VALID, operation)


@pytest.mark.parametrize(
    "operation",
    [
        ops.CreateModel("a/b"),
        ops.CreateModel("a@b"),
        ops.CreateModel("Bikes"),
        ops.CreateModel("bi_kes\ud800"),
        ops.RenameModel("bikes", "-x"),
        ops.RenameModel("bikes", "Taxis"),
        ops.RenameModel("bikes", "BIKES"),
        ops.CreateModel("Lorries"),
        ops.SetAlias("bikes", "latest", 2),
        ops.SetAlias("bikes", "v2", 2),
        ops.SetAlias("bikes", "\udcff", 2),
        ops.SetAlias("bikes", "next", 4),
        ops.SetStage("bikes", 4, "staging"),
        version("bikes", "x", label="7"),
        version("bikes", "x", label="Production"),
        version("bikes", "x", metrics={"rmse": float("nan")}),
        version("bikes", "x", extra={"when": object()}),
        ops.Yank("bikes", 6, ANN, NOON, " "),
        ops.DeleteVersion("bikes", 6, ANN, NOON, ""),
        ops.DeleteModel("taxis", ANN, NOON, "\n"),
    ],
)
def test_what_cannot_be_is_invalid(operation: ops.Operation) -> None:
    with pytest.raises(Invalid):
        plan(VALID, operation)


def test_a_yanked_version_may_be_archived() -> None:
    assert plan(VALID, ops.SetStage("bikes", 4, "archived"))
    archived = after(VALID, plan(VALID, ops.SetStage("bikes", 6, "archived")))
    assert checks.check(archived, plan(archived, ops.Yank("bikes", 6, ANN, NOON, "x"))) == []


def test_an_exclusive_stage_moves_what_it_replaces_to_archived() -> None:
    now = after(VALID, plan(VALID, ops.SetStage("bikes", 3, "production")))
    assert now.stage("bikes", "production") == (3,)
    assert now.stage("bikes", "archived") == (1, 2)
    assert now.stage_of("bikes", 3) == "production"


def test_a_stage_that_is_not_exclusive_holds_several() -> None:
    now = after(VALID, plan(VALID, ops.SetStage("bikes", 6, "staging")))
    assert now.stage("bikes", "staging") == (3, 6)
    assert now.resolve("bikes/staging") == ("bikes", 6)


def test_without_an_archive_what_is_replaced_is_in_no_stage() -> None:
    policy = b"schema: 1\nname: x\nstages:\n  production: {}\n"
    now = built(version("m", "1", stage="production"), version("m", "2", stage="production"), policy=policy)
    assert now.stage_of("m", 1) is None


def test_registering_the_same_files_again_points_at_the_version_there_is() -> None:
    change = plan(VALID, version("bikes", "six", aliases=("next",), stage="staging"))
    assert set(change.files) == {f"{BIKES}/aliases/next.yaml", f"{BIKES}/stages/staging.yaml"}
    assert plan(VALID, version("bikes", "six", allow_duplicate=True)).message == "bikes: registered 7"
    assert plan(VALID, version("taxis", "six")).message == "taxis: registered 2"


def test_other_files_under_the_same_md5_are_not_taken_for_the_same() -> None:
    mine = version("bikes", "six")
    collision = replace(
        stored(b"666"), oid=mine.stored.oid, files=(replace(stored(b"666").files[0], size=3),)
    )
    with pytest.raises(Integrity, match="other files under the same MD5"):
        find_version(VALID, "bikes", collision)


def test_a_deleted_number_is_never_given_again() -> None:
    now = after(VALID, plan(VALID, ops.DeleteVersion("bikes", 6, ANN, NOON, "unused")))
    now = after(now, plan(now, version("bikes", "six")))
    assert now.versions("bikes") == (1, 2, 3, 4, 7)
    gone = after(
        now, plan(now, *(ops.DeleteAlias("bikes", "champion"), ops.DeleteModel("bikes", ANN, NOON, "x")))
    )
    assert not gone.has_model("bikes")
    again = after(gone, plan(gone, version("bikes", "new")))
    assert again.versions("bikes") == (8,)
    assert checks.check(gone, plan(gone, version("bikes", "new"))) == []


def test_a_label_of_a_deleted_version_is_free_again() -> None:
    now = after(VALID, plan(VALID, version("bikes", "x", label="1.5.0")))
    assert now.resolve("bikes/1.5.0") == ("bikes", 7)


def test_a_tombstone_says_who_when_and_why() -> None:
    stone = VALID.document(f"{BIKES}/versions/5.deleted.yaml")
    assert (stone["by"], stone["at"], stone["reason"]) == (ANN, NOON, "holds personal data")
    assert stone["digest"].startswith("sha256:")
    with pytest.raises(NotFound, match=r"bikes/5 was deleted by Ann Author .* holds personal data"):
        VALID.resolve("bikes/5")


def test_a_rename_moves_manifests_byte_by_byte_and_the_old_name_says_where() -> None:
    now = after(VALID, plan(VALID, ops.RenameModel("bikes", "rides")))
    for number in (1, 2, 3, 4, 6):
        path = f"versions/{number}.yaml"
        assert now.files[f"models/rides/{path}"] == VALID.files[f"{BIKES}/{path}"]
    for reference in ("bikes", "bikes/1", "bikes@champion", "bikes/production", "bikes/latest"):
        with pytest.raises(NotFound, match="was renamed") as raised:
            now.resolve(reference)
        assert raised.value.hint == "it is called 'rides' now"
    assert now.model("rides").formerly == ("bikes",)


def test_a_renamed_models_versions_are_called_by_its_new_name() -> None:
    found = VALID.get("vans/production")
    assert (found.model, str(found)) == ("vans", "vans/1")
    assert VALID.manifest("vans", 1).model == "lorries"


def test_a_model_can_be_renamed_twice() -> None:
    now = after(VALID, plan(VALID, ops.RenameModel("vans", "trucks")))
    assert now.model("trucks").formerly == ("lorries", "vans")
    assert checks.check(EMPTY, Change(now.files)) == []
    with pytest.raises(Conflict, match="is taken, or was once"):
        plan(now, ops.RenameModel("trucks", "lorries"))


def test_several_operations_are_one_change() -> None:
    change = plan(
        VALID,
        ops.CreateModel("cars", "Small ones"),
        version("cars", "x", stage="staging"),
        ops.SetStage("cars", 1, "production"),
        ops.SetAlias("cars", "champion", 1),
        ops.Annotate("cars", 1, tags={"a": "1"}),
        ops.Annotate("cars", 1, tags={"b": "2"}),
    )
    assert (
        change.message == "cars: registered 1, production none -> 1, @champion none -> 1, 1 a=1, b=2, created"
    )
    assert checks.check(VALID, change) == []
    now = after(VALID, change)
    assert now.get("cars@champion").tags == {"a": "1", "b": "2"}


def test_operations_that_undo_each_other_plan_nothing() -> None:
    assert not plan(VALID, ops.SetAlias("bikes", "next", 6), ops.DeleteAlias("bikes", "next"))


def test_planning_leaves_the_snapshot_as_it_was() -> None:
    before = dict(VALID.files)
    plan(VALID, ops.Annotate("bikes", 2, "x", {"y": "z"}), ops.DeleteModel("taxis", ANN, NOON, "x"))
    assert VALID.files == before
    assert VALID.annotations("bikes", 2).description == ""


def test_what_this_muster_does_not_know_is_kept_when_a_file_is_written_again() -> None:
    path = f"{BIKES}/annotations/2.yaml"
    snapshot = edited(VALID, {path: yaml("tags: {a: b}\nextra: {ours: [1, 2]}")})
    now = after(snapshot, plan(snapshot, ops.Annotate("bikes", 2, "x")))
    assert now.document(path)["extra"] == {"ours": [1, 2]}


@pytest.mark.parametrize("text", [b"[]", b"tags: 7", b"evaluations: {}", b"yanked: why", b"schema: 9"])
def test_annotations_that_cannot_be_read_are_not_written_over(text: bytes) -> None:
    snapshot = edited(VALID, {f"{BIKES}/annotations/2.yaml": text})
    with pytest.raises(Invalid):
        plan(snapshot, ops.Annotate("bikes", 2, tags={"a": "b"}))


@pytest.mark.parametrize("text", [b"[]", b"tags: 7", b"description: []", b"owners: x", b"schema: 9"])
def test_a_model_file_that_cannot_be_read_is_not_written_over(text: bytes) -> None:
    snapshot = edited(VALID, {f"{BIKES}/model.yaml": text})
    with pytest.raises(Invalid):
        plan(snapshot, ops.AnnotateModel("bikes", tags={"a": "b"}))


def test_deleting_or_renaming_a_model_does_not_get_around_review() -> None:
    gated = with_policy(VALID, GATED)
    with pytest.raises(Conflict, match="bikes@champion is at 2, and moves only by a reviewed"):
        plan(gated, ops.DeleteModel("bikes", ANN, NOON, "x"))
    renamed = plans.make(gated, (ops.RenameModel("bikes", "rides"),), Evidence())
    assert renamed.findings == ()
    with pytest.raises(Refused, match="bikes@champion moves only by a reviewed proposal"):
        renamed.require_direct()
    plans.make(gated, (ops.RenameModel("vans", "trucks"),), Evidence()).require_direct()


def test_a_request_is_called_the_same_by_whoever_makes_it_and_whenever() -> None:
    def called(*wanted: ops.Operation) -> str:
        return requests.proposal_id(wanted)

    assert called(ops.SetAlias("bikes", "next", 6)) == called(ops.SetAlias("bikes", "next", 6, expect=3))
    assert called(ops.SetAlias("bikes", "next", 6)) != called(ops.SetAlias("bikes", "next", 3))
    assert called(ops.SetAlias("bikes", "next", 6)) != called(ops.SetAlias("bikes", "other", 6))
    early, late = (
        ops.Yank("bikes", 6, "Ann <a@x>", NOON, "old"),
        ops.Yank("bikes", 6, "Bob <b@x>", "2027", "old"),
    )
    assert called(early) == called(late) != called(ops.Yank("bikes", 6, "Ann <a@x>", NOON, "new"))
    one, again, other = version("bikes", "a"), version("bikes", "a"), version("bikes", "b")
    assert called(one) == called(again) != called(other)
    assert called(one, other) not in (called(other), called(one))
    assert called(one).startswith("bikes-")
    assert called(ops.CreateModel("Größe")).startswith("gr_c3_b6_c3_9fe-")


_models = st.sampled_from(["bikes", "Bikes", "taxis", "e-bikes", "naïve", "模型"])
_aliases = st.sampled_from(["champion", "challenger", "Champion", "next"])
_stages = st.sampled_from(["staging", "production", "archived", "PRODUCTION"])


class Sequences(RuleBasedStateMachine):
    """Whatever is asked for in whatever order, each plan passes the rules, and so does all that it leaves."""

    versions: Bundle[tuple[str, int]] = Bundle("versions")

    def __init__(self) -> None:
        super().__init__()
        self.now = built()
        self.manifests: dict[str, bytes] = {}

    def carry_out(self, *wanted: ops.Operation) -> bool:
        """Whether the operations were possible."""
        try:
            change = plan(self.now, *wanted)
        except MusterError:
            return False
        findings = checks.check(self.now, change)
        if any(f.rule == "names_are_distinct" for f in findings):
            return False  # an alias that looks like another: asked for, and refused by the rules
        assert findings == [], "\n".join(map(str, findings))
        assert bool(change) == bool(change.message)
        self.now = after(self.now, change)
        assert not plan_again(self.now, *wanted)
        return True

    @rule(
        target=versions,
        model=_models,
        content=st.integers(0, 30),
        label=st.sampled_from([None, "1.0", "RC"]),
        aliases=st.lists(_aliases, max_size=1),
        stage=st.none() | _stages,
    )
    def register(
        self, model: str, content: int, label: str | None, aliases: list[str], stage: str | None
    ) -> tuple[str, int]:
        wanted = version(model, str(content), label=label, aliases=tuple(aliases), stage=stage)
        done = self.carry_out(wanted)
        number = find_version(self.now, model, wanted.stored)
        assert number or not done
        return model, number or 1

    @rule(at=versions, alias=_aliases)
    def set_alias(self, at: tuple[str, int], alias: str) -> None:
        self.carry_out(ops.SetAlias(at[0], alias, at[1]))

    @rule(model=_models, alias=_aliases)
    def delete_alias(self, model: str, alias: str) -> None:
        self.carry_out(ops.DeleteAlias(model, alias))

    @rule(at=versions, stage=st.none() | _stages)
    def set_stage(self, at: tuple[str, int], stage: str | None) -> None:
        self.carry_out(ops.SetStage(at[0], at[1], stage))

    @rule(
        at=versions,
        tags=st.dictionaries(st.sampled_from("ab"), st.text(max_size=8)),
        text=st.none() | st.text(),
    )
    def annotate(self, at: tuple[str, int], tags: dict[str, str], text: str | None) -> None:
        self.carry_out(ops.Annotate(*at, text, tags))

    @rule(at=versions, reason=st.text(min_size=1, max_size=20), undo=st.booleans())
    def yank(self, at: tuple[str, int], reason: str, undo: bool) -> None:
        self.carry_out(ops.Yank(*at, ANN, NOON, reason, undo))

    @rule(at=consumes(versions))
    def delete(self, at: tuple[str, int]) -> None:
        self.carry_out(ops.DeleteVersion(*at, ANN, NOON, "gone"))

    @rule(model=_models)
    def delete_model(self, model: str) -> None:
        self.carry_out(ops.DeleteModel(model, ANN, NOON, "gone"))

    @rule(model=_models, new_name=_models)
    def rename(self, model: str, new_name: str) -> None:
        self.carry_out(ops.RenameModel(model, new_name))

    @rule(at=versions, other=versions, stage=_stages, alias=_aliases)
    def several_at_once(self, at: tuple[str, int], other: tuple[str, int], stage: str, alias: str) -> None:
        self.carry_out(
            ops.SetStage(*at, stage), ops.SetStage(*other, stage), ops.SetAlias(at[0], alias, at[1])
        )

    @invariant()
    def all_of_it_is_valid(self) -> None:
        assert checks.check(EMPTY, Change(self.now.files)) == []

    @invariant()
    def a_version_is_in_one_stage(self) -> None:
        for model in self.now.models():
            held = [n for s in self.now.declared_stages() for n in self.now.stage(model, s)]
            assert len(held) == len(set(held))

    @invariant()
    def manifests_never_change(self) -> None:
        """By content, wherever a rename took them: what was written is there, or has its tombstone."""
        for path, data in self.manifests.items():
            if path in self.now:
                assert self.now.files[path] == data
        self.manifests = {p: d for p, d in self.now.files.items() if "/versions/" in p}


def plan_again(now: Snapshot, *wanted: ops.Operation) -> Change:
    """What asking again plans; nothing where it can only be asked once."""
    once = (ops.RenameModel, ops.DeleteAlias, ops.DeleteVersion, ops.DeleteModel, ops.Yank)
    several = len(wanted) > 1
    return Change({}) if several or isinstance(wanted[0], once) else plan(now, *wanted)


Sequences.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestSequences = Sequences.TestCase
