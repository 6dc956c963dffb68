"""A place for static files: what publishing asks of one, and which there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from ...core.errors import Invalid

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


class Target(Protocol):
    """Files by path. Whoever reads one sees the whole of it, as it was before or as it is after a write."""

    location: str

    def read(self, path: str) -> bytes | None:
        """Return a file as it is now; None if there is none. Unavailable if that cannot be known."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, in any order; they are there to stay when this returns."""

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files. Those that are not there are no error."""

    def paths(self, directory: str) -> Iterator[str]:
        """Yield the path of each file below directory."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep other publishers out, where that is possible."""


class Rehearsal:
    """A target to which nothing is done. What would have been is kept here, and read from here."""

    def __init__(self, target: Target) -> None:
        self._target, self.location = target, target.location
        self._changed: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """Return a file as it would be."""
        return self._changed[path] if path in self._changed else self._target.read(path)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Keep what would be written."""
        self._changed |= files

    def remove(self, paths: Iterable[str]) -> None:
        """Keep what would be gone."""
        self._changed |= dict.fromkeys(paths)

    def paths(self, directory: str) -> Iterator[str]:
        """Yield the path of each file that there would be below directory."""
        there = {path for path in self._target.paths(directory) if path not in self._changed}
        kept = (path for path, data in self._changed.items() if data is not None)
        yield from there.union(path for path in kept if path.startswith(f"{directory}/"))

    def locked(self) -> AbstractContextManager[None]:
        """Keep nobody out."""
        return nullcontext()


class Tally:
    """A target that counts the files written to it, and their bytes."""

    def __init__(self, target: Target) -> None:
        self.location, self.files, self.bytes = target.location, 0, 0
        self.read, self.remove, self.paths, self.locked = (
            target.read,
            target.remove,
            target.paths,
            target.locked,
        )
        self._target = target

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, and count them."""
        self._target.write(files)
        self.files += len(files)
        self.bytes += sum(map(len, files.values()))


def open_target(place: str, writable: bool = True) -> Target:
    """Return the target at a path or a URL; Invalid for one that can only be read where it is to be written."""
    match = _URL.fullmatch(place)
    if match is None or match[1].lower() == "file":
        from .directory import DirectoryTarget

        return DirectoryTarget(Path(match[2] if match else place).expanduser())
    scheme = match[1].lower()
    if "::" in place:
        raise Invalid(f"{place!r} chains file systems: name the one where the index is to be")
    if scheme in ("http", "https") and writable:
        raise Invalid(
            "an index cannot be written by http",
            hint="name the bucket or the directory behind the server: s3://bucket/index, /srv/www/index",
        )
    from .store import StoreTarget

    return StoreTarget(scheme, place)
