"""What a user can ask for, and the change each one plans.

A request is a value; `plan` is a function of it and of the registry as it is, so it can be asked again from a newer
state after a race. Who asks and when are part of the request where a file records them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from . import dvcfile, manifest, names
from .errors import Conflict, Finding, Invalid, NotFound
from .events import events, summary
from .models import Evaluation, Manifest, Stored, Tags
from .policy import Policy
from .snapshot import Change, Snapshot

Expect = int | Literal["none"] | None  # the version a pointer must name now; None: whatever it names


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
    nothing is planned, unless `allow_duplicate`.
    """

    manifest: Manifest
    stored: Stored
    description: str = ""
    tags: Tags = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    stage: str | None = None
    allow_duplicate: bool = False

    @property
    def model(self) -> str:
        """The model it registers into."""
        return self.manifest.model


@dataclass(frozen=True, slots=True)
class SetAlias:
    """Point an alias at a version."""

    model: str
    alias: str
    version: int
    expect: Expect = None


@dataclass(frozen=True, slots=True)
class DeleteAlias:
    """Take an alias away."""

    model: str
    alias: str
    expect: Expect = None


@dataclass(frozen=True, slots=True)
class SetStage:
    """Move a version into a stage; None: out of the one it is in."""

    model: str
    version: int
    stage: str | None
    expect: Expect = None


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


Operation = (
    CreateModel
    | RegisterVersion
    | SetAlias
    | DeleteAlias
    | SetStage
    | Annotate
    | AnnotateModel
    | Yank
    | RenameModel
    | DeleteVersion
    | DeleteModel
)
Files = dict[str, bytes | None]


def plan(snapshot: Snapshot, *operations: Operation) -> Change:
    """Return the one change that carries out operations on snapshot in turn, with a message that says what it means.

    Raises NotFound, Invalid, or Conflict where an expectation does not hold. An empty change means: it is so already.
    """
    files: Files = {}
    for operation in operations:
        files |= _files(snapshot.apply(Change(files)) if files else snapshot, operation)
    files = {p: data for p, data in files.items() if snapshot.files.get(p) != data}
    change = Change(files)
    return replace(change, message=summary(events(snapshot, change))) if files else change


def find_version(snapshot: Snapshot, model: str, stored: Stored) -> int | None:
    """Return the newest version of model with exactly this content."""
    for number in reversed(snapshot.versions(model)):
        data = dvcfile.dump(_dvc_file(stored, number))
        if _holds(snapshot, names.path("dvc", model, number), data):
            return number
    return None


def _files(snapshot: Snapshot, operation: Operation) -> Files:
    match operation:
        case CreateModel():
            return _create(snapshot, operation)
        case RegisterVersion():
            return _register(snapshot, operation)
        case SetAlias(model, alias, version, expect):
            _expect(snapshot, f"{model}@{alias}", names.path("alias", model, alias), expect)
            return _set_alias(snapshot, model, alias, version)
        case DeleteAlias(model, alias, expect):
            snapshot.resolve(names.Reference(model, "alias", alias))
            _expect(snapshot, f"{model}@{alias}", names.path("alias", model, alias), expect)
            return {names.path("alias", model, alias): None}
        case SetStage():
            return _set_stage(snapshot, operation)
        case Annotate(model, version):
            return _annotate(snapshot, operation)
        case AnnotateModel():
            return _annotate_model(snapshot, operation)
        case Yank():
            return _yank(snapshot, operation)
        case RenameModel():
            return _rename(snapshot, operation)
        case DeleteVersion():
            return _delete_version(snapshot, operation)
        case DeleteModel():
            return _delete_model(snapshot, operation)


def _create(snapshot: Snapshot, new: CreateModel) -> Files:
    path = names.path("model", new.name)
    _require(names.problem_with_model_name(new.name), path, "name_is_valid")
    if path in snapshot:
        snapshot.model_document(new.name)  # says so where the name was left behind by a rename
        raise Conflict(f"model {new.name!r} exists already")
    _refuse_lookalike(snapshot, new.name)
    document = {"schema": manifest.SCHEMA_VERSION, "name": new.name}
    optional = {"description": new.description, "owners": list(new.owners), "tags": dict(new.tags)}
    return {path: manifest.dump({**document, **{k: v for k, v in optional.items() if v}}, "model")}


def _refuse_lookalike(snapshot: Snapshot, name: str, besides: str = "") -> None:
    folded = names.fold(name)
    for there in snapshot.models():
        if there not in (name, besides) and names.fold(there) == folded:
            raise Invalid(
                f"model {name!r} looks too much like model {there!r}", hint=f"register into {there!r}?"
            )


def _register(snapshot: Snapshot, new: RegisterVersion) -> Files:
    model = new.model
    files: Files = {}
    if not snapshot.has_model(model):
        files |= _create(snapshot, CreateModel(model, owners=(new.manifest.created_by,)))
    elif not new.allow_duplicate and (there := find_version(snapshot, model, new.stored)) is not None:
        return _pointers_of(snapshot, new, there)
    number = max(snapshot.numbers_taken(model), default=0) + 1
    files[names.path("version", model, number)] = manifest.dump(
        manifest.manifest_to(replace(new.manifest, version=number)), "version"
    )
    files[names.path("dvc", model, number)] = dvcfile.dump(_dvc_file(new.stored, number))
    if label := new.manifest.label:
        files |= _set_label(snapshot, model, label, number)
    after = snapshot.apply(Change(files))
    files |= _annotate(after, Annotate(model, number, new.description or None, new.tags))
    return files | _pointers_of(after, new, number)


def _pointers_of(snapshot: Snapshot, new: RegisterVersion, number: int) -> Files:
    files: Files = {}
    for alias in new.aliases:
        files |= _set_alias(snapshot, new.model, alias, number)
    if new.stage is not None:
        files |= _set_stage(snapshot, SetStage(new.model, number, new.stage))
    return files


def _set_label(snapshot: Snapshot, model: str, label: str, number: int) -> Files:
    path = names.path("label", model, label)
    _require(names.problem_with_label(label), path, "name_is_valid")
    if label.casefold() in {s.casefold() for s in snapshot.declared_stages()}:
        raise Invalid(f"{label!r} is a stage: a label is something else, such as 1.4.0")
    if path in snapshot:
        raise Conflict(
            f"{model}/{label} is version {snapshot.label(model, label)} already", "choose another label"
        )
    return {path: manifest.dump({"schema": manifest.SCHEMA_VERSION, "version": number}, "label")}


def _set_alias(snapshot: Snapshot, model: str, alias: str, version: int) -> Files:
    path = names.path("alias", model, alias)
    _require(names.problem_with_alias(alias), path, "name_is_valid")
    _usable(snapshot, model, version)
    return {path: manifest.dump({"schema": manifest.SCHEMA_VERSION, "version": version}, "alias")}


def _set_stage(snapshot: Snapshot, move: SetStage) -> Files:
    policy = Policy.of(snapshot, move.model)
    now = snapshot.stage_of(move.model, move.version)
    if move.stage is None:
        snapshot.resolve(names.Reference(move.model, "version", str(move.version)))
        if now is None:
            return {}
        _expect_stage(snapshot, move, now)
        return _stage_file(snapshot, move.model, now, without=(move.version,))
    target = policy.stage_name(move.stage)
    _expect_stage(snapshot, move, target)
    if target != policy.archive:
        _usable(snapshot, move.model, move.version)
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
    return files


def _stage_file(
    snapshot: Snapshot, model: str, stage: str, gained: Iterable[int] = (), without: Iterable[int] = ()
) -> Files:
    """The stage's file with versions added and taken out; no file when nothing is left in it."""
    held = sorted({*snapshot.stage(model, stage), *gained} - set(without))
    document = {"schema": manifest.SCHEMA_VERSION, "versions": held}
    return {names.path("stage", model, stage): manifest.dump(document, "stage") if held else None}


def _annotate(snapshot: Snapshot, said: Annotate) -> Files:
    path, document = _annotations(snapshot, said.model, said.version)
    if said.description is not None:
        _put(document, "description", said.description)
    _put_tags(document, said.tags, said.without_tags)
    if said.evaluations:
        verdicts = [manifest.evaluation_to(e) for e in said.evaluations]
        document["evaluations"] = [*document.get("evaluations", []), *verdicts]
    return _annotations_file(path, document)


def _yank(snapshot: Snapshot, yank: Yank) -> Files:
    path, document = _annotations(snapshot, yank.model, yank.version)
    if yank.undo:
        document.pop("yanked", None)
    else:
        _require_reason(yank.reason, "yank a version")
        _unreferenced(snapshot, yank.model, yank.version, "yanked")
        document["yanked"] = {"reason": yank.reason, "at": yank.at, "by": yank.by}
    return _annotations_file(path, document)


def _annotations(snapshot: Snapshot, model: str, version: int) -> tuple[str, dict[str, Any]]:
    """The path and the document of a version's annotations, an empty one where there are none."""
    snapshot.resolve(names.Reference(model, "version", str(version)))
    path = names.path("annotations", model, version)
    document = snapshot.document(path) if path in snapshot else {"schema": manifest.SCHEMA_VERSION}
    if not manifest.supported(document):
        raise manifest.not_readable(path, document, "an annotations file", "")
    return path, document


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


def _rename(snapshot: Snapshot, rename: RenameModel) -> Files:
    old, new = rename.model, rename.new_name
    card = dict(snapshot.model_document(old))
    if old == new:
        return {}
    _require(names.problem_with_model_name(new), names.path("model", new), "name_is_valid")
    if any(True for _ in snapshot.children(names.model_directory(new))):
        raise Conflict(f"the name {new!r} is taken, or was once", "choose another name")
    _refuse_lookalike(snapshot, new, besides=old)
    files: Files = {}
    source, target = names.model_directory(old), names.model_directory(new)
    for path in _below(snapshot, source):
        files[path] = None
        files[target + path.removeprefix(source)] = snapshot.files[path]
    card |= {"name": new, "formerly": [*card.get("formerly", []), old]}
    trace = {"schema": manifest.SCHEMA_VERSION, "name": old, "renamed_to": new}
    return files | {
        names.path("model", new): manifest.dump(card, "model"),
        names.path("model", old): manifest.dump(trace, "model"),
    }


def _below(snapshot: Snapshot, directory: str) -> Iterable[str]:
    for name in snapshot.children(directory):
        path = f"{directory}/{name}"
        if path in snapshot:
            yield path
        else:
            yield from _below(snapshot, path)


def _delete_version(snapshot: Snapshot, gone: DeleteVersion) -> Files:
    _require_reason(gone.reason, "delete a version")
    snapshot.resolve(names.Reference(gone.model, "version", str(gone.version)))
    _unreferenced(snapshot, gone.model, gone.version, "deleted")
    return _grave(snapshot, gone.model, gone.version, gone)


def _delete_model(snapshot: Snapshot, gone: DeleteModel) -> Files:
    _require_reason(gone.reason, "delete a model")
    snapshot.model_document(gone.model)
    policy = Policy.of(snapshot, gone.model)
    for stage in snapshot.pointers("stage", gone.model):
        if policy.gate("stage", stage).needs_review and (held := snapshot.stage(gone.model, stage)):
            raise Conflict(
                f"version {held[-1]} of {gone.model} is in {stage}",
                f"demote {gone.model}/{held[-1]} first, then delete",
            )
    keep = {names.path("tombstone", gone.model, n) for n in snapshot.numbers_taken(gone.model)}
    files: Files = {p: None for p in _below(snapshot, names.model_directory(gone.model)) if p not in keep}
    for number in snapshot.versions(gone.model):
        files |= _grave(snapshot, gone.model, number, gone)
    return files


def _grave(snapshot: Snapshot, model: str, version: int, gone: DeleteVersion | DeleteModel) -> Files:
    digest = snapshot.manifest(model, version).digest
    stone = {
        "schema": manifest.SCHEMA_VERSION,
        "by": gone.by,
        "at": gone.at,
        "reason": gone.reason,
        "digest": digest,
    }
    paths = [names.path(kind, model, version) for kind in ("version", "dvc", "annotations")]
    files: Files = {path: None for path in paths if path in snapshot}
    if label := snapshot.manifest(model, version).label:
        files[names.path("label", model, label)] = None
    return files | {names.path("tombstone", model, version): manifest.dump(stone, "tombstone")}


def _usable(snapshot: Snapshot, model: str, version: int) -> None:
    """Raise unless version exists and is not yanked."""
    snapshot.resolve(names.Reference(model, "version", str(version)))
    if (reason := snapshot.annotations(model, version).yanked) is not None:
        raise Invalid(f"{model}/{version} is yanked: {reason}", hint=f"muster yank --undo {model}/{version}")


def _unreferenced(snapshot: Snapshot, model: str, version: int, done: str) -> None:
    """Raise Conflict while an alias, or a stage other than archived, points at version."""
    aliases = [f"{model}@{alias}" for alias in snapshot.aliases_of(model, version)]
    stage = snapshot.stage_of(model, version)
    live = [f"{model}/{stage}"] if stage and stage != Policy.of(snapshot).archive else []
    if done == "deleted" and stage and not live:
        live = [f"{model}/{stage}"]
    if held := live + aliases:
        raise Conflict(
            f"{model}/{version} cannot be {done}: {', '.join(held)} points at it",
            "move them first: muster rollback, muster alias set, or muster demote",
        )


def _expect(snapshot: Snapshot, what: str, path: str, expect: Expect) -> None:
    if expect is None:
        return
    now: Expect = int(snapshot.document(path)["version"]) if path in snapshot else "none"
    if now != expect:
        raise Conflict(
            f"{what} is at {now}, not at {expect}: somebody moved it", "look again, then decide again"
        )


def _expect_stage(snapshot: Snapshot, move: SetStage, stage: str) -> None:
    held = snapshot.stage(move.model, stage)
    if move.expect is None or move.expect in held or (move.expect == "none" and not held):
        return
    now = ", ".join(map(str, held)) or "none"
    raise Conflict(
        f"{move.model}/{stage} is at {now}, not at {move.expect}: somebody moved it",
        "look again, then decide again",
    )


def _dvc_file(stored: Stored, number: int) -> dvcfile.DvcFile:
    return dvcfile.DvcFile(oid=stored.oid, size=stored.size, nfiles=len(stored.files), path=str(number))


def _holds(snapshot: Snapshot, path: str, data: bytes) -> bool:
    from .snapshot import Tree

    files = snapshot.files
    return files.holds(path, data) if isinstance(files, Tree) else files.get(path) == data


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


def _require(problem: str | None, path: str, rule: str) -> None:
    if problem:
        raise Invalid(problem, [Finding(path, rule, problem)])


def _require_reason(reason: str, what: str) -> None:
    if not reason.strip():
        raise Invalid(f"to {what} a reason is required", hint="say why with --reason")
