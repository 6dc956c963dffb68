"""The registry at one commit, and a change to it: the two values everything else is a function of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import dvcfile, names
from .errors import Integrity, Invalid, MusterError, NotFound
from .readable import not_readable, supported
from .tree import Overlay, Tree

# Models and what reads them are many dataclasses: imported by the methods that return one, not by who asks for a head.
if TYPE_CHECKING:
    from .models import Annotations, Manifest, ModelVersion, RegisteredModel


@dataclass(frozen=True)
class Change:
    """New contents of some paths; None deletes. A commit, a proposal and a diff are all this.

    `special` names paths whose entry is not a plain file and says what it is instead ("symbolic link", "submodule",
    "12345678 bytes"); their content is not read.
    """

    files: Mapping[str, bytes | None]
    message: str = ""
    special: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files) or bool(self.special)


@dataclass(frozen=True)
class Snapshot:
    """The files of the registry at one commit. Everything else is derived from them."""

    commit: str | None
    files: Mapping[str, bytes]

    def apply(self, change: Change) -> Snapshot:
        """Return the registry as it would be after change."""
        return self.over(Overlay(change.files, self.tree), names.REGISTRY in change.files)

    def over(self, tree: Tree, other_registry: bool = False) -> Snapshot:
        """Return the state whose files are tree, which lies over this one's; registry.yaml is the same unless said."""
        state = Snapshot(None, tree)
        if not other_registry and "registry" in self.__dict__:  # what is parsed already is not parsed again
            state.__dict__["registry"] = self.registry
        return state

    @cached_property
    def tree(self) -> Tree:
        """The files as a tree; what a plain mapping holds is gone through once."""
        return self.files if isinstance(self.files, Tree) else Overlay(self.files)

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        return self.tree.children(directory)

    def below(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below directory."""
        return self.tree.below(directory)

    def expect(self, directory: str) -> None:
        """Say that all below directory will be read: files that are elsewhere are brought at once."""
        self.tree.expect(directory)

    def __contains__(self, path: str) -> bool:
        return path in self.files

    def document(self, path: str) -> Any:
        """Return the parsed file at path; NotFound if there is none.

        Invalid if it is not strict YAML, or its schema version is newer than this muster.
        """
        try:
            document = self.tree.document(path)
        except KeyError:
            raise NotFound(f"{path} does not exist in {self.name}") from None
        if not supported(document):
            raise not_readable(path, document, "", "")
        return document

    @property
    def name(self) -> str:
        """What to call this state in a message."""
        return f"commit {self.commit[:12]}" if self.commit else "this state of the registry"

    def models(self) -> tuple[str, ...]:
        """Return the name of every registered model, sorted."""
        return tuple(name for name in self.names_taken() if self.has_model(name))

    def names_taken(self) -> tuple[str, ...]:
        """Return the name of every model there is or was: those renamed or deleted keep a trace."""
        found = []
        for segment in self.children(names.MODELS):
            try:
                found.append(names.decode(segment))
            except ValueError:
                continue
        return tuple(sorted(found))

    def has_model(self, name: str) -> bool:
        """Tell whether a model of that name is registered: it has a model.yaml that is no renamed model's trace."""
        try:
            return names.path("model", name) in self and self.renamed_to(name) is None
        except Invalid:
            return True  # whoever reads it is told what is wrong with it

    def renamed_to(self, name: str) -> str | None:
        """Return what the model that was called name is called now; None for a name that no rename left behind."""
        path = names.path("model", name)
        data = self.files.get(path, b"")
        if b"renamed_to" not in data and b"\\" not in data:  # an escape could spell it another way
            return None
        card = self.document(path)
        to = card.get("renamed_to") if isinstance(card, dict) else None
        return to if isinstance(to, str) else None

    def model(self, name: str) -> RegisteredModel:
        """Return one registered model; NotFound with the nearest names if there is none."""
        from .models import RegisteredModel

        card = self.model_document(name)
        return RegisteredModel(
            name,
            description=card.get("description", ""),
            owners=tuple(card.get("owners", ())),
            tags=card.get("tags", {}),
            versions=self.versions(name),
            deleted=self._numbers("tombstone", name),
            aliases={alias: self.alias(name, alias) for alias in self.pointers("alias", name)},
            stages={stage: self.stage(name, stage) for stage in self.pointers("stage", name)},
            formerly=tuple(card.get("formerly", ())),
        )

    def listed_model(self, name: str) -> RegisteredModel:
        """Return one registered model for a list, in which one that cannot be read is shown as such."""
        try:
            return self.model(name)
        except (Invalid, NotFound) as error:
            from .models import RegisteredModel

            return RegisteredModel(name, problem=_reason(error))

    def model_document(self, name: str) -> dict[str, Any]:
        """Return a model's model.yaml; NotFound says what it is called now, or which names are near."""
        path = names.path("model", name)
        if path not in self.files:
            raise NotFound(f"no model {name!r} in {self.name}", did_you_mean(name, self.models()))
        card = self.document(path)
        if not isinstance(card, dict):
            raise not_readable(path, card, "a model file", "it holds no mapping")
        if "renamed_to" in card:
            raise NotFound(f"model {name!r} was renamed", f"it is called {card['renamed_to']!r} now")
        shapes: dict[str, type] = {"description": str, "owners": list, "tags": dict, "formerly": list}
        if wrong := [key for key, shape in shapes.items() if not isinstance(card.get(key, shape()), shape)]:
            raise not_readable(path, card, "a model file", f"{wrong[0]} is malformed")
        return card

    def versions(self, model: str) -> tuple[int, ...]:
        """Return the version numbers of model, ascending."""
        return self._numbers("version", model)

    def numbers_taken(self, model: str) -> tuple[int, ...]:
        """Return every number model ever used, deleted ones too, ascending."""
        return tuple(sorted({*self._numbers("version", model), *self._numbers("tombstone", model)}))

    def pointers(self, kind: names.Kind, model: str) -> tuple[str, ...]:
        """Return the names of model's aliases, stages or labels, sorted."""
        return tuple(place.name for place in self._places(kind, model))

    def alias(self, model: str, alias: str) -> int:
        """Return the version alias names."""
        return self._pointer("alias", model, alias)

    def label(self, model: str, label: str) -> int:
        """Return the version that has label."""
        return self._pointer("label", model, label)

    def stage(self, model: str, stage: str) -> tuple[int, ...]:
        """Return the versions in stage, ascending; empty when none ever was."""
        path = names.path("stage", model, stage)
        if path not in self.files:
            return ()
        document = self.document(path)
        try:
            return tuple(sorted(int(n) for n in document["versions"]))
        except (KeyError, TypeError, ValueError) as error:
            raise not_readable(path, document, "a stage file", error) from error

    def stage_of(self, model: str, version: int) -> str | None:
        """Return the stage version is in."""
        if model not in self._stages_by_version:
            held = {stage: self.stage(model, stage) for stage in reversed(self.pointers("stage", model))}
            self._stages_by_version[model] = {n: stage for stage, numbers in held.items() for n in numbers}
        return self._stages_by_version[model].get(version)

    def aliases_of(self, model: str, version: int) -> tuple[str, ...]:
        """Return the aliases that name version, sorted."""
        if model not in self._aliases_by_version:
            found: dict[int, tuple[str, ...]] = {}
            for alias in self.pointers("alias", model):
                number = self.alias(model, alias)
                found[number] = (*found.get(number, ()), alias)
            self._aliases_by_version[model] = found
        return self._aliases_by_version[model].get(version, ())

    @cached_property
    def _stages_by_version(self) -> dict[str, dict[int, str]]:
        """By model, as they are asked for: a thousand versions read each pointer once."""
        return {}

    @cached_property
    def _aliases_by_version(self) -> dict[str, dict[int, tuple[str, ...]]]:
        return {}

    def manifest(self, model: str, version: int) -> Manifest:
        """Return what was registered as version; NotFound says whether it was deleted, and why."""
        from . import documents

        path = names.path("version", model, version)
        if path not in self.files:
            raise self._no_version(model, version)
        return documents.manifest_from(self.document(path), path)

    def artifact_oid(self, model: str, version: int) -> str:
        """Return DVC's address of a version's files; Integrity if its .dvc file is not one that may be used."""
        path = names.path("dvc", model, version)
        if path not in self.files:
            raise Integrity(f"{path} is missing: nothing says where the files of {model}/{version} are")
        found, findings = dvcfile.read(self.document(path), path)
        if found is None:
            raise Integrity(f"{path} is not a DVC file that may be used: {findings[0].message}")
        return found.oid

    def annotations(self, model: str, version: int) -> Annotations:
        """Return what is said about version now."""
        from . import documents

        path = names.path("annotations", model, version)
        return documents.annotations_from(self.document(path) if path in self.files else {}, path)

    def version(self, model: str, version: int) -> ModelVersion:
        """Return one version with what is said about it and what points at it.

        Its manifest says the name that the model has at this commit, whatever it was registered under.
        """
        from . import documents

        return documents.version_of(
            self.manifest(model, version),
            self.annotations(model, version),
            model,
            self.stage_of(model, version),
            self.aliases_of(model, version),
            self.commit,
        )

    def listed_version(self, model: str, version: int) -> ModelVersion:
        """Return one version for a list, in which one that cannot be read is shown as such."""
        try:
            return self.version(model, version)
        except (Invalid, NotFound) as error:
            from . import documents

            return documents.unreadable_version(model, version, self.commit, _reason(error))

    def resolve(self, reference: str | names.Reference) -> tuple[str, int]:
        """Return the model and version number that reference names.

        A stage that holds several versions resolves to the highest number, as in MLflow; `latest` is the highest number
        that is not yanked.
        """
        at = parse_reference(reference)
        match at.kind:
            case "version":
                if names.path("version", at.model, at.value) not in self.files:
                    raise self._no_version(at.model, int(at.value))
                return at.model, int(at.value)
            case "alias":
                if names.path("alias", at.model, at.value) not in self.files:
                    known = self.pointers("alias", at.model)
                    self.model_document(at.model)
                    raise NotFound(
                        f"model {at.model!r} has no alias {at.value!r}", did_you_mean(at.value, known)
                    )
                return at.model, self.alias(at.model, at.value)
            case "latest":
                return at.model, self._latest(at.model)
            case "name":
                return at.model, self._stage_or_label(at.model, at.value)
            case _:
                self.model_document(at.model)
                raise NotFound(
                    f"{at} names a model, not a version", f"add a version or an alias: {at}/latest"
                )

    def get(self, reference: str | names.Reference) -> ModelVersion:
        """Return the version reference names."""
        return self.version(*self.resolve(reference))

    def _latest(self, model: str) -> int:
        for number in reversed(self.versions(model)):
            if self.annotations(model, number).yanked is None:
                return number
        self.model_document(model)
        raise NotFound(f"model {model!r} has no version that is not yanked or deleted")

    def _stage_or_label(self, model: str, name: str) -> int:
        stages = self.pointers("stage", model)
        stage = next((s for s in stages if s.casefold() == name.casefold()), None)
        if stage is not None and (held := self.stage(model, stage)):
            return held[-1]
        if name.casefold() in {
            k.casefold() for k in self.declared_stages()
        }:  # even if a label is called that
            self.model_document(model)
            raise NotFound(f"no version of model {model!r} is in stage {name!r}")
        if names.path("label", model, name) in self.files:
            return self.label(model, name)
        self.model_document(model)
        known = {*stages, *self.pointers("label", model), *self.declared_stages()}
        raise NotFound(f"model {model!r} has no stage or label {name!r}", did_you_mean(name, known))

    def declared_stages(self) -> tuple[str, ...]:
        """Return the stages registry.yaml declares, in its order."""
        stages = self.registry.get("stages")
        return tuple(stages) if isinstance(stages, dict) else ()

    @cached_property
    def registry(self) -> Mapping[str, Any]:
        """What registry.yaml says; empty if there is none, Invalid if it cannot be read."""
        if names.REGISTRY not in self:
            return {}
        document = self.document(names.REGISTRY)
        if not isinstance(document, dict):
            raise not_readable(names.REGISTRY, document, "a registry", "it holds no mapping")
        return document

    def _pointer(self, kind: names.Kind, model: str, name: str) -> int:
        path = names.path(kind, model, name)
        document = self.document(path)
        try:
            return int(document["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise not_readable(path, document, f"{kind} file", error) from error

    def _places(self, kind: names.Kind, model: str) -> Iterator[names.Place]:
        directory = names.directory(kind, model)
        for name in self.children(directory):
            place = names.locate(f"{directory}/{name}")
            if place is not None and place.kind == kind:
                yield place

    def _numbers(self, kind: names.Kind, model: str) -> tuple[int, ...]:
        return tuple(sorted(names.numbers_in(kind, self.children(names.directory(kind, model)))))

    def _no_version(self, model: str, version: int) -> NotFound:
        tombstone = names.path("tombstone", model, version)
        if tombstone in self.files:
            grave = self.document(tombstone)
            by, at, why = (
                grave.get(k, "?") if isinstance(grave, dict) else "?" for k in ("by", "at", "reason")
            )
            return NotFound(f"{model}/{version} was deleted by {by} at {at}: {why}")
        self.model_document(model)
        there = self.versions(model)
        hint = f"its versions: {_some(there)}" if there else "it has no version yet"
        return NotFound(f"model {model!r} has no version {version}", hint)


def _reason(error: MusterError) -> str:
    """What an error says, in the one line that a list has room for."""
    found = error.findings[0].message if isinstance(error, Invalid) and error.findings else str(error)
    return f"cannot be read: {found.partition(chr(10))[0]}"


def parse_reference(reference: str | names.Reference) -> names.Reference:
    """Read a reference; Invalid if it is none."""
    if isinstance(reference, names.Reference):
        return reference
    try:
        return names.parse_reference(reference)
    except ValueError as error:
        hint = "write it as bikes/3, bikes@champion, bikes/production or bikes/latest"
        raise Invalid(str(error), hint=hint) from error


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Return a hint that names what was probably meant, or what there is."""
    import difflib

    known = sorted(known)
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wanted.casefold(), folded, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(repr(folded[n]) for n in near)}?"
    return f"there is: {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}" if known else ""


def _some(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[-10:]))
    return f"..., {shown}" if len(numbers) > 10 else shown


EMPTY = Snapshot(None, {})
