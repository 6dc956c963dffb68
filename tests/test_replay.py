"""A policy tried on the past: what it would have blocked, judged by what was true then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from muster import Registry
from muster.core.errors import Invalid, NotFound
from muster.core.models import Evaluation
from muster.core.replay import Replayed
from muster.frontends.cli import run
from support.cli import Days
from support.gitcli import git
from support.publishing import publish

FREE = "schema: 1\nname: x\nstages:\n  staging: {}\n  production: {exclusive: true}\n  archived: {}\n"
ANN = "Ann <ann@example.com>"


def gated(gate: str, **more: str) -> str:
    """A policy with this gate before production."""
    return FREE.replace("{exclusive: true}", f"{{exclusive: true, {gate}}}") + "".join(
        f"{key}: {text}\n" for key, text in more.items()
    )


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """bikes, called bicycles at first, by a clock that goes a day at a time.

    1 (rmse 70) and 2 (50) go to staging and on to production, 1 comes back, and 3 goes there straight away.
    """
    with Registry.create(tmp_path / "server.git", bare=True, clock=Days(), author=ANN) as made:
        policy(made, FREE)
        for number, rmse in ((1, 70.0), (2, 50.0), (3, 40.0)):
            model = tmp_path / f"{number}.bin"
            model.write_bytes(bytes([number]))
            stage = "staging" if number < 3 else None
            made.register("bicycles", model, metrics={"rmse": rmse}, stage=stage)
        made.promote("bicycles/1", "production")
        made.promote("bicycles/2", "production")
        made.rename("bicycles", "bikes")
        git(tmp_path / "server.git", "tag", "renamed")
        made.promote("bikes/1", "production")
        made.promote("bikes/3", "production")
        made.set_alias("champion", "bikes/3")
        yield made


def policy(registry: Registry, text: str, **files: str) -> None:
    """Commit a registry.yaml, and other files, as an editor would."""
    written = {path: data.encode() for path, data in {"registry.yaml": text, **files}.items()}
    publish(registry.location, written, at=registry._clock())


def blocked(moves: Iterator[Replayed]) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"{move.pointer} {move.version}", move.unmet) for move in moves if move.unmet]


def names_of(moves: Iterator[Replayed]) -> list[str]:
    return [f"{move.pointer} {move.version}" for move in moves]


def file(tmp_path: Path, text: str) -> str:
    (tmp_path / "candidate.yaml").write_text(text)
    return str(tmp_path / "candidate.yaml")


ALL = [
    *("bicycles/staging 1", "bicycles/staging 2", "bicycles/production 1", "bicycles/production 2"),
    *("bikes/production 1", "bikes/production 3", "bikes@champion 3"),
]


def test_every_move_there_was_is_replayed_and_what_made_room_or_was_renamed_is_none(
    registry: Registry,
) -> None:
    moves = list(registry.replay())
    assert names_of(iter(moves)) == ALL
    assert blocked(iter(moves)) == []
    assert {move.author for move in moves} == {ANN}
    assert [move.at for move in moves] == sorted(move.at for move in moves)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("from: [staging]", {"bikes/production 1": "is in archived", "bikes/production 3": "is in no stage"}),
        (
            "metrics: {rmse: {max: 60}}",
            {"bicycles/production 1": "rmse is 70", "bikes/production 1": "rmse is 70"},
        ),
        ("metrics: {rmse: {max_rise: 0}}", {"bikes/production 1": "rises from 50 to 70"}),
        ("metrics: {rmse: {max_rise: 0}}, rollback: {review: false}", {}),
        ("review: true", {}),
        ("approvals: 2", {}),
    ],
)
def test_a_candidate_in_a_file_blocks_what_it_would_have_blocked_then(
    registry: Registry, tmp_path: Path, gate: str, expected: dict[str, str]
) -> None:
    found = blocked(registry.replay(file(tmp_path, gated(gate))))
    assert [name for name, _ in found] == list(expected)
    for name, reasons in found:
        assert len(reasons) == 1
        assert expected[name] in reasons[0]


def test_a_soak_is_counted_up_to_the_move_and_not_up_to_now(registry: Registry, tmp_path: Path) -> None:
    moves = {f"{move.pointer} {move.version}": move for move in registry.replay()}
    came, went = (
        datetime.fromisoformat(moves[f"bicycles/{stage} 1"].at[:-1]) for stage in ("staging", "production")
    )
    days = (went - came).days
    spent = [f"soak: {length}d" for length in (days, days + 1)]
    first, second = (dict(blocked(registry.replay(file(tmp_path, gated(gate))))) for gate in spent)
    assert "bicycles/production 1" not in first
    assert f"has been there since {came:%Y-%m-%d}" in second["bicycles/production 1"][0]


def test_a_verdict_counts_from_when_it_was_given(registry: Registry, tmp_path: Path) -> None:
    at = registry.now
    registry.annotate("bikes/2", evaluations=(Evaluation("bias", True, at, ANN),))
    registry.promote("bikes/2", "production")
    found = [name for name, _ in blocked(registry.replay(file(tmp_path, gated("evaluations: [bias]"))))]
    assert found == [name for name in ALL if "production" in name]
    fresh = file(tmp_path, gated("evaluations: [{name: bias, max_age: 30d}]"))
    assert "bikes/production 2" not in dict(blocked(registry.replay(fresh)))
    stale = file(tmp_path, gated("evaluations: [{name: bias, max_age: 1h}]"))
    assert "bikes/production 2" in dict(blocked(registry.replay(stale)))


def test_what_is_in_force_is_replayed_where_no_candidate_is_named(registry: Registry) -> None:
    policy(registry, gated("metrics: {rmse: {max: 60}}"))
    assert [name for name, _ in blocked(registry.replay())] == ["bicycles/production 1", "bikes/production 1"]
    assert blocked(registry.replay("renamed")) == []


def test_a_revision_brings_the_models_own_policies_and_a_file_does_not(
    registry: Registry, tmp_path: Path
) -> None:
    own = registry.snapshot().files["models/bikes/model.yaml"].decode()
    own += "policy:\n  stages:\n    production: {metrics: {rmse: {max: 45}}}\n"
    policy(registry, FREE, **{"models/bikes/model.yaml": own})
    expected = ["bicycles/production 1", "bicycles/production 2", "bikes/production 1"]
    assert [name for name, _ in blocked(registry.replay())] == expected
    assert blocked(registry.replay(file(tmp_path, FREE))) == []
    registry.set_alias("next", "bikes/1")
    assert blocked(registry.replay(file(tmp_path, FREE))) == []


def test_only_what_came_after_a_day_or_a_commit_is_judged_and_the_rest_is_remembered(
    registry: Registry, tmp_path: Path
) -> None:
    assert names_of(registry.replay(since="renamed")) == ALL[4:]
    day = next(move.at[:10] for move in registry.replay() if str(move.pointer) == "bicycles/production")
    assert names_of(registry.replay(since=day)) == ALL[2:]
    back = file(tmp_path, gated("metrics: {rmse: {max: 60}}, rollback: {review: false}"))
    assert blocked(registry.replay(back, since="renamed")) == []  # 1 was there under the model's former name


def test_one_model_is_replayed_under_all_its_names(registry: Registry, tmp_path: Path) -> None:
    registry.register("vans", tmp_path / "1.bin", stage="staging")
    assert names_of(registry.replay(model="bikes")) == ALL
    assert names_of(registry.replay(model="vans")) == ["vans/staging 1"]
    with pytest.raises(NotFound):
        list(registry.replay(model="ships"))


def test_what_is_no_policy_is_not_tried(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no policy that can be tried"):
        list(registry.replay(file(tmp_path, "schema: 1\nname: x\nstages: {production: {soak: soon}}\n")))
    with pytest.raises(NotFound):
        list(registry.replay("nowhere"))
    with pytest.raises(Invalid, match="is not a day"):
        list(registry.replay(since="2026-02-31"))


def test_a_past_that_nobody_can_read_is_told_and_the_rest_is_judged(
    registry: Registry, tmp_path: Path
) -> None:
    number = "models/bikes/versions/2.yaml"
    kept = registry.snapshot().files[number].decode()
    stage = "schema: 1\nversions: [2]\n"
    policy(registry, FREE, **{number: "[", "models/bikes/stages/production.yaml": stage})
    policy(registry, FREE, **{number: kept})
    found = blocked(registry.replay(file(tmp_path, gated("metrics: {rmse: {max: 99}}"))))
    assert [(name, "cannot be judged" in reasons[0]) for name, reasons in found] == [
        ("bikes/production 2", True)
    ]


def test_the_command_line_says_what_when_who_and_why(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path / "server.git")
    candidate = file(tmp_path, gated("from: [staging]"))
    capsys.readouterr()
    assert run(["policy", "test", "--policy", candidate]) == 0
    said = capsys.readouterr()
    assert "Ann  bikes/3 -> production\n    it must be in staging first, and is in no stage\n" in said.out
    assert said.err == "of 7 moves it would have blocked 2\n"
    assert run(["policy", "test", "--policy", candidate, "--strict", "--json"]) == 5
    assert '"moves": 7' in capsys.readouterr().out
    assert run(["policy", "test", "--strict"]) == 0
