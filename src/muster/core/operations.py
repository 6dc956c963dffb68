"""What a user can ask for, and the change each one plans.

A request is a value; `plan` is a function of it and of the registry as it is, so it can be asked again from a newer
state after a race. Who asks and when are part of the request where a file records them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import codeowners, departures, documents, dvcfile, holds, manifest, names
from .departures import Files
from .draft import Draft, dvc_file
from .draft import find_version as find_version
from .errors import Conflict, Invalid, NotFound
from .events import events, summary
from .holds import Hold
from .models import Evaluation, Manifest, Stored, Tags
from .policy import Pointer, Policy
from .preconditions import Expect as Expect
from .preconditions import (
    require_expected,
    require_name,
    require_reason,
    require_unreferenced,
    require_usable,
)
from .readable import SCHEMA_VERSION
from .snapshot import Change, Snapshot


@dataclass(frozen=True, slots=True)
class CreateModel:
    """A new registered model, without a version yet."""

    name: str
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: Tags = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """A new version of a model, which is created where it does not exist.

    `manifest.version` is ignored: the next free number is taken. Where the model has a version with the same content
    nothing is planned, unless `allow_duplicate`. `lift` is as for `SetStage`.
    """

    manifest: Manifest
    stored: Stored
    description: str = ""
    tags: Tags = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    stage: str | None = None
    allow_duplicate: bool = False
    lift: bool = False

    @property
    def model(self) -> str:
        """The model it registers into."""
        return self.manifest.model


@dataclass(frozen=True, slots=True)
class SetAlias:
    """Point an alias at a version. `hold` and `lift` are as for `SetStage`."""

    model: str
    alias: str
    version: int
    expect: Expect = None
    hold: Hold | None = None
    lift: bool = False


@dataclass(frozen=True, slots=True)
class DeleteAlias:
    """Take an alias away."""

    model: str
    alias: str
    expect: Expect = None


@dataclass(frozen=True, slots=True)
class SetStage:
    """Move a version into a stage; None: out of the one it is in.

    A rollback leaves a `hold` on the stage. A person's move is to `lift` one that is there.
    """

    model: str
    version: int
    stage: str | None
    expect: Expect = None
    hold: Hold | None = None
    lift: bool = False


@dataclass(frozen=True, slots=True)
class LiftHold:
    """Let a pointer go that waits for a person after a rollback."""

    pointer: Pointer

    @property
    def model(self) -> str:
        """The model whose pointer it is."""
        return self.pointer.model


@dataclass(frozen=True, slots=True)
class Annotate:
    """Change what is said about a version. None leaves the description as it is."""

    model: str
    version: int
    description: str | None = None
    tags: Tags = field(default_factory=dict)
    without_tags: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, slots=True)
class AnnotateModel:
    """Change what is said about a model. None leaves a field as it is."""

    model: str
    description: str | None = None
    tags: Tags = field(default_factory=dict)
    without_tags: tuple[str, ...] = ()
    owners: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Yank:
    """Mark a version as not to be used, or (`undo`) as usable again."""

    model: str
    version: int
    by: str
    at: str
    reason: str = ""
    undo: bool = False


@dataclass(frozen=True, slots=True)
class RenameModel:
    """Give a model another name. Its versions keep their manifests, the old name says where it went."""

    model: str
    new_name: str


@dataclass(frozen=True, slots=True)
class DeleteVersion:
    """Delete a version, leaving a tombstone. Its number is never used again."""

    model: str
    version: int
    by: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """Delete a model and all its versions, leaving their tombstones."""

    model: str
    by: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class SyncOwners:
    """Write into CODEOWNERS who owns which model. Operations that change owners keep its block current themselves."""


@dataclass(frozen=True, slots=True)
class OnRegistered:
    """An operation on a version that the same plan registers: on whichever number that is given, or has already.

    `nth` says which registration, counted from 0; the `operation`'s own version number is ignored.
    """

    nth: int
    operation: SetAlias | SetStage | Annotate | Yank

    @property
    def model(self) -> str:
        """The model of that version."""
        return self.operation.model


Operation = (
    CreateModel
    | RegisterVersion
    | SetAlias
    | DeleteAlias
    | SetStage
    | LiftHold
    | Annotate
    | AnnotateModel
    | Yank
    | RenameModel
    | DeleteVersion
    | DeleteModel
    | SyncOwners
    | OnRegistered
)
_Planned = (
    SetAlias
    | DeleteAlias
    | SetStage
    | LiftHold
    | Annotate
    | AnnotateModel
    | Yank
    | RenameModel
    | DeleteVersion
    | DeleteModel
    | SyncOwners
)


def plan(snapshot: Snapshot, *operations: Operation) -> Change:
    """Return the one change that carries out operations on snapshot in turn, with a message that says what it means.

    Raises NotFound, Invalid, or Conflict where an expectation does not hold. An empty change means: it is so already.
    """
    change = change_of(drafted(snapshot, operations))
    return replace(change, message=summary(events(snapshot, change))) if change else change


def drafted(snapshot: Snapshot, operations: Iterable[Operation]) -> Draft:
    """Return what operations, carried out on snapshot in turn, lead to. Raises what `plan` raises."""
    draft = Draft(snapshot)
    for operation in operations:
        carry_out(draft, operation)
    return draft


def carry_out(draft: Draft, operation: Operation) -> None:
    """Carry out one more operation on a draft, which stays as it was where that raises what `plan` raises."""
    if isinstance(operation, OnRegistered):
        model, version = draft.registered[operation.nth]
        operation = replace(operation.operation, model=model, version=version)
    if isinstance(operation, RegisterVersion):
        number, files = _register(draft, operation)
        draft.write(files)
        draft.registered.append((operation.model, number))
    elif isinstance(operation, CreateModel):
        draft.write(_create(draft, operation))
    else:
        draft.write(_files(draft.state, operation))


def change_of(draft: Draft) -> Change:
    """Return what a draft changes, without a message."""
    before, files = draft.before, dict(draft.written)
    files |= codeowners.following(before, files)
    return Change({path: data for path, data in files.items() if not _is_so(before, path, data)})


def _is_so(snapshot: Snapshot, path: str, data: bytes | None) -> bool:
    """Whether path holds data already, or says the same in other words."""
    there = snapshot.files.get(path)
    if there is None or data is None or there == data:
        return there == data
    try:
        return bool(manifest.parse(there, path) == manifest.parse(data, path))
    except Invalid:
        return False


def _files(snapshot: Snapshot, operation: _Planned) -> Files:
    match operation:
        case SetAlias():
            require_expected(snapshot, Pointer("alias", operation.model, operation.alias), operation.expect)
            return _set_alias(snapshot, operation)
        case DeleteAlias(model, alias, expect):
            snapshot.resolve(names.Reference(model, "alias", alias))
            require_expected(snapshot, Pointer("alias", model, alias), expect)
            return {names.path("alias", model, alias): None}
        case SetStage():
            return _set_stage(snapshot, operation)
        case LiftHold(pointer):
            return {path: None} if (path := holds.path_of(pointer)) in snapshot else {}
        case Annotate():
            return _annotate(snapshot, operation)
        case AnnotateModel():
            return _annotate_model(snapshot, operation)
        case Yank():
            return _yank(snapshot, operation)
        case RenameModel(model, new_name):
            return departures.rename(snapshot, model, new_name)
        case DeleteVersion(model, version, by, at, reason):
            return departures.delete_version(snapshot, model, version, by, at, reason)
        case DeleteModel(model, by, at, reason):
            return departures.delete_model(snapshot, model, by, at, reason)
        case SyncOwners():
            return codeowners.synced(snapshot)


def _create(draft: Draft, new: CreateModel) -> Files:
    path, snapshot = names.path("model", new.name), draft.state
    require_name(names.problem_with_model_name(new.name), path)
    if path in snapshot:
        snapshot.model_document(new.name)  # says so where the name was left behind by a rename
        raise Conflict(f"model {new.name!r} exists already")
    draft.require_distinct(new.name)
    document = {"schema": SCHEMA_VERSION, "name": new.name}
    optional = {"description": new.description, "owners": list(new.owners), "tags": dict(new.tags)}
    return {path: manifest.dump({**document, **{k: v for k, v in optional.items() if v}}, "model")}


def _register(draft: Draft, new: RegisterVersion) -> tuple[int, Files]:
    """The number of the version that has the content, and the files that make it so."""
    model, snapshot = new.model, draft.state
    files: Files = {}
    if not snapshot.has_model(model):
        files |= _create(draft, CreateModel(model, owners=(new.manifest.created_by,)))
    elif not new.allow_duplicate and (there := draft.version_with(model, new.stored)) is not None:
        return there, _pointers_of(snapshot, new, there)
    number = draft.next_number(model)
    files[names.path("version", model, number)] = manifest.dump(
        documents.manifest_to(replace(new.manifest, version=number)), "version"
    )
    files[names.path("dvc", model, number)] = dvcfile.dump(dvc_file(new.stored, number))
    if label := new.manifest.label:
        files |= _set_label(snapshot, model, label, number)
    after = snapshot.apply(Change(dict(files)))
    if new.description or new.tags:
        files |= _annotate(after, Annotate(model, number, new.description or None, new.tags))
    return number, files | _pointers_of(after, new, number)


def _pointers_of(snapshot: Snapshot, new: RegisterVersion, number: int) -> Files:
    files: Files = {}
    for alias in new.aliases:
        files |= _set_alias(snapshot, SetAlias(new.model, alias, number, lift=new.lift))
    if new.stage is not None:
        files |= _set_stage(snapshot, SetStage(new.model, number, new.stage, lift=new.lift))
    return files


def _set_label(snapshot: Snapshot, model: str, label: str, number: int) -> Files:
    path = names.path("label", model, label)
    require_name(names.problem_with_label(label), path)
    if label.casefold() in {s.casefold() for s in snapshot.declared_stages()}:
        raise Invalid(f"{label!r} is a stage: a label is something else, such as 1.4.0")
    if path in snapshot:
        raise Conflict(
            f"{model}/{label} is version {snapshot.label(model, label)} already", "choose another label"
        )
    return {path: manifest.dump({"schema": SCHEMA_VERSION, "version": number}, "label")}


def _set_alias(snapshot: Snapshot, move: SetAlias) -> Files:
    path = names.path("alias", move.model, move.alias)
    require_name(names.problem_with_alias(move.alias), path)
    require_usable(snapshot, move.model, move.version)
    document = {"schema": SCHEMA_VERSION, "version": move.version}
    pointer = Pointer("alias", move.model, move.alias)
    return {path: manifest.dump(document, "alias"), **_hold_file(snapshot, pointer, move)}


def _set_stage(snapshot: Snapshot, move: SetStage) -> Files:
    policy = Policy.of(snapshot, move.model)
    now = snapshot.stage_of(move.model, move.version)
    if move.stage is None:
        snapshot.resolve(names.Reference(move.model, "version", str(move.version)))
        if now is None:
            return {}
        require_expected(snapshot, Pointer("stage", move.model, now), move.expect)
        return _stage_file(snapshot, move.model, now, without=(move.version,))
    target = policy.stage_name(move.stage)
    require_expected(snapshot, Pointer("stage", move.model, target), move.expect)
    if target != policy.archive:
        require_usable(snapshot, move.model, move.version)
    else:
        snapshot.resolve(names.Reference(move.model, "version", str(move.version)))
    if now == target:
        return {}
    displaced = snapshot.stage(move.model, target) if policy.gate("stage", target).exclusive else ()
    files = _stage_file(snapshot, move.model, target, (move.version,), displaced)
    archive = policy.archive if policy.archive != target else None
    if archive and (displaced or now == archive):
        without = (move.version,) if now == archive else ()
        files |= _stage_file(snapshot, move.model, archive, displaced, without)
    if now is not None and now != archive:
        files |= _stage_file(snapshot, move.model, now, without=(move.version,))
    return files | _hold_file(snapshot, Pointer("stage", move.model, target), move)


def _hold_file(snapshot: Snapshot, pointer: Pointer, move: SetAlias | SetStage) -> Files:
    """The hold on pointer after a move: the move's own, none if it lifts what is there, or as it is."""
    path = holds.path_of(pointer)
    if move.version in pointer.holders(snapshot):
        return {}
    if move.hold is not None:
        standing = holds.standing(snapshot, pointer)
        return {path: manifest.dump(holds.hold_to(move.hold.over(standing)), "hold")}
    return {path: None} if move.lift and path in snapshot else {}


def _stage_file(
    snapshot: Snapshot, model: str, stage: str, gained: Iterable[int] = (), without: Iterable[int] = ()
) -> Files:
    """The stage's file with versions added and taken out; no file when nothing is left in it."""
    held = sorted({*snapshot.stage(model, stage), *gained} - set(without))
    document = {"schema": SCHEMA_VERSION, "versions": held}
    return {names.path("stage", model, stage): manifest.dump(document, "stage") if held else None}


def _annotate(snapshot: Snapshot, said: Annotate) -> Files:
    path, document = _annotations(snapshot, said.model, said.version)
    if said.description is not None:
        _put(document, "description", said.description)
    _put_tags(document, said.tags, said.without_tags)
    if said.evaluations:
        verdicts = [documents.evaluation_to(e) for e in said.evaluations]
        document["evaluations"] = [*document.get("evaluations", []), *verdicts]
    return _annotations_file(path, document)


def _yank(snapshot: Snapshot, yank: Yank) -> Files:
    path, document = _annotations(snapshot, yank.model, yank.version)
    if yank.undo:
        document.pop("yanked", None)
    else:
        require_reason(yank.reason, "yank a version")
        require_unreferenced(snapshot, yank.model, yank.version, "yanked")
        if document.get("yanked", {}).get("reason") == yank.reason:
            return {}
        document["yanked"] = {"reason": yank.reason, "at": yank.at, "by": yank.by}
    return _annotations_file(path, document)


def _annotations(snapshot: Snapshot, model: str, version: int) -> tuple[str, dict[str, Any]]:
    """The path and the document of a version's annotations, an empty one where there are none."""
    snapshot.resolve(names.Reference(model, "version", str(version)))
    path = names.path("annotations", model, version)
    if path not in snapshot:
        return path, {"schema": SCHEMA_VERSION}
    documents.annotations_from(document := snapshot.document(path), path)  # Invalid if it cannot be added to
    return path, dict(document)


def _annotations_file(path: str, document: dict[str, Any]) -> Files:
    said = set(document) - {"schema"}
    return {path: manifest.dump(document, "annotations") if said else None}


def _annotate_model(snapshot: Snapshot, said: AnnotateModel) -> Files:
    document = dict(snapshot.model_document(said.model))
    if said.description is not None:
        _put(document, "description", said.description)
    if said.owners is not None:
        _put(document, "owners", list(said.owners))
    _put_tags(document, said.tags, said.without_tags)
    return {names.path("model", said.model): manifest.dump(document, "model")}


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    if value:
        document[key] = value
    else:
        document.pop(key, None)


def _put_tags(document: dict[str, Any], tags: Mapping[str, str], without: Iterable[str]) -> None:
    now = dict(document.get("tags", {}))
    for key in without:
        if key not in now:
            raise NotFound(f"there is no tag {key!r} to remove")
        del now[key]
    _put(document, "tags", now | dict(tags))
