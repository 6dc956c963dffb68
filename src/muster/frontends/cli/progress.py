"""A progress bar on a terminal, for whatever takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from ..report import size

_WORDS = {
    "hash": "reading",
    "push": "storing",
    "pull": "fetching",
    "verify": "verifying",
    "index": "indexing",
    "store": "storing",
}
_NOT_BYTES = ("index", "store")  # models, and entries of an import


class Bar:
    """Shows what an artifact store or an index reports. Silent where stderr is no terminal, and in the first second."""

    def __init__(self) -> None:
        self._begun = self._stage = time.time()  # the clock that click's bar goes by
        self._what, self._shown = "", 0
        self._bar: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.time()
        if what != self._what:
            self.close()
            self._what, self._stage, self._shown = what, now, 0
        if not sys.stderr.isatty() or now - self._begun < 1 or total <= 0:
            return
        if self._bar is None:
            self._bar = _bar(_WORDS.get(what, what), total, self._stage)
        rate = done / (now - self._stage) if now > self._stage else 0
        self._bar.update(done - self._shown, "" if what in _NOT_BYTES else f"{size(round(rate))}/s")
        self._shown = done

    def close(self) -> None:
        """Leave the line."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bar(label: str, total: int, begun: float) -> Any:
    """Begin a bar of something that began some time ago."""
    bar = click.progressbar(
        length=total,
        label=f"{label:<9}",
        file=sys.stderr,
        width=30,
        item_show_func=lambda rate: rate,
    )
    bar.start = bar.last_eta = begun  # or the time that is left is told a second later, and from that second
    bar.__enter__()
    return bar
