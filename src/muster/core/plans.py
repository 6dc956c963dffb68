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
from .policy import Evidence, Pointer, needs_review, pre_approved
from .snapshot import Change, Snapshot


@dataclass(frozen=True)
class Plan:
    """A change to `before`, judged.

    `review` says why it may only enter by a proposal (empty: it may enter directly), and `pre_approved` what enters
    directly only because it is a rollback.
    """

    before: Snapshot
    change: Change
    events: tuple[Event, ...]
    findings: tuple[Finding, ...]
    review: tuple[str, ...] = ()
    pre_approved: tuple[str, ...] = ()

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

    def require_direct(self, reason: str) -> None:
        """Raise Refused if the change may only enter by a proposal, Invalid if it lacks the reason it needs."""
        if self.review:
            raise Refused("; ".join(self.review), "propose it: add --propose")
        if self.pre_approved and not reason.strip():
            raise Invalid(
                f"{'; '.join(self.pre_approved)}: a reason is required", hint="say why with --reason"
            )


def make(before: Snapshot, wanted: tuple[Operation, ...], evidence: Evidence) -> Plan:
    """Return the plan that carries out what is wanted on before. Raises what `operations.plan` raises."""
    change = operations.plan(before, *wanted)
    after = before.apply(change)
    found = tuple(events(before, change, after))
    findings = tuple(checks.check(before, change, evidence, after))
    moves = _moves(before, change, after)
    review = tuple(needs_review(before, moves, evidence))
    return Plan(before, change, found, findings, review, tuple(pre_approved(before, moves, evidence)))


def _moves(before: Snapshot, change: Change, after: Snapshot) -> dict[Pointer, tuple[int, ...]]:
    """The pointers that change moves, also by renaming or deleting their model, and the versions each gains."""
    moves: dict[Pointer, tuple[int, ...]] = {}
    for path in change.files:
        place = names.locate(path)
        if place is not None and place.kind in ("alias", "stage"):
            pointer = Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)
            held = pointer.holders(before)
            moves[pointer] = tuple(n for n in pointer.holders(after) if n not in held)
    return moves
