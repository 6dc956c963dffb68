"""A policy tried on the past: what of the moves that were made it would have kept from happening, and why.

History is gone through from its beginning, so that who held what since when is known at each step and asked of nobody.
Approvals are not replayed: whether a change was reviewed is not in its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from . import manifest, names
from .errors import MusterError
from .events import with_renames
from .policy import ARCHIVED, Evidence, Gate, Pointer, Policy, unmet
from .snapshot import Change, Snapshot
from .version_rules import present_name


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of the past: the states on both sides of it, and at least what it changed of pointers and models."""

    commit: str
    at: datetime
    author: str
    before: Snapshot
    change: Change
    after: Snapshot
    judged: bool = True  # else it is only remembered


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy to try: a state's registry.yaml, and `with_models` the own policies of that state's models, too.

    Without, each model's own policy is the one it had.
    """

    state: Snapshot
    with_models: bool

    def imposed_on(self, before: Snapshot, model: str) -> Snapshot:
        """Return before as it would be under this policy."""
        files: dict[str, bytes | None] = {names.REGISTRY: self.state.files[names.REGISTRY]}
        path = names.path("model", model)
        if self.with_models and path in before:
            now = names.path("model", present_name(self.state, model))
            policy = self.state.document(now).get("policy") if now in self.state else None
            card = {key: value for key, value in before.model_document(model).items() if key != "policy"}
            files[path] = manifest.dump(card | ({"policy": policy} if policy else {}), "model")
        return before.apply(Change(files))


@dataclass(frozen=True, slots=True)
class Replayed:
    """One past move of a version into a stage or to an alias. `unmet` is what would have kept it from happening."""

    commit: str
    at: str  # UTC, RFC 3339
    author: str  # "Name <email>"
    pointer: Pointer
    version: int
    unmet: tuple[str, ...]


class _Past:
    """Who holds which pointer since when, and who ever did. It grows with the moves there were, not with their files."""

    def __init__(self) -> None:
        self._since: dict[Pointer, dict[int, datetime]] = {}
        self._ever: dict[Pointer, set[int]] = {}

    def held(self, pointer: Pointer, version: int) -> bool:
        return version in self._ever.get(pointer, ())

    def entered(self, pointer: Pointer, version: int) -> datetime | None:
        return self._since.get(pointer, {}).get(version)

    def rename(self, old: str, new: str) -> None:
        for pointer in [p for p in self._ever if p.model == old]:
            renamed = replace(pointer, model=new)
            self._ever[renamed] = self._ever.pop(pointer)
            self._since[renamed] = self._since.pop(pointer)

    def move(self, pointer: Pointer, holders: tuple[int, ...], at: datetime) -> None:
        there = self._since.get(pointer, {})
        self._since[pointer] = {version: there.get(version, at) for version in holders}
        self._ever.setdefault(pointer, set()).update(holders)


def replay(steps: Iterable[Step], candidate: Candidate) -> Iterator[Replayed]:
    """Yield each move of the steps, which come oldest first, as the candidate would have judged it."""
    past = _Past()
    for step in steps:
        before = with_renames(step.before, step.change)
        for old, new in _renames(step):
            past.rename(old, new)
        moves = {pointer: _holders(step.after, pointer) for pointer in _pointers(step.change)}
        evidence = Evidence(step.at, past.held, past.entered, (step.author,))
        for pointer, holders in moves.items():
            already = _holders(before, pointer)
            gained = [version for version in holders if version not in already]
            if step.judged and names.REGISTRY in before:  # else it is a registry being born
                yield from _judged(step, candidate, before, pointer, gained, evidence)
        for pointer, holders in moves.items():
            past.move(pointer, holders, step.at)


def _judged(
    step: Step,
    candidate: Candidate,
    before: Snapshot,
    pointer: Pointer,
    gained: list[int],
    evidence: Evidence,
) -> Iterator[Replayed]:
    for version in gained:
        try:
            under = candidate.imposed_on(before, pointer.model)
            gate = Policy.of(under, pointer.model).gate(pointer.kind, pointer.name)
            if pointer.name.casefold() == ARCHIVED and gate == Gate(exclusive=gate.exclusive):
                continue  # it made room for another
            reasons = tuple(str(demand) for demand in unmet(under, step.after, pointer, version, evidence))
        except MusterError as error:
            reasons = (f"it cannot be judged: {error}",)
        at = f"{step.at:%Y-%m-%dT%H:%M:%SZ}"
        yield Replayed(step.commit, at, step.author, pointer, version, reasons)


def _pointers(change: Change) -> Iterator[Pointer]:
    for path in sorted(change.files):
        place = names.locate(path)
        if place is not None and place.kind in ("alias", "stage"):
            yield Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)


def _renames(step: Step) -> Iterator[tuple[str, str]]:
    for path in step.change.files:
        place = names.locate(path)
        if place is None or place.kind != "model" or path not in step.before:
            continue
        try:
            to = step.after.renamed_to(place.model)
            if to is not None and step.before.renamed_to(place.model) is None:
                yield place.model, to
        except MusterError:
            continue  # nobody can read a new name in it


def _holders(state: Snapshot, pointer: Pointer) -> tuple[int, ...]:
    try:
        return pointer.holders(state)
    except MusterError:
        return ()  # a file nobody could read pointed at nothing
