"""What a change means, in words.

The log, a proposal's comment, notifications, pages and the index all speak through `events`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from . import names
from .errors import Invalid, MusterError
from .snapshot import Change, Snapshot

EventKind = Literal[
    "stage_changed",
    "alias_set",
    "alias_removed",
    "version_registered",
    "version_deleted",
    "version_yanked",
    "version_unyanked",
    "version_annotated",
    "version_changed",
    "model_created",
    "model_renamed",
    "model_deleted",
    "model_changed",
    "registry_changed",
    "file_changed",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `name` is the stage, alias, new name or path it happened to.

    `gained` and `lost` are the versions that a stage or alias points at now and did not before, and the reverse.
    """

    kind: EventKind
    text: str
    model: str = ""
    name: str = ""
    gained: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


def events(before: Snapshot, change: Change, after: Snapshot | None = None) -> list[Event]:
    """Return what change does to before, the moves of pointers first.

    `after` is the state with the change applied where the caller has it at hand. A file that cannot be read is a
    "file_changed" event: telling what happened never fails.
    """
    after = after or before.apply(change)
    moved = with_renames(before, change)
    found: list[Event] = []
    for path in sorted(change.files):
        try:
            found += _of_path(moved, after, path)
        except (MusterError, LookupError, TypeError, AttributeError, ValueError):
            found.append(Event("file_changed", f"{path} changed, and cannot be read", name=path))
    found = _without_consequences(found)
    return sorted(found, key=lambda e: (_WEIGHT.get(e.kind, 9), e.model, _LAST.get(e.name.casefold(), 0)))


def summary(found: list[Event]) -> str:
    """Return one line that says the most of found: the subject of a commit."""
    parts: dict[str, list[str]] = {}
    for event in found:
        parts.setdefault(event.model, []).append(event.text.removeprefix(f"{event.model}: "))
    lines = [f"{model}: {', '.join(texts)}" if model else ", ".join(texts) for model, texts in parts.items()]
    shown = "; ".join(lines[:3])
    more = f"; and {len(lines) - 3} more" if len(lines) > 3 else ""
    return shown + more if len(shown + more) <= 200 else f"{shown[: 197 - len(more)]}...{more}"


_WEIGHT: dict[str, int] = {
    "version_registered": 0,
    "stage_changed": 1,
    "alias_set": 2,
    "alias_removed": 2,
    "model_renamed": 3,
    "model_deleted": 3,
    "version_deleted": 4,
    "version_yanked": 4,
    "file_changed": 10,
}
_LAST = {"staging": 1, "archived": 2}


def _of_path(before: Snapshot, after: Snapshot, path: str) -> Iterator[Event]:
    place = names.locate(path)
    if place is None:
        yield Event("file_changed", f"{path} {_done(before, after, path)}", name=path)
    elif teller := _TELLERS.get(place.kind):
        yield from teller(before, after, place)


def _done(before: Snapshot, after: Snapshot, path: str) -> str:
    return "removed" if path not in after else "changed" if path in before else "added"


def _stage(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    old, new = before.stage(place.model, place.name), after.stage(place.model, place.name)
    gained, lost = tuple(n for n in new if n not in old), tuple(n for n in old if n not in new)
    if not gained and not lost:
        return
    if len(old) <= 1 and len(new) <= 1:
        move = f"{place.name} {_one(old)} -> {_one(new)}"
    else:
        joined = [f"{n} joins {place.name}" for n in gained]
        move = ", ".join(joined + [f"{n} leaves {place.name}" for n in lost])
    yield Event("stage_changed", f"{place.model}: {move}", place.model, place.name, gained, lost)


def _alias(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    path = names.path_of(place)
    old = (before.alias(place.model, place.name),) if path in before else ()
    new = (after.alias(place.model, place.name),) if path in after else ()
    if old != new:
        kind: EventKind = "alias_set" if new else "alias_removed"
        text = f"{place.model}: @{place.name} {_one(old)} -> {_one(new)}"
        yield Event(kind, text, place.model, place.name, new, old)


def _version(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    path, number = names.path_of(place), place.number
    if path not in before:
        label = after.document(path).get("label")
        text = f"{place.model}: registered {number}" + (f" ({label})" if label else "")
        yield Event("version_registered", text, place.model, place.name, (number,))
    elif path in after:
        if after.files[path] != before.files[path]:
            text = f"{place.model}: manifest of {number} changed"
            yield Event("version_changed", text, place.model, place.name)
    elif names.path("tombstone", place.model, number) not in after:
        yield Event(
            "version_deleted", f"{place.model}: {number} removed", place.model, place.name, (), (number,)
        )


def _tombstone(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    path = names.path_of(place)
    if path in after and path not in before:
        reason = after.document(path)["reason"]
        text = f"{place.model}: {place.name} deleted: {reason}"
        yield Event("version_deleted", text, place.model, place.name, (), (place.number,), {"reason": reason})


def _annotations(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    path = names.path_of(place)
    if path not in after and names.path("version", place.model, place.number) not in after:
        return  # they went with their version
    old, new = (s.document(path) if path in s else {} for s in (before, after))
    who = f"{place.model}: {place.name}"
    if "yanked" in new and new["yanked"] != old.get("yanked"):
        reason = new["yanked"]["reason"]
        yield Event(
            "version_yanked", f"{who} yanked: {reason}", place.model, place.name, details={"reason": reason}
        )
    if "yanked" in old and "yanked" not in new:
        yield Event("version_unyanked", f"{who} no longer yanked", place.model, place.name)
    if words := list(_changed_words(old, new)):
        yield Event("version_annotated", f"{who} {', '.join(words)}", place.model, place.name)


def _model(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    path = names.path_of(place)
    old, new = (s.document(path) if path in s else None for s in (before, after))
    if new is None:
        yield Event("model_deleted", f"{place.model}: deleted", place.model)
    elif "renamed_to" in new and (old is None or "renamed_to" not in old):
        to = new["renamed_to"]
        if not isinstance(to, str):
            raise TypeError("a name is a string")
        yield Event("model_renamed", f"{place.model}: renamed to {to}", place.model, to)
    elif old is None or "renamed_to" in old:
        yield Event("model_created", f"{place.model}: created", place.model)
    elif words := list(_changed_words(old, new)):
        yield Event("model_changed", f"{place.model}: {', '.join(words)}", place.model)


def _registry(before: Snapshot, after: Snapshot, place: names.Place) -> Iterator[Event]:
    done = _done(before, after, names.REGISTRY)
    yield Event("registry_changed", f"policy {done} ({names.REGISTRY})", name=names.REGISTRY)


def _changed_words(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = old.get("tags", {}), new.get("tags", {})
    yield from (f"{key}={after[key]}" for key in after if before.get(key) != after[key])
    yield from (f"{key} removed" for key in before if key not in after)
    for evaluation in new.get("evaluations", [])[len(old.get("evaluations", [])) :]:
        yield f"{evaluation['name']} {'passed' if evaluation['passed'] else 'failed'}"
    for field_name in ("description", "owners", "policy"):
        if old.get(field_name) != new.get(field_name):
            yield f"{field_name} changed"


def with_renames(before: Snapshot, change: Change) -> Snapshot:
    """Return before with each model that change renames at its new name already.

    Against that state a rename changes nothing else, so whatever a change slips in beside one is seen as what it is.
    A name that is in use already is nobody's new name: what lies there is judged by what lay there.
    """
    moved: dict[str, bytes | None] = {}
    for old, new in _renames(before, change):
        source, target = names.model_directory(old), names.model_directory(new)
        inside = (p for p in change.files if p.startswith(f"{source}/") and p in before)
        moved |= {target + path.removeprefix(source): before.files[path] for path in inside}
    return before.apply(Change(moved)) if moved else before


def _renames(before: Snapshot, change: Change) -> Iterator[tuple[str, str]]:
    """The models that change renames, by old and new name."""
    taken: set[str] = set()
    for path in change.files:
        if not path.endswith("/model.yaml") or path not in before:
            continue
        place, data = names.locate(path), change.files[path]
        if place is None or place.kind != "model" or data is None:
            continue
        try:
            to = Snapshot(None, {path: data}).renamed_to(place.model)
        except Invalid:
            continue  # nobody can read a new name in it
        if to is None or to in taken or any(True for _ in before.children(names.model_directory(to))):
            continue
        taken.add(to)
        yield place.model, to


def _without_consequences(found: list[Event]) -> list[Event]:
    """A rename or a deletion takes every file of a model along: say it once."""
    gone = {e.model for e in found if e.kind in ("model_renamed", "model_deleted")}
    return [e for e in found if e.model not in gone or e.kind in ("model_renamed", "model_deleted")]


def _one(versions: tuple[int, ...]) -> str:
    return str(versions[0]) if versions else "none"


_TELLERS: dict[str, Callable[[Snapshot, Snapshot, names.Place], Iterator[Event]]] = {
    "stage": _stage,
    "alias": _alias,
    "version": _version,
    "tombstone": _tombstone,
    "annotations": _annotations,
    "model": _model,
    "registry": _registry,
}
