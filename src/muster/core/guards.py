"""What guards a registry (policy, owners, where artifacts are), and what a change to it must pass.

A guard is worth what it takes to change it: where some gate asks for review, what the gate is made of changes by
review only, with as many approvals as the strictest of those gates asks for.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import names
from .demands import Unmet
from .errors import Invalid
from .policy import Gate, Policy, owners, unapproved
from .proposals import Review
from .snapshot import Change, Snapshot

_GUARDS = (names.REGISTRY, names.DVC_CONFIG)


def changed(before: Snapshot, change: Change, after: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield path and model ("" for the registry's own) of each guard of before that change changes."""
    for path in sorted({*change.files, *change.special}):
        if path not in before:
            continue
        place = names.locate(path)
        if path in _GUARDS:
            yield path, ""
        elif place is not None and place.kind == "model" and _guards_differ(before, after, path, place.model):
            yield path, place.model


def needs_review(before: Snapshot, model: str) -> bool:
    """Tell whether some gate of before's policy, tightened by model's own, asks for review."""
    return any(gate.needs_review for gate in _gates(before, model))


def lacking(before: Snapshot, model: str, review: Review | None) -> Iterator[Unmet]:
    """Yield which approvals a change to the guards of model lacks."""
    gate = Gate(approvals=_most_approvals(before, model))
    yield from unapproved(gate, model, owners(before, model), review)


def _gates(before: Snapshot, model: str) -> list[Gate]:
    policy = Policy.of(before, model or None)
    return [*policy.stages.values(), *policy.aliases.values()]


def _most_approvals(before: Snapshot, model: str) -> int:
    return max((gate.approvals for gate in _gates(before, model)), default=0)


def _guards_differ(before: Snapshot, after: Snapshot, path: str, model: str) -> bool:
    """Whether a model.yaml's policy differs, or, where approvals are counted, whose count."""
    if path not in after:
        return False  # the whole model goes: no pointer is left to guard
    try:
        old, new = before.document(path), after.document(path)
        keys = ["policy", *(["owners"] if _most_approvals(before, model) else [])]
        return any(old.get(key) != new.get(key) for key in keys)
    except (Invalid, AttributeError):
        return True  # nobody can tell
