"""What was seen last of a URL: when its branches were confirmed, and at which commits they were.

    <cache>/git/<address>/record.json     {"url": ..., "heads": {asked: {"ref": ..., "tip": ..., "at": seconds}},
                                           "refused": {filter: seconds}}
    <state>/heads/<address>.json          {"url": ..., "heads": {ref: commit}}

The first is beside the mirror and may be thrown away with it. The second is what a history that is rewritten is noticed
by, so it lies in the user's state directory, which nobody clears to gain space. `asked` is a ref, or "" for what HEAD
names. `refused` are filters that the server did not serve, where it served others. Both files are replaced whole; one
that cannot be read is as good as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...core.errors import Unavailable

_REFUSED_SECONDS = 7 * 24 * 3600  # then the server is tried again: it may have learned


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a branch was: its full name, its commit, and when that was asked for, in seconds since 1970."""

    ref: str
    tip: str
    at: float


class Record:
    """What the cache remembers of one URL."""

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._url = path, url

    def get(self, asked: str) -> Seen | None:
        """Return what was seen last of a ref, or of HEAD."""
        try:
            found = _heads(self._path)[asked]
            return Seen(str(found["ref"]), str(found["tip"]), float(found["at"]))
        except (KeyError, TypeError, ValueError):
            return None

    def all(self) -> list[Seen]:
        """Return what was seen last of everything that was asked for."""
        return [seen for asked in _heads(self._path) if (seen := self.get(asked)) is not None]

    def keep(self, asked: str, seen: Seen) -> None:
        """Remember it, unless something younger is remembered."""
        there = self.get(asked)
        if there is None or not seen.at < there.at <= _mtime(self._path):
            try:
                _replace(self._path, self._url, heads={**_heads(self._path), asked: asdict(seen)})
            except OSError as error:
                hint = "make room, or set MUSTER_CACHE to a directory that can be written"
                raise Unavailable(f"{self._path} cannot be written: {error.strerror}", hint) from error

    def refused(self, now: float) -> set[str]:
        """Return the filters that the server is known not to serve."""
        found = _mapping(self._path, "refused").items()
        return {filter for filter, at in found if isinstance(at, float) and 0 <= now - at < _REFUSED_SECONDS}

    def refuse(self, filters: Collection[str], now: float) -> None:
        """Remember that the server did not serve filters."""
        if filters:
            with suppress(OSError):  # then it is asked in vain once more
                before = _mapping(self._path, "refused")
                _replace(self._path, self._url, refused={**before, **dict.fromkeys(filters, now)})


class Heads:
    """What the user's state directory remembers of one URL."""

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._url = path, url

    def all(self) -> dict[str, str]:
        """Return the last commit of each branch that was believed."""
        return {ref: tip for ref, tip in _heads(self._path).items() if isinstance(tip, str)}

    def keep(self, ref: str, tip: str) -> None:
        """Remember that a branch is at tip. Where nothing can be written, the cache remembers alone."""
        heads = _heads(self._path)
        if heads.get(ref) != tip:
            with suppress(OSError):
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _replace(self._path, self._url, heads={**heads, ref: tip})


def state_directory() -> Path:
    """Where muster remembers: $MUSTER_STATE, else `muster` in the user's state directory (XDG)."""
    if own := os.environ.get("MUSTER_STATE"):
        return Path(own)
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "muster"


def url_of(path: Path) -> str | None:
    """Return the URL that a record is of; None if it is none."""
    found = _read(path).get("url")
    return found if isinstance(found, str) else None


def _heads(path: Path) -> dict[str, Any]:
    return _mapping(path, "heads")


def _mapping(path: Path, key: str) -> dict[str, Any]:
    found = _read(path).get(key)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _replace(path: Path, url: str, **changed: Mapping[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.write_text(json.dumps({**_read(path), "url": url, **changed}))
    draft.replace(path)
