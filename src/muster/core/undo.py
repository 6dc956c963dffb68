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
            yield _undo(("alias", "rm", str(pointer)), gate)
        return
    for number in () if lost and gate.exclusive else gained:  # a rollback of an exclusive stage takes it out
        reference, stage = f"{pointer.model}/{number}", before.stage_of(pointer.model, number)
        if stage is None:
            yield _undo(("demote", reference), gate)
        else:
            yield _undo(("promote", reference, stage), gate, policy.gate("stage", stage))


def _rollback(pointer: Pointer, number: int, gate: Gate) -> Undo:
    words = ("muster", "rollback", str(pointer), "--to", str(number))
    if gate.rollback_review is None:
        return _undo(words[1:], gate, gate)
    return Undo((*words, "--propose") if gate.rollback_review else words, gated=gate.rollback_review)


def _undo(words: tuple[str, ...], left: Gate, entered: Gate | None = None) -> Undo:
    """A command by which a version leaves one pointer and, where `entered` is given, has to pass that gate."""
    review = left.needs_review or (entered is not None and entered.needs_review)
    demands = entered is not None and entered != Gate(exclusive=entered.exclusive)
    return Undo(("muster", *words, *(["--propose"] if review else [])), gated=review or demands)
