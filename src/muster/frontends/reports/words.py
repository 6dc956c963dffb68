"""The sentences that reports for people share. What a stranger may have written is shown by the function they are given.

`Show` turns such a text into what is safe where it is printed; every other word is the template's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from ...core.brief import Approvals, Brief, GateChange, Move, Registered, Row
from ...core.undo import Undo
from ..report import gate_words, size

Show: TypeAlias = Callable[[str], str]

MAX_NAMED = 3  # moves or models in a headline
MAX_PEOPLE = 5
MAX_NUMBERS = 10
MAX_METRICS = 8  # of a registered version
_LIKE_A_COMMIT = re.compile(r"[0-9a-f]{7}")
_VERDICTS = {
    "same": "same",
    "compatible": "compatible",
    "incompatible": "breaks callers",
    "unknown": "not known",
}


def counted(number: int, what: str) -> str:
    """Return a number and what it counts, such as 2 findings."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def verdict(found: Brief) -> str:
    """Return in a few words how it stands."""
    if found.mendable:
        return counted(len(found.assessment.plan.findings), "finding")
    if found.turn == "reviewers":
        return "Waits for review"
    changes = found.assessment.plan.events or found.assessment.base is None
    return "Every rule holds" if changes else "Nothing changes"


def headline(found: Brief, show: Show) -> str:
    """Return what changes above all: the main moves, or else what is registered, or else the first events."""
    named = list(dict.fromkeys(_move(move, show) for move in found.main))
    if not named:
        named = [
            f"{show(new.model)} {_digits(str(new.version), show)} registered" for new in found.registered
        ]
    if not named:
        named = [show(event.text) for event in found.assessment.plan.events]
    return "; ".join([*named[:MAX_NAMED], *_and_more(len(named) - MAX_NAMED)])


def _move(move: Move, show: Show) -> str:
    pointer = move.pointer
    name = f"@{pointer.name}" if pointer.kind == "alias" else pointer.name
    return f"{show(pointer.model)} {show(name)} {versions(move.now, show)} → {versions(move.proposed, show)}"


def versions(numbers: Sequence[int], show: Show) -> str:
    """Return version numbers as a list, "none" if there are none."""
    shown = [_digits(str(n), show) for n in numbers[-MAX_NUMBERS:]]
    return ", ".join(["...", *shown] if len(numbers) > MAX_NUMBERS else shown) or "none"


def _digits(text: str, show: Show) -> str:
    """Return a number as it is, unless it is so long that a forge could take it for the beginning of a commit's name."""
    return show(text) if _LIKE_A_COMMIT.search(text) else text


def turn(found: Brief, show: Show) -> str:
    """Return whose move it is, and whose it is after that; "" if nobody's."""
    waiting = [_waiting(asked, show) for asked in found.approvals if asked.missing]
    reviewers = "; ".join([*waiting[:MAX_NAMED], *_and_more(len(waiting) - MAX_NAMED)])
    if found.turn == "author":
        first = f"the author: {counted(len(found.mendable), 'finding')}"
        return f"{first}; then {reviewers}" if reviewers else first
    if found.turn == "reviewers":
        return reviewers or "the reviewers"
    return "ready to merge" if found.turn == "merger" else ""


def _waiting(asked: Approvals, show: Show) -> str:
    model, people = show(asked.model), _people(asked, show)
    if not asked.wanted:
        return f"waiting for a review of {model}{people}"
    by = " by owners" if asked.owners else ""
    if asked.tally is None:
        return f"waiting for {counted(asked.wanted, 'approval')}{by} of {model}{people} (not counted here)"
    more = "more " if asked.tally.counted else ""
    return f"waiting for {counted(asked.missing, f'{more}approval')}{by} of {model}{people}"


def _people(asked: Approvals, show: Show) -> str:
    if asked.eligible:
        shown = [show(owner) for owner in asked.eligible[:MAX_PEOPLE]]
        return ": " + ", ".join([*shown, *_and_more(len(asked.eligible) - MAX_PEOPLE)])
    if not asked.wanted:
        return ""
    return ": no owner is left who could" if asked.owners else ", by anybody but the author"


def approvals(asked: Approvals, show: Show) -> Iterator[str]:
    """Yield who has approved a model's moves, of how many, and whose approval does not count and why."""
    if asked.tally is None:
        return
    wanted = f"of {asked.wanted} " if asked.wanted else ""
    by = ", ".join(show(approval.by) for approval in asked.tally.counted[:MAX_PEOPLE])
    count = len(asked.tally.counted)
    yield f"{show(asked.model)}: {count} {wanted}approval{'' if count == 1 and not wanted else 's'}" + (
        f", by {by}" if by else ""
    )
    for approval, why in asked.tally.void[:MAX_PEOPLE]:
        yield f"{show(approval.by)} approved, and {show(why)}"


def head(move: Move, show: Show) -> tuple[str, str, str, str]:
    """Return the titles of the columns of a move's table, but for the first."""
    now, then = ("none" if n is None else _digits(str(n), show) for n in (move.incumbent, move.candidate))
    return f"now: {now}", f"proposed: {then}", "change", "gate"


def cells(row: Row, move: Move, show: Show) -> tuple[str, str, str, str, str]:
    """Return a row of a move's table: what it is, both values, what changes, and what the gate says to it."""
    name = f"{row.kind if row.kind != 'metric' else ''} {show(row.name) if row.name else ''}".strip()
    return (
        name,
        _value(row, row.now, show),
        _value(row, row.proposed, show),
        change(row, show),
        _gate(row, move, show),
    )


def _value(row: Row, value: float | str | None, show: Show) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value if row.kind == "signature" else show(value)
    return size(int(value)) if row.kind == "size" else _digits(f"{value:.6g}", show)


def change(row: Row, show: Show) -> str:
    """Return what changes in a row, "" if nothing is known to."""
    if isinstance(row.change, str):
        return _VERDICTS[row.change]
    if row.change is None:
        if None in (row.now, row.proposed):
            return ""
        return "same" if row.now == row.proposed else "changed"
    if row.change == 0:
        return "same"
    sign = "+" if row.change > 0 else "-"
    words = f"{sign}{size(abs(int(row.change)))}" if row.kind == "size" else f"{row.change:+.6g}"
    return _digits(words if row.relative is None else f"{words} ({row.relative:+.1%})", show)


def _gate(row: Row, move: Move, show: Show) -> str:
    if not row.gate:
        return ""
    demand = show(row.gate)
    if row.passed is None:
        return f"{demand}: not asked of a way back" if move.spared else demand
    return f"{'passes' if row.passed else 'fails'}: {demand}"


def registration(new: Registered, show: Show) -> str:
    """Return a registered version in a line."""
    label = f" ({show(new.label)})" if new.label else ""
    metrics = [f"{show(name)} {_digits(f'{new.metrics[name]:.6g}', show)}" for name in sorted(new.metrics)]
    parts = [
        ", ".join(show(kind) for kind in dict.fromkeys(new.formats[:MAX_NAMED])),
        f"{size(new.size)} in {counted(new.files, 'file')}",
        *metrics[:MAX_METRICS],
        *(
            [f"and {counted(len(metrics) - MAX_METRICS, 'metric')} more"]
            if len(metrics) > MAX_METRICS
            else []
        ),
        f"by {show(new.created_by)}",
    ]
    return f"{show(new.model)} {_digits(str(new.version), show)}{label}: {', '.join(parts)}"


def gate_demands(changed: GateChange) -> tuple[list[str], list[str]]:
    """Return the demands that a gate no longer makes, and those that it makes from now on."""
    old, new = (
        list(gate_words(gate)) if gate is not None else [] for gate in (changed.before, changed.after)
    )
    return [words for words in old if words not in new], [words for words in new if words not in old]


def gate_change(changed: GateChange, show: Show) -> Iterator[str]:
    """Yield what is no longer demanded, and what is from now on."""
    who = f"{show(changed.model)} " if changed.model else ""
    name = f"{who}{changed.kind} {show(changed.name)}"
    if changed.before is None or changed.after is None:
        yield f"{name} is {'new' if changed.before is None else 'gone'}"
    removed, added = gate_demands(changed)
    yield from (f"{name} no longer: {show(words)}" for words in removed)
    yield from (f"{name} from now on: {show(words)}" for words in added)


def undo(moves: Iterable[Move]) -> list[Undo]:
    """Return the commands that undo moves, each once."""
    return list(dict.fromkeys(command for move in moves for command in move.undo))


def undo_line(command: Undo) -> str:
    """Return a command as it is typed. Its words are quoted for a shell, and not otherwise made safe."""
    import shlex

    told = "--propose" in command.words  # says already that it is no short way
    note = "  # not pre-approved: its gate is asked" if command.gated and not told else ""
    return f'{shlex.join(command.words)} --reason "..."{note}'


def _and_more(number: int) -> list[str]:
    return [f"and {number} more"] if number > 0 else []
