"""A plan: what operations would do, what it means, and everything that stands in its way.

The same value is the dry run, the review page and what is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import checks, names, operations
from .draft import Draft
from .errors import Finding, Invalid, MusterError, ReviewNeeded
from .events import Event, events, summary
from .operations import Operation
from .policy import Evidence, Pointer, needs_review, owners, pre_approved
from .proposals import Approval, Proposal, Review
from .snapshot import Change, Snapshot


@dataclass(frozen=True)
class Plan:
    """A change to `before`, judged.

    `after` is what it leads to, `moves` are the pointers it moves with the versions each gains. `review` says why it
    may only enter by a proposal (empty: it may enter directly), and `pre_approved` what enters directly only because
    it is a rollback. `judged_at` is the moment for which ages were judged, where a clock was asked.
    """

    before: Snapshot
    change: Change
    after: Snapshot
    events: tuple[Event, ...]
    findings: tuple[Finding, ...]
    moves: Mapping[Pointer, tuple[int, ...]] = field(default_factory=dict)
    review: tuple[str, ...] = ()
    pre_approved: tuple[str, ...] = ()
    judged_at: datetime | None = None
    registered: tuple[tuple[str, int], ...] = ()
    writers: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line that says the most of it."""
        return summary(list(self.events))

    def require_sound(self) -> None:
        """Raise Invalid with every finding, if there is one."""
        if self.findings:
            raise Invalid("this change breaks the registry's rules:", self.findings)

    def require_direct(self) -> None:
        """Raise ReviewNeeded if the change may only enter by a proposal."""
        if self.review:
            raise ReviewNeeded("; ".join(self.review), "propose it")

    def require_reason(self, reason: str) -> None:
        """Raise Invalid if the change lacks the reason it needs."""
        if self.pre_approved and not reason.strip():
            raise Invalid(
                f"{'; '.join(self.pre_approved)}: a reason is required", hint="say why with --reason"
            )


@dataclass(frozen=True)
class Assessment:
    """What merging `head` into `base` would do, judged by the rules and the policy of base.

    `proposal` is the proposal that head belongs to, with its approvals, where one was named. `authors` are all who
    wrote a commit of the range.
    """

    plan: Plan
    base: str | None
    head: str
    authors: tuple[str, ...] = ()
    proposal: Proposal | None = None

    @property
    def review(self) -> Review | None:
        """What is known of its review; None where nobody has asked."""
        return review_of(self.proposal, self.authors)

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """The approvals that count for every pointer it moves, and of those nobody guards, all that are valid."""
        if self.review is None:
            return ()
        models = dict.fromkeys(pointer.model for pointer in self.plan.moves)
        tallies = [self.review.tally(owners(self.plan.before, model)).counted for model in models]
        everybody = self.review.tally(()).counted
        return tuple(a for a in everybody if all(a in counted for counted in tallies))

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.plan.findings


def review_of(proposal: Proposal | None, authors: tuple[str, ...]) -> Review | None:
    """Return the review of a proposal whose commits authors wrote; None where its approvals are not known."""
    if proposal is None or proposal.approvals is None:
        return None
    return Review(proposal.head, (proposal.author, *authors), proposal.approvals)


def make(before: Snapshot, wanted: tuple[Operation, ...], evidence: Evidence) -> Plan:
    """Return the plan that carries out what is wanted on before. Raises what `operations.plan` raises."""
    return of_draft(operations.drafted(before, wanted), evidence)


def of_draft(draft: Draft, evidence: Evidence) -> Plan:
    """Return the plan that does what operations have been carried out on draft for."""
    change = operations.change_of(draft)
    plan = judged(draft.before, change, draft.before.apply(change), evidence)
    said = replace(change, message=plan.summary) if change else change
    return replace(plan, change=said, registered=tuple(draft.registered), writers=dict(draft.writers))


def judged(before: Snapshot, change: Change, after: Snapshot, evidence: Evidence) -> Plan:
    """Return what change, whoever made it, does to before, and all that stands in its way."""
    found = tuple(events(before, change, after))
    findings = tuple(checks.check(before, change, evidence, after))
    try:
        moved = moves(before, change, after)
        review = tuple(needs_review(before, moved, evidence))
        approved = tuple(pre_approved(before, moved, evidence))
    except MusterError:
        if not findings:
            raise
        # What cannot be read is found, and moves nothing.
        return Plan(before, change, after, found, findings, judged_at=evidence.now)
    return Plan(before, change, after, found, findings, moved, review, approved, evidence.now)


def moves(before: Snapshot, change: Change, after: Snapshot) -> dict[Pointer, tuple[int, ...]]:
    """Return the pointers that change moves, also by renaming or deleting their model, and the versions each gains."""
    found: dict[Pointer, tuple[int, ...]] = {}
    for path in change.files:
        place = names.locate(path)
        if place is not None and place.kind in ("alias", "stage"):
            pointer = Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)
            held = pointer.holders(before)
            found[pointer] = tuple(n for n in pointer.holders(after) if n not in held)
    return found
