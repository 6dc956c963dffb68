"""Where a registry is read from: a git repository, by path or by URL, or a published index. Nobody else chooses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .core.errors import Refused
from .core.snapshot import Snapshot
from .core.terms import Terms

if TYPE_CHECKING:
    from .backends.artifacts.web import Download
    from .backends.git import GitRepository


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

    def root(self) -> Path | None:
        """Return the directory that relative paths in the registry's configuration are relative to; None elsewhere."""

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
    if is_index(location):
        from .backends.published import PublishedIndex

        return PublishedIndex(os.fspath(location), branch, cache / "published", state_directory(), terms)
    from .backends.git import GitRepository

    return GitRepository(location, branch, cache / "git", environment, terms)


def is_index(location: str | os.PathLike[str]) -> bool:
    """Tell whether a location is that of a published index, `index+https://...` and the like."""
    return os.fspath(location).startswith("index+")


def repository(source: Source) -> GitRepository:
    """Return the repository that source is; Refused, with where it is, if source is an index of one."""
    from .backends.git import GitRepository

    if isinstance(source, GitRepository):
        return source
    from .backends.published import PublishedIndex

    if isinstance(source, PublishedIndex):
        raise source.needs_git()
    raise Refused(f"{source.location} is no git repository", "open one")


def downloader(source: Source) -> Download | None:
    """Return what fetches a file by http without further libraries; None where DVC does all fetching."""
    if not is_index(source.location):
        return None
    from .backends.published import PublishedIndex

    return source.append if isinstance(source, PublishedIndex) else None


def state_directory() -> Path:
    """Return where muster keeps what cannot be fetched again: $MUSTER_STATE, else in the user's state directory."""
    if own := os.environ.get("MUSTER_STATE"):
        return Path(own)
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "muster"
