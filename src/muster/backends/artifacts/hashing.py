"""md5, DVC's address of a file, and sha256, the manifest's authority, of one reading of its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CHUNK = 4 << 20

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


def read_sha256(path: str, count: Count) -> tuple[int, str]:
    """Return the size and sha256 of the plain file at path; OSError if it is a link or something else."""
    digest, total = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(min(CHUNK, os.fstat(descriptor).st_size + 1)))
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
            total += size
            count(size)
    return total, digest.hexdigest()
