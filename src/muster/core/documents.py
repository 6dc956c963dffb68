"""The documents of a registry and the values they stand for: manifests and annotations, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .models import (
    Annotations,
    Artifact,
    ArtifactFile,
    Code,
    Copied,
    Data,
    Evaluation,
    Lineage,
    Manifest,
    ModelVersion,
    Parent,
    Pipeline,
    Run,
    Signature,
)
from .readable import SCHEMA_VERSION, Inline, not_readable


def manifest_from(document: Any, path: str = "") -> Manifest:
    """Return the manifest in document; Invalid if it lacks what a manifest must have."""
    try:
        return Manifest(
            model=document["model"],
            version=document["version"],
            created_at=document["created_at"],
            created_by=document["created_by"],
            artifacts=tuple(_artifact_from(a) for a in _list(document, "artifacts")),
            label=document.get("label"),
            signature=signature_from(document.get("signature")),
            input_example=document.get("input_example"),
            requirements=tuple(_list(document, "requirements")),
            metrics=_mapping(document, "metrics"),
            params=_mapping(document, "params"),
            lineage=lineage_from(_mapping(document, "lineage")),
            model_card=document.get("model_card"),
            model_card_sections=tuple(map(str, _list(document, "model_card_sections"))),
            extra=_mapping(document, "extra"),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise not_readable(path, document, "a version manifest", error) from error


def manifest_to(manifest: Manifest) -> dict[str, Any]:
    """Return the document that records manifest, with nothing in it that says nothing."""
    return {
        "schema": SCHEMA_VERSION,
        "model": manifest.model,
        "version": manifest.version,
        **_present(label=manifest.label),
        "created_at": manifest.created_at,
        "created_by": manifest.created_by,
        "artifacts": [_artifact_to(a) for a in manifest.artifacts],
        **_present(
            signature=_signature_to(manifest.signature),
            input_example=manifest.input_example,
            requirements=list(manifest.requirements),
            metrics=dict(manifest.metrics),
            params=dict(manifest.params),
            lineage=_lineage_to(manifest.lineage),
            model_card=manifest.model_card,
            model_card_sections=list(manifest.model_card_sections),
            extra=dict(manifest.extra),
        ),
    }


def annotations_from(document: Any, path: str = "") -> Annotations:
    """Return the annotations in document; Invalid if it is not one."""
    try:
        return Annotations(
            description=document.get("description", ""),
            tags=_mapping(document, "tags"),
            evaluations=tuple(_evaluation_from(e) for e in _list(document, "evaluations")),
            yanked=document["yanked"]["reason"] if "yanked" in document else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise not_readable(path, document, "an annotations file", error) from error


def evaluation_to(evaluation: Evaluation) -> dict[str, Any]:
    """Return the document of one evaluation."""
    return {
        "name": evaluation.name,
        "passed": evaluation.passed,
        "at": evaluation.at,
        "by": evaluation.by,
        **_present(metrics=dict(evaluation.metrics), url=evaluation.url),
    }


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, ())}


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What document has at key, nothing unless it is there; TypeError if it is no mapping."""
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise TypeError(f"{key} is no mapping")
    return value


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    """What document has at key, nothing unless it is there; TypeError if it is no list."""
    value = document.get(key, [])
    if not isinstance(value, list):
        raise TypeError(f"{key} is no list")
    return value


def version_of(
    recorded: Manifest,
    annotations: Annotations,
    model: str,
    stage: str | None,
    aliases: tuple[str, ...],
    commit: str | None,
) -> ModelVersion:
    """Return a version of the model that is called so now, whatever its manifest says it was registered under."""
    manifest = recorded if recorded.model == model else replace(recorded, model=model)
    return ModelVersion(manifest, annotations, stage, aliases, commit)


def unreadable_version(model: str, version: int, commit: str | None, problem: str) -> ModelVersion:
    """Return what a list shows for a version that cannot be read."""
    nothing = Manifest(model, version, created_at="", created_by="", artifacts=())
    return ModelVersion(nothing, Annotations(), None, (), commit, problem)


def _artifact_from(document: Mapping[str, Any]) -> Artifact:
    return Artifact(
        path=document["path"],
        format=document["format"],
        size=document["size"],
        digest=document["digest"],
        files=tuple(ArtifactFile(f["path"], f["size"], f["sha256"]) for f in document["files"]),
        flavors=tuple(document.get("flavors", ())),
    )


def _artifact_to(artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "format": artifact.format,
        **_present(flavors=list(artifact.flavors)),
        "size": artifact.size,
        "digest": artifact.digest,
        "files": [Inline(path=f.path, size=f.size, sha256=f.sha256) for f in artifact.files],
    }


def signature_from(document: Mapping[str, Any] | None) -> Signature | None:
    """Return the signature in document, None for none."""
    if document is None:
        return None
    parts = (document.get(key) for key in ("inputs", "outputs", "params"))
    return Signature(*(None if part is None else tuple(part) for part in parts))


def _signature_to(signature: Signature | None) -> dict[str, Any] | None:
    if signature is None:
        return None
    parts = {"inputs": signature.inputs, "outputs": signature.outputs, "params": signature.params}
    return {key: [Inline(column) for column in part] for key, part in parts.items() if part is not None}


def lineage_from(document: Mapping[str, Any]) -> Lineage:
    """Return the lineage in document, which is as its schema says."""
    return Lineage(
        source=document.get("source", ""),
        run=Run(**document["run"]) if "run" in document else None,
        pipeline=Pipeline(**document["pipeline"]) if "pipeline" in document else None,
        code=Code(**document["code"]) if "code" in document else None,
        data=tuple(Data(**d) for d in document.get("data", ())),
        parents=tuple(Parent(**p) for p in document.get("parents", ())),
        copied_from=Copied(**document["copied_from"]) if "copied_from" in document else None,
    )


def _lineage_to(lineage: Lineage) -> dict[str, Any]:
    return _present(
        source=lineage.source,
        run=_fields(lineage.run),
        pipeline=_fields(lineage.pipeline),
        code=_fields(lineage.code),
        data=[_fields(d) for d in lineage.data],
        parents=[_fields(p) for p in lineage.parents],
        copied_from=_fields(lineage.copied_from),
    )


def _evaluation_from(document: Mapping[str, Any]) -> Evaluation:
    if not all(isinstance(document[key], str) for key in ("name", "at", "by")) or not isinstance(
        document["passed"], bool
    ):
        raise TypeError("an evaluation is malformed")
    return Evaluation(
        name=document["name"],
        passed=document["passed"],
        at=document["at"],
        by=document["by"],
        metrics=_mapping(document, "metrics"),
        url=document.get("url", ""),
    )


def _fields(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    items = ((name, getattr(value, name)) for name in value.__slots__)
    return {name: item for name, item in items if item not in ("", None)}
