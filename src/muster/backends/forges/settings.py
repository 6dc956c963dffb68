"""What a forge is told to allow on the registry's branch: one answer for each setting that a promotion relies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import NotFound, Refused
from .http import Api

ADMIN = "not shown to this token"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it is. `ok` is None where it could not be asked; `found` and `wanted` are for people to read."""

    name: str
    ok: bool | None
    found: str
    wanted: str


def flag(name: str, value: bool | None, wanted: bool, words: tuple[str, str] = ("yes", "no")) -> Setting:
    """Return the setting of something that is on or off. `words` say on and off; None is not shown."""
    found = ADMIN if value is None else words[0] if value else words[1]
    return Setting(name, None if value is None else value is wanted, found, words[0] if wanted else words[1])


def at_least_one(name: str, count: int | None) -> Setting:
    """Return the setting of a number that should not be 0; None is not shown."""
    return Setting(
        name, None if count is None else count > 0, ADMIN if count is None else str(count), "1 or more"
    )


def shown(api: Api, path: str) -> Mapping[str, Any] | None:
    """Return an object, None where it does not exist or may not be seen: which of both, forges do not tell."""
    try:
        body = api.get(path)
    except (NotFound, Refused):
        return None
    return body if isinstance(body, dict) else None
