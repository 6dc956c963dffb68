"""The way back from a move: the commands that take a pointer to where it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .policy import Gate, Pointer, Policy
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Undo:
    """One command that undoes a part of a move, as its words; the reason that every change deserves is left to add.

    `gated` tells that policy pre-approves no way back here: the command is judged as any other move is.
    """

    words: tuple[str, ...]
    gated: bool


def commands(
    before: Snapshot, policy: Policy, pointer: Pointer, gained: tuple[int, ...], lost: tuple[int, ...]
) -> tuple[Undo, ...]:
    """Return the commands that take pointer, which gains and loses these versions over before, back."""
    return tuple(_commands(before, policy, pointer, gained, lost))


def _commands(
    before: Snapshot, policy: Policy, pointer: Pointer, gained: tuple[int, ...], lost: tuple[int, ...]
) -> Iterator[Undo]:
    gate = policy.gate(pointer.kind, pointer.name)
    for number in lost:
        yield _rollback(pointer, number, gate)
    if pointer.kind == "alias":
        if not lost:
            yield _leave(("alias", "rm", str(pointer)), gate)
        return
    for number in () if lost and gate.exclusive else gained:  # a rollback of an exclusive stage takes it out
        stage = before.stage_of(pointer.model, number)
        if stage is None:
            yield _leave(("demote", f"{pointer.model}/{number}"), gate)
        else:
            yield _rollback(
                Pointer("stage", pointer.model, stage), number, policy.gate("stage", stage), left=gate
            )


def _leave(words: tuple[str, ...], gate: Gate) -> Undo:
    return _undo(words, gate.needs_review, gate.needs_review)


def _rollback(pointer: Pointer, number: int, gate: Gate, left: Gate | None = None) -> Undo:
    """The command that takes number back into pointer; what it has to leave for that may want review of it, too."""
    words = ("rollback", str(pointer), "--to", str(number))
    if gate.rollback_review is None:
        review, gated = gate.needs_review, gate != Gate(exclusive=gate.exclusive)
    else:
        review = gated = gate.rollback_review
    review = review or (left is not None and left.needs_review)
    return _undo(words, review, gated or review)


def _undo(words: tuple[str, ...], review: bool, gated: bool) -> Undo:
    return Undo(("muster", *words, *(["--propose"] if review else [])), gated)
