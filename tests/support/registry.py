"""A small valid registry as a dict of files, made by planning operations, for tests that then break it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from muster.core import operations as ops
from muster.core.models import (
    Artifact,
    ArtifactFile,
    Evaluation,
    Lineage,
    Manifest,
    Parent,
    Signature,
    Stored,
    StoredFile,
    digest_of,
)
from muster.core.snapshot import Change, Snapshot

ANN = "Ann Author <ann@example.com>"
NOON = "2026-05-01T12:00:00Z"
DVC_CONFIG = b"[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://models/registry\n"
NO_GATES = b"schema: 1\nname: my-models\nstages:\n  staging: {}\n  production: {}\n  archived: {}\n"
GATED = b"""\
schema: 1
name: my-models
stages:
  staging: {}
  production:
    from: [staging]
    signature: true
    metrics:
      rmse: {max: 60, max_rise: 5%}
    rollback: {review: false}
  archived: {}
aliases:
  champion:
    review: true
"""
COLUMN = {"name": "temperature", "type": "double", "required": True}
SIGNATURE = Signature(inputs=(COLUMN,), outputs=({"type": "double"},))


def guarded(gate: str) -> bytes:
    """A policy in which there is a gate before production, and nothing else is guarded."""
    return NO_GATES.replace(b"production: {}", f"production: {{{gate}}}".encode())


def stored(*contents: bytes) -> Stored:
    """The store's receipt for files that hold contents: model.onnx, then 1.bin, 2.bin, ..."""
    names = ["model.onnx", *(f"{n}.bin" for n in range(1, len(contents)))]
    files = tuple(
        StoredFile(name, len(data), hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest())
        for name, data in sorted(zip(names, contents, strict=True))
    )
    oid = hashlib.md5(repr(files).encode()).hexdigest() + ".dir"
    return Stored(oid, files)


def manifest_of(model: str, content: Stored, **fields: Any) -> Manifest:
    """The manifest of a version with this content; `fields` are the manifest's own."""
    files = tuple(ArtifactFile(f.path, f.size, f.sha256) for f in content.files)
    artifact = Artifact(".", fields.pop("format", "onnx"), content.size, digest_of(files), files)
    given = {"signature": SIGNATURE, "metrics": {"rmse": 50.0}} | fields
    return Manifest(model, 0, NOON, ANN, (artifact,), **given)


def version(model: str, content: bytes | str, **said: Any) -> ops.RegisterVersion:
    """The request to register content; `said` are fields of the manifest or of the request."""
    kept = stored(content.encode() if isinstance(content, str) else content)
    own = {
        k: said.pop(k) for k in ("description", "tags", "aliases", "stage", "allow_duplicate") if k in said
    }
    return ops.RegisterVersion(manifest_of(model, kept, **said), kept, **own)


def built(*wanted: ops.Operation, policy: bytes = NO_GATES, **more: bytes) -> Snapshot:
    """The registry after one operation at a time, on a new registry with this policy."""
    files: dict[str, bytes] = {"registry.yaml": policy, ".dvc/config": DVC_CONFIG, **more}
    now = Snapshot("0" * 40, files)
    for operation in wanted:
        now = after(now, ops.plan(now, operation))
    return now


def after(snapshot: Snapshot, change: Change) -> Snapshot:
    """The state after change, as plain files."""
    return Snapshot("1" * 40, dict(snapshot.apply(change).files))


def edited(snapshot: Snapshot, edits: Mapping[str, bytes | None]) -> Snapshot:
    """The state with some files set, or (None) taken away."""
    return after(snapshot, Change(edits))


def with_policy(snapshot: Snapshot, policy: bytes) -> Snapshot:
    """The state under another policy."""
    return edited(snapshot, {"registry.yaml": policy})


def valid(policy: bytes = NO_GATES) -> Snapshot:
    """A registry with a little of everything, in which nothing is wrong.

    bikes: 1 archived, 2 in production and champion, 3 in staging and labelled 1.4.0, 4 yanked, 5 deleted, 6 free.
    taxis: 1, made from bikes/2, with a judged evaluation. vans: was called lorries, has 1 in production.
    """
    evaluation = Evaluation("bias", True, NOON, "fairness-bot", {"gap": 0.01})
    lineage = Lineage(source="runs:/1/model", parents=(Parent("bikes", 2),))
    wanted = (
        ops.CreateModel("bikes", "Bikes rented an hour", ("@rides",), {"team": "rides"}),
        version("bikes", "one", stage="production"),
        version("bikes", "two", stage="production", aliases=("champion",), tags={"risk-review": "passed"}),
        version("bikes", "three", stage="staging", label="1.4.0"),
        version("bikes", "four"),
        version("bikes", "five", label="1.5.0"),
        version("bikes", "six"),
        ops.Yank("bikes", 4, ANN, NOON, "trained on the wrong data"),
        ops.DeleteVersion("bikes", 5, ANN, NOON, "holds personal data"),
        version("taxis", "seven", lineage=lineage),
        ops.Annotate("taxis", 1, "Fewer trees", evaluations=(evaluation,)),
        version("lorries", "eight", stage="production"),
        ops.RenameModel("lorries", "vans"),
    )
    return with_policy(built(*wanted), policy)


def yaml(text: str) -> bytes:
    """A file of the registry's format."""
    return f"schema: 1\n{text}\n".encode()


def swapped(snapshot: Snapshot, path: str, old: str, new: str) -> bytes:
    """The file at path with old replaced by new, which it must contain."""
    text = snapshot.files[path].decode()
    assert old in text, f"{old!r} is not in {path}"
    return text.replace(old, new).encode()


def manifest_file(snapshot: Snapshot, of: str, number: int, /, **changes: Any) -> bytes:
    """A version's manifest, written again with some of its fields changed."""
    from muster.core import documents, manifest

    changed = replace(snapshot.manifest(of, number), **changes)
    return manifest.dump(documents.manifest_to(changed), "version")
