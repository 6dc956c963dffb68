"""What a reader needs of an assessment, as data: what moves, how the versions compare, and whose turn it is.

Reports of every format are made from it. Nothing here is made safe to show: that is each format's own business. What
cannot be read is left out, as the findings say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf, isfinite
from typing import Literal

from . import undo
from .demands import EvaluationDemand
from .errors import Finding, MusterError
from .events import with_renames
from .models import Manifest, Metrics, ModelVersion, Signature
from .plans import Assessment, Plan
from .policy import (
    ARCHIVED,
    Bound,
    Evidence,
    Gate,
    Pointer,
    PointerKind,
    Policy,
    needs_review,
    owners,
    unapproved,
)
from .proposals import Review, Tally, identities
from .signatures import Verdict, signature_compatibility
from .snapshot import Snapshot
from .undo import Undo

RowKind = Literal["metric", "tag", "evaluation", "model card", "signature", "size", "format"]
Turn = Literal["author", "reviewers", "merger", "nobody"]

UNREADABLE = (MusterError, LookupError, TypeError, AttributeError, ValueError)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that two versions are compared by. `name` is a metric's, a tag's or an evaluation's.

    None is "not there". `change` is the difference of two numbers, or the verdict on two signatures, and `relative` the
    difference by the size of what is there now. `gate` says in words what is demanded, "" where nothing is; `passed` is
    None where nothing is demanded, or where it is not asked.
    """

    kind: RowKind
    name: str
    now: float | str | None
    proposed: float | str | None
    change: float | str | None = None
    relative: float | None = None
    gate: str = ""
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A pointer that moves: the versions it is at `now` and those `proposed`, and what they compare by.

    `candidate` is the version that comes and `incumbent` the one whose place it takes. `rows` are in the order in which
    a reader should see them. `spared` tells that demands which are not met are not made, as the version was there
    before. A secondary move is the consequence of another one.
    """

    pointer: Pointer
    now: tuple[int, ...]
    proposed: tuple[int, ...]
    gained: tuple[int, ...]
    lost: tuple[int, ...]
    secondary: bool = False
    candidate: int | None = None
    incumbent: int | None = None
    rows: tuple[Row, ...] = ()
    compatibility: Verdict | None = None
    reasons: tuple[str, ...] = ()
    spared: bool = False
    undo: tuple[Undo, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that a change registers."""

    model: str
    version: int
    label: str | None
    formats: tuple[str, ...]
    size: int  # bytes
    files: int
    created_by: str
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class GateChange:
    """A gate that is another one after the change; None where there is no such stage or alias. `model` is "" for all."""

    kind: PointerKind
    model: str
    name: str
    before: Gate | None
    after: Gate | None


@dataclass(frozen=True, slots=True)
class Approvals:
    """The approvals that the moves of a model need. `wanted` is 0 where policy asks for review and names no number.

    `tally` is None where nobody knows who has approved. `eligible` are the owners who still could; where a model has no
    owners anybody may.
    """

    model: str
    wanted: int
    owners: tuple[str, ...]
    eligible: tuple[str, ...]
    tally: Tally | None = None

    @property
    def missing(self) -> int:
        """How many approvals are still to come, as far as is known; a review is one."""
        return max(0, max(1, self.wanted) - (len(self.tally.counted) if self.tally else 0))


@dataclass(frozen=True, slots=True)
class Brief:
    """An assessment as people read it. Main moves come first; `turn` is who has to act next.

    `mendable` are the findings that no approval makes go away.
    """

    assessment: Assessment
    moves: tuple[Move, ...]
    registered: tuple[Registered, ...]
    gates: tuple[GateChange, ...]
    approvals: tuple[Approvals, ...]
    mendable: tuple[Finding, ...]
    turn: Turn

    @property
    def main(self) -> tuple[Move, ...]:
        """The moves that are no consequence of another one."""
        return tuple(move for move in self.moves if not move.secondary)


def brief(assessment: Assessment) -> Brief:
    """Return what a reader needs of assessment."""
    plan, review = assessment.plan, assessment.review
    asked = tuple(_approvals(plan, assessment, review))
    mendable = tuple(_mendable(plan, review))
    turn = _turn(assessment, asked, mendable)
    return Brief(assessment, moves(plan), registered(plan), gates(plan), asked, mendable, turn)


# --- what moves ------------------------------------------------------------------------------------------------------


def moves(plan: Plan) -> tuple[Move, ...]:
    """Return the moves of plan, one for each version that a pointer gains, the main ones first."""
    before = with_renames(plan.before, plan.change)
    gone = {e.model for e in plan.events if e.kind in ("model_renamed", "model_deleted")}
    found = []
    for pointer in plan.moves:
        now, then = _holders(before, pointer), _holders(plan.after, pointer)
        gained, lost = _without(then, now), _without(now, then)
        if pointer.model not in gone and (gained or lost):
            found.append(Move(pointer, now, then, gained, lost))
    by_model: dict[str, list[Move]] = {}
    for move in found:
        if move.pointer.kind == "stage":
            by_model.setdefault(move.pointer.model, []).append(move)
    order = _stages(before)
    judged = [replace(m, secondary=_is_secondary(m, by_model.get(m.pointer.model, []), order)) for m in found]
    each = [full for move in judged for full in _compared(plan, before, move)]
    return tuple(sorted(each, key=lambda move: (move.secondary, -_importance(move.pointer, order))))


def _importance(pointer: Pointer, order: tuple[str, ...]) -> int:
    """The later a stage is declared, the more depends on it; aliases come after stages, and archived last."""
    known = pointer.kind == "stage" and pointer.name in order and not _is_archive(pointer)
    return order.index(pointer.name) if known else -1


def _is_secondary(move: Move, stages: list[Move], order: tuple[str, ...]) -> bool:
    """Whether a stage's move follows from that of another stage of the model.

    Archived takes what others let go of, and a stage lets go of what is promoted: enters one that `order`, the stages as
    they are declared, has later. A stage that loses a version in any other way has a move of its own.
    """
    if move.pointer.kind == "alias":
        return False
    others = [m for m in stages if m is not move]
    if _is_archive(move.pointer) and move.gained:
        return {n for m in others for n in m.lost}.issuperset(move.gained)
    later = order[order.index(move.pointer.name) + 1 :] if move.pointer.name in order else order
    takers = [m for m in others if m.pointer.name in later or _is_archive(move.pointer)]
    gained = {n for m in takers if not _is_archive(m.pointer) for n in m.gained}
    return not move.gained and gained.issuperset(move.lost)


def _is_archive(pointer: Pointer) -> bool:
    return pointer.kind == "stage" and pointer.name.casefold() == ARCHIVED


def _compared(plan: Plan, before: Snapshot, move: Move) -> Iterator[Move]:
    """The move with all that is known of it, once for each version it brings; of a consequence no more is wanted."""
    if move.secondary:
        yield move
        return
    policy = _policy(before, move.pointer.model)
    move = replace(move, undo=_undo(before, policy, move))
    gate = policy.gate(move.pointer.kind, move.pointer.name)
    incumbent = move.now[-1] if move.now else None
    old = _version(before, move.pointer.model, incumbent) if incumbent is not None else None
    for number in move.gained:
        bare = replace(move, candidate=number, incumbent=incumbent)
        new = _version(plan.after, move.pointer.model, number)
        yield bare if new is None else _side_by_side(plan, bare, gate, old, new)
    if not move.gained:
        yield move


def _side_by_side(plan: Plan, move: Move, gate: Gate, old: ModelVersion | None, new: ModelVersion) -> Move:
    rows = tuple(_rows(gate, old, new, plan.judged_at))
    # A demand that is not met and that no finding speaks of was not made: the version goes back to where it was.
    unmet = any(row.passed is False for row in rows)
    spared = unmet and not any(finding.path == move.pointer.path for finding in plan.findings)
    if spared:
        rows = tuple(replace(row, passed=row.passed or None) for row in rows)
    rows = tuple(sorted(rows, key=_urgency))
    if old is None:
        return replace(move, rows=rows, spared=spared)
    verdict, reasons = signature_compatibility(old.signature, new.signature)
    return replace(move, rows=rows, compatibility=verdict, reasons=reasons, spared=spared)


def _urgency(row: Row) -> tuple[int, bool, float]:
    """What fails comes first, then what is demanded, then the rest: metrics first, and what differs most."""
    if row.relative is not None:
        differs = abs(row.relative)
    elif isinstance(row.change, str):
        differs = {"incompatible": inf, "compatible": 0.1}.get(row.change, 0.0)
    else:
        differs = 0.0 if row.now == row.proposed else 1.0
    return (0 if row.passed is False else 1 if row.gate else 2), row.kind != "metric", -differs


# --- how versions compare --------------------------------------------------------------------------------------------


def _rows(gate: Gate, old: ModelVersion | None, new: ModelVersion, now: datetime | None) -> Iterator[Row]:
    """A row for each metric that either version has or the gate names, and for whatever else they compare by."""
    before: Metrics = old.metrics if old is not None else {}
    incumbent = old.manifest if old is not None else None
    for name in sorted({*before, *new.metrics, *gate.metrics}):
        row = _numbers("metric", name, before.get(name), new.metrics.get(name))
        bound = gate.metrics.get(name)
        part = Gate(metrics={name: bound}) if bound is not None else Gate()
        yield _gated(row, ", ".join(_words(bound)) if bound is not None else "", part, new, incumbent)
    yield from _words_demanded(gate, old, new, now)
    yield from _content(gate, old, new)


def _words_demanded(
    gate: Gate, old: ModelVersion | None, new: ModelVersion, now: datetime | None
) -> Iterator[Row]:
    incumbent = old.manifest if old is not None else None
    for key, value in gate.tags.items():
        row = Row("tag", key, old.tags.get(key) if old is not None else None, new.tags.get(key))
        yield _gated(row, f"must be {value}", Gate(tags={key: value}), new, incumbent)
    for demand in gate.evaluations:
        there, proposed = (_verdict(version, demand, now) for version in (old, new))
        passed = not any(True for _ in demand.unmet(new.annotations.evaluations, now))
        words = f"must have passed{demand}"
        yield Row("evaluation", demand.name, there, proposed, gate=words, passed=passed)
    if gate.model_card:
        row = Row("model card", "", incumbent.model_card if incumbent else None, new.manifest.model_card)
        sections = f" with {', '.join(gate.card_sections)}" if gate.card_sections else ""
        part = Gate(model_card=True, card_sections=gate.card_sections)
        yield _gated(row, f"required{sections}", part, new, incumbent)


def _content(gate: Gate, old: ModelVersion | None, new: ModelVersion) -> Iterator[Row]:
    incumbent = old.manifest if old is not None else None
    signature = Row(
        "signature",
        "",
        _columns(old.signature) if old is not None else None,
        _columns(new.signature),
        signature_compatibility(old.signature, new.signature)[0] if old is not None else None,
    )
    demand = {False: "", True: "required", "compatible": "compatible"}[gate.signature]
    yield _gated(signature, demand, Gate(signature=gate.signature), new, incumbent)
    most = "" if gate.max_size is None else f"at most {gate.max_size:,} bytes"
    size = _numbers("size", "", incumbent.size if incumbent else None, new.manifest.size)
    yield _gated(size, most, Gate(max_size=gate.max_size), new, incumbent)
    kinds = [", ".join(m.formats) if m is not None else None for m in (incumbent, new.manifest)]
    formats = Row("format", "", kinds[0], kinds[1])
    yield _gated(formats, " or ".join(gate.formats), Gate(formats=gate.formats), new, incumbent)


def _gated(row: Row, demand: str, part: Gate, new: ModelVersion, incumbent: Manifest | None) -> Row:
    """The row with what a part of a gate demands, and whether the new version meets that."""
    if not demand:
        return row
    unmet = any(True for _ in part.unmet(new, None, incumbent, None, None))
    return replace(row, gate=demand, passed=not unmet)


def _numbers(kind: RowKind, name: str, now: float | None, proposed: float | None) -> Row:
    if now is None or proposed is None or not isfinite(change := proposed - now):
        return Row(kind, name, now, proposed)
    relative = change / abs(now) if now else None
    return Row(kind, name, now, proposed, change, relative if relative and isfinite(relative) else None)


def _words(bound: Bound) -> Iterator[str]:
    if bound.min is not None:
        yield f"at least {bound.min:g}"
    if bound.max is not None:
        yield f"at most {bound.max:g}"
    yield from (f"drop at most {most}" for most in bound.max_drop)
    yield from (f"rise at most {most}" for most in bound.max_rise)


def _verdict(version: ModelVersion | None, demand: EvaluationDemand, now: datetime | None) -> str | None:
    newest = demand.newest(version.annotations.evaluations, now) if version is not None else None
    return None if newest is None else "passed" if newest[1] else "failed"


def _columns(signature: Signature | None) -> str | None:
    if signature is None:
        return None
    parts = (("in", signature.inputs), ("out", signature.outputs), ("params", signature.params))
    return ", ".join(f"{len(columns)} {word}" for word, columns in parts if columns is not None) or "empty"


# --- what is registered, and who has to act --------------------------------------------------------------------------


def registered(plan: Plan) -> tuple[Registered, ...]:
    """Return the versions that plan registers, as far as they can be read."""
    found = []
    for event in plan.events:
        if event.kind == "version_registered":
            new = _version(plan.after, event.model, event.gained[0])
            if new is not None:
                made = new.manifest
                count, by = len(made.files), made.created_by
                found.append(
                    Registered(
                        new.model, new.version, new.label, made.formats, made.size, count, by, new.metrics
                    )
                )
    return tuple(found)


def gates(plan: Plan) -> tuple[GateChange, ...]:
    """Return the gates that plan changes: the registry's, or what a model adds to them."""
    models = {e.model for e in plan.events if e.kind in ("registry_changed", "model_changed")}
    found: list[GateChange] = []
    for model in sorted(models):
        old, new = (_policy(state, model or None) for state in (plan.before, plan.after))
        kinds: tuple[tuple[PointerKind, Mapping[str, Gate], Mapping[str, Gate]], ...] = (
            ("stage", old.stages, new.stages),
            ("alias", old.aliases, new.aliases),
        )
        for kind, before, after in kinds:
            for name in {**before, **after}:
                if before.get(name) != after.get(name):
                    found.append(GateChange(kind, model, name, before.get(name), after.get(name)))
    return tuple(found)


def _approvals(plan: Plan, assessment: Assessment, review: Review | None) -> Iterator[Approvals]:
    """What each model that needs review needs of it, in the order of their moves."""
    wanted: dict[str, int] = {}
    for pointer, gained in plan.moves.items():
        if _is_reviewed(plan, pointer, gained):
            gate = _policy(plan.before, pointer.model).gate(pointer.kind, pointer.name)
            wanted[pointer.model] = max(gate.approvals, wanted.get(pointer.model, 0))
    authors = assessment.authors
    if assessment.proposal is not None:
        authors = (assessment.proposal.author, *authors)
    for model, number in wanted.items():
        entitled = _owners(plan.before, model)
        tally = review.tally(entitled) if review is not None else None
        done = identities(*authors)
        for approval in tally.counted if tally is not None else ():
            done |= identities(approval.by, *approval.also)
        eligible = tuple(owner for owner in entitled if not identities(owner) & done)
        yield Approvals(model, number, entitled, eligible, tally)


def _is_reviewed(plan: Plan, pointer: Pointer, gained: tuple[int, ...]) -> bool:
    """Whether the plan says that this move needs review: as a move like any other, or as a rollback."""
    always = Evidence(held=lambda _pointer, _version: True)
    try:
        return any(
            words in plan.review
            for evidence in (Evidence(), always)
            for words in needs_review(plan.before, {pointer: gained}, evidence)
        )
    except UNREADABLE:
        return False


def _mendable(plan: Plan, review: Review | None) -> Iterator[Finding]:
    """The findings of plan other than that approvals are missing."""
    waiting = {}
    for pointer in plan.moves:
        gate = _policy(plan.before, pointer.model).gate(pointer.kind, pointer.name)
        demands = tuple(
            demand.why
            for demand in unapproved(gate, pointer.model, _owners(plan.before, pointer.model), review)
        )
        if demands:
            waiting[pointer.path] = demands
    for finding in plan.findings:
        if finding.path not in waiting or not finding.message.endswith(waiting[finding.path]):
            yield finding


def _turn(assessment: Assessment, asked: tuple[Approvals, ...], mendable: tuple[Finding, ...]) -> Turn:
    if mendable:
        return "author"
    if assessment.plan.findings or any(a.missing for a in asked):
        return "reviewers"
    return "merger" if assessment.plan.change and assessment.base else "nobody"


# --- reading what may be broken: whoever cannot be read has a finding that says so --------------------------------------


def _without(these: tuple[int, ...], those: tuple[int, ...]) -> tuple[int, ...]:
    without = set(those)
    return tuple(n for n in these if n not in without)


def _holders(state: Snapshot, pointer: Pointer) -> tuple[int, ...]:
    try:
        return pointer.holders(state)
    except UNREADABLE:
        return ()


def _undo(before: Snapshot, policy: Policy, move: Move) -> tuple[Undo, ...]:
    try:
        return undo.commands(before, policy, move.pointer, move.gained, move.lost)
    except UNREADABLE:
        return ()


def _version(state: Snapshot, model: str, number: int) -> ModelVersion | None:
    try:
        return state.version(model, number)
    except UNREADABLE:
        return None


def _policy(state: Snapshot, model: str | None) -> Policy:
    try:
        return Policy.of(state, model)
    except UNREADABLE:
        return Policy({}, {})


def _stages(state: Snapshot) -> tuple[str, ...]:
    try:
        return state.declared_stages()
    except UNREADABLE:
        return ()


def _owners(state: Snapshot, model: str) -> tuple[str, ...]:
    try:
        return owners(state, model)
    except UNREADABLE:
        return ()
