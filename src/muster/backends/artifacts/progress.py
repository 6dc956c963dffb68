"""How far a long piece of work has come, told at reasonable intervals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Progress = Callable[
    [str, int, int], None
]  # what is done ("hash", "push", "pull", "verify"), bytes done, bytes in all

_INTERVAL = 0.1  # seconds between two reports


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


class Meter:
    """Adds up what several threads have done, and reports it from one of them at a time."""

    def __init__(self, report: Progress, what: str, total: int) -> None:
        self._report, self._what, self._total = report, what, total
        self._done, self._next = 0, 0.0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count size more bytes as done."""
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now >= self._next:
                self._next = now + _INTERVAL
                self._report(self._what, self._done, self._total)

    def close(self) -> None:
        """Report that all is done."""
        with self._lock:
            self._report(self._what, self._total, self._total)
