"""The file of changes that `muster propose --from` reads: each an operation, resolved against one state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from . import manifest, requests, schema
from .errors import Finding, Invalid
from .manifest import Document
from .operations import DeleteAlias, Operation, SetAlias, SetStage, Yank
from .snapshot import Snapshot

Rollback = Callable[[str, int | None, str], Iterable[Operation]]
_VERBS = ("promote", "demote", "rollback", "alias", "unalias", "tag", "describe", "yank")
# What each may have beside it.
_WITH: Mapping[str, tuple[str, ...]] = {
    "promote": ("to",),
    "rollback": ("to",),
    "alias": ("to",),
    "tag": ("set", "remove"),
    "describe": ("text",),
    "yank": ("because",),
}


def read(
    data: bytes, path: str, snapshot: Snapshot, by: str, at: str, reason: str, rollback: Rollback
) -> tuple[list[Operation], str]:
    """Return the operations that the file at path asks for, and why: `reason`, or if that is empty the file's.

    `rollback(pointer, to, reason)` gives the operations of a rollback, which the past decides. Raises Invalid, with every
    place that is wrong, and what references and rollbacks raise.
    """
    document = manifest.parse_marked(data, path)
    if findings := list(schema.problems("plan", document, path)) or list(_problems(document, path)):
        raise Invalid(f"{path} is not a plan:", findings)
    why = reason or document.value.get("reason", "")
    wanted: list[Operation] = []
    for change in document.value["changes"]:
        wanted += _operations(change, snapshot, by, at, lambda pointer, to: rollback(pointer, to, why))
    return wanted, why


def _problems(document: Document, path: str) -> Iterator[Finding]:
    for n, change in enumerate(document.value["changes"]):
        verbs = [key for key in change if key in _VERBS]
        where = document.place(("changes", n))
        if len(verbs) != 1:
            said = " and ".join(verbs) or "nothing to do"
            yield Finding(path, "plan_is_clear", f"one of {', '.join(_VERBS)} is wanted, not {said}", *where)
            continue
        allowed = _WITH.get(verbs[0], ())
        for key in change:
            if key not in (verbs[0], *allowed):
                place = document.place(("changes", n, key))
                yield Finding(path, "plan_is_clear", f"{verbs[0]} takes no {key!r}", *place)
        to = change.get("to")
        if to is not None and isinstance(to, int) != (verbs[0] == "rollback"):
            wanted = "a version number" if verbs[0] == "rollback" else "a name"
            place = document.place(("changes", n, "to"))
            yield Finding(path, "plan_is_clear", f"{verbs[0]} goes to {wanted}, not to {to!r}", *place)


def _operations(
    change: Mapping[str, Any],
    snapshot: Snapshot,
    by: str,
    at: str,
    rollback: Callable[[str, int | None], Iterable[Operation]],
) -> Iterable[Operation]:
    match change:
        case {"promote": reference, "to": stage}:
            return [SetStage(*snapshot.resolve(reference), stage)]
        case {"demote": reference}:
            return [SetStage(*snapshot.resolve(reference), None)]
        case {"rollback": pointer}:
            return rollback(pointer, change.get("to"))
        case {"alias": reference, "to": alias}:
            model, version = snapshot.resolve(reference)
            return [SetAlias(model, alias.removeprefix("@"), version)]
        case {"unalias": pointer}:
            target = requests.pointer(snapshot, pointer)
            return [DeleteAlias(target.model, target.name)]
        case {"tag": reference}:
            tags, without = change.get("set", {}), change.get("remove", ())
            return [requests.annotation(snapshot, reference, tags=tags, remove_tags=without)]
        case {"describe": reference, "text": text}:
            return [requests.annotation(snapshot, reference, description=text)]
        case _:
            model, version = snapshot.resolve(change["yank"])
            return [Yank(model, version, by, at, change["because"])]
