"""The commits that touched a model, a stage or an alias: from an index of the history where it answers, else git's walk.

The index is a file of its own below muster's cache directory. It has one line of history, whose newest commits are put on
top when they are first asked about; and as a commit's past never changes, it answers for any commit on that line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .backends.git import GitRepository
from .backends.index import path_of, prune
from .core import names
from .core.errors import Unavailable

if TYPE_CHECKING:
    from .backends.git.history import LogEntry
    from .backends.index.commits import Commits

WORTHWHILE = 2_000  # commits: git goes through fewer as quickly as an index is opened
MAX_NEW = 2_000  # that are put on top for whoever does not want an index made
_MANY = (
    "versions",
    "annotations",
)  # of these, nobody asks about a file: their model's directory stands for them


class Tracing:
    """What touched what in a repository, on one branch."""

    def __init__(self, repository: GitRepository, branch: str | None, cache: Path) -> None:
        self._repository, self._branch, self._cache = repository, branch, cache
        self._commits: Commits | None = None

    def log(
        self, commit: str, paths: Sequence[str], oldest_first: bool = False, make: bool = False
    ) -> Iterator[LogEntry]:
        """Yield what `GitRepository.log` yields. `make`: an index may be made for it; else only one there is, is used."""
        found = self._found(commit, paths, make)
        if found is None:
            return self._repository.log(commit, paths, oldest_first=oldest_first)
        return self._repository.logged(found[::-1] if oldest_first else found, paths)

    def close(self) -> None:
        """Let go of the file."""
        if self._commits is not None:
            self._commits.close()

    def _found(self, commit: str, paths: Sequence[str], make: bool) -> list[str] | None:
        """The commits up to one that touched paths, newest first; None if no index tells."""
        if not paths or not all(map(_is_recorded, paths)) or self._repository.is_grafted():
            return None
        try:
            if not self._path.exists() and not (make and self._repository.reaches(commit, WORTHWHILE)):
                return None
            commits = self._opened()
            with commits.reading():
                if (number := commits.number(commit)) is not None:
                    return commits.touching(paths, number)
            with commits.writing():
                return commits.touching(paths, self._put_on_top(commits, commit, make))
        except Unavailable:
            return None

    def _put_on_top(self, commits: Commits, commit: str, make: bool) -> int:
        if not make and not self._is_little(commits, commit):
            raise Unavailable(f"{commit} is too far from where the index is")
        if not commits.newest():
            prune(self._cache, commits.path)
        with closing(self._repository.line(commit)) as line:
            return commits.put_on_top((oid, _places(touched)) for oid, touched in line)

    def _is_little(self, commits: Commits, commit: str) -> bool:
        """Whether a commit comes soon after the newest that the index has."""
        newest = commits.newest()
        with closing(self._repository.line(commit)) as line:
            return any(commits.number(oid) == newest for oid, _ in islice(line, MAX_NEW))

    @cached_property
    def _path(self) -> Path:
        from .backends.index.commits import FORMAT

        where = str(self._repository.root() or self._repository.location)
        return path_of(self._cache, "commits", str(FORMAT), where, self._branch or "")

    def _opened(self) -> Commits:
        from .backends.index.commits import Commits

        if self._commits is None:
            self._commits = Commits(self._path)
        return self._commits


def _places(paths: Sequence[str]) -> Iterator[str]:
    """What is recorded of a commit that touched these paths."""
    for path in paths:
        parts = path.split("/", 4)
        if parts[0] == names.MODELS and len(parts) > 1:
            yield "/".join(parts[:2])
            if len(parts) > 3 and parts[2] not in _MANY:
                yield "/".join(parts[:4])


def _is_recorded(path: str) -> bool:
    """Whether all that touched path, or what is below it, was recorded under it."""
    top, *parts = path.split("/")
    return top == names.MODELS and (len(parts) == 1 or (len(parts) == 3 and parts[1] not in _MANY))
