"""Where indexes are: one file for each registry below muster's cache directory, and which of them may go.

index/<key>.sqlite          the index, and beside it SQLite's own -wal and -shm while it is in use
index/<key>.lock            held, shared, by whoever has the index open, and alone by who removes it; its time of
                            change is when the index was last used
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Unavailable

KEPT_DAYS = 30
MAX_BYTES = 4 << 30
_DIRECTORY = "index"
_BESIDE = ("-wal", "-shm", "")  # the database itself goes last: without it the others mean nothing


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An index there is: its file, its size in bytes with all that belongs to it, and when it was last used."""

    path: Path
    size: int
    used: float  # seconds since 1970


def path_of(cache: Path, *identity: str) -> Path:
    """Return where the index of a registry is; identity is all that makes one index another."""
    key = hashlib.sha256("\0".join(identity).encode(errors="surrogateescape")).hexdigest()[:16]
    return cache / _DIRECTORY / f"{key}.sqlite"


def index_files(cache: Path) -> list[IndexFile]:
    """Return the indexes that are below muster's cache directory, the one used last first."""
    found = []
    for path in (cache / _DIRECTORY).glob("*.sqlite"):
        with suppress(OSError):  # somebody removes it at this moment
            size = sum(p.stat().st_size for end in _BESIDE if (p := _beside(path, end)).exists())
            found.append(IndexFile(path, size, _lock_of(path).stat().st_mtime))
    return sorted(found, key=lambda file: file.used, reverse=True)


def prune(cache: Path, kept: Path, now: float | None = None) -> None:
    """Remove indexes, never kept, that nobody has used for a month, or that are more than 4 GiB together."""
    oldest = (time.time() if now is None else now) - KEPT_DAYS * 86_400
    total = 0
    for file in index_files(cache):
        total += file.size
        if file.path != kept and (file.used < oldest or total > MAX_BYTES):
            remove(file.path)
            total -= file.size


def remove(path: Path) -> bool:
    """Remove an index that nobody has open; tell whether it is gone."""
    descriptor = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if descriptor is None:
        return False
    try:
        for end in _BESIDE:
            _beside(path, end).unlink(missing_ok=True)
        _lock_of(path).unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep an index from being removed; Unavailable where its directory cannot be written, or it is being removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise Unavailable(f"{path} cannot be used: {error.strerror}") from error
    if descriptor is None:
        raise Unavailable(f"{path} is being removed")
    try:
        with suppress(OSError):
            os.utime(descriptor)
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, how: int) -> int | None:
    """Return the locked descriptor of an index's lock; None if somebody else's lock is in the way."""
    lock = _lock_of(path)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        if os.path.samestat(os.fstat(descriptor), lock.stat()):  # else it was removed meanwhile
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
