"""Watching a reference: whenever it names another version, that is brought here, verified, and handed over.

A loop that asks where the registry is, which costs a look at two files, an `ls-remote` or a conditional request, and
waits. Whatever goes wrong is reported and tried again, later each time; meanwhile what was handed over last stays as
it is. A version counts as handed over when `on_change` has returned: so it may be called again for the same one after
it raised or was killed, and never after it returned.
"""

from __future__ import annotations

import json
import math
import os
import random
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from .backends.artifacts.progress import Progress, silent
from .core.errors import Invalid
from .placing import Candidate, Place
from .resolved import Deployed, Resolved, Update

SLOWEST = 300.0  # seconds between two tries while something is wrong, or the interval where that is longer
_SPREAD = (
    0.2  # each wait is longer or shorter by up to so much of it: ten thousand watchers do not ask in step
)

OnChange = Callable[[Update], object]
OnError = Callable[[Exception, float], object]  # what went wrong, and in how many seconds it is tried again


class Watch:
    """A reference that is watched. `poll` looks once; `run` looks until `stop`, and `start` runs it in a thread.

    `look` returns the version that the reference names. `state` is a file that remembers what was handed over last.
    `wait` sleeps for some seconds and returns whether to end: until `stop` is called, unless given.
    """

    def __init__(
        self,
        reference: str,
        look: Callable[[], Candidate],
        place: Place,
        on_change: OnChange,
        interval: float,
        on_error: OnError | None = None,
        state: Path | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        if not (math.isfinite(interval) and interval > 0):
            raise Invalid(f"{interval} is not a time to wait between two looks", hint="give seconds: 30")
        self._reference, self._look, self._place = reference, look, place
        self._on_change, self._on_error = on_change, on_error or self._log
        self._interval, self._state = interval, state and state.absolute()
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._wait = wait or self._stopped.wait
        self._thread: threading.Thread | None = None
        self._delivered = _remembered(self._state) if self._state else None

    @property
    def delivered(self) -> Deployed | None:
        """What was handed over last; None before the first time."""
        return self._delivered

    def poll(self, progress: Progress = silent) -> Update | None:
        """Look once: hand over what the reference names, unless that was done already, and return it.

        Raises what stands in the way, and what `on_change` raises; then nothing has changed.
        """
        with self._lock:
            candidate, before = self._look(), self._delivered
            if before is not None and before.resolved.content == candidate.resolved.content:
                self._place.switch(before.path)  # a process that was killed may have left it at another
                return None
            update = Update(before, Deployed(candidate.resolved, self._place.bring(candidate, progress)))
            self._hand_over(update)
            return update

    def run(self) -> None:
        """Look again and again until `stop` is called. Errors go to `on_error`; what that raises ends it."""
        failures = 0
        while not self._stopped.is_set():
            delay = self._interval * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311
            try:
                self.poll(self._unless_stopped)
                failures = 0
            except _Stopped:
                return
            except Exception as error:
                delay = min(delay * 2**failures, max(delay, SLOWEST))
                failures = min(failures + 1, 32)
                self._on_error(error, delay)
            if self._wait(delay):
                return

    def start(self) -> Watch:
        """Run in a thread, which does not keep the process alive."""
        self._thread = threading.Thread(target=self.run, name=f"watch {self._reference}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it for good, also while it waits or brings files; returns once no call is under way."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Watch:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _hand_over(self, update: Update) -> None:
        before = update.before.path if update.before else None
        self._place.switch(update.after.path)
        try:
            self._on_change(update)
        except BaseException:
            self._place.switch(before)
            raise
        self._delivered = update.after
        if self._state:
            _remember(self._state, update.after)
        self._place.prune()

    def _unless_stopped(self, _what: str, _done: int, _total: int) -> None:
        """Progress of bringing files, which ends here once the watch has been stopped."""
        if self._stopped.is_set():
            raise _Stopped

    def _log(self, error: Exception, delay: float) -> None:
        import logging

        log = logging.getLogger(__name__)
        log.warning("%s: %s (next try in %.0f s)", self._reference, error, delay)


class _Stopped(Exception):
    """The watch was stopped while it brought files."""


def _remember(state: Path, deployed: Deployed) -> None:
    """Write what was handed over, so that nobody sees half of it; by a relative path, where the files are beside it."""
    beside = deployed.path.is_relative_to(state.parent)
    path = deployed.path.relative_to(state.parent) if beside else deployed.path
    document = {**asdict(deployed.resolved), "path": str(path)}
    state.parent.mkdir(parents=True, exist_ok=True)
    incoming = state.with_name(f"{state.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        incoming.write_text(json.dumps(document) + "\n", encoding="utf-8")
        incoming.replace(state)
    finally:
        incoming.unlink(missing_ok=True)


def _remembered(state: Path) -> Deployed | None:
    """Return what was handed over last, if its files are still where they were; None if nobody can tell."""
    try:
        document = json.loads(state.read_bytes())
        path = state.parent / document.pop("path")
        resolved = Resolved(**{**document, "aliases": tuple(document["aliases"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Deployed(resolved, path) if path.is_dir() else None
