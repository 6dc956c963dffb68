"""What a rule is given: a change with the states on both sides of it, and one file of it at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import documents, holds, manifest, names, schema
from .errors import Finding
from .events import Event, events, with_renames
from .manifest import Document
from .models import Manifest
from .policy import Evidence, Policy
from .snapshot import Change, Snapshot


class Judgement:
    """A change being judged, and what several rules ask of it, worked out once.

    `before` has renamed models at their new names already, `original` is the state as it was.
    """

    def __init__(self, original: Snapshot, after: Snapshot, change: Change, evidence: Evidence) -> None:
        self.original, self.after, self.change, self.evidence = original, after, change, evidence
        self.before = with_renames(original, change)
        self._policies: dict[str, Policy] = {}
        self._pointers: dict[tuple[str, str], Mapping[str, list[str]]] = {}

    @cached_property
    def events(self) -> list[Event]:
        """What the change means."""
        return events(self.original, self.change, self.after)

    @cached_property
    def folded_models(self) -> dict[str, list[str]]:
        """The names models have or had after the change, by what they are compared by."""
        folded: dict[str, list[str]] = {}
        for name in self.after.names_taken():
            folded.setdefault(names.fold(name), []).append(name)
        return folded

    def pointers_folded(self, kind: names.Kind, model: str) -> Mapping[str, list[str]]:
        """Return the aliases, stages or labels a model has after the change, by what they are compared by."""
        if (kind, model) not in self._pointers:
            folded: dict[str, list[str]] = {}
            for name in self.after.pointers(kind, model):
                folded.setdefault(compared_by(kind, name), []).append(name)
            self._pointers[kind, model] = folded
        return self._pointers[kind, model]

    @cached_property
    def declared_stages(self) -> frozenset[str]:
        """The stages registry.yaml declares after the change."""
        return frozenset(self.after.declared_stages())

    @cached_property
    def declared_folded(self) -> frozenset[str]:
        """The stages registry.yaml declares after the change, without regard to case."""
        return frozenset(stage.casefold() for stage in self.declared_stages)

    @cached_property
    def is_automatic(self) -> bool:
        """Whether automation, as the state before the change knows it, has a hand in the change."""
        listed = holds.automation(self.before)
        return self.evidence.automated or any(holds.is_automation(a, listed) for a in self.evidence.authors)

    def policy_after(self, model: str) -> Policy:
        """Return the policy in force for model after the change."""
        if model not in self._policies:
            self._policies[model] = Policy.of(self.after, model)
        return self._policies[model]

    def problem_with_policy(self, model: str) -> Finding | None:
        """Return why the policy in force for model before the change cannot be trusted, if it cannot."""
        if self._problem_with_registry is not None:
            return self._problem_with_registry
        return _problem(self.before, "model", names.path("model", model))

    @cached_property
    def _problem_with_registry(self) -> Finding | None:
        return _problem(self.before, "registry", names.REGISTRY)


def compared_by(kind: names.Kind, name: str) -> str:
    """Return what a pointer's name is compared by: of a label or a stage `1.0` and `1-0` are two, of an alias one."""
    return names.fold(name) if kind == "alias" else name.casefold()


def _problem(state: Snapshot, kind: str, path: str) -> Finding | None:
    if path not in state:
        return None
    document = manifest.parse_marked(state.files[path], path)
    return next(schema.problems(kind, document, path), None)


@dataclass(frozen=True)
class Case:
    """One file under judgement. `place` is None outside the registry's layout."""

    judgement: Judgement
    path: str
    place: names.Place | None

    @property
    def before(self) -> Snapshot:
        """The state before the change, with renamed models at their new names already."""
        return self.judgement.before

    @property
    def after(self) -> Snapshot:
        """The state after it."""
        return self.judgement.after

    @cached_property
    def data(self) -> bytes | None:
        """The file's content after the change; None if there is no such file then."""
        if self.path in self.judgement.change.files:
            return self.judgement.change.files[self.path]
        return None if self.path in self.judgement.change.special else self.after.files.get(self.path)

    @cached_property
    def document(self) -> Document:
        """The file's new content, parsed; Invalid if it is not strict YAML."""
        if self.data is None:
            return Document(None, b"")
        return Document(self.after.tree.document(self.path), self.data)

    @cached_property
    def manifest(self) -> Manifest:
        """The file's new content as a version manifest."""
        return documents.manifest_from(self.document.value, self.path)

    def is_a(self, *kinds: str) -> bool:
        """Tell whether the file is one of these kinds and there after the change."""
        return self.place is not None and self.place.kind in kinds and self.data is not None

    def finding(self, rule: Callable[..., Any], message: str, *where: str | int, fix: str = "") -> Finding:
        """Return a finding of rule at a part of the document, at the whole file if where is empty."""
        line, column = self.document.place(where) if where else (0, 0)
        return Finding(self.path, rule.__name__, message, line, column, fix)


Rule = Callable[[Case], Iterator[Finding]]
