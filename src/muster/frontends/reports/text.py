"""The report for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.brief import Brief, Move, brief
from ...core.plans import Assessment
from ..report import event_lines, finding_lines, safe, table
from . import words

MAX_ROWS = 8  # of a move's table
MAX_MOVES = 5  # that are shown with a table


def report(assessment: Assessment) -> str:
    """Return the report: what moves and how it compares, what else happens, what is wrong, and whose turn it is."""
    return "".join(f"{line}\n" for line in _lines(assessment))


def _lines(assessment: Assessment) -> Iterator[str]:
    if assessment.base is None:
        yield from finding_lines(assessment.plan.findings)
        return
    found = brief(assessment)
    yield from event_lines(assessment.plan.events)
    for move in found.main[:MAX_MOVES]:
        yield from _move(move)
    for new in found.registered:
        yield f"registers {words.registration(new, safe)}"
    for asked in found.approvals:
        yield from words.approvals(asked, safe)
    yield from finding_lines(assessment.plan.findings)
    yield from _ending(found)


def _move(move: Move) -> Iterator[str]:
    """A move's table; its first column is called what the table is about."""
    if not move.rows:
        return
    yield ""
    head = (str(move.pointer), *words.head(move))
    rows = [words.cells(row, move, lambda text: text) for row in move.rows[:MAX_ROWS]]
    yield from table(rows, tuple(safe(title) for title in head))
    if (more := len(move.rows) - MAX_ROWS) > 0:
        yield f"and {words.counted(more, 'row')} more: muster check --format json"
    if move.compatibility in ("compatible", "incompatible"):
        yield from (f"signature: {safe(reason)}" for reason in move.reasons)
    yield ""


def _ending(found: Brief) -> Iterator[str]:
    commands = words.undo(found.main)
    if commands and found.assessment.ok:
        yield from (f"to undo it later: {safe(words.undo_line(command))}" for command in commands)
    if whose := words.turn(found, safe):
        yield whose
