"""What must hold before a change may be planned. Each raises, saying what is in the way, or returns nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from . import names
from .errors import Conflict, Finding, Invalid, command
from .policy import Pointer, Policy
from .snapshot import Snapshot

Expect = int | Literal["none"] | None  # the version a pointer must name now; None: whatever it names


def require_name(problem: str | None, path: str) -> None:
    """Raise Invalid if there is a problem with the name that path is made from."""
    if problem:
        raise Invalid(problem, [Finding(path, "name_is_valid", problem)])


def require_reason(reason: str, what: str) -> None:
    """Raise Invalid unless a reason is given."""
    if not reason.strip():
        raise Invalid(f"to {what} a reason is required", hint="say why with --reason")


def require_distinct(snapshot: Snapshot, name: str) -> None:
    """Raise Invalid if a model has, or left behind, another name that looks like name."""
    folded = names.fold(name)
    refuse_likeness(
        snapshot, name, (there for there in snapshot.names_taken() if names.fold(there) == folded)
    )


def refuse_likeness(snapshot: Snapshot, name: str, alike: Iterable[str]) -> None:
    """Raise Invalid if one of the names that look alike is another than name."""
    for there in alike:
        if there != name:
            raise Invalid(
                f"model {name!r} looks too much like model {there!r}",
                hint=f"register into {there!r}?" if snapshot.has_model(there) else "choose another name",
            )


def require_expected(snapshot: Snapshot, pointer: Pointer, expect: Expect) -> None:
    """Raise Conflict if pointer is not where it is expected to be."""
    held = pointer.holders(snapshot)
    if expect is None or expect in held or (expect == "none" and not held):
        return
    now = ", ".join(map(str, held)) or "none"
    raise Conflict(
        f"{pointer} is at {now}, not at {expect}: somebody moved it", "look again, then decide again"
    )


def require_usable(snapshot: Snapshot, model: str, version: int) -> None:
    """Raise NotFound unless version exists, and Invalid if it is yanked."""
    snapshot.resolve(names.Reference(model, "version", str(version)))
    if (reason := snapshot.annotations(model, version).yanked) is not None:
        undo = command("yank", "--undo", f"{model}/{version}")
        raise Invalid(f"{model}/{version} is yanked: {reason}", hint=undo)


def require_unreferenced(
    snapshot: Snapshot, model: str, version: int, done: Literal["yanked", "deleted"]
) -> None:
    """Raise Conflict while an alias or a stage points at version; a yanked version may be in archived."""
    stage = snapshot.stage_of(model, version)
    in_use = stage is not None and (done == "deleted" or stage != Policy.of(snapshot).archive)
    live = [f"{model}/{stage}"] if in_use else []
    live += [f"{model}@{alias}" for alias in snapshot.aliases_of(model, version)]
    if live:
        verb = "points" if len(live) == 1 else "point"
        raise Conflict(
            f"{model}/{version} cannot be {done}: {', '.join(live)} {verb} at it",
            "move them first: muster rollback, muster alias set, or muster demote",
        )


def require_unguarded(snapshot: Snapshot, model: str) -> None:
    """Raise Conflict while something of model that only review may move is in use."""
    policy = Policy.of(snapshot, model)
    pointers = [Pointer("stage", model, stage) for stage in snapshot.pointers("stage", model)]
    pointers += [Pointer("alias", model, alias) for alias in snapshot.pointers("alias", model)]
    for pointer in pointers:
        if policy.gate(pointer.kind, pointer.name).needs_review and (held := pointer.holders(snapshot)):
            raise Conflict(
                f"{pointer} is at {', '.join(map(str, held))}, and moves only by a reviewed proposal",
                "take the version out of it first: muster demote, or muster alias rm",
            )
