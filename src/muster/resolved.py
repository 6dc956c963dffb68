"""What a reference names, and where a deployment finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference names at one commit: all that a deployment needs to know."""

    model: str
    version: int
    label: str | None
    stage: str | None
    aliases: tuple[str, ...]
    commit: str | None
    digest: str
    uri: str

    @property
    def content(self) -> tuple[str, int, str]:
        """What makes it another version to whoever serves it: its model, its number and its digest."""
        return self.model, self.version, self.digest


@dataclass(frozen=True, slots=True)
class Deployed:
    """A version that is here, verified: what was resolved, and the directory of its files, which are read-only."""

    resolved: Resolved
    path: Path


@dataclass(frozen=True, slots=True)
class Update:
    """A reference names another version. `before` is what it named when that was last handed over; None at first."""

    before: Deployed | None
    after: Deployed

    @property
    def commit(self) -> str | None:
        """The commit at which the registry says so."""
        return self.after.resolved.commit
