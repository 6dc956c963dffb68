"""Bringing files out: nothing appears at its destination that is not, byte for byte, what the manifest says.

A file comes from muster's own cache, from the clone's DVC cache or from the remote, whichever has it first.
None of them is trusted: what was taken is hashed, and what is wrong is dropped and looked for in the next.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

from ...core.errors import Integrity, NotFound
from ...core.models import ArtifactFile
from . import disk
from .directory import Directory
from .hashing import read_sha256
from .intake import SMALL
from .progress import Meter
from .remote import Remote
from .verified import VerifiedCache

Link = Literal["copy", "auto"]


class Delivery:
    """Lays the files of one artifact out in a new directory."""

    def __init__(
        self,
        cache: VerifiedCache,
        sources: Sequence[Directory | Remote],
        scratch: str,
        link: Link,
        meter: Meter,
    ) -> None:
        self._cache, self._sources, self._scratch = cache, sources, scratch
        self._link, self._meter = link, meter
        self._numbers = itertools.count()

    def lay_out(self, wanted: Sequence[ArtifactFile], md5s: Mapping[str, str], root: str, jobs: int) -> None:
        """Put every file below root. The first that cannot be had as it was registered raises."""
        for directory in sorted({os.path.dirname(f"{root}/{file.path}") for file in wanted} | {root}):
            os.makedirs(directory, exist_ok=True)
        in_parallel(jobs, lambda file: self._place(file, md5s[file.path], f"{root}/{file.path}"), wanted)

    def _place(self, file: ArtifactFile, md5: str, target: str) -> None:
        if not self._place_cached(file, target):
            self._place_fetched(file, md5, target)

    def _place_cached(self, file: ArtifactFile, target: str) -> bool:
        """Put file at target from the cache. False if it was not there, or was not what its name says."""
        cached = self._cache.path(file.sha256)
        try:
            if os.stat(cached).st_size == file.size:
                self._bring(cached, target)
                if read_sha256(target, self._meter.add) == (file.size, file.sha256):
                    return True
                os.unlink(target)
        except FileNotFoundError:
            return False
        self._cache.drop(cached)
        return False

    def _place_fetched(self, file: ArtifactFile, md5: str, target: str) -> None:
        staged = f"{self._scratch}/{next(self._numbers)}"
        data = self._read_local(file, md5) if file.size <= SMALL else None
        if data is None:
            self._fetch(file, md5, staged)
        else:
            disk.write_new(staged, data, read_only=True)
            self._meter.add(file.size)
        if data is not None and self._link == "copy":
            disk.write_new(target, data, read_only=False)
        else:
            self._bring(staged, target)
        self._cache.keep(staged, self._cache.path(file.sha256))

    def _read_local(self, file: ArtifactFile, md5: str) -> bytes | None:
        """Return a small file's bytes if a local directory has them as they were registered."""
        for source in self._sources:
            if isinstance(source, Directory):
                with suppress(Integrity, NotFound):
                    data = source.read(md5, file.size)
                    if len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256:
                        return data
        return None

    def _fetch(self, file: ArtifactFile, md5: str, staged: str) -> None:
        """Put file at staged from the first source that has it as it was registered."""
        for source in self._sources:
            last = source is self._sources[-1]
            try:
                fetch_verified(source, file, md5, staged, self._meter)
            except (Integrity, NotFound):
                if last:
                    raise
                with suppress(FileNotFoundError):
                    os.unlink(staged)
            else:
                return

    def _bring(self, source: str, target: str) -> None:
        kinds = ("reflink", "copy") if self._link == "copy" else ("hardlink", "reflink", "copy")
        disk.clone(source, target, read_only=self._link != "copy", kinds=kinds)


def fetch_verified(
    source: Directory | Remote, file: ArtifactFile, md5: str, target: str, meter: Meter
) -> None:
    """Put file at target. NotFound or Integrity, which name it, if source lacks it or has other bytes."""
    with _naming(source, file, md5):
        source.fetch(md5, target, file.size)
        _compare(source, file, md5, target, meter)
        os.chmod(target, disk.READ_ONLY)


def verify_in_place(source: Directory, file: ArtifactFile, md5: str, meter: Meter) -> None:
    """Read file where it is; NotFound or Integrity as above."""
    with _naming(source, file, md5):
        source.require(md5, file.size)
        _compare(source, file, md5, source.uri(md5), meter)


def in_parallel(jobs: int, do: Callable[[ArtifactFile], None], wanted: Sequence[ArtifactFile]) -> None:
    """Do it for every file, at most jobs at a time; after the first failure begin no other."""
    if jobs == 1:
        for file in wanted:
            do(file)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(do, wanted):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _naming(source: Directory | Remote, file: ArtifactFile, md5: str) -> Iterator[None]:
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


def _compare(source: Directory | Remote, file: ArtifactFile, md5: str, path: str, meter: Meter) -> None:
    if read_sha256(path, meter.add) != (file.size, file.sha256):
        raise Integrity(f"{source.uri(md5)} has other bytes.")
