"""md5, DVC's address of a file, and sha256, the manifest's authority, of one reading of its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Any

CHUNK = 4 << 20
_STEP = 1 << 20  # larger ones cost more to allocate than they save

Count = Callable[[int], None]  # is told of bytes as they are done


@dataclass(frozen=True, slots=True)
class Digests:
    """What one reading of a file found."""

    size: int
    md5: str
    sha256: str


def digests_of(data: bytes) -> Digests:
    """Return the digests of data."""
    return Digests(len(data), md5_of(data), hashlib.sha256(data).hexdigest())


def md5_of(data: bytes) -> str:
    """Return the md5 of data: an address, not a proof."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def read_digests(path: str, count: Count) -> Digests:
    """Read a large file once and return its digests.

    md5 is the slower of the two by far: a second thread does sha256 and the reading, and hashlib frees the
    GIL.
    """
    from concurrent.futures import ThreadPoolExecutor

    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    front, back = memoryview(bytearray(CHUNK)), memoryview(bytearray(CHUNK))
    total = 0
    with open(path, "rb", buffering=0) as file, ThreadPoolExecutor(1) as other:
        size = file.readinto(front)
        while size:
            ahead = other.submit(_update_and_read, sha256, front[:size], file, back)
            md5.update(front[:size])
            total += size
            count(size)
            size = ahead.result()
            front, back = back, front
    return Digests(total, md5.hexdigest(), sha256.hexdigest())


def _update_and_read(digest: Any, chunk: memoryview, file: Any, into: memoryview) -> int:
    digest.update(chunk)
    return int(file.readinto(into))


class GrowingDigest:
    """The sha256 of an open file that grows at its end, taken by a thread of its own while it grows.

    What is hashed is what stands in the file. `count` is told of each byte once, also if the file begins anew.
    """

    def __init__(self, descriptor: int, count: Count) -> None:
        from concurrent.futures import Future, ThreadPoolExecutor

        self._descriptor, self._count = descriptor, count
        self._digest, self._hashed, self._counted, self._size = hashlib.sha256(), 0, 0, 0
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def grew(self, size: int) -> None:
        """Take in size more bytes, which are in the file."""
        self._size += size
        self._last = self._thread.submit(self._read_to, self._size)

    def restart(self) -> None:
        """Forget everything: the file is empty again."""
        if self._last is not None:
            self._last.result()
        self._digest, self._hashed, self._size, self._last = hashlib.sha256(), 0, 0, None

    def result(self) -> tuple[int, str]:
        """Return the size and the sha256 of all that the file has."""
        if self._last is not None:
            self._last.result()
        return self._hashed, self._digest.hexdigest()

    def __enter__(self) -> GrowingDigest:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _read_to(self, size: int) -> None:
        while self._hashed < size:
            chunk = os.pread(self._descriptor, min(_STEP, size - self._hashed), self._hashed)
            if not chunk:  # somebody made it shorter: the digest will tell
                return
            self._digest.update(chunk)
            self._hashed += len(chunk)
            self._count(max(self._hashed - self._counted, 0))
            self._counted = max(self._hashed, self._counted)


def read_sha256(path: str, count: Count) -> tuple[int, str]:
    """Return the size and sha256 of the plain file at path; OSError if it is a link or something else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        return sha256_of(file, count)


def sha256_of(file: FileIO, count: Count) -> tuple[int, str]:
    """Return the size and sha256 of what an open file, which is not buffered, still has to be read."""
    digest, total = hashlib.sha256(), 0
    buffer = memoryview(bytearray(min(CHUNK, os.fstat(file.fileno()).st_size + 1)))
    while size := file.readinto(buffer):
        digest.update(buffer[:size])
        total += size
        count(size)
    return total, digest.hexdigest()
