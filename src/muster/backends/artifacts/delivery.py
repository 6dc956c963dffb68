"""Bringing files out: nothing appears at its destination that is not, byte for byte, what the manifest says.

A file comes from muster's own cache, from the clone's DVC cache or from the remote, whichever has it first.
None of them is trusted: what was taken is hashed, and what is wrong is dropped and looked for in the next.
Several processes that want the same files share the work: who finds that another fetches one goes on with
the rest, and takes it from the cache in the end.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from typing import Literal

from ...core.errors import Integrity, NotFound
from ...core.models import ArtifactFile
from . import disk
from .directory import Directory
from .fetching import fetch_into, fetch_verified
from .hashing import read_sha256, sha256_of
from .intake import SMALL
from .objects import Objects, Resumable
from .progress import Meter
from .verified import VerifiedCache

Link = Literal["copy", "reflink", "hardlink", "symlink", "auto"]

_OF_THEIR_OWN = ("copy", "reflink")  # files that share nothing with the cache when they are written to


class Delivery:
    """Lays the files of one artifact out in a new directory, or opens one of them."""

    def __init__(
        self, cache: VerifiedCache, sources: Sequence[Objects], scratch: str, link: Link, meter: Meter
    ) -> None:
        self._cache, self._sources, self._scratch = cache, sources, scratch
        self._link, self._meter = link, meter
        self._numbers = itertools.count()

    def lay_out(self, wanted: Sequence[ArtifactFile], md5s: Mapping[str, str], root: str, jobs: int) -> None:
        """Put every file below root. The first that cannot be had as it was registered raises."""
        for directory in sorted({os.path.dirname(f"{root}/{file.path}") for file in wanted} | {root}):
            os.makedirs(directory, exist_ok=True)
        busy: list[ArtifactFile] = []

        def place(file: ArtifactFile, wait: bool = False) -> None:
            if not self._place(file, md5s[file.path], f"{root}/{file.path}", wait):
                busy.append(file)

        in_parallel(jobs, place, wanted)
        in_parallel(jobs, lambda file: place(file, wait=True), tuple(busy))

    def open(self, file: ArtifactFile, md5: str) -> FileIO:
        """Return a file of the cache, fetched if need be, whose every byte was verified since it was opened."""
        if opened := self._open_cached(file):
            return opened
        with self._cache.partial(file.sha256, self._spare(), wait=True) as partial:
            if opened := self._open_cached(file):
                return opened
            assert partial is not None  # noqa: S101  (we waited for it)
            staged = self._fetch(file, md5, partial)
            opened = FileIO(staged)
            self._cache.keep(staged, self._cache.path(file.sha256))
            return opened

    def _place(self, file: ArtifactFile, md5: str, target: str, wait: bool) -> bool:
        """Put file at target. False if another process is fetching it, and we do not wait."""
        if self._place_cached(file, target) or self._place_small(file, md5, target):
            return True
        with self._cache.partial(file.sha256, self._spare(), wait) as partial:
            if partial is None:
                return False
            if not self._place_cached(file, target):  # another process has it now
                self._keep(self._fetch(file, md5, partial), file, target)
        return True

    def _place_cached(self, file: ArtifactFile, target: str) -> bool:
        """Put file at target from the cache. False if it was not there, or was not what its name says."""
        with suppress(FileNotFoundError):  # another process found that it is not what its name says
            if cached := self._cache.find(file.sha256, file.size):
                self._bring(cached, target)
                placed = cached if self._link == "symlink" else target
                if read_sha256(placed, self._meter.add) == (file.size, file.sha256):
                    return True
                self._cache.drop(cached)
        with suppress(FileNotFoundError):
            os.unlink(target)
        return False

    def _open_cached(self, file: ArtifactFile) -> FileIO | None:
        with suppress(FileNotFoundError):
            if cached := self._cache.find(file.sha256, file.size):
                opened = FileIO(os.open(cached, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
                if sha256_of(opened, self._meter.add) == (file.size, file.sha256):
                    opened.seek(0)
                    return opened
                opened.close()
                self._cache.drop(cached)
        return None

    def _place_small(self, file: ArtifactFile, md5: str, target: str) -> bool:
        """Put a small file at target from a local directory, if one has it as it was registered."""
        data = self._read_local(file, md5) if file.size <= SMALL else None
        if data is None:
            return False
        staged = self._spare()
        disk.write_new(staged, data, read_only=True)
        self._meter.add(file.size)
        if self._link == "copy":
            disk.write_new(target, data, read_only=False)
            self._cache.keep(staged, self._cache.path(file.sha256))
        else:
            self._keep(staged, file, target)
        return True

    def _read_local(self, file: ArtifactFile, md5: str) -> bytes | None:
        for source in self._sources:
            if isinstance(source, Directory):
                with suppress(Integrity, NotFound):
                    data = source.read(md5, file.size)
                    if len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256:
                        return data
        return None

    def _fetch(self, file: ArtifactFile, md5: str, partial: disk.Locked) -> str:
        """Return where file is now, from the first source that has it as it was registered."""
        for source in self._sources:
            try:
                if file.size > SMALL and isinstance(source, Resumable):
                    fetch_into(partial, source, file, md5, self._meter)
                    return partial.path
                staged = self._spare()
                fetch_verified(source, file, md5, staged, self._meter)
                return staged
            except (Integrity, NotFound):
                if source is self._sources[-1]:
                    raise
        raise NotFound(f"There is no place from which {file.path} could come.")

    def _keep(self, staged: str, file: ArtifactFile, target: str) -> None:
        """Put a verified file into the cache, and at target."""
        cached = self._cache.path(file.sha256)
        if self._link == "symlink":
            self._cache.keep(staged, cached)
            self._bring(cached, target)
        else:  # from where nobody else can reach it
            self._bring(staged, target)
            self._cache.keep(staged, cached)

    def _bring(self, source: str, target: str) -> None:
        if self._link == "copy":
            disk.clone(source, target, read_only=False)
        elif self._link == "auto":
            disk.clone(source, target, read_only=True, kinds=("hardlink", "reflink", "copy"))
        else:
            disk.share(source, target, self._link)

    def _spare(self) -> str:
        return f"{self._scratch}/{next(self._numbers)}"


def in_parallel(jobs: int, do: Callable[[ArtifactFile], None], wanted: Sequence[ArtifactFile]) -> None:
    """Do it for every file, at most jobs at a time; after the first failure begin no other."""
    if jobs == 1 or len(wanted) < 2:
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
