"""A registry of one model as a dict of files: no git, no DVC."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muster.core.models import (
    Artifact,
    ArtifactFile,
    Lineage,
    Manifest,
    Parent,
    Signature,
    Stored,
    StoredFile,
    digest_of,
)
from muster.core.operations import Operation, RegisterVersion, plan
from muster.core.snapshot import Snapshot

_TEMPLATE = Path(__file__).parents[2] / "registry-template"


def empty_registry(policy: bytes | None = None) -> Snapshot:
    """Return a registry without models; `policy` is its registry.yaml, the template's unless given."""
    files = {p.relative_to(_TEMPLATE).as_posix(): p.read_bytes() for p in _TEMPLATE.rglob("*") if p.is_file()}
    return Snapshot(None, files | ({"registry.yaml": policy} if policy is not None else {}))


def after(snapshot: Snapshot, *operations: Operation) -> Snapshot:
    """Return the registry after operations."""
    return snapshot.apply(plan(snapshot, *operations))


def version(
    content: str,
    model: str = "bikes",
    metrics: Mapping[str, float] | None = None,
    inputs: tuple[dict[str, Any], ...] | None = None,
    parents: tuple[Parent, ...] = (),
    **pointers: Any,
) -> RegisterVersion:
    """Return the request to register content as a version of model."""
    data = content.encode()
    file = ArtifactFile("model.pkl", len(data), hashlib.sha256(data).hexdigest())
    artifact = Artifact("model.pkl", "pickle", file.size, digest_of([file]), (file,))
    md5 = hashlib.md5(data).hexdigest()
    manifest = Manifest(
        model=model,
        version=0,
        created_at="2026-05-01T09:30:00Z",
        created_by="Ann Author <ann@example.com>",
        artifacts=(artifact,),
        signature=Signature(inputs=inputs) if inputs is not None else None,
        metrics=metrics or {},
        lineage=Lineage(parents=parents),
    )
    stored = Stored(f"{md5}.dir", (StoredFile(file.path, file.size, file.sha256, md5),))
    return RegisterVersion(manifest, stored, **pointers)
