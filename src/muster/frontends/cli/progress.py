"""A progress bar on a terminal, for whatever takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

_WORDS = {"hash": "reading", "push": "storing", "pull": "fetching", "verify": "verifying"}


class Bar:
    """Shows what an artifact store reports. Silent where stderr is no terminal, and in the first second."""

    def __init__(self) -> None:
        self._started, self._what, self._shown = time.monotonic(), "", 0
        self._bar: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if not sys.stderr.isatty() or time.monotonic() - self._started < 1 or total <= 0:
            return
        if what != self._what:
            self.close()
            label = _WORDS.get(what, what)
            self._bar = click.progressbar(length=total, label=f"{label:<9}", file=sys.stderr, show_pos=False)
            self._bar.__enter__()
            self._what, self._shown = what, 0
        self._bar.update(done - self._shown)
        self._shown = done

    def close(self) -> None:
        """Leave the line."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar, self._what = None, ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
