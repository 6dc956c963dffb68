"""After a rollback a pointer waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from muster import Invalid, NotFound, Registry
from muster.core import checks, holds
from muster.core import operations as ops
from muster.core.holds import Hold
from muster.core.policy import Evidence, Pointer
from muster.core.snapshot import Change, Snapshot
from support.cli import Said, bikes, carry_out, clone_of
from support.registry import ANN, NO_GATES, NOON, after, built, edited, version, with_policy

PRODUCTION, CHAMPION = Pointer("stage", "bikes", "production"), Pointer("alias", "bikes", "champion")
ROLLED_BACK = Hold((2,), ANN, NOON, "alerts")
PATH = "models/bikes/holds/production.yaml"


def rolled_back() -> Snapshot:
    """bikes: 1 is back in production after 2, 3 was never there; production is held."""
    return built(
        version("bikes", "one", stage="production"),
        version("bikes", "two", stage="production", aliases=("champion",)),
        version("bikes", "three"),
        ops.SetStage("bikes", 1, "production", hold=ROLLED_BACK),
    )


def findings(before: Snapshot, *wanted: ops.Operation, **evidence: object) -> list[str]:
    """The rules that operations break."""
    known = {"held": lambda pointer, number: number in (1, 2), **evidence}
    change = ops.plan(before, *wanted)
    return [f.rule for f in checks.check(before, change, Evidence(**known))]  # type: ignore[arg-type]


# What is planned


def test_a_hold_is_a_file_that_says_why() -> None:
    now = rolled_back()
    assert holds.all_of(now, "bikes") == {PRODUCTION: ROLLED_BACK}
    assert holds.path_of(CHAMPION) == "models/bikes/holds/%40champion.yaml"
    assert ops.plan(now, ops.SetStage("bikes", 2, "production", hold=ROLLED_BACK)).message == (
        "bikes: production 1 -> 2, archived 2 -> 1"
    )


def test_a_second_rollback_keeps_out_what_the_first_did() -> None:
    again = Hold((1,), ANN, NOON, "worse still")
    now = after(rolled_back(), ops.plan(rolled_back(), ops.SetStage("bikes", 3, "production", hold=again)))
    assert holds.standing(now, PRODUCTION) == Hold((1, 2), ANN, NOON, "worse still")


def test_a_persons_move_lifts_the_hold_and_says_so() -> None:
    change = ops.plan(rolled_back(), ops.SetStage("bikes", 3, "production", lift=True))
    assert change.files[PATH] is None
    assert change.message == "bikes: production 1 -> 3, 1 joins archived, hold on production lifted"


def test_a_move_to_what_is_there_already_lifts_nothing() -> None:
    assert not ops.plan(rolled_back(), ops.SetStage("bikes", 1, "production", lift=True))


def test_a_rename_takes_holds_along_and_a_deletion_takes_them_away() -> None:
    renamed = after(rolled_back(), ops.plan(rolled_back(), ops.RenameModel("bikes", "cycles")))
    assert list(holds.all_of(renamed, "cycles").values()) == [ROLLED_BACK]
    assert findings(rolled_back(), ops.RenameModel("bikes", "cycles"), authors=("x[bot]",)) == []
    gone = after(rolled_back(), ops.plan(rolled_back(), ops.DeleteModel("bikes", ANN, NOON, "no use")))
    assert PATH not in gone
    assert findings(rolled_back(), ops.DeleteModel("bikes", ANN, NOON, "no use")) == []


# Who is automation


@pytest.mark.parametrize(
    ("author", "is_one"),
    [
        ("dependabot[bot]", True),
        ("retrain[bot] <1+retrain[bot]@users.example.com>", True),
        ("Retrain <retrain@ci.example.com>", True),
        ("@pipelines", True),
        ("Pipelines", True),
        ("Nightly <NIGHTLY@example.com>", True),
        ("Ann Author <ann@example.com>", False),
        ("Nightly <ann@example.com>", False),
        ("Retrain <retrain@ci.example.com.evil>", False),
    ],
)
def test_automation_is_a_bot_or_whoever_the_registry_lists(author: str, is_one: bool) -> None:
    listed = ("*@ci.example.com", "@pipelines", "Nightly <nightly@example.com>")
    assert holds.is_automation(author, listed) is is_one


def test_automation_does_not_move_on_what_is_held_and_a_person_does() -> None:
    forward = ops.SetStage("bikes", 3, "production")
    rule = "held_pointers_wait_for_a_person"
    assert findings(rolled_back(), forward, authors=("x[bot]",)) == [rule]
    assert findings(rolled_back(), forward, authors=(ANN, "x[bot]")) == [rule]
    assert findings(rolled_back(), forward, automated=True) == [rule]
    assert findings(rolled_back(), forward, authors=(ANN,)) == []
    listed = with_policy(rolled_back(), NO_GATES + b"automation: ['*@example.com']\n")
    assert findings(listed, forward, authors=(ANN,)) == [rule]


def test_automation_does_not_put_back_what_was_rolled_back_though_it_was_there_before() -> None:
    back = ops.SetStage("bikes", 2, "production")
    assert findings(rolled_back(), back, automated=True) == ["held_pointers_wait_for_a_person"]


def test_automation_may_roll_back_further() -> None:
    now = after(rolled_back(), ops.plan(rolled_back(), ops.SetStage("bikes", 3, "production")))
    back = ops.SetStage("bikes", 1, "production", hold=Hold((3,), "x[bot]", NOON, "errors"))
    assert findings(now, back, automated=True) == []
    assert ops.plan(now, back).files[PATH] is not None


def test_automation_moves_what_is_not_held() -> None:
    assert findings(rolled_back(), ops.SetAlias("bikes", "champion", 3), automated=True) == []


def test_automation_does_not_lift_a_hold() -> None:
    lift = ops.LiftHold(PRODUCTION)
    assert findings(rolled_back(), lift, automated=True) == ["held_pointers_wait_for_a_person"]
    assert findings(rolled_back(), lift, authors=(ANN,)) == []
    assert not ops.plan(rolled_back(), ops.LiftHold(CHAMPION))


def test_a_person_mends_a_hold_that_cannot_be_read() -> None:
    broken = edited(rolled_back(), {PATH: b"schema: 1\nversions: x\n"})
    assert checks.check(broken, Change({PATH: None}), Evidence(authors=(ANN,))) == []
    assert checks.check(broken, Change({PATH: None}), Evidence(automated=True))


# Through the door


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """bikes: 2 is back as @champion after 3."""
    with Registry(bikes(tmp_path)) as opened:
        opened.rollback("bikes@champion", reason="alerts")
        yield opened


def test_a_rollback_holds_its_pointer(registry: Registry) -> None:
    (held,) = registry.holds()
    assert held.pointer == "bikes@champion"
    assert (held.hold.versions, held.hold.by, held.hold.reason) == ((3,), ANN, "alerts")
    assert registry.holds("vans") == []
    with pytest.raises(NotFound):
        registry.holds("trams")


def test_a_bot_waits_and_a_person_lifts_by_promoting(registry: Registry) -> None:
    with Registry(registry.location, author="retrain[bot] <bot@example.com>") as bot:
        with pytest.raises(Invalid, match="alerts.*muster hold lift bikes@champion"):
            bot.set_alias("champion", "bikes/1")
        with pytest.raises(Invalid, match="waits for a person"):
            bot.lift_hold("bikes@champion", reason="all is well")
        bot.set_alias("other", "bikes/1")
    outcome = registry.set_alias("champion", "bikes/3", reason="it was the sensor")
    assert [str(event) for event in outcome.events] == [
        "bikes: @champion 2 -> 3",
        "bikes: hold on @champion lifted",
    ]
    with Registry(registry.location, author="retrain[bot] <bot@example.com>") as bot:
        bot.set_alias("champion", "bikes/1")


def test_whoever_writes_in_ci_is_automation(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Invalid, match="waits for a person"):
        registry.set_alias("champion", "bikes/1")
    monkeypatch.setenv("CI", "false")
    registry.set_alias("champion", "bikes/1")


def test_registering_with_a_pointer_that_is_held_is_a_move_too(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.bin"
    new.write_bytes(b"new")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Invalid, match="waits for a person"):
        registry.register("bikes", new, aliases=("champion",))
    monkeypatch.delenv("CI")
    registry.register("bikes", new, aliases=("champion",))
    assert registry.holds() == []


def test_the_authors_of_a_pull_request_are_judged(registry: Registry) -> None:
    with Registry(registry.location, author="retrain[bot] <bot@example.com>") as bot:
        proposal = bot.propose(ops.SetAlias("bikes", "champion", 1))
    assert [f.rule for f in registry.check("main", proposal.branch)] == ["held_pointers_wait_for_a_person"]
    with Registry(registry.location) as person:
        assert person.propose(ops.SetAlias("bikes", "champion", 1)).branch == proposal.branch
    assert registry.check("main", proposal.branch) == []


def test_a_hold_is_lifted_for_a_reason(registry: Registry) -> None:
    with pytest.raises(Invalid, match="a reason is required"):
        registry.lift_hold("bikes@champion", reason=" ")
    registry.lift_hold("bikes@champion", reason="the sensor was broken")
    assert registry.holds() == []
    with pytest.raises(NotFound, match="no hold on bikes@champion"):
        registry.lift_hold("bikes@champion", reason="again")
    entry = next(registry.history("bikes@champion"))
    assert (entry.events[0].kind, entry.reason) == ("hold_lifted", "the sensor was broken")


# On the command line


@pytest.fixture
def muster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in a clone of a registry of bikes."""
    return partial(carry_out, capsys, "-R", clone_of(bikes(tmp_path), tmp_path / "clone"))


def test_the_command_line_says_what_is_held_and_lifts_it(muster: Callable[..., Said]) -> None:
    assert muster("hold", "list").out == ""
    back = muster("rollback", "bikes@champion", "--reason", "alerts")
    assert back.out == "bikes: @champion 3 -> 2\nbikes: @champion held after rollback: alerts\n"
    assert "bikes@champion: rolled back from 3 at" in muster("hold", "list", "bikes").out
    assert muster("hold", "list", "--json").json[0]["hold"]["versions"] == [3]
    assert muster("hold", "lift", "bikes@champion").code == 5
    assert muster("hold", "lift", "bikes@champion", "--dry-run").code == 0
    lifted = muster("hold", "lift", "bikes@champion", "--reason", "the sensor was broken")
    assert (lifted.code, lifted.out) == (0, "bikes: hold on @champion lifted\n")
