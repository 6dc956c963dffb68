"""What a user types, made into operations: references are resolved against the state they will be planned on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import history, names
from .errors import Invalid
from .history import State
from .models import Evaluation, Manifest
from .operations import (
    Annotate,
    AnnotateModel,
    DeleteModel,
    DeleteVersion,
    Expect,
    Operation,
    SetAlias,
    SetStage,
)
from .policy import Pointer, Policy
from .snapshot import Snapshot, parse_reference


def pointer(snapshot: Snapshot, text: str) -> Pointer:
    """Return the stage or alias that text names, such as bikes/production or bikes@champion."""
    at = parse_reference(text)
    snapshot.model_document(at.model)
    if at.kind == "alias":
        return Pointer("alias", at.model, at.value)
    if at.kind == "name":
        return Pointer("stage", at.model, Policy.of(snapshot).stage_name(at.value))
    raise Invalid(f"{text} names no stage or alias", hint="write it as bikes/production or bikes@champion")


def rollback(
    snapshot: Snapshot, target: Pointer, past: Iterable[State], to: int | None
) -> SetStage | SetAlias:
    """Return the operation that takes target back to its previous usable holder, or to an earlier one.

    `past` are the states in which target moved, newest first.
    """
    holders, states = target.holders(snapshot), list(past)
    if to is None:
        to = next(
            (n for n in history.previous(states, target, holders) if _usable(snapshot, target, n)), None
        )
        if to is None:
            raise history.nothing_before(target)
    elif not history.held(states, target, to):
        raise Invalid(
            f"version {to} never held {target}", hint="a rollback goes back; to go forward, promote"
        )
    expect: Expect = holders[-1] if holders else "none"
    if target.kind == "alias":
        return SetAlias(target.model, target.name, to, expect)
    return SetStage(target.model, to, target.name, expect)


def annotation(
    snapshot: Snapshot,
    reference: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    remove_tags: Iterable[str] = (),
    evaluations: Iterable[Evaluation] = (),
    owners: Iterable[str] | None = None,
) -> Annotate | AnnotateModel:
    """Return the operation that changes what is said about reference, a version or a model."""
    at, without, verdicts = parse_reference(reference), tuple(remove_tags), tuple(evaluations)
    if at.kind == "model":
        if verdicts:
            raise Invalid(f"evaluation {verdicts[0].name!r} judges a version, and {at} names a model")
        new_owners = None if owners is None else tuple(owners)
        return AnnotateModel(at.model, description, tags or {}, without, new_owners)
    if owners is not None:
        raise Invalid(f"a model has owners, and {at} names a version", hint=f"name the model: {at.model}")
    model, version = snapshot.resolve(at)
    return Annotate(model, version, description, tags or {}, without, verdicts)


def deletion(
    snapshot: Snapshot, reference: str, by: str, at: str, reason: str
) -> DeleteVersion | DeleteModel:
    """Return the operation that deletes what reference names, a version or a model."""
    found = parse_reference(reference)
    if found.kind == "model":
        return DeleteModel(found.model, by, at, reason)
    model, version = snapshot.resolve(found)
    return DeleteVersion(model, version, by, at, reason)


def proposal_id(wanted: Sequence[Operation]) -> str:
    """Return a name for what is wanted, which the same request has again, whoever makes it and whenever."""
    digest = hashlib.sha256(repr([_lasting(operation) for operation in wanted]).encode()).hexdigest()
    model = str(getattr(wanted[0], "model", None) or getattr(wanted[0], "name", "registry"))
    return f"{names.encode(model).replace('%', '_').lower()[:40]}-{digest[:10]}"


_PASSING = (
    "at",
    "by",
    "expect",
    "stored",
    "hold",
    "lift",
)  # what another asking for the same would say otherwise


def _lasting(value: Any) -> Any:
    """What of a request is the same however often it is made. A new version is its content and its label."""
    if isinstance(value, Manifest):
        return value.model, value.label, value.digest
    if dataclasses.is_dataclass(value):
        fields = [f.name for f in dataclasses.fields(value) if f.name not in _PASSING]
        return type(value).__name__, [(name, _lasting(getattr(value, name))) for name in fields]
    if isinstance(value, Mapping):
        return sorted((key, _lasting(item)) for key, item in value.items())
    return [_lasting(item) for item in value] if isinstance(value, tuple) else value


def _usable(snapshot: Snapshot, target: Pointer, version: int) -> bool:
    exists = names.path("version", target.model, version) in snapshot
    return exists and snapshot.annotations(target.model, version).yanked is None
