"""Objects in a local directory: a clone's DVC cache, or a remote that is a directory.

<root>/files/md5/aa/bbbb...     an object by its md5, read-only; `.dir` at its end if it lists a directory
<root>/files/.muster-...        what is on its way, in a directory of its own for each writer
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import Integrity, NotFound, Unavailable
from . import disk
from .hashing import Count

_SCRATCH = ".muster-"


class Directory:
    """An object store in a local directory.

    `kinds` are the ways a file may come into it, in DVC's words. Reading from one that is `required` raises
    Unavailable while there is no such directory at all, as of a file system that is not mounted.
    """

    def __init__(
        self, root: Path, kinds: Sequence[str] = ("reflink", "copy"), required: bool = False
    ) -> None:
        self._root, self._kinds, self._required = root, kinds, required
        self._objects = f"{root}/files/md5"

    def uri(self, oid: str) -> str:
        """Return the path of an object."""
        return f"{self._objects}/{oid[:2]}/{oid[2:]}"

    def has(self, oid: str, size: int | None = None) -> bool:
        """Tell whether an object is there, of that size: one that a crash cut short is not."""
        try:
            status = os.stat(self.uri(oid))
        except FileNotFoundError:
            return False
        return size is None or status.st_size == size

    def missing(self, oids: Iterable[str]) -> set[str]:
        """Return those of the objects that are not there."""
        return {oid for oid in oids if not self.has(oid)}

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Give what puts objects here; half of one is never seen, nor left behind."""
        with disk.scratch(self._root / "files", _SCRATCH) as scratch:
            yield Writer(self, scratch, self._kinds)

    def read(self, oid: str, limit: int) -> bytes:
        """Return an object's bytes; Integrity if there are more than limit, NotFound if there is none."""
        self.require(oid, limit)
        with open(self.uri(oid), "rb") as file:
            return file.read(limit)

    def fetch(self, oid: str, target: str, limit: int) -> None:
        """Copy an object to a new file; Integrity if it is larger than limit, NotFound if there is none."""
        self.require(oid, limit)
        disk.clone(self.uri(oid), target, read_only=False)

    def append(self, oid: str, descriptor: int, limit: int, wrote: Count) -> None:
        """Add to an open file what it lacks of an object; see `objects.Resumable`."""
        self.require(oid, limit)
        with open(self.uri(oid), "rb", buffering=0) as file:
            disk.append(file.fileno(), descriptor, wrote)

    def require(self, oid: str, limit: int) -> None:
        """Raise NotFound if there is no such object, and Integrity if it is no file or larger than limit."""
        try:
            status = os.stat(self.uri(oid))
        except FileNotFoundError:
            raise self._absent(oid) from None
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
            raise Integrity(f"{self.uri(oid)} is not a file.")
        if status.st_size > limit:
            raise Integrity(f"{self.uri(oid)} has more bytes.")

    def _absent(self, oid: str) -> NotFound | Unavailable:
        if self._required and not self._root.is_dir():
            return Unavailable(
                f"The directory {self._root} is not there.", hint="Mount it, or correct the remote's url."
            )
        return NotFound(
            f"There is no object {oid} in {self._root}.",
            hint="Somebody removed it, or it was never pushed: register the version's files again.",
        )


class Writer:
    """Puts objects into a directory: complete under another name first, then renamed."""

    def __init__(self, objects: Directory, scratch: str, kinds: Sequence[str]) -> None:
        self._objects, self._scratch, self._kinds = objects, scratch, kinds
        self._numbers = itertools.count()
        self._prefixes: set[str] = set()

    def stage(self, source: str) -> str:
        """Copy source to where `adopt` can take it from, and return that place."""
        path = f"{self._scratch}/{next(self._numbers)}"
        disk.clone(source, path, read_only=True, kinds=self._kinds)
        return path

    def adopt(self, staged: str, oid: str) -> None:
        """Make a staged file the object oid."""
        if (prefix := oid[:2]) not in self._prefixes:
            os.makedirs(os.path.dirname(self._objects.uri(oid)), exist_ok=True)
            self._prefixes.add(prefix)
        os.rename(staged, self._objects.uri(oid))

    def write(self, data: bytes, oid: str) -> None:
        """Put data as the object oid."""
        path = f"{self._scratch}/{next(self._numbers)}"
        disk.write_new(path, data, read_only=True)
        self.adopt(path, oid)
