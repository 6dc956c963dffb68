"""A lock between processes: a file that is locked for as long as the holder lives, and no longer."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import Unavailable

_POLL_SECONDS = 0.02
_WRITABLE = "the repository's directory must be writable"


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[int]:
    """Hold the lock at path; Unavailable if somebody else holds it for more than that many seconds.

    Gives the descriptor: a process that inherits it holds the lock, too, for as long as it lives.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error.strerror}", hint=_WRITABLE) from error
    try:
        deadline = time.monotonic() + seconds
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another process has held {path} for {seconds:.0f} seconds",
                    hint="wait for it, or end it",
                )
            time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
