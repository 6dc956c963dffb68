"""Fetching one file: whole, or on from where somebody stopped, and verified in either case.

A transfer that ends midway is gone on with as long as each try brings something. What is complete and is not
what was registered is thrown away; if it came from a server, or in pieces, it is fetched once more from its
first byte, and if it is wrong again, that is Integrity.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...core.errors import Integrity, NotFound, Unavailable
from ...core.models import ArtifactFile
from . import disk
from .directory import Directory
from .hashing import GrowingDigest, read_sha256
from .objects import Objects, Resumable
from .progress import Meter


def fetch_verified(source: Objects, file: ArtifactFile, md5: str, target: str, meter: Meter) -> None:
    """Put file at target. NotFound or Integrity, which name it, if source lacks it or has other bytes."""
    with _naming(source, file, md5):
        try:
            source.fetch(md5, target, file.size)
            _compare(source, file, md5, target, meter)
        except (Integrity, NotFound):
            with suppress(FileNotFoundError):
                os.unlink(target)
            raise
        os.chmod(target, disk.READ_ONLY)


def fetch_into(partial: disk.Locked, source: Resumable, file: ArtifactFile, md5: str, meter: Meter) -> None:
    """Complete a file of which there may be a beginning, as above. A beginning is left if source goes away."""
    descriptor = partial.descriptor
    if os.fstat(descriptor).st_size > file.size:
        os.ftruncate(descriptor, 0)
    begun = os.fstat(descriptor).st_size
    with _naming(source, file, md5), _kept_if_of_use(descriptor):
        with GrowingDigest(descriptor, meter.add) as digest:
            digest.grew(begun)
            _append_all(source, file, md5, descriptor, digest)
            if digest.result() != (file.size, file.sha256) and (begun or not isinstance(source, Directory)):
                os.ftruncate(descriptor, 0)
                digest.restart()
                _append_all(source, file, md5, descriptor, digest)
            if digest.result() != (file.size, file.sha256):
                raise _other_bytes(source, md5)
        os.fchmod(descriptor, disk.READ_ONLY)


def verify_in_place(source: Directory, file: ArtifactFile, md5: str, meter: Meter) -> None:
    """Read file where it is; NotFound or Integrity as above."""
    with _naming(source, file, md5):
        source.require(md5, file.size)
        _compare(source, file, md5, source.uri(md5), meter)


def _append_all(
    source: Resumable, file: ArtifactFile, md5: str, descriptor: int, digest: GrowingDigest
) -> None:
    """Append what is lacking, again where it ends midway, until nothing more comes."""
    size = -1
    while size < (size := os.fstat(descriptor).st_size) < file.size:
        try:
            source.append(md5, descriptor, file.size, digest.grew)
        except Unavailable:
            if os.fstat(descriptor).st_size == size:
                raise


@contextmanager
def _kept_if_of_use(descriptor: int) -> Iterator[None]:
    """Throw away what there is of a file if its bytes are wrong, or there is no room for the rest of them."""
    try:
        yield
    except Integrity:
        os.ftruncate(descriptor, 0)
        raise
    except OSError as error:
        if error.errno in disk.FULL:
            os.ftruncate(descriptor, 0)
        raise


@contextmanager
def _naming(source: Objects, file: ArtifactFile, md5: str) -> Iterator[None]:
    """Say of what is wrong with an object which file it is."""
    try:
        yield
    except NotFound as error:
        raise NotFound(
            f"{file.path} is not in the artifact store: {source.uri(md5)}",
            hint="Somebody removed it, or it was never pushed: register the version's files again.",
        ) from error
    except Integrity as error:
        raise Integrity(
            f"{file.path} is not what was registered: {error}",
            hint="Trust nothing from this remote until somebody has looked.",
        ) from error


def _compare(source: Objects, file: ArtifactFile, md5: str, path: str, meter: Meter) -> None:
    if read_sha256(path, meter.add) != (file.size, file.sha256):
        raise _other_bytes(source, md5)


def _other_bytes(source: Objects, md5: str) -> Integrity:
    return Integrity(f"{source.uri(md5)} has other bytes.")
