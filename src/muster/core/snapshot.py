"""The registry at one commit, and a change to it: the two values everything else is a function of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class Tree(Mapping[str, bytes]):
    """Files by path that can also be listed a directory at a time, so that reading one model costs one model."""

    @abstractmethod
    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order; nothing when there is no such directory."""

    def holds(self, path: str, data: bytes) -> bool:
        """Tell whether path holds exactly data. A tree that knows object ids answers without reading."""
        return self.get(path) == data


def children(files: Mapping[str, bytes], directory: str) -> Iterator[str]:
    """Yield the names directly inside directory ("" for the root), whatever mapping files is."""
    if isinstance(files, Tree):
        return files.children(directory)
    prefix = f"{directory}/" if directory else ""
    return iter(sorted({p[len(prefix) :].split("/", 1)[0] for p in files if p.startswith(prefix)}))


@dataclass(frozen=True)
class Change:
    """New contents of some paths; None deletes. A commit, a proposal and a diff are all this.

    `special` names paths whose entry is not a plain file and says what it is instead ("symbolic link", "submodule",
    "12345678 bytes"); their content is not read.
    """

    files: Mapping[str, bytes | None]
    message: str = ""
    special: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files) or bool(self.special)


@dataclass(frozen=True)
class Snapshot:
    """The files of the registry at one commit. Everything else is derived from them."""

    commit: str | None
    files: Mapping[str, bytes]

    def apply(self, change: Change) -> Snapshot:
        """Return the registry as it would be after change."""
        return Snapshot(None, Overlay(change.files, self.files))

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        return children(self.files, directory)

    def __contains__(self, path: str) -> bool:
        return path in self.files


EMPTY = Snapshot(None, {})


class Overlay(Tree):
    """Files over files; None above hides what is below."""

    def __init__(self, above: Mapping[str, bytes | None], below: Mapping[str, bytes]) -> None:
        self._above, self._below = above, below

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

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        prefix = f"{directory}/" if directory else ""
        here = [path for path in self._above if path.startswith(prefix)]
        names = set(children(self._below, directory))
        for path in here:
            name, deeper, _ = path[len(prefix) :].partition("/")
            if self._above[path] is not None:
                names.add(name)
            elif not deeper:
                names.discard(name)
            elif name in names and not any(True for _ in self.children(f"{prefix}{name}")):
                names.discard(name)
        return iter(sorted(names))
