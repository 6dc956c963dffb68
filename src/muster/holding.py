"""Who makes a change, where a hold wants to know: a person's move lifts a hold, automation's waits for one.

Nobody is asked for while nothing is held: whoever plans needs no identity.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .core import holds
from .core.errors import NotFound
from .core.operations import LiftHold, OnRegistered, RegisterVersion, SetAlias, SetStage
from .core.requests import pointer as pointer_named

if TYPE_CHECKING:
    from .core.holds import Hold
    from .core.operations import Operation
    from .core.policy import Evidence, Pointer
    from .core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Held:
    """A stage or an alias that waits for a person, such as bikes/production, and why."""

    pointer: str
    hold: Hold


def with_author(
    who: Callable[[], str], now: Snapshot, wanted: tuple[Operation, ...], evidence: Evidence
) -> tuple[tuple[Operation, ...], Evidence]:
    """Return what is wanted, lifting the holds that its author may lift, and the evidence of `who` that is."""
    models = {str(getattr(operation, "model", "")) for operation in wanted}
    if not any(model and now.pointers("hold", model) for model in models):
        return wanted, evidence
    author = who()
    automated = in_ci() or holds.is_automation(author, holds.automation(now))
    known = replace(evidence, authors=(author,), automated=automated)
    return wanted if automated else tuple(map(_lifting, wanted)), known


def in_ci() -> bool:
    """Tell whether this runs in a CI job: all of them set CI."""
    return os.environ.get("CI", "").casefold() not in ("", "0", "false")


def held(snapshot: Snapshot, model: str | None) -> list[Held]:
    """Return the holds on a model's pointers, or on every model's."""
    if model is not None:
        snapshot.model_document(model)
    models = snapshot.models() if model is None else (model,)
    return [Held(str(p), hold) for name in models for p, hold in holds.all_of(snapshot, name).items()]


def lifting(snapshot: Snapshot, text: str) -> LiftHold:
    """Return the operation that lifts the hold on what text names; NotFound if there is none."""
    pointer: Pointer = pointer_named(snapshot, text)
    if holds.path_of(pointer) not in snapshot:
        raise NotFound(f"there is no hold on {pointer}", "see muster hold list")
    return LiftHold(pointer)


def _lifting(operation: Operation) -> Operation:
    if isinstance(operation, OnRegistered) and isinstance(operation.operation, SetAlias | SetStage):
        return replace(operation, operation=replace(operation.operation, lift=True))
    return (
        replace(operation, lift=True)
        if isinstance(operation, RegisterVersion | SetAlias | SetStage)
        else operation
    )
