"""The report for programs: one JSON object."""

from __future__ import annotations

from typing import Any

from ...core.brief import Approvals, Brief, GateChange, Move, brief
from ...core.plans import Assessment
from ..report import plain, to_json
from .words import gate_demands


def report(assessment: Assessment) -> str:
    """Return the whole report as JSON."""
    return f"{to_json(document(brief(assessment)))}\n"


def document(found: Brief) -> dict[str, Any]:
    """Return the report as one object."""
    assessment, plan = found.assessment, found.assessment.plan
    return {
        "ok": assessment.ok,
        "base": assessment.base,
        "head": assessment.head,
        "authors": list(assessment.authors),
        "proposal": plain(assessment.proposal),
        "turn": found.turn,
        "events": plain(plan.events),
        "moves": [_move(move) for move in found.moves],
        "registered": plain(found.registered),
        "gates": [_gate(changed) for changed in found.gates],
        "findings": plain(plan.findings),
        "review": list(plan.review),
        "pre_approved": list(plan.pre_approved),
        "approvals": [_approvals(asked) for asked in found.approvals],
    }


def _move(move: Move) -> dict[str, Any]:
    fields: dict[str, Any] = plain(move)
    commands = [{"command": list(command.words), "gated": command.gated} for command in move.undo]
    return {**fields, "undo": commands}


def _gate(changed: GateChange) -> dict[str, Any]:
    removed, added = gate_demands(changed)
    pointer = {"kind": changed.kind, "model": changed.model, "name": changed.name}
    return {**pointer, "removed": removed, "added": added}


def _approvals(asked: Approvals) -> dict[str, Any]:
    fields: dict[str, Any] = plain(asked)
    tally = fields.pop("tally")
    if tally is not None:
        tally["void"] = [{**approval, "why": why} for approval, why in tally["void"]]
    return {**fields, "missing": asked.missing, **(tally or {"counted": None, "void": None})}
