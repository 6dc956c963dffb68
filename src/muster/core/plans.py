"""A plan: what operations would do, what it means, and everything that stands in its way.

The same value is the dry run, the review page and what is executed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from . import checks, names, operations
from .errors import Finding, Invalid, Refused
from .events import Event, events
from .operations import Operation
from .policy import Evidence, Pointer, needs_review
from .snapshot import Change, Snapshot


@dataclass(frozen=True)
class Plan:
    """A change to `before`, judged. `review` says why it may only enter by a proposal; empty: it may enter directly."""

    before: Snapshot
    change: Change
    events: tuple[Event, ...]
    findings: tuple[Finding, ...]
    review: tuple[str, ...]

    @property
    def id(self) -> str:
        """A name for the plan as a proposal, which the same change to the same state has again."""
        digest = hashlib.sha256(str(self.before.commit).encode())
        for path in sorted(self.change.files):
            digest.update(path.encode() + b"\0" + (self.change.files[path] or b"") + b"\0")
        first = next((event.model for event in self.events if event.model), "registry")
        return f"{names.encode(first).replace('%', '_').lower()[:40]}-{digest.hexdigest()[:10]}"

    def require_sound(self) -> None:
        """Raise Invalid with every finding, if there is one."""
        if self.findings:
            raise Invalid("this change breaks the registry's rules:", self.findings)

    def require_direct(self) -> None:
        """Raise Refused if the change may only enter by a proposal."""
        if self.review:
            raise Refused("; ".join(self.review), "propose it: add --propose")


def make(before: Snapshot, wanted: tuple[Operation, ...], evidence: Evidence) -> Plan:
    """Return the plan that carries out what is wanted on before. Raises what `operations.plan` raises."""
    change = operations.plan(before, *wanted)
    found = tuple(events(before, change))
    findings = tuple(checks.check(before, change, evidence))
    moves: dict[Pointer, tuple[int, ...]] = {}
    for event in found:
        if event.kind == "stage_changed":
            moves[Pointer("stage", event.model, event.name)] = event.gained
        elif event.kind in ("alias_set", "alias_removed"):
            moves[Pointer("alias", event.model, event.name)] = event.gained
    return Plan(before, change, found, findings, tuple(needs_review(before, moves, evidence)))
