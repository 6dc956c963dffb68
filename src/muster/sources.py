"""Where a registry is read from: a git repository, by path or by URL. Nobody else chooses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from .core.snapshot import Snapshot
from .core.terms import Terms


class Source(Protocol):
    """What answers with the files of a registry at one commit."""

    location: str

    def head(self) -> str | None:
        """Return the commit that is current; None before the first one."""

    def snapshot(self, commit: str | None) -> Snapshot:
        """Return the files of a commit, none of them read yet; of None, no files."""

    def commit_of(self, revision: str) -> str:
        """Return the commit that revision names; NotFound if it is none that can be read here."""

    def first(self, commit: str) -> str:
        """Return the commit with which the history of a commit begins: the same wherever the registry is read from."""

    def root(self) -> Path:
        """Return the directory that relative paths in the registry's configuration are relative to."""

    def work_tree(self) -> Path | None:
        """Return the directory in which the registry is checked out; None if it is not."""

    def close(self) -> None:
        """Let go of processes and connections. Another starts if this is used again."""


def open_source(
    location: str | os.PathLike[str],
    branch: str | None,
    cache: Path,
    environment: Mapping[str, str] | None,
    terms: Terms,
) -> Source:
    """Return what a registry at location is read from. `cache` is muster's own directory."""
    from .backends.git import GitRepository

    return GitRepository(location, branch, cache / "git", environment, terms)
