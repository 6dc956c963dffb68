"""What muster keeps on this machine and can have again: what it read of registries elsewhere, and the files of versions.

All of it may be taken away while others read: they fetch it again. What is remembered of each registry's last commit is
not kept here but in the user's state directory, and stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from .reader import cache_directory


@dataclass(frozen=True, slots=True)
class KeptRegistry:
    """What is kept of one URL, without credentials. `size` in bytes; `used` is UTC, RFC 3339; `commit` was read last.

    `complete`: with its whole history, which an index never has.
    """

    url: str
    path: str
    size: int
    used: str
    commit: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """How many there are, and how many bytes they have."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Cache:
    """All that is kept below `path`. `size`: bytes in all.

    `mirrors` are of git repositories and `indexes` of published indexes, whose files, `objects`, several may share.
    `searches` are the databases that searches are answered from. `files` are those of versions, verified, and `trees`
    the directories made of them.
    """

    path: str
    size: int
    mirrors: tuple[KeptRegistry, ...]
    indexes: tuple[KeptRegistry, ...]
    objects: KeptFiles
    searches: KeptFiles
    files: KeptFiles
    trees: KeptFiles


class _Kept(Protocol):
    """What each backend says of a thing it keeps."""

    @property
    def size(self) -> int: ...
    @property
    def used(self) -> float: ...


def inspect(cache: str | os.PathLike[str] | None = None) -> Cache:
    """Return what is kept."""
    from .backends.artifacts.verified import VerifiedCache
    from .backends.git import mirror
    from .backends.index import index_files
    from .backends.published import keeping

    root = _root(cache)
    mirrors = tuple(
        KeptRegistry(m.url, str(m.path), m.size, _moment(m.used), m.tip, m.complete)
        for m in mirror.kept(root / "git")
    )
    indexes = tuple(
        KeptRegistry(url, str(r.path), r.size, _moment(r.used), commit, False)
        for r in keeping.roots(root / "published")
        for url, commit in (keeping.said_of(r.path),)
    )
    files, trees = VerifiedCache(root).kept()
    objects, searches = _count(keeping.objects(root / "published")), _count(index_files(root))
    counted = (objects, searches, _count(files), _count(trees))
    size = sum(each.size for each in (*mirrors, *indexes)) + sum(each.size for each in counted)
    return Cache(str(root), size, mirrors, indexes, *counted)


def clear(
    cache: str | os.PathLike[str] | None = None,
    *,
    registry: str | None = None,
    older_than: timedelta | None = None,
    artifacts: bool = False,
    now: datetime | None = None,
) -> int:
    """Take away what is kept, and return how many bytes that was.

    `registry`: what was read of that URL alone. `artifacts`: files of versions alone. `older_than`: what was not used
    for so long alone. Nothing given: everything.
    """
    root, moment = _root(cache), now or datetime.now(timezone.utc)
    before = float("inf") if older_than is None else (moment - older_than).timestamp()
    freed = 0
    if not artifacts:
        freed += _clear_read(root, registry, before)
    if registry is None:
        freed += _clear_files(root, before)
        freed += 0 if artifacts else _clear_derived(root, before)
    return freed


def _clear_read(root: Path, registry: str | None, before: float) -> int:
    """Take away what was read of registries elsewhere."""
    from .backends.git import mirror
    from .backends.published import address, keeping
    from .sources import is_index

    freed = 0
    only = None if registry is None or is_index(registry) else mirror.mirror_of(registry, root / "git")
    for each in () if registry is not None and only is None else mirror.kept(root / "git"):
        if only in (None, each.path) and each.used < before:
            mirror.forget(each.path)
            freed += each.size
    place = address.redacted(registry) if registry is not None else None
    for index in keeping.roots(root / "published"):
        if index.used < before and place in (None, keeping.said_of(index.path)[0]):
            index.path.unlink(missing_ok=True)
            freed += index.size
    return freed


def _clear_files(root: Path, before: float) -> int:
    from .backends.artifacts.verified import VerifiedCache, take_away

    freed = 0
    files, trees = VerifiedCache(root).kept()
    for each in (*files, *trees):
        if each.used < before:
            take_away(each.path)
            freed += each.size
    return freed


def _clear_derived(root: Path, before: float) -> int:
    """Take away the objects of indexes, which several may share, and the databases for searches that nobody has open."""
    from .backends.index import index_files, remove
    from .backends.published import keeping

    freed = 0
    for each in keeping.objects(root / "published"):
        if each.used < before:
            each.path.unlink(missing_ok=True)
            freed += each.size
    for search in index_files(root):
        if search.used < before and remove(search.path):
            freed += search.size
    return freed


def _root(cache: str | os.PathLike[str] | None) -> Path:
    return Path(cache) if cache is not None else cache_directory()


def _count(kept: Iterable[_Kept]) -> KeptFiles:
    sizes = [each.size for each in kept]
    return KeptFiles(len(sizes), sum(sizes))


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
