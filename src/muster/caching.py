"""What muster keeps on this machine and can have again: mirrors of registries behind URLs, and the files of versions.

All of it may be taken away while others read: they fetch it again. What is remembered of each branch's last commit is not
kept here but in the user's state directory, and stays.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .reader import cache_directory


@dataclass(frozen=True, slots=True)
class KeptMirror:
    """What is kept of one URL, without credentials. `size` in bytes; `used` is UTC, RFC 3339; `commit` was read last."""

    url: str
    path: str
    size: int
    used: str
    commit: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class KeptArtifacts:
    """The verified files of versions, and the directories made of them. Sizes in bytes."""

    files: int
    size: int
    trees: int
    trees_size: int


@dataclass(frozen=True, slots=True)
class Cache:
    """All that is kept below `path`. `size`: bytes in all."""

    path: str
    size: int
    mirrors: tuple[KeptMirror, ...]
    artifacts: KeptArtifacts


def inspect(cache: str | os.PathLike[str] | None = None) -> Cache:
    """Return what is kept."""
    from .backends.artifacts.verified import VerifiedCache
    from .backends.git.mirror import kept

    root = Path(cache) if cache is not None else cache_directory()
    mirrors = tuple(
        KeptMirror(m.url, str(m.path), m.size, _moment(m.used), m.tip, m.complete) for m in kept(root / "git")
    )
    files, trees = VerifiedCache(root).kept()
    artifacts = KeptArtifacts(len(files), sum(f.size for f in files), len(trees), sum(t.size for t in trees))
    size = sum(m.size for m in mirrors) + artifacts.size + artifacts.trees_size
    return Cache(str(root), size, mirrors, artifacts)


def clear(
    cache: str | os.PathLike[str] | None = None,
    *,
    registry: str | None = None,
    older_than: timedelta | None = None,
    artifacts: bool = False,
    now: datetime | None = None,
) -> int:
    """Take away what is kept, and return how many bytes that was.

    `registry`: the mirror of that URL alone. `artifacts`: files of versions alone. `older_than`: what was not used for so
    long alone. Nothing given: everything.
    """
    from .backends.artifacts.verified import VerifiedCache, take_away
    from .backends.git.mirror import forget, kept, mirror_of

    root = Path(cache) if cache is not None else cache_directory()
    before = (
        ((now or datetime.now(timezone.utc)) - older_than).timestamp() if older_than is not None else None
    )
    only = mirror_of(registry, root / "git") if registry is not None else None
    freed = 0
    for mirror in () if artifacts else kept(root / "git"):
        if only in (None, mirror.path) and (before is None or mirror.used < before):
            forget(mirror.path)
            freed += mirror.size
    files, trees = ((), ()) if registry is not None else VerifiedCache(root).kept()
    for each in (*files, *trees):
        if before is None or each.used < before:
            take_away(each.path)
            freed += each.size
    return freed


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
