"""What leaves a trace: a model that takes another name, a version or a model that is deleted."""

from __future__ import annotations

from . import manifest, names
from .errors import Conflict
from .preconditions import (
    require_distinct,
    require_name,
    require_reason,
    require_unguarded,
    require_unreferenced,
)
from .readable import SCHEMA_VERSION
from .snapshot import Snapshot

Files = dict[str, bytes | None]


def rename(snapshot: Snapshot, old: str, new: str) -> Files:
    """Return the files that give a model another name; its manifests move as they are."""
    card = dict(snapshot.model_document(old))
    if old == new:
        return {}
    require_name(names.problem_with_model_name(new), names.path("model", new))
    if any(True for _ in snapshot.children(names.model_directory(new))):
        raise Conflict(f"the name {new!r} is taken, or was once", "choose another name")
    require_distinct(snapshot, new)
    files: Files = {}
    source, target = names.model_directory(old), names.model_directory(new)
    for path in snapshot.below(source):
        files[path] = None
        files[target + path.removeprefix(source)] = snapshot.files[path]
    card |= {"name": new, "formerly": [*card.get("formerly", []), old]}
    trace = {"schema": SCHEMA_VERSION, "name": old, "renamed_to": new}
    return files | {
        names.path("model", new): manifest.dump(card, "model"),
        names.path("model", old): manifest.dump(trace, "model"),
    }


def delete_version(snapshot: Snapshot, model: str, version: int, by: str, at: str, reason: str) -> Files:
    """Return the files that put a tombstone in the place of a version."""
    require_reason(reason, "delete a version")
    snapshot.resolve(names.Reference(model, "version", str(version)))
    require_unreferenced(snapshot, model, version, "deleted")
    return _grave(snapshot, model, version, by, at, reason)


def delete_model(snapshot: Snapshot, model: str, by: str, at: str, reason: str) -> Files:
    """Return the files that leave nothing of a model but the tombstones of its versions."""
    require_reason(reason, "delete a model")
    snapshot.model_document(model)
    require_unguarded(snapshot, model)
    keep = {names.path("tombstone", model, n) for n in snapshot.numbers_taken(model)}
    files: Files = {p: None for p in snapshot.below(names.model_directory(model)) if p not in keep}
    for number in snapshot.versions(model):
        files |= _grave(snapshot, model, number, by, at, reason)
    return files


def _grave(snapshot: Snapshot, model: str, version: int, by: str, at: str, reason: str) -> Files:
    gone = snapshot.manifest(model, version)
    stone = {"schema": SCHEMA_VERSION, "by": by, "at": at, "reason": reason, "digest": gone.digest}
    paths = [names.path(kind, model, version) for kind in ("version", "dvc", "annotations")]
    files: Files = {path: None for path in paths if path in snapshot}
    if gone.label:
        files[names.path("label", model, gone.label)] = None
    return files | {names.path("tombstone", model, version): manifest.dump(stone, "tombstone")}
