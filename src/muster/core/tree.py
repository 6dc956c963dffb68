"""Files by path, as trees: listed a directory at a time, and laid one over the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

KEPT = 16 << 20  # bytes of files that are over others whose parsed form is kept: some 20,000 versions


class Tree(Mapping[str, bytes]):
    """Files by path that can also be listed a directory at a time, so that reading one model costs one model."""

    @abstractmethod
    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order; nothing when there is no such directory."""

    def holding(self, files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """Yield those of these paths that hold exactly the data beside them. A tree that knows object ids reads none."""
        return (path for path, data in files if self.get(path) == data)

    def expect(self, directory: str) -> None:
        """Say that all below directory will be read. A tree that is elsewhere brings it at once."""

    def document(self, path: str) -> Any:
        """Return the parsed file at path: KeyError if there is none, Invalid if it is not strict YAML.

        A tree that holds documents gives them as they are, and no YAML is read.
        """
        return _parsed(self[path], path)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read the files at these paths together, where that is quicker than one by one; not all need be there."""

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the path and content of files that are there, keeping none: many at a time, if the tree can."""
        return ((path, self[path]) for path in paths)

    def below(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below directory, however deep."""
        waiting = [directory]
        while waiting:
            here = waiting.pop()
            for name in self.children(here):
                path = f"{here}/{name}"
                if path in self:
                    yield path
                else:
                    waiting.append(path)


class Overlay(Tree):
    """Files over files; None above hides what is below."""

    def __init__(self, above: Mapping[str, bytes | None], below: Tree | None = None) -> None:
        self._above: Mapping[str, bytes | None] = above
        self._below: Mapping[str, bytes] = {} if below is None else below
        self._lower = below
        self._documents: dict[str, Any] = {}
        self._room = KEPT

    def __getitem__(self, path: str) -> bytes:
        data = self._above[path] if path in self._above else self._below[path]
        if data is None:
            raise KeyError(path)
        return data

    def __contains__(self, path: object) -> bool:
        if path in self._above:
            return self._above[path] is not None  # type: ignore[index]
        return path in self._below

    def __iter__(self) -> Iterator[str]:
        yield from (path for path in self._below if path not in self._above)
        yield from (path for path, data in self._above.items() if data is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def holding(self, files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """Yield those of these paths that hold exactly the data beside them, as the tree below knows without reading."""
        if self._lower is None:
            return super().holding(files)
        return self._holding(files, self._lower)

    def _holding(self, files: Iterable[tuple[str, bytes]], lower: Tree) -> Iterator[str]:
        own: list[str] = []

        def below() -> Iterator[tuple[str, bytes]]:
            for path, data in files:
                if path not in self._above:
                    yield path, data
                elif self._above[path] == data:
                    own.append(path)

        for path in lower.holding(below()):
            yield from own  # they came before it
            own.clear()
            yield path
        yield from own

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read the files together that are below, and that nothing hides."""
        if self._lower is not None:
            self._lower.prefetch(path for path in paths if path not in self._above)

    def document(self, path: str) -> Any:
        """Return the parsed file at path, as the tree below has it where nothing is over it.

        Whoever is given it does not change it: who tells of a change and who judges it read the same one.
        """
        if path not in self._above and self._lower is not None:
            return self._lower.document(path)
        if path not in self._documents:
            data = self[path]
            found = _parsed(data, path)
            self._room -= len(data)
            if self._room < 0:
                return found
            self._documents[path] = found
        return self._documents[path]

    def expect(self, directory: str) -> None:
        """Say that all below directory will be read."""
        if self._lower is not None:
            self._lower.expect(directory)

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        lower = iter(()) if self._lower is None else self._lower.children(directory)
        if directory not in self._hidden and directory not in self._added:
            return lower
        prefix = f"{directory}/" if directory else ""
        doubtful = self._hidden.get(directory, set())
        kept = (n for n in lower if n not in doubtful or self._is_there(f"{prefix}{n}"))
        return iter(sorted({*kept, *self._added.get(directory, ())}))

    def _is_there(self, path: str) -> bool:
        if path in self or path in self._added or self._lower is None:
            return path in self or path in self._added
        return any(deeper not in self._above for deeper in self._lower.below(path))

    @cached_property
    def _added(self) -> dict[str, set[str]]:
        return _listing(path for path, data in self._above.items() if data is not None)

    @cached_property
    def _hidden(self) -> dict[str, set[str]]:
        return _listing(path for path, data in self._above.items() if data is None)


class Growing(Overlay):
    """Files over files that are written one after the other. What a write costs does not grow with what was written."""

    def __init__(self, below: Tree) -> None:
        self.written: dict[str, bytes | None] = {}
        super().__init__(self.written, below)

    def write(self, files: Mapping[str, bytes | None]) -> None:
        """Lay more files over what is there; None hides."""
        for path, data in files.items():
            if path in self.written:
                _unlist(self._added if self.written[path] is not None else self._hidden, path)
            self._documents.pop(path, None)
            _list(self._added if data is not None else self._hidden, path)
            self.written[path] = data


def _parsed(data: bytes, path: str) -> Any:
    from . import manifest

    return manifest.parse(data, path)


def _listing(paths: Iterable[str]) -> dict[str, set[str]]:
    """Directory -> the names directly inside it, for these paths and the directories above them."""
    found: dict[str, set[str]] = {}
    for path in paths:
        _list(found, path)
    return found


def _list(listing: dict[str, set[str]], path: str) -> None:
    """Add a path, and the directories above it, to a listing."""
    while path:
        directory, _, name = path.rpartition("/")
        inside = listing.setdefault(directory, set())
        if name in inside:
            return
        inside.add(name)
        path = directory


def _unlist(listing: dict[str, set[str]], path: str) -> None:
    """Take a path out of a listing, and the directories above it that hold nothing else."""
    while path:
        directory, _, name = path.rpartition("/")
        listing[directory].discard(name)
        if listing[directory]:
            return
        del listing[directory]
        path = directory
