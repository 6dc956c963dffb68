"""muster's own cache, one for each user: files by their sha256, DVC's lists, and directories in place.

    <cache>/sha256/aa/bbbb...   a file by its sha256, read-only
    <cache>/partial/<sha256>    the beginning of a file that is being fetched, or was when somebody gave up
    <cache>/lists/<oid>         a DVC list
    <cache>/trees/<digest>/     an artifact's files, read-only, for loading in place
    <cache>/.scratch-...        what is being made

Nothing here is believed because it is here: whoever takes something from it hashes what he took.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import disk

_KEPT = 7 * 24 * 3600  # seconds for which the beginning of a file is kept


@dataclass(frozen=True, slots=True)
class Kept:
    """Something in the cache. `size` in bytes; `used` is when it was read or written last, in seconds since 1970."""

    path: Path
    size: int
    used: float


def take_away(kept: Path) -> None:
    """Remove something from the cache; whoever has it open reads on."""
    if kept.is_dir():
        gone = kept.with_name(f".{kept.name}.{os.getpid()}.gone")
        with suppress(OSError):
            kept.rename(gone)
            disk.remove_tree(str(gone))
    else:
        kept.unlink(missing_ok=True)


def _kept(path: Path) -> Kept | None:
    try:
        found = [p.lstat() for p in (path, *path.rglob("*"))] if path.is_dir() else [path.lstat()]
    except OSError:
        return None  # somebody has just taken it away
    size = sum(s.st_size for s in found if not stat.S_ISDIR(s.st_mode))
    return Kept(path, size, max(max(s.st_atime, s.st_mtime) for s in found))


class VerifiedCache:
    """The cache at one directory. Several processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept = False

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Give a directory on the cache's file system that is gone afterwards."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        with disk.scratch(self.root, ".scratch-") as path:
            yield path

    def path(self, sha256: str) -> str:
        """Return where the file of that sha256 is, if it is."""
        return f"{self.root}/sha256/{sha256[:2]}/{sha256[2:]}"

    def find(self, sha256: str, size: int) -> str | None:
        """Return where the file of that sha256 is, if one of that size is there; anything else is removed."""
        path = self.path(sha256)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        if stat.S_ISREG(status.st_mode) and status.st_size == size:
            return path
        self.drop(path)
        return None

    @contextmanager
    def partial(self, sha256: str, spare: str, wait: bool) -> Iterator[disk.Locked | None]:
        """Give what there is of a file that is being fetched, to one process at a time; see `disk.locked_file`."""
        directory = f"{self.root}/partial"
        if not self._swept:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._sweep(directory, spare)
            self._swept = True
        with disk.locked_file(f"{directory}/{sha256}", spare, wait) as file:
            yield file

    def read_list(self, oid: str, limit: int) -> bytes | None:
        """Return what is kept as the list oid, if anything is."""
        try:
            with open(f"{self.root}/lists/{oid}", "rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return None

    def keep_list(self, data: bytes, oid: str) -> None:
        """Keep a list."""
        with self.scratch() as scratch:
            disk.write_new(f"{scratch}/{oid}", data, read_only=True)
            self.keep(f"{scratch}/{oid}", f"{self.root}/lists/{oid}")

    def tree_path(self, digest: str) -> Path:
        """Return where the directory of that artifact digest is, if it is."""
        return self.root / "trees" / digest.partition(":")[2]

    def kept(self) -> tuple[list[Kept], list[Kept]]:
        """Return the files and lists that are here, and the directories."""
        files = [p for place in ("sha256/??/*", "lists/*") for p in self.root.glob(place)]
        trees = self.root.glob("trees/*")
        return [each for p in files if (each := _kept(p))], [each for p in trees if (each := _kept(p))]

    def drop(self, path: str) -> None:
        """Remove something that is not what its name says."""
        with suppress(FileNotFoundError):
            os.unlink(path)

    def keep(self, staged: str, path: str) -> None:
        """Make a complete file of the scratch directory that which is at path."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(staged, path)

    def _sweep(self, directory: str, spare: str) -> None:
        """Take away what nobody has gone on with for long."""
        oldest = time.time() - _KEPT
        for entry in os.scandir(directory):
            with suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime >= oldest:
                    continue
                with disk.locked_file(entry.path, spare, wait=False) as file:
                    if file is not None:
                        os.ftruncate(file.descriptor, 0)
