"""From a version of one registry to the operation that registers it in another, with the same bytes.

What is true of the content goes along: format, signature, metrics, params, requirements, card, lineage. What people
said of it goes along too, as far as it makes sense elsewhere: description, tags, and the label if it is free. Stages,
aliases and evaluations are verdicts of the registry they were given in, and parents are versions of it: they stay.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .backends.artifacts.progress import Progress
from .core import names
from .core.errors import Integrity
from .core.models import Copied, Lineage, Manifest, Stored, StoredFile
from .core.operations import RegisterVersion, find_version
from .core.preconditions import require_usable

if TYPE_CHECKING:
    from .core.snapshot import Snapshot
    from .planning import Planner
    from .reader import Reader


def prepare(
    source: Reader,
    reference: str,
    target: Planner,
    model: str | None,
    aliases: tuple[str, ...],
    stage: str | None,
    progress: Progress,
    dry_run: bool,
) -> RegisterVersion:
    """Return the operation that registers in target what reference names in source, its files stored there.

    What target's rules or gates refuse is refused before a byte is moved. `model` is what it is called there.
    """
    here = source.snapshot()
    name, number = here.resolve(reference)
    require_usable(here, name, number)
    manifest, oid = here.manifest(name, number), here.artifact_oid(name, number)
    there = target.upstream()
    registered = Stored(oid, tuple(StoredFile(f.path, f.size, f.sha256, "") for f in manifest.files))
    label = _free_label(there, model or name, manifest.label, registered)
    annotations = here.annotations(name, number)
    wanted = RegisterVersion(
        _copied(manifest, source, here, (name, number), target, model or name, label),
        registered,
        annotations.description,
        annotations.tags,
        aliases,
        stage,
    )
    plan = target.plan(wanted)
    if dry_run:
        return wanted
    plan.require_sound()
    if there.has_model(wanted.model) and find_version(there, wanted.model, registered) is not None:
        return wanted  # its files are there
    tree = source._store(here).tree(oid, manifest.files, manifest.digest, progress)
    stored = target._store(there).take(tree, progress)
    if stored.oid != oid or {f.path: f.sha256 for f in stored.files} != {
        f.path: f.sha256 for f in manifest.files
    }:
        raise Integrity(f"{name}/{number} changed while it was copied", "copy it again")
    return replace(wanted, stored=stored)


def _copied(
    manifest: Manifest,
    source: Reader,
    here: Snapshot,
    version: tuple[str, int],
    target: Planner,
    model: str,
    label: str | None,
) -> Manifest:
    """The manifest as target records it: by whom and when it came there, and where it was first."""
    came_from = Copied(_place(source), str(here.commit), *version, manifest.digest)
    lineage: Lineage = replace(
        manifest.lineage, parents=(), copied_from=manifest.lineage.copied_from or came_from
    )
    return replace(
        manifest,
        model=model,
        version=0,
        created_at=target.now,
        created_by=target.author,
        label=label,
        lineage=lineage,
    )


def _place(registry: Reader) -> str:
    """Where others find a registry: the URL it is pushed to, or the path it is at; without credentials."""
    return registry._git.remote_url() or str(Path(registry.location).resolve())


def _free_label(there: Snapshot, model: str, label: str | None, stored: Stored) -> str | None:
    """The label, if no other version and no stage is called that."""
    if label is None or label.casefold() in {stage.casefold() for stage in there.declared_stages()}:
        return None
    return None if names.path("label", model, label) in there else label
