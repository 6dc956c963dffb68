"""Readers of a published index, as tests open them, and the states that it goes through."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from muster import Registry
from muster.core import published
from muster.core.published import Root
from muster.core.snapshot import Snapshot
from support.plain_index import write_index
from support.registry import edited, valid
from support.webserver import Site

AT = "2026-05-01T12:00:00Z"
COMMIT, LATER = "c" * 40, "d" * 40


def index_of(where: Path, snapshot: Snapshot | None = None, **options: Any) -> Root:
    where.mkdir(exist_ok=True)
    return write_index(where, snapshot or valid(), **options)


def opened(where: Site | Path, **options: Any) -> Registry:
    """A reader with a new memory of nothing but what is on disk."""
    return Registry(f"index+{where.url if isinstance(where, Site) else where}", **options)


def champion(where: Site | Path, **options: Any) -> int:
    with opened(where, **options) as registry:
        return registry.get("bikes@champion").version


def ago(**time: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(**time):%Y-%m-%dT%H:%M:%SZ}"


def cached(home: Path) -> Path:
    return home / ".cache" / "muster" / "published"


def moved(to: int) -> Snapshot:
    """The registry with the champion moved."""
    return edited(valid(), {"models/bikes/aliases/champion.yaml": b"schema: 1\nversion: %d\n" % to})


BOMB = gzip.compress(b"0" * (published.MAX_OBJECT + 9), 1)


def states(top: Path) -> list[tuple[Root, int]]:
    """Two states of an index whose objects are all there: the root of each, and what a reader must see."""
    one = index_of(top, commit="1" * 40, at=ago(hours=2), committed=ago(hours=2))
    two = index_of(top, moved(3), commit="2" * 40, at=ago(hours=1), committed=ago(hours=1))
    return [(one, 2), (two, 3)]
