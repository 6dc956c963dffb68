"""A directory of this machine, or of one that is mounted. A file is written beside its place and moved there."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from ...core.errors import MusterError, Refused, Unavailable

_LOCK = ".muster.lock"
_PART = ".muster-part-"  # how a file is called while it is written: no reader asks for such a name
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WAIT_SECONDS, _POLL_SECONDS = 600.0, 0.05
_AT_ONCE = 8
_MODE = 0o644  # a web server of another user reads them


class DirectoryTarget:
    """The directory at `path`, which is made when something is written."""

    def __init__(self, path: Path) -> None:
        self._top = path.resolve()
        self.location = str(self._top)

    def read(self, path: str) -> bytes | None:
        """Return a file; None if there is none."""
        try:
            return (self._top / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failure(error) from error

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, each through to the disk: several at a time, as each waits for it."""
        places = [self._top / path for path in files]
        try:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(_write, places, files.values()))
        except OSError as error:
            raise _failure(error) from error

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, and the directories that are empty then."""
        try:
            for path in paths:
                place = self._top / path
                place.unlink(missing_ok=True)
                with suppress(OSError):  # until one has something in it
                    while (place := place.parent) != self._top:
                        place.rmdir()
        except OSError as error:
            raise _failure(error) from error

    def paths(self, directory: str) -> Iterator[str]:
        """Yield the path of each file below directory. What a publisher that was killed left half written goes."""
        for top, _, names in os.walk(self._top / directory):
            for name in names:
                if name.startswith(_PART):
                    with suppress(OSError):
                        Path(top, name).unlink()
                else:
                    yield Path(top, name).relative_to(self._top).as_posix()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for another publisher on this machine; Unavailable if it takes more than ten minutes."""
        try:
            self._top.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._top / _LOCK, os.O_RDWR | os.O_CREAT, _MODE)
        except OSError as error:
            raise _failure(error) from error
        try:
            deadline = time.monotonic() + _WAIT_SECONDS
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"another process publishes to {self._top}", hint="wait for it, or end it"
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_PART, dir=place.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, _MODE)
            os.fsync(descriptor)
        part.replace(place)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _failure(error: OSError) -> MusterError:
    """The error that says what the operating system refused."""
    place, reason = error.filename or "a file", error.strerror or type(error).__name__
    if error.errno in _FULL:
        return Unavailable(
            f"there is no room to write the index: {reason}", hint="free some space, then try again"
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return Refused(f"{place} cannot be used: {reason}", hint="check its permissions")
    return Unavailable(
        f"{place} cannot be used: {reason}", hint="check that the disk is there, then try again"
    )
