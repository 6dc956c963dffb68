"""Rows of lists and searches as JSON, and back: the documents that a row was made of, never what was made of them.

A version is `{"manifest": document, "annotations": document or absent, "stage": ..., "aliases": [...]}`, one that cannot
be read `{"problem": why}`. A model is its fields, with its versions as ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import documents, names, published
from .models import ModelVersion, RegisteredModel
from .snapshot import Snapshot

Record = Mapping[str, Any]


def version_record(snapshot: Snapshot, model: str, number: int) -> tuple[ModelVersion, Record]:
    """Return a version as a list shows it, and the record of it."""
    row = snapshot.listed_version(model, number)
    if row.problem:
        return row, {"problem": row.problem}
    record: dict[str, Any] = {"manifest": snapshot.document(names.path("version", model, number))}
    if (path := names.path("annotations", model, number)) in snapshot:
        record["annotations"] = snapshot.document(path)
    return row, record | pointers_of(snapshot, model, number)


def version_from(record: Record, model: str, number: int, commit: str | None) -> ModelVersion:
    """Return the version that was recorded, as it is at a commit."""
    if "problem" in record:
        return documents.unreadable_version(model, number, commit, record["problem"])
    annotations = documents.annotations_from(record.get("annotations", {}))
    manifest = documents.manifest_from(record["manifest"])
    pointers = record.get("stage"), tuple(record.get("aliases", ()))
    return documents.version_of(manifest, annotations, model, *pointers, commit)


def pointers_of(snapshot: Snapshot, model: str, number: int) -> dict[str, Any]:
    """Return the part of a version's record that says what points at it; Invalid if a pointer cannot be read."""
    stage, aliases = snapshot.stage_of(model, number), snapshot.aliases_of(model, number)
    return {**({} if stage is None else {"stage": stage}), **({"aliases": list(aliases)} if aliases else {})}


def pointed(record: Record) -> Record:
    """Return the part of a version's record that a move of a pointer may change; empty for most versions."""
    return {key: record[key] for key in ("problem", "stage", "aliases") if key in record}


def model_record(model: RegisteredModel) -> Record:
    """Return the record of a model."""
    if model.problem:
        return {"problem": model.problem}
    return {
        "description": model.description,
        "owners": list(model.owners),
        "tags": dict(model.tags),
        "versions": published.ranges(model.versions),
        "deleted": published.ranges(model.deleted),
        "aliases": dict(model.aliases),
        "stages": {stage: list(held) for stage, held in model.stages.items()},
        "formerly": list(model.formerly),
    }


def model_from(record: Record, name: str) -> RegisteredModel:
    """Return the model that was recorded."""
    if "problem" in record:
        return RegisteredModel(name, problem=record["problem"])
    return RegisteredModel(
        name,
        description=record["description"],
        owners=tuple(record["owners"]),
        tags=record["tags"],
        versions=tuple(published.numbers(record["versions"])),
        deleted=tuple(published.numbers(record["deleted"])),
        aliases=record["aliases"],
        stages={stage: tuple(held) for stage, held in record["stages"].items()},
        formerly=tuple(record["formerly"]),
    )
