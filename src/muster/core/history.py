"""What the past of a pointer tells. Pure: whoever asks brings the states, newest first, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from .errors import MusterError, NotFound
from .events import Event
from .policy import Pointer
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class State:
    """The registry after one commit, and when that was (UTC)."""

    at: datetime
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit of the registry's history: who did what when, and why."""

    commit: str
    at: str  # UTC, RFC 3339
    author: str  # "Name <email>"
    reason: str
    subject: str
    events: tuple[Event, ...]


def held(states: Iterable[State], pointer: Pointer, version: int) -> bool:
    """Tell whether version ever held pointer."""
    return any(version in _holders(state, pointer) for state in states)


def entered(states: Iterable[State], pointer: Pointer, version: int) -> datetime | None:
    """Return when version last came to hold pointer; None if it does not hold it in the newest state."""
    since = None
    for state in states:
        if version not in _holders(state, pointer):
            break
        since = state.at
    return since


def previous(states: Iterable[State], pointer: Pointer, now: tuple[int, ...]) -> Iterator[int]:
    """Yield the versions to go back to from now, the nearest first.

    That is whoever held pointer before the present holder first did, so that going back twice goes back two steps
    and not to where one came from. With no holder now, it is whoever held it last.
    """
    past = [_holders(state, pointer) for state in states]
    seen = [set(now)] if now else []
    first = max((i for i, holders in enumerate(past) if set(holders) & set(now)), default=-1) if now else -1
    for holders in past[first + 1 :]:
        for version in reversed(holders):
            if not any(version in s for s in seen):
                seen.append({version})
                yield version


def nothing_before(pointer: Pointer) -> NotFound:
    """Return the error for a pointer with no earlier holder."""
    return NotFound(f"{pointer} has no earlier version to go back to", "name one with --to")


def _holders(state: State, pointer: Pointer) -> tuple[int, ...]:
    try:
        return pointer.holders(state.snapshot)
    except MusterError:
        return ()  # a file nobody could read pointed at nothing
