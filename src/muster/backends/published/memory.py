"""What was seen of each index, so that it cannot go back unseen. It is not in the cache: that may be cleared any time.

<state>/indexes/<digest of the URL>.json     what `core.trust.Seen` holds, and the URL
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import Integrity, Unavailable
from ...core.trust import Seen, require_successor
from . import disk

_LIMIT = 64 << 10


def name_of(url: str) -> str:
    """Return what files about an index are called."""
    return hashlib.sha256(url.encode()).hexdigest()[:32]


class Memory:
    """What this user has seen of the index at one URL. Several processes may use it at once."""

    def __init__(self, state: Path, url: str) -> None:
        self._directory, self._url = state / "indexes", url
        self._place = self._directory / f"{name_of(url)}.json"
        self._known: tuple[tuple[int, int], Seen] | None = None  # what was there when the file was last read

    def require_successor(self, now: Seen, accept: str) -> None:
        """Raise Integrity if now may not come after what was seen."""
        require_successor(self._seen(), now, accept)

    def remember(self, now: Seen, accept: str) -> None:
        """Remember what is seen now; Integrity if it may not come after what was seen, by whichever process."""
        if self._seen() == now:
            return
        try:
            with self._locked():
                self.require_successor(now, accept)
                data = json.dumps({"url": self._url, **now.to_document()}, indent=2)
                disk.write(self._place, data.encode(), self._directory, lasting=True)
        except OSError as error:
            raise Unavailable(
                f"what was seen of {self._url} cannot be remembered in {self._directory}: {error.strerror}",
                "name a directory that can be written in MUSTER_STATE",
            ) from error

    def _seen(self) -> Seen | None:
        """Return what is remembered, by whichever process; the file is read if it is another than it was."""
        try:
            status = self._place.stat()
        except OSError:
            return self._read()
        which = status.st_ino, status.st_mtime_ns
        if self._known is None or self._known[0] != which:
            seen = self._read()
            if seen is None:
                return None
            self._known = which, seen
        return self._known[1]

    def _read(self) -> Seen | None:
        try:
            seen = Seen.from_document(json.loads(disk.read(self._place, _LIMIT)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(
                f"{self._place} cannot be read: {error.strerror}", "check its permissions"
            ) from error
        except (ValueError, RecursionError):
            seen = None
        if seen is None:
            raise Integrity(
                f"{self._place}, which remembers what was seen of {self._url}, is damaged",
                "see that the index is not older than it was, then remove that file",
            )
        return seen

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
