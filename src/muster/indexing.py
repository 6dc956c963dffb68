"""The index of a registry: when it answers, and how it is brought to the commit that is asked for.

It is moved by what differs between two commits, forward or back, and made anew when in doubt. It answers at exactly one
commit or not at all: then whoever asked reads the registry itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .backends.artifacts.progress import Progress, silent
from .backends.git import GitRepository
from .backends.index import path_of, prune
from .backends.index.schema import FORMAT
from .core import names, records
from .core.errors import Invalid, NotFound, Unavailable
from .core.facts import FIELDS
from .core.snapshot import Snapshot
from .core.tree import Tree

if TYPE_CHECKING:
    from .backends.index.database import Index

T = TypeVar("T")
WORTHWHILE = 500  # versions: reading fewer takes no longer than opening an index
MAX_PATHS = 20_000  # where more differ, everything is read anew
MAX_PATHS_BACK = 2_000  # a past state is derived for one question, and then forgotten
_VERSIONS_AT_ONCE = 2_000  # that are read before what git was asked for is let go


class Indexing:
    """The index of what a repository has on one branch, below muster's cache directory."""

    def __init__(self, repository: GitRepository, branch: str | None, cache: Path) -> None:
        self._repository, self._branch, self._cache = repository, branch, cache
        self._index: Index | None = None

    def answer(
        self,
        commit: str,
        question: Callable[[Index], T],
        keep: bool = True,
        make: bool = True,
        progress: Progress = silent,
    ) -> T | None:
        """Return what the index at a commit answers; None if there is none, so that the registry must be read.

        `keep`: the commit is the registry's head, and the index stays there. `make`: one is made where there is none;
        `progress` is told of "index", in models.
        """
        try:
            if not self._path.exists() and not (make and keep and self._is_worthwhile(commit)):
                return None
            index = self._opened()
            with index.reading():
                if index.commit() == commit:
                    return _asked(index, question)
            with index.writing(keep):
                self._move(index, commit, keep, make and keep, progress)
                return _asked(index, question)
        except Unavailable:
            return None

    def close(self) -> None:
        """Let go of the file."""
        if self._index is not None:
            self._index.close()

    @cached_property
    def _path(self) -> Path:
        return path_of(self._cache, *self._identity())

    def _opened(self) -> Index:
        from .backends.index.database import Index

        if self._index is None:
            self._index = Index(self._path)
        return self._index

    def _identity(self) -> Iterator[str]:
        """All that another index would answer differently for: the repository, the branch, and how rows are read."""
        yield str(self._repository.root() or self._repository.location)
        yield self._branch or ""
        yield f"{FORMAT} {sys.version_info[:2]}"  # Python's version decides which letters there are, and their folding
        yield from (f"{kind} {f.type}" for fields in FIELDS.values() for kind, f in fields.items())

    def _is_worthwhile(self, commit: str) -> bool:
        snapshot = self._repository.snapshot(commit)
        snapshot.expect(names.MODELS)  # whatever the answer, all of it is read next
        count = 0
        for model in snapshot.names_taken():
            count += len(snapshot.versions(model))
            if count >= WORTHWHILE:
                return True
        return False

    def _move(self, index: Index, commit: str, keep: bool, make: bool, progress: Progress) -> None:
        at = index.commit()
        paths = None if at is None else self._between(at, commit, MAX_PATHS if keep else MAX_PATHS_BACK)
        if paths is not None:
            snapshot = self._read(commit)
            for model, changed in by_model(paths).items():
                update(index, snapshot, model, changed)
        elif make:
            self._make(index, commit, progress)
        else:
            raise Unavailable(f"{commit} is too far from where the index is")
        index.set_commit(commit)

    def _between(self, base: str, head: str, most: int) -> list[str] | None:
        """The paths that differ between two commits; None for more than most, or if one is not there any more."""
        found = []
        try:
            for path in self._repository.changed(base, head):
                found.append(path)
                if len(found) > most:
                    return None
        except (Invalid, NotFound):
            return None
        return found

    def _make(self, index: Index, commit: str, progress: Progress) -> None:
        prune(self._cache, index.path)
        index.clear()
        snapshot, count = self._read(commit), 0
        snapshot.expect(names.MODELS)
        models = snapshot.models()
        for done, model in enumerate(models):
            progress("index", done, len(models))
            if count > _VERSIONS_AT_ONCE:
                snapshot, count = self._read(commit), 0
            count += add(index, snapshot, model)
        index.filled()
        progress("index", len(models), len(models))

    def _read(self, commit: str) -> Snapshot:
        return Snapshot(commit, _Parsed(self._repository.snapshot(commit).tree))


def _asked(index: Index, question: Callable[[Index], T]) -> T | None:
    """What the index answers; None if it cannot tell, for which what it has is kept all the same."""
    try:
        return question(index)
    except Unavailable:
        return None


@dataclass
class _Changed:
    """What of a model differs: version numbers, whether aliases or stages do, whether its card does."""

    numbers: set[int] = field(default_factory=set)
    pointers: bool = False
    card: bool = False


def by_model(paths: Iterable[str]) -> dict[str, _Changed]:
    """What the paths that differ mean, by model. What no row is made of is left out."""
    found: dict[str, _Changed] = {}
    for path in paths:
        top, *parts = path.split("/")
        if top != names.MODELS or not parts:
            continue
        try:
            changed = found.setdefault(names.decode(parts[0]), _Changed())
        except ValueError:  # nothing of the registry: no snapshot lists it either
            continue
        match parts[1:]:
            case ["versions" | "annotations", file, *_]:
                if (number := names.number_in("version", file)) is not None:
                    changed.numbers.add(number)
            case ["aliases" | "stages", *_]:
                changed.pointers = True
            case ["model.yaml", *_] | []:
                changed.card = True
    return found


def add(index: Index, snapshot: Snapshot, model: str) -> int:
    """Add a model and its versions; return how many it has."""
    numbers = snapshot.versions(model)
    kinds: tuple[names.Kind, ...] = ("version", "annotations")
    snapshot.tree.prefetch(names.path(kind, model, n) for n in numbers for kind in kinds)
    _put_model(index, snapshot, model)
    for number in numbers:
        _put_version(index, snapshot, model, number)
    return len(numbers)


def update(index: Index, snapshot: Snapshot, model: str, changed: _Changed) -> None:
    """Bring what the index has of a model to the snapshot."""
    there = index.has("models", model)
    if changed.card and there != snapshot.has_model(model):
        index.drop("models", model)
        index.drop("versions", model)
        if not there:
            add(index, snapshot, model)
        return
    if not there:
        return
    numbers = changed.numbers | (_moved(index, snapshot, model) if changed.pointers else set())
    current = set(snapshot.versions(model))
    for number in sorted(numbers):
        index.drop("versions", model, number)
        if number in current:
            _put_version(index, snapshot, model, number)
    index.drop("models", model)
    _put_model(index, snapshot, model)


def _moved(index: Index, snapshot: Snapshot, model: str) -> set[int]:
    """The versions whose stage or aliases are others than the index has, and those that could not be read."""
    before = index.pointers(model)
    try:
        now = {n: records.pointers_of(snapshot, model, n) for n in snapshot.versions(model)}
    except (Invalid, NotFound):  # a pointer that cannot be read: then no version can
        return set(snapshot.versions(model))
    return {n for n in {*before, *now} if before.get(n, {}) != now.get(n, {})}


def _put_version(index: Index, snapshot: Snapshot, model: str, number: int) -> None:
    row, record = records.version_record(snapshot, model, number)
    index.put(row, number, record, records.pointed(record))


def _put_model(index: Index, snapshot: Snapshot, model: str) -> None:
    row = snapshot.listed_model(model)
    index.put(row, 0, records.model_record(row))


class _Parsed(Tree):
    """A tree that parses each file once."""

    def __init__(self, files: Tree) -> None:
        self._files = files
        self._documents: dict[str, Any] = {}

    def __getitem__(self, path: str) -> bytes:
        return self._files[path]

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        return self._files.children(directory)

    def expect(self, directory: str) -> None:
        """Bring all below directory at once, where it is elsewhere."""
        self._files.expect(directory)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read the files at these paths together."""
        self._files.prefetch(paths)

    def document(self, path: str) -> Any:
        """Return the parsed file at path."""
        if path not in self._documents:
            self._documents[path] = self._files.document(path)
        return self._documents[path]
