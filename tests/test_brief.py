"""What a reader is told of an assessment: which moves matter, how versions compare, whose turn it is, the way back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from muster import Registry
from muster.core import operations as ops
from muster.core.brief import Brief, Move, brief
from muster.core.plans import Assessment
from muster.core.policy import Gate
from muster.core.snapshot import Change, Snapshot
from muster.frontends.reports import words
from support.assessments import SCENARIOS, STRICT, approval, assessed, proposed, strict
from support.cli import bikes
from support.gitcli import git
from support.registry import SIGNATURE, built, valid, version


def told(name: str) -> Brief:
    return brief(SCENARIOS[name]())


def of(now: Snapshot, *wanted: ops.Operation, **known: object) -> Brief:
    return brief(assessed(now, ops.plan(now, *wanted), **known))  # type: ignore[arg-type]


def moved(found: Brief) -> list[str]:
    return [f"{m.pointer} {m.now}->{m.proposed}" for m in found.main]


def test_what_follows_from_a_promotion_is_secondary() -> None:
    found = told("promotion-approved")
    assert [(str(m.pointer), m.secondary) for m in found.moves] == [
        ("bikes/production", False),
        ("bikes/staging", True),
        ("bikes/archived", True),
    ]
    assert all(not m.rows and not m.undo for m in found.moves if m.secondary)


def test_taking_a_version_out_of_production_is_the_main_move_wherever_it_goes() -> None:
    archived = of(valid(), ops.SetStage("bikes", 2, "archived"))
    assert moved(archived) == ["bikes/production (2,)->()"]
    back = of(valid(), ops.SetStage("bikes", 2, "staging"))
    assert moved(back) == ["bikes/production (2,)->()", "bikes/staging (3,)->(2, 3)"]
    demoted = of(valid(), ops.SetStage("bikes", 2, None))
    assert moved(demoted) == ["bikes/production (2,)->()"]


def test_archiving_what_was_nowhere_is_a_main_move() -> None:
    assert moved(of(valid(), ops.SetStage("bikes", 6, "archived"))) == ["bikes/archived (1,)->(1, 6)"]


def test_moves_of_another_model_do_not_make_a_move_secondary() -> None:
    found = of(valid(), ops.SetStage("bikes", 3, None), ops.SetAlias("vans", "canary", 1))
    assert sorted(moved(found)) == ["bikes/staging (3,)->()", "vans@canary ()->(1,)"]
    found = of(valid(), ops.SetStage("bikes", 3, None), ops.SetStage("vans", 1, "archived"))
    assert sorted(moved(found)) == ["bikes/staging (3,)->()", "vans/production (1,)->()"]


def test_a_version_that_leaves_a_stage_unseen_beside_a_promotion_is_a_main_move() -> None:
    now = strict()
    change = ops.plan(now, ops.SetStage("bikes", 3, "production"))
    change = Change({**change.files, "models/bikes/stages/staging.yaml": None})
    assert moved(brief(assessed(now, change))) == ["bikes/production (2,)->(3,)", "bikes/staging (3, 4)->()"]


def test_a_stage_that_gains_several_versions_is_compared_with_each() -> None:
    now = valid(
        b"schema: 1\nname: x\nstages:\n  staging: {}\n  production: {exclusive: false}\n  archived: {}\n"
    )
    found = of(now, ops.SetStage("bikes", 3, "production"), ops.SetStage("bikes", 6, "production"))
    main = [m for m in found.main if m.pointer.name == "production"]
    assert [(m.candidate, m.incumbent) for m in main] == [(3, 2), (6, 2)]
    assert words.headline(found, str) == "bikes production 2 → 2, 3, 6"


def test_a_renamed_or_deleted_model_moves_nothing_that_its_event_does_not_say() -> None:
    assert of(valid(), ops.RenameModel("bikes", "bicycles")).moves == ()
    assert (
        of(valid(), ops.DeleteModel("bikes", "Ann <ann@example.com>", "2026-05-01T12:00:00Z", "gone")).moves
        == ()
    )


def test_a_pointer_that_moves_beside_a_rename_is_seen_under_the_new_name() -> None:
    now = valid()
    change = ops.plan(now, ops.RenameModel("bikes", "bicycles"))
    path = "models/bicycles/aliases/champion.yaml"
    change = Change({**change.files, path: b"schema: 1\nversion: 1\n"})
    assert moved(brief(assessed(now, change))) == ["bicycles@champion (2,)->(1,)"]


def rows(move: Move) -> dict[str, tuple[object, object, bool | None]]:
    return {f"{r.kind} {r.name}".strip(): (r.now, r.proposed, r.passed) for r in move.rows}


def test_rows_are_every_metric_of_either_version_and_whatever_the_gate_names() -> None:
    (move,) = told("promotion-failing").main
    assert rows(move) == {
        "metric rmse": (58.5, 66.0, False),
        "metric auc": (0.8, 0.9, True),
        "metric mae": (41.0, None, None),
        "signature": ("1 in, 1 out", "2 in, 1 out", False),
        "tag risk-review": ("passed", None, False),
        "evaluation bias": (None, None, False),
        "size": (6, 6, True),
        "format": ("onnx", "onnx", True),
    }
    assert (move.compatibility, move.reasons) == ("incompatible", ("input 'wind' is new and required",))


def test_what_fails_is_seen_first_then_what_the_gate_names_then_what_changed_most() -> None:
    (failing,) = told("promotion-failing").main
    passed = [row.passed for row in failing.rows]
    assert passed == sorted(passed, key=[False, True, None].index)
    now = built(
        version("m", "one", stage="production", metrics={"a": 10.0, "b": 10.0, "c": 0.0, "d": 1.0}),
        version("m", "two", metrics={"a": 11.0, "b": 5.0, "c": 0.0, "e": 1.0}),
    )
    (move,) = of(now, ops.SetStage("m", 2, "production")).main
    assert [row.name for row in move.rows if row.kind == "metric"] == ["d", "e", "b", "a", "c"]


def test_a_change_that_is_no_number_is_no_number() -> None:
    now = built(
        version("m", "one", stage="production", metrics={"a": -1e308, "b": 5e-324}),
        version("m", "two", metrics={"a": 1e308, "b": 1e300}),
    )
    (move,) = of(now, ops.SetStage("m", 2, "production")).main
    assert {r.name: (r.change, r.relative) for r in move.rows if r.kind == "metric"} == {
        "a": (None, None),
        "b": (1e300, None),
    }


def test_a_rollback_is_spared_what_it_does_not_meet_and_says_so() -> None:
    (move,) = told("rollback").main
    assert move.spared and not any(row.passed is False for row in move.rows)
    assert words.cells(move.rows[0], move, str)[-1].endswith("not asked of a way back")


def test_a_version_that_cannot_be_read_is_a_move_without_rows_and_a_finding() -> None:
    now = valid()
    path = "models/bikes/stages/production.yaml"
    found = brief(assessed(now, Change({path: b"schema: 1\nversions: [77]\n"})))
    assert [(m.candidate, m.rows) for m in found.main] == [(77, ())]
    assert found.turn == "author" and found.mendable
    broken = brief(assessed(now, Change({path: b"versions: {"})))
    assert broken.turn == "author" and broken.main == ()


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("promotion-approved", "merger"),
        ("promotion-waiting", "reviewers"),
        ("promotion-unasked", "reviewers"),
        ("promotion-failing", "author"),
        ("rollback", "merger"),
        ("conflict", "author"),
        ("nothing", "nobody"),
    ],
)
def test_it_is_the_turn_of_whoever_can_do_something_next(name: str, turn: str) -> None:
    assert told(name).turn == turn


def test_a_missing_approval_is_a_finding_that_the_author_cannot_mend() -> None:
    waiting, failing = told("promotion-waiting"), told("promotion-failing")
    assert len(waiting.assessment.plan.findings) == 1 and waiting.mendable == ()
    assert len(failing.assessment.plan.findings) == len(failing.mendable) + 1


def test_those_who_may_still_approve_are_owners_who_neither_wrote_it_nor_have_approved() -> None:
    (asked,) = told("promotion-waiting").approvals
    assert (asked.wanted, asked.missing, asked.eligible) == (2, 1, ("@bea", "@cem"))
    own = of(strict(), ops.SetStage("bikes", 3, "production"), proposal=proposed(author="@bea"))
    assert own.approvals[0].eligible == ("@ann", "@cem")
    assert words.turn(own, str) == "waiting for 2 approvals by owners of bikes: @ann, @cem"


@pytest.mark.parametrize(
    ("owners", "policy", "said"),
    [
        ((), "approvals: 1", "waiting for 1 approval of m, by anybody but the author"),
        (("@zoe",), "approvals: 1", "waiting for 1 approval by owners of m: no owner is left who could"),
        (("@ann",), "review: true", "waiting for a review of m: @ann"),
        ((), "review: true", "waiting for a review of m"),
    ],
)
def test_who_is_waited_for_is_said_as_far_as_policy_says(
    owners: tuple[str, ...], policy: str, said: str
) -> None:
    gates = f"schema: 1\nname: x\nstages:\n  production: {{{policy}}}\n".encode()
    now = built(ops.CreateModel("m", "", owners), version("m", "one"), policy=gates)
    assert words.turn(of(now, ops.SetStage("m", 1, "production"), proposal=proposed()), str) == said
    seen = of(now, ops.SetStage("m", 1, "production"), proposal=proposed(approval("@ann")))
    assert seen.turn == ("reviewers" if owners == ("@zoe",) else "merger")


def test_a_model_that_moves_freely_waits_for_nobody_beside_one_that_does_not() -> None:
    found = of(strict(), ops.SetStage("bikes", 3, "production"), ops.SetAlias("bikes", "canary", 2))
    assert [a.model for a in found.approvals] == ["bikes"]
    free = of(strict(), ops.SetAlias("bikes", "canary", 2))
    assert free.approvals == () and free.turn == "merger"


def test_a_rollback_that_needs_review_waits_for_it_and_a_pre_approved_one_does_not() -> None:
    reviewed = strict(policy=STRICT.replace(b"rollback: {review: false}", b"rollback: {review: true}"))
    move = ops.SetStage("bikes", 1, "production")
    assert of(reviewed, move, held=[1]).turn == "reviewers"
    assert of(strict(), move, held=[1]).turn == "merger"


def test_a_change_of_policy_is_told_gate_by_gate() -> None:
    (change,) = told("policy-change").gates
    assert (change.name, change.before and change.before.approvals, change.after and change.after.approvals) == (
        "production", 2, 1,
    )  # fmt: skip
    new = STRICT.replace(b"  archived: {}\n", b"  archived: {}\n  shadow: {soak: 2h}\n")
    assert [(c.name, c.before) for c in brief(assessed(strict(), Change({"registry.yaml": new}))).gates] == [
        ("shadow", None)
    ]
    card = "models/bikes/model.yaml"
    own = strict().files[card] + b"policy:\n  stages:\n    production: {approvals: 3}\n"
    (tightened,) = brief(assessed(strict(), Change({card: own}))).gates
    assert list(words.gate_change(tightened, str)) == [
        "bikes stage production no longer: needs 2 approvals by owners",
        "bikes stage production from now on: needs 3 approvals by owners",
    ]


@pytest.mark.parametrize(
    ("wanted", "commands"),
    [
        (ops.SetStage("bikes", 3, "production"), ["muster rollback bikes/production --to 2 --reason \"...\""]),
        (ops.SetStage("bikes", 3, None), ["muster rollback bikes/staging --to 3"]),
        (ops.SetStage("bikes", 6, "staging"), ["muster demote bikes/6 --reason \"...\""]),
        (ops.SetStage("bikes", 2, "staging"), ["muster rollback bikes/production --to 2"]),
        (ops.SetAlias("bikes", "champion", 3), ["muster rollback bikes@champion --to 2"]),
        (ops.SetAlias("bikes", "canary", 3), ["muster alias rm bikes@canary --reason \"...\""]),
        (ops.DeleteAlias("bikes", "champion"), ["muster rollback bikes@champion --to 2"]),
    ],
)  # fmt: skip
def test_the_way_back_is_a_command(wanted: ops.Operation, commands: list[str]) -> None:
    found = of(valid(), wanted)
    lines = [words.undo_line(command) for command in words.undo(found.main)]
    assert len(lines) == len(commands) and all(map(str.startswith, lines, commands)), lines


@pytest.mark.parametrize(
    ("rollback", "ending"),
    [
        ("", "--propose --reason \"...\""),
        (", rollback: {review: true}", "--propose --reason \"...\""),
        (", rollback: {review: false}", "--to 2 --reason \"...\""),
    ],
)  # fmt: skip
def test_the_way_back_is_proposed_where_policy_wants_review_of_it(rollback: str, ending: str) -> None:
    policy = f"schema: 1\nname: x\nstages:\n  staging: {{}}\n  production: {{review: true{rollback}}}\n  archived: {{}}\n"
    (command,) = words.undo(of(valid(policy.encode()), ops.SetStage("bikes", 3, "production")).main)
    assert words.undo_line(command).endswith(ending)


def test_the_way_back_through_a_gate_that_policy_does_not_spare_it_says_so() -> None:
    policy = b"schema: 1\nname: x\nstages:\n  staging: {}\n  production: {from: [staging]}\n  archived: {}\n"
    (command,) = words.undo(of(valid(policy), ops.SetStage("bikes", 3, "production")).main)
    assert words.undo_line(command).endswith('--to 2 --reason "..."  # not pre-approved: its gate is asked')


def test_a_name_with_a_space_is_quoted_for_the_shell() -> None:
    now = built(version("my bikes", "one"))
    (command,) = words.undo(of(now, ops.SetAlias("my bikes", "canary", 1)).main)
    assert words.undo_line(command) == "muster alias rm 'my bikes@canary' --reason \"...\""


@pytest.mark.slow
@pytest.mark.parametrize(
    "wanted",
    [
        ops.SetStage("bikes", 3, "production"),
        ops.SetStage("bikes", 1, "staging"),
        ops.SetAlias("bikes", "champion", 1),
        ops.SetAlias("bikes", "canary", 1),
        ops.DeleteAlias("bikes", "champion"),
        ops.SetStage("bikes", 3, None),
    ],
)
def test_the_way_back_leads_back(
    wanted: ops.Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from muster.frontends.cli import run

    server = bikes(tmp_path)
    with Registry(server) as registry:
        proposal = registry.propose(wanted, reason="to see")
        move = brief(registry.assess("main", proposal.commit)).main[0]
        git(server, "update-ref", "refs/heads/main", proposal.commit)
    assert _holders(server, move) == move.proposed
    for command in move.undo:
        assert run(["-R", str(server), *command.words[1:], "--reason", "back"]) == 0, capsys.readouterr().err
    assert _holders(server, move) == move.now


def _holders(server: Path, move: Move) -> tuple[int, ...]:
    with Registry(server) as registry:
        return move.pointer.holders(registry.snapshot())


def test_what_is_registered_is_told_with_its_metrics_and_size() -> None:
    first, second = told("registration").registered
    assert (first.model, first.version, first.label, first.size, len(first.metrics)) == (
        "bikes",
        1,
        "1.0.0",
        3,
        12,
    )
    assert words.registration(second, str) == (
        "vans 1: onnx, 3 B in 1 file, rmse 50, by Ann Author <ann@example.com>"
    )


def test_a_signature_that_is_not_known_is_said_to_be_so() -> None:
    now = built(
        version("m", "one", stage="production", signature=None), version("m", "two", signature=SIGNATURE)
    )
    (move,) = of(now, ops.SetStage("m", 2, "production")).main
    assert rows(move)["signature"] == (None, "1 in, 1 out", None)
    assert words.cells(next(r for r in move.rows if r.kind == "signature"), move, str)[3] == "not known"


def test_a_whole_registry_is_nobodys_turn_while_it_is_sound() -> None:
    whole = replace(SCENARIOS["nothing"](), base=None)
    assert isinstance(whole, Assessment) and brief(whole).turn == "nobody"
    assert Gate().approvals == 0 and words.turn(brief(whole), str) == ""
