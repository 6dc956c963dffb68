"""Holds: after a rollback a pointer waits for a person, lest a pipeline puts back what was just taken away.

A hold is a file beside the pointers, named by the stage, or by the alias with its @. Automation is a bot, whoever
registry.yaml lists under `automation`, and whoever writes while CI runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import names
from .policy import Pointer
from .proposals import identities, is_bot
from .readable import SCHEMA_VERSION, not_readable
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a pointer waits. `versions` were rolled back from since a person last let it go, the newest first."""

    versions: tuple[int, ...]
    by: str
    at: str  # UTC, RFC 3339
    reason: str

    def over(self, older: Hold | None) -> Hold:
        """Return this hold in the place of an older one: what that one kept out stays out."""
        if older is None:
            return self
        versions = tuple(dict.fromkeys((*self.versions, *older.versions)))
        return Hold(versions, self.by, self.at, self.reason)


def path_of(pointer: Pointer) -> str:
    """Return the path at which a hold on pointer lives."""
    return names.path("hold", pointer.model, f"@{pointer.name}" if pointer.kind == "alias" else pointer.name)


def pointer_at(place: names.Place) -> Pointer:
    """Return the pointer that a file is, or that a hold is on."""
    if place.kind == "hold" and place.name.startswith("@"):
        return Pointer("alias", place.model, place.name[1:])
    return Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)


def standing(snapshot: Snapshot, pointer: Pointer) -> Hold | None:
    """Return the hold on pointer, None if there is none; Invalid if it cannot be read."""
    path = path_of(pointer)
    return hold_from(snapshot.document(path), path) if path in snapshot else None


def all_of(snapshot: Snapshot, model: str) -> dict[Pointer, Hold]:
    """Return the holds on a model's pointers."""
    held = [pointer_at(names.Place("hold", model, name)) for name in snapshot.pointers("hold", model)]
    return {pointer: hold for pointer in held if (hold := standing(snapshot, pointer)) is not None}


def hold_from(document: Any, path: str = "") -> Hold:
    """Return the hold in document; Invalid if it is none."""
    try:
        versions = tuple(int(version) for version in document["versions"])
        return Hold(versions, document["by"], document["at"], document["reason"])
    except (KeyError, TypeError, ValueError) as error:
        raise not_readable(path, document, "a hold", error) from error


def hold_to(hold: Hold) -> dict[str, Any]:
    """Return the document of a hold."""
    return {
        "schema": SCHEMA_VERSION,
        "versions": list(hold.versions),
        "by": hold.by,
        "at": hold.at,
        "reason": hold.reason,
    }


def automation(snapshot: Snapshot) -> tuple[str, ...]:
    """Return who registry.yaml says is automation."""
    listed = snapshot.registry.get("automation", [])
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def is_automation(author: str, listed: Iterable[str]) -> bool:
    """Tell whether author ("Name <email>", or a login with its @) is a bot, or is listed; `*` stands for any text."""
    if is_bot(author):
        return True
    known = identities(author)
    wanted = (pattern for entry in listed for pattern in identities(entry))
    return any(_fits(pattern, identity) for pattern in wanted for identity in known)


def _fits(pattern: str, identity: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, re.split(r"\*+", pattern))), identity) is not None
