"""The report for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.brief import Move, brief
from ...core.plans import Assessment
from ..report import event_lines, finding_lines, safe, table
from . import words

MAX_ROWS = 8  # of a move's table
MAX_MOVES = 5  # that are shown with a table
MAX_CELL = 60  # characters


def report(assessment: Assessment) -> str:
    """Return the report: what moves and how it compares, what else happens, what is wrong, and whose turn it is."""
    return "".join(f"{line}\n" for line in _lines(assessment))


def _lines(assessment: Assessment) -> Iterator[str]:
    if assessment.base is None:
        yield from finding_lines(assessment.plan.findings)
        return
    found = brief(assessment)
    yield from event_lines(assessment.plan.events)
    for new in found.registered:
        yield f"registers {words.registration(new, safe)}"
    for gate in found.gates:
        yield from words.gate_change(gate, safe)
    tables = [line for move in found.main[:MAX_MOVES] for line in _move(move)]
    yield from [*tables, ""] if tables else []
    for asked in found.approvals:
        yield from words.approvals(asked, safe)
    yield from finding_lines(assessment.plan.findings)
    if not found.mendable:
        commands = words.undo(found.main)
        yield from (f"to undo it later: {safe(words.undo_line(command))}" for command in commands)
    if whose := words.turn(found, safe):
        yield whose


def _move(move: Move) -> Iterator[str]:
    """A move's table; its first column is called what the table is about."""
    if not move.rows:
        return
    yield ""
    head = (_short(str(move.pointer)), *words.head(move, _short))
    rows = [words.cells(row, move, _short) for row in move.rows[:MAX_ROWS]]
    yield from table(rows, tuple(safe(title) for title in head))
    if (more := len(move.rows) - MAX_ROWS) > 0:
        yield f"and {words.counted(more, 'row')} more: muster check --format json"
    if move.compatibility in ("compatible", "incompatible"):
        yield from (f"signature: {safe(reason)}" for reason in move.reasons)


def _short(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}..."
