"""A file that a command brings: to standard output, or to a new file that nobody sees half of."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

from ..core.errors import Conflict

_CHUNK = 1 << 20


def target_of(output: str) -> Path | None:
    """Return the new file that is named, None for `-`, which is standard output; Conflict if it is there."""
    return None if output == "-" else _new(Path(output))


def write(opened: BinaryIO, target: Path | None) -> None:
    """Write what is open to where `target_of` says."""
    if target is None:
        shutil.copyfileobj(opened, sys.stdout.buffer, _CHUNK)
        return
    aside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
    try:
        with aside.open("xb") as file:
            shutil.copyfileobj(opened, file, _CHUNK)
        aside.rename(_new(target))
    finally:
        aside.unlink(missing_ok=True)


def _new(output: Path) -> Path:
    if os.path.lexists(output):
        raise Conflict(f"{output} is already there.", hint="Choose another place, or remove it first.")
    return output
