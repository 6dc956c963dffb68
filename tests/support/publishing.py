"""Commits made and published the way the registry does it, for tests about what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from muster.backends.git import GitRepository
from muster.core.snapshot import Change
from support.registry import guarded

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
ANN = "Ann Author <ann@example.com>"
Files = Mapping[str, bytes | None]


def committed(
    location: Path | str, files: Files, parent: str | None = None, author: str = ANN, at: datetime = AT
) -> str:
    """Return a commit of files on parent (the authority's tip unless given), which no branch has."""
    with GitRepository(location) as repository:
        return repository.commit(parent or repository.authority(), Change(files, "change"), author, at)


def publish(
    location: Path | str, files: Files, branch: str | None = None, author: str = ANN, at: datetime = AT
) -> str:
    """Commit files on the authority's tip and publish that; return the commit."""
    with GitRepository(location) as repository:
        old = repository.authority()
        new = repository.commit(old, Change(files, "change"), author, at)
        repository.publish(new, old, branch)
        return new


def guard(location: Path | str, gate: str) -> str:
    """Put a gate in front of production, in place of the whole policy; return the commit."""
    return publish(location, {"registry.yaml": guarded(gate)})
