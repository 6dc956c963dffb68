"""What is kept of indexes on this machine: the roots that were read last, and objects, which no index owns alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT_DAYS = 30
_DAY = 86_400.0  # seconds
_SWEPT = "swept"  # its time of change is when objects were last looked through


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the cache. `size` in bytes; `used` is when it was read or confirmed last, in seconds since 1970."""

    path: Path
    size: int
    used: float


def roots(cache: Path) -> list[KeptFile]:
    """Return what was read last of each index."""
    return _files(cache.glob("roots/*.json"))


def objects(cache: Path) -> list[KeptFile]:
    """Return the objects that are here, of whatever index."""
    return _files(cache.glob("objects/??/*"))


def said_of(root: Path) -> tuple[str, str | None]:
    """Return where the index is of which a root was kept, and at which commit; "" and None if nobody can tell."""
    try:
        document = json.loads(root.read_bytes())
        payload = json.loads(json.loads(document["root"])["payload"])
        return str(document["location"]), str(payload["commit"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", None


def prune(cache: Path) -> None:
    """Remove objects that nobody has read for a month. They are looked through once a day."""
    now, stamp = time.time(), cache / _SWEPT
    with suppress(OSError):
        if stamp.exists() and now - stamp.stat().st_mtime < _DAY:
            return
        stamp.touch()
        for kept in objects(cache):
            if now - kept.used > KEPT_DAYS * _DAY:
                kept.path.unlink(missing_ok=True)


def note_use(path: Path) -> None:
    """Remember that a file was read, to the day."""
    with suppress(OSError):
        now = time.time()
        if now - path.stat().st_mtime > _DAY:
            path.touch()


def _files(paths: Iterable[Path]) -> list[KeptFile]:
    found = []
    for path in paths:
        with suppress(OSError):  # somebody takes it away at this moment
            status = path.stat()
            found.append(KeptFile(path, status.st_size, status.st_mtime))
    return found
