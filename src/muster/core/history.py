"""What the past of a pointer tells. Pure: whoever asks brings the states, newest first, read as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from . import holds, names
from .errors import MusterError, NotFound
from .events import Event
from .policy import Pointer, PointerKind, Policy
from .snapshot import Snapshot, parse_reference


@dataclass(frozen=True, slots=True)
class State:
    """The registry after one commit, and when that was (UTC).

    `model` is what the model in question was called then, where that was another name.
    """

    at: datetime
    snapshot: Snapshot
    model: str | None = None


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


def scope(snapshot: Snapshot, subject: str) -> tuple[list[str], Callable[[Event], bool]]:
    """Return the paths in which the history of subject is, and which events there are its own.

    subject is a reference to a model, a version, an alias or a stage; "" is the whole registry.
    """
    if not subject:
        return [], lambda event: True
    at = parse_reference(subject)
    called = _names_of(snapshot, at.model)
    match at.kind:
        case "model":
            return [names.model_directory(name) for name in called], lambda event: True
        case "alias":
            return _pointer_paths(called, "alias", at.value), lambda event: True
        case "name" if at.value.casefold() in {s.casefold() for s in snapshot.declared_stages()}:
            stage = Policy.of(snapshot).stage_name(at.value)
            return _pointer_paths(called, "stage", stage), lambda event: True
        case _:
            number = int(at.value) if at.kind == "version" else snapshot.resolve(at)[1]
            directories = [names.model_directory(name) for name in called]
            return directories, lambda e: number in e.gained + e.lost or e.name == str(number)


def _pointer_paths(called: tuple[str, ...], kind: PointerKind, name: str) -> list[str]:
    """Where a pointer and its holds are, whatever its model was called."""
    pointers = [Pointer(kind, model, name) for model in called]
    return [path for pointer in pointers for path in (pointer.path, holds.path_of(pointer))]


def _names_of(snapshot: Snapshot, model: str) -> tuple[str, ...]:
    """The model's name and its former ones; of a deleted model, its name. NotFound if there was never one."""
    if snapshot.has_model(model):
        return (model, *snapshot.model_document(model).get("formerly", []))
    if not any(True for _ in snapshot.children(names.model_directory(model))):
        snapshot.model_document(model)  # says that there is no such model, and which are near
    return (model,)


def nothing_before(pointer: Pointer) -> NotFound:
    """Return the error for a pointer with no earlier holder."""
    return NotFound(f"{pointer} has no earlier version to go back to", "name one with --to")


def _holders(state: State, pointer: Pointer) -> tuple[int, ...]:
    try:
        return replace(pointer, model=state.model or pointer.model).holders(state.snapshot)
    except MusterError:
        return ()  # a file nobody could read pointed at nothing
