"""Files that many processes read and write at once: seen whole or not at all, and never needed to go on."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from ...core.errors import Integrity

_ABANDONED = 3600.0  # seconds after which a file that is being written belongs to nobody


def read(path: Path, limit: int) -> bytes:
    """Return a file's bytes; OSError if it cannot be read, Integrity if it is more than limit bytes."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Integrity(f"{path} has more than {limit} bytes")
    return data


def write(path: Path, data: bytes, incoming: Path, lasting: bool = False) -> None:
    """Make data the content of path at once. `lasting`: also through a loss of power. OSError if it cannot be."""
    incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = incoming / f"{os.getpid()}-{secrets.token_hex(8)}"
    try:
        with staged.open("xb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def keep(path: Path, data: bytes, incoming: Path) -> None:
    """Do so if it can be done: what is kept so can be fetched again, and a full disk keeps nobody from an answer."""
    with suppress(OSError):
        write(path, data, incoming)


def sweep(incoming: Path) -> None:
    """Remove what killed processes have left behind."""
    with suppress(OSError):
        for path in incoming.iterdir():
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink(missing_ok=True)
