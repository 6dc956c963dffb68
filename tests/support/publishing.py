"""Commits made and published the way the registry does it, for tests about what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from muster.backends.git import GitRepository
from muster.core.snapshot import Change

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
ANN = "Ann Author <ann@example.com>"


def publish(location: Path | str, files: Mapping[str, bytes | None], branch: str | None = None) -> str:
    """Commit files on the authority's tip and publish that; return the commit."""
    with GitRepository(location) as repository:
        old = repository.authority()
        new = repository.commit(old, Change(files, "change"), ANN, AT)
        repository.publish(new, old, branch)
        return new
