"""Taking files in: the digests that are recorded are of the very bytes that are stored.

A small file is read into memory, and written from there. A large one that is not stored yet is copied by
the kernel, and the copy compared with the digests before it gets its name or is sent on: nobody else writes
to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ...core.errors import Finding, Integrity, Invalid
from ...core.models import StoredFile
from . import disk
from .directory import Directory, Writer
from .hashing import Digests, digests_of, md5_of, read_digests, read_sha256
from .progress import Meter
from .remote import Remote
from .survey import RULE, SourceFile

SMALL = 4 << 20  # bytes up to which a file is held in memory


class Intake:
    """Puts files into local directories, and into a remote on a server if there is one."""

    def __init__(
        self, places: Sequence[tuple[Directory, Writer]], remote: Remote | None, scratch: str
    ) -> None:
        self._places, self._remote, self._scratch = places, remote, scratch

    def take(self, sources: Sequence[SourceFile], hashed: Meter, sent: Meter) -> tuple[StoredFile, ...]:
        """Store every file in the local directories, and the large ones in the remote too."""
        stored = []
        for source in sources:
            if source.size <= SMALL:
                digests = self._take_small(source)
                hashed.add(digests.size)
            else:
                digests = self._take_large(source, hashed, sent)
            stored.append(StoredFile(source.path, digests.size, digests.sha256, digests.md5))
        return tuple(stored)

    def send(
        self, sources: Sequence[SourceFile], stored: Sequence[StoredFile], sent: Meter, jobs: int
    ) -> None:
        """Send the small files that the remote lacks."""
        from concurrent.futures import ThreadPoolExecutor

        remote = self._remote
        if remote is None:
            return
        small = {
            file.md5: source for source, file in zip(sources, stored, strict=True) if source.size <= SMALL
        }
        lacking = remote.missing(small)
        sent.add(sum(source.size for md5, source in small.items() if md5 not in lacking))
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for size in pool.map(lambda md5: self._send_small(remote, small[md5], md5), lacking):
                    sent.add(size)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        sent.close()

    def write_list(self, data: bytes, oid: str) -> None:
        """Store a list of files everywhere, after all that it names."""
        for place, writer in self._places:
            if not place.has(oid, len(data)):
                writer.write(data, oid)
        if self._remote and self._remote.missing([oid]):
            self._send_bytes(self._remote, data, oid)

    def _take_small(self, source: SourceFile) -> Digests:
        data = _read(source)
        digests = digests_of(data)
        for place, writer in self._places:
            if not place.has(digests.md5, digests.size):
                writer.write(data, digests.md5)
        return digests

    def _take_large(self, source: SourceFile, hashed: Meter, sent: Meter) -> Digests:
        from concurrent.futures import ThreadPoolExecutor

        with _unchanging(source):
            digests = read_digests(source.location, hashed.add)
            places = [p for p in self._places if not p[0].has(digests.md5, digests.size)]
            remote = self._remote if self._remote and self._remote.missing([digests.md5]) else None
            if not places and remote is None:
                sent.add(digests.size)
                return digests
            staged = self._stage(source, places)
        with ThreadPoolExecutor(1) as other:  # the kernel copies while the copy before is read again
            read_again = other.submit(read_sha256, staged, _ignore)
            copies = [(writer, writer.stage(staged)) for _, writer in places[1:]]
            if read_again.result() != (digests.size, digests.sha256):
                raise _changed(source)
        for writer, copied in copies:
            writer.adopt(copied, digests.md5)
        if remote is None:
            sent.add(digests.size)
        else:
            remote.put(staged, digests.md5, sent.add)
        if places:
            places[0][1].adopt(staged, digests.md5)
        else:
            os.unlink(staged)
        return digests

    def _stage(self, source: SourceFile, places: Sequence[tuple[Directory, Writer]]) -> str:
        if places:
            return places[0][1].stage(source.location)
        staged = f"{self._scratch}/staged"
        disk.clone(source.location, staged, read_only=True)
        return staged

    def _send_small(self, remote: Remote, source: SourceFile, md5: str) -> int:
        data = _read(source)
        if md5_of(data) != md5:
            raise _changed(source)
        self._send_bytes(remote, data, md5)
        return len(data)

    def _send_bytes(self, remote: Remote, data: bytes, oid: str) -> None:
        path = f"{self._scratch}/{oid}"
        disk.write_new(path, data, read_only=False)
        remote.put(path, oid, _ignore)
        os.unlink(path)


def _ignore(size: int) -> None:
    """Count nothing."""


def _read(source: SourceFile) -> bytes:
    with _unchanging(source), open(source.location, "rb") as file:
        data = file.read(SMALL + 1)
        if len(data) > SMALL:
            raise _changed(source)
        return data


@contextmanager
def _unchanging(source: SourceFile) -> Iterator[None]:
    """Raise Integrity if a file is written to meanwhile, and Invalid if it cannot be read."""
    try:
        before = _state(source)
        yield
        if _state(source) != before or before[2] != source.size:
            raise _changed(source)
    except OSError as error:
        if error.filename != source.location:
            raise
        finding = Finding(source.path, RULE, f"the file cannot be read: {error.strerror}")
        raise Invalid(f"{source.location} cannot be stored.", [finding]) from error


def _state(source: SourceFile) -> tuple[int, ...]:
    status = os.stat(source.location)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _changed(source: SourceFile) -> Integrity:
    return Integrity(
        f"{source.location} changed while it was being read.",
        hint="Wait until it is complete, then register it again.",
    )
