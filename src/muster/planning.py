"""Planning: what operations would do, in whose name, and the commit that would carry them out. Nothing is moved."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .core import names, terms
from .core.errors import NotFound, Refused
from .core.snapshot import Snapshot
from .judging import Judge

if TYPE_CHECKING:
    from .core.draft import Draft
    from .core.operations import Operation
    from .core.plans import Plan


class Planner(Judge):
    """A registry for which changes can be planned, by `author`: git's own identity unless given."""

    def __init__(
        self,
        location: str | os.PathLike[str],
        branch: str | None,
        cache: str | os.PathLike[str] | None,
        clock: Callable[[], datetime],
        author: str | None,
        terms: terms.Terms,
    ) -> None:
        super().__init__(location, branch, cache, clock, terms=terms)
        self._author = author

    def plan(self, *wanted: Operation) -> Plan:
        """Return what operations would do, and all that stands in their way. Nothing is written."""
        return self._plan(self.upstream(), wanted)

    def upstream(self) -> Snapshot:
        """Return the state that writes build on: in a clone, that of the registry it was cloned from."""
        if self._commit:
            raise Refused("the past cannot be changed", "open the registry without `at`")
        return self._git.snapshot(self._git.authority())

    @property
    def author(self) -> str:
        """Who writes: "Name <email>"."""
        return self._author or self._git.author()

    @property
    def now(self) -> str:
        """The moment, UTC, as manifests write it."""
        return f"{self._clock().astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"

    def rollback_operations(
        self, pointer: str, to: int | None = None, reason: str = ""
    ) -> tuple[Operation, ...]:
        """Return the operations that take pointer (`bikes/production`, `bikes@champion`) back, and hold it there.

        Until a person lifts the hold, no automation moves the pointer on.
        """
        from .core import requests
        from .core.holds import Hold

        now = self.upstream()
        target = requests.pointer(now, pointer)
        back = requests.rollback(now, target, self._states(now, target, make=True), to)
        if not isinstance(back.expect, int):  # it points at nothing now, so nothing is taken away
            return (back,)
        hold = Hold((back.expect,), self.author, self.now, reason.strip() or "rolled back")
        return (replace(back, hold=hold),)

    def _plan(self, now: Snapshot, wanted: tuple[Operation, ...], draft: Draft | None = None) -> Plan:
        """The plan of what is wanted on now; of `draft`, where that has been carried out on it already."""
        from .core import plans
        from .holding import with_author

        if names.REGISTRY not in now:
            raise NotFound(
                f"{self.location} is not a registry: it has no {names.REGISTRY}", "run `muster init`"
            )
        wanted, evidence = with_author(lambda: self.author, now, wanted, self._evidence(now))
        return plans.make(now, wanted, evidence) if draft is None else plans.of_draft(draft, evidence)

    def _write(self, plan: Plan, reason: str) -> str:
        from .core.message import message

        change = replace(plan.change, message=message(plan.change.message, reason))
        return self._git.commit(plan.before.commit, change, self.author, self._clock())
