"""What the past of a pointer tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import history, requests
from muster.core import operations as ops
from muster.core.errors import Invalid, NotFound
from muster.core.events import events
from muster.core.history import State, entered, held, previous
from muster.core.policy import Pointer
from muster.core.snapshot import Snapshot
from support.registry import ANN, NOON, after, built, valid, version, yaml

PRODUCTION = Pointer("stage", "m", "production")
CHAMPION = Pointer("alias", "m", "champion")
START = datetime(2026, 5, 1, tzinfo=timezone.utc)


def states(*holders: tuple[int, ...] | int | None, pointer: Pointer = PRODUCTION) -> list[State]:
    """States an hour apart in which pointer was at holders, told oldest first and returned newest first."""
    found = []
    for hour, now in enumerate(holders):
        numbers = (now,) if isinstance(now, int) else now or ()
        key, value = ("versions", list(numbers)) if pointer.kind == "stage" else ("version", (*numbers, 0)[0])
        files = {pointer.path: yaml(f"{key}: {value}")} if numbers else {}
        found.append(State(START + timedelta(hours=hour), Snapshot(f"{hour:040}", files)))
    return found[::-1]


@pytest.mark.parametrize("pointer", [PRODUCTION, CHAMPION])
@pytest.mark.parametrize(
    ("past", "back"),
    [
        ((1, 2, 3), [2, 1]),
        ((1, 2, 3, 2), [1]),
        ((1, 2, 3, 2, 1), []),
        ((1, 2, 1, 3), [1, 2]),
        ((1, 1, 1), []),
        ((1, 2, 2, 3, 3), [2, 1]),
        ((1, None, 2), [1]),
        ((1, 2, None), [2, 1]),
        ((1, None), [1]),
        ((None,), []),
        ((), []),
    ],
)
def test_going_back_finds_whoever_was_there_before(
    pointer: Pointer, past: tuple[int | None, ...], back: list[int]
) -> None:
    now = ((past[-1],) if past[-1] else ()) if past else ()
    assert list(previous(states(*past, pointer=pointer), pointer, now)) == back


def test_going_back_twice_goes_back_two_steps() -> None:
    past = [1, 2, 3]
    for expected in (2, 1):
        to = next(previous(states(*past), PRODUCTION, (past[-1],)))
        assert to == expected
        past.append(to)
    assert list(previous(states(*past), PRODUCTION, (1,))) == []


def test_a_stage_of_several_goes_back_to_the_newest_of_those_before() -> None:
    assert list(previous(states((1, 2), (3, 4)), PRODUCTION, (3, 4))) == [2, 1]
    assert list(previous(states((1, 2), (2, 3)), PRODUCTION, (2, 3))) == []


@given(st.lists(st.none() | st.integers(1, 4), max_size=8))
def test_nobody_is_gone_back_to_twice_and_all_were_there(past: list[int | None]) -> None:
    now = (past[-1],) if past and past[-1] else ()
    back = list(previous(states(*past), PRODUCTION, now))
    assert len(back) == len(set(back))
    assert set(back) <= {n for n in past if n} - set(now)


def test_who_ever_held_a_pointer_is_known() -> None:
    past = states(1, 2, 3)
    assert all(held(past, PRODUCTION, n) for n in (1, 2, 3))
    assert not held(past, PRODUCTION, 4)
    assert not held(past, CHAMPION, 1)


def test_when_a_version_last_came_in_is_known() -> None:
    past = states(1, 2, 1, (1, 2), 1)
    assert entered(past, PRODUCTION, 1) == START + timedelta(hours=2)
    assert entered(past, PRODUCTION, 2) is None
    assert entered([], PRODUCTION, 1) is None


def test_a_past_that_cannot_be_read_held_nothing() -> None:
    unreadable = State(START, Snapshot("0" * 40, {PRODUCTION.path: b"versions: [x", CHAMPION.path: b"[]"}))
    past = [*states(2), unreadable, *states(1)]
    assert list(previous(past, PRODUCTION, (2,))) == [1]
    assert entered(past, PRODUCTION, 2) == START
    assert not held([unreadable], CHAMPION, 1)


def test_a_state_is_read_only_when_it_is_needed() -> None:
    def all_but_the_oldest() -> Iterator[State]:
        yield from states(2, 3)
        raise AssertionError("the past before was read")

    assert held(all_but_the_oldest(), PRODUCTION, 3)
    assert entered(all_but_the_oldest(), PRODUCTION, 3) == START + timedelta(hours=1)


def moved(*stages: tuple[int, str]) -> tuple[Snapshot, list[State]]:
    """The registry m with versions 1 to 4 after these moves, and its states, newest first."""
    now = built(*(version("m", str(n)) for n in range(1, 5)))
    past = []
    for hour, (number, stage) in enumerate(stages):
        now = after(now, ops.plan(now, ops.SetStage("m", number, stage)))
        past.append(State(START + timedelta(hours=hour), now))
    return now, past[::-1]


def test_a_rollback_skips_what_is_yanked_or_deleted() -> None:
    now, past = moved((1, "production"), (2, "production"), (3, "production"), (4, "production"))
    now = after(now, ops.plan(now, ops.Yank("m", 3, ANN, NOON, "wrong")))
    now = after(now, ops.plan(now, ops.SetStage("m", 2, None), ops.DeleteVersion("m", 2, ANN, NOON, "gone")))
    assert requests.rollback(now, PRODUCTION, past, None) == ops.SetStage("m", 1, "production", expect=4)


def test_a_rollback_goes_to_the_version_named_if_it_was_there() -> None:
    now, past = moved((1, "production"), (2, "production"), (3, "production"))
    assert requests.rollback(now, PRODUCTION, past, 1) == ops.SetStage("m", 1, "production", expect=3)
    with pytest.raises(Invalid, match="version 4 never held m/production"):
        requests.rollback(now, PRODUCTION, past, 4)
    with pytest.raises(NotFound, match="no earlier version to go back to"):
        requests.rollback(now, PRODUCTION, past[:1], None)


def test_a_history_is_of_the_whole_a_model_a_version_a_stage_or_an_alias() -> None:
    found = valid()
    assert history.scope(found, "")[0] == []
    assert history.scope(found, "bikes")[0] == ["models/bikes"]
    assert history.scope(found, "bikes@champion")[0] == [
        "models/bikes/aliases/champion.yaml",
        "models/bikes/holds/%40champion.yaml",
    ]
    assert history.scope(found, "bikes/PRODUCTION")[0] == [
        "models/bikes/stages/production.yaml",
        "models/bikes/holds/production.yaml",
    ]
    paths, concerns = history.scope(found, "bikes/1.4.0")
    assert paths == ["models/bikes"]
    told = ops.plan(found, ops.Annotate("bikes", 3, "x"), ops.Annotate("bikes", 6, "x"))
    assert [e.name for e in events(found, told) if concerns(e)] == ["3"]
    with pytest.raises(NotFound, match="no model 'bykes'"):
        history.scope(found, "bykes")
