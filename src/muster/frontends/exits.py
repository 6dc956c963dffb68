"""What a process exits with: an error's class is its exit code."""

from __future__ import annotations

from ..core.errors import Conflict, Integrity, Invalid, MusterError, NotFound, Refused, Unavailable

FAILED = 1
USAGE = 2
EXIT_CODES: dict[type[MusterError], int] = {
    NotFound: 3,
    Refused: 4,
    Invalid: 5,
    Conflict: 6,
    Integrity: 7,
    Unavailable: 8,
}
INTERRUPTED = 130


def exit_code(error: MusterError) -> int:
    """Return what a process that failed with error exits with."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED)
