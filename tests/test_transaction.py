"""Transactions: many writes, one commit, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muster import Registry
from muster.core.errors import Conflict, Invalid, NotFound, ReviewNeeded
from muster.outcomes import Proposed
from support.cli import Days, state_of
from support.gitcli import git


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.create(tmp_path / "server.git", bare=True, clock=Days()) as made:
        made.register("bikes", file(tmp_path, "one"), label="1.0.0")
        yield made


def file(directory: Path, content: str) -> Path:
    path = directory / f"{content}.bin"
    path.write_text(content)
    return path


def commits(registry: Registry) -> int:
    return int(git(Path(registry.location), "rev-list", "--count", "main"))


def test_a_transaction_is_one_commit_with_all_that_was_asked_for(registry: Registry, tmp_path: Path) -> None:
    before = commits(registry)
    with registry.transaction("a new season") as t:
        two = t.register("bikes", file(tmp_path, "two"), metrics={"rmse": 2.0}, label="2.0.0")
        cars = t.register("cars", file(tmp_path, "three"), tags={"team": "roads"})
        t.create_model("boats", description="none yet")
        t.set_alias("champion", two)
        t.promote("bikes/2.0.0", "staging")  # by a label that the transaction itself gives
        t.annotate(cars, description="the first")
        t.tag("bikes/1", {"old": "yes"})
        t.yank(cars, reason="too heavy")
        assert t.outcome is None
    assert commits(registry) == before + 1
    assert (str(t.version(two)), str(t.version(cars))) == ("bikes/2", "cars/1")
    now = registry.get("bikes@champion")
    assert (now.version, now.stage, now.label) == (2, "staging", "2.0.0")
    assert registry.get("cars/1").description == "the first"
    assert registry.get("cars/1").yanked == "too heavy"
    assert registry.get("bikes/1").tags == {"old": "yes"}
    assert registry.model("boats").description == "none yet"
    assert next(registry.history()).reason == "a new season"


def test_an_exception_in_the_block_writes_nothing(registry: Registry, tmp_path: Path) -> None:
    before = state_of(Path(registry.location))
    with pytest.raises(ZeroDivisionError), registry.transaction() as t:
        t.register("bikes", file(tmp_path, "two"))
        _ = 1 / 0
    assert state_of(Path(registry.location)) == before


def test_what_cannot_be_is_said_where_it_is_asked_for_and_the_rest_can_go_on(registry: Registry) -> None:
    with registry.transaction() as t:
        with pytest.raises(NotFound, match="no model 'cars'"):
            t.promote("cars/1", "staging")
        with pytest.raises(Conflict, match="is at none, not at 7"):
            t.set_alias("champion", "bikes/1", expect=7)
        t.promote("bikes/1", "staging")
    assert registry.get("bikes/1").stage == "staging"


def test_a_transaction_with_nothing_in_it_makes_no_commit(registry: Registry, tmp_path: Path) -> None:
    before = commits(registry)
    with registry.transaction():
        pass
    with registry.transaction() as t:
        again = t.register("bikes", file(tmp_path, "one"))
    assert commits(registry) == before
    assert str(t.version(again)) == "bikes/1"


def test_the_same_content_twice_in_a_transaction_is_one_version(registry: Registry, tmp_path: Path) -> None:
    with registry.transaction() as t:
        a = t.register("cars", file(tmp_path, "two"))
        b = t.register("cars", file(tmp_path, "two"), aliases=("best",))
        c = t.register("cars", file(tmp_path, "two"), allow_duplicate=True)
    assert [t.version(v).version for v in (a, b, c)] == [1, 1, 2]
    assert registry.get("cars@best").version == 1


@pytest.mark.slow
def test_one_finding_stops_all_of_it_and_says_which_operation_it_is_of(
    registry: Registry, tmp_path: Path
) -> None:
    registry.register("cars", file(tmp_path, "two"))
    before = state_of(Path(registry.location))
    with pytest.raises(Invalid) as caught, registry.transaction() as t:
        t.promote("bikes/1", "staging")
        t.tag("cars/1", {"": "an empty key is no tag"})
    assert state_of(Path(registry.location)) == before
    assert [("(operation 2, Annotate cars)" in f.message) for f in caught.value.findings] == [True]


@pytest.mark.slow
def test_what_policy_wants_reviewed_is_refused_or_proposed_as_a_whole(
    registry: Registry, tmp_path: Path
) -> None:
    registry.promote("bikes/1", "staging")
    with pytest.raises(ReviewNeeded), registry.transaction() as t:
        t.register("cars", file(tmp_path, "two"))
        t.promote("bikes/1", "production")
    assert [m.name for m in registry.models()] == ["bikes"]
    with registry.transaction("both", propose=True) as t:
        cars = t.register("cars", file(tmp_path, "two"))
        t.set_alias("best", cars)
        t.promote("bikes/1", "production")
    assert isinstance(t.outcome, Proposed)
    assert str(t.version(cars)) == "cars/1"
    registry.proposals.merge(t.outcome.branch)
    assert registry.get("cars@best").version == registry.get("bikes/production").version == 1


@pytest.mark.slow
def test_after_a_lost_race_what_the_transaction_registers_gets_the_next_number_that_is_free(
    registry: Registry, tmp_path: Path
) -> None:
    with registry.transaction() as t:
        mine = t.register("bikes", file(tmp_path, "mine"))
        t.set_alias("champion", mine)
        with Registry(registry.location) as other:
            other.register("bikes", file(tmp_path, "theirs"))
            other.set_alias("champion", "bikes/2")
    assert str(t.version(mine)) == "bikes/3"
    assert registry.get("bikes@champion").version == 3


@pytest.mark.slow
def test_a_model_that_a_transaction_registers_into_keeps_its_name_and_its_versions(
    registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="registered in this transaction"), registry.transaction() as t:
        t.register("bikes", file(tmp_path, "two"))
        t.rename("bikes", "cycles")
    with pytest.raises(Invalid, match="registered in this transaction"), registry.transaction() as t:
        t.register("bikes", file(tmp_path, "two"))
        t.delete("bikes/2", reason="wrong")
    with registry.transaction("gone") as t:
        t.register("bikes", file(tmp_path, "two"))
        t.delete("bikes/1", reason="old")
    assert registry.model("bikes").versions == (2,)


@pytest.mark.slow
def test_a_move_in_a_transaction_lifts_the_hold_of_a_rollback(registry: Registry, tmp_path: Path) -> None:
    registry.register("bikes", file(tmp_path, "two"))
    registry.set_alias("champion", "bikes/1")
    registry.set_alias("champion", "bikes/2")
    with registry.transaction("alerts") as t:
        t.rollback("bikes@champion", reason="alerts")
    assert [h.pointer for h in registry.holds("bikes")] == ["bikes@champion"]
    with registry.transaction("mended") as t:
        three = t.register("bikes", file(tmp_path, "three"))
        t.set_alias("champion", three)
    assert registry.holds("bikes") == []
