"""The files of a published index that are for people, `curl` and `jq`: one of each model, one of each pointer.

No reader of muster's own asks for them. Each says at which commit what it tells of changed last, and when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import names
from .errors import MusterError
from .snapshot import Snapshot

DIRECTORIES = ("models", "pointers")


@dataclass(frozen=True, slots=True)
class Moment:
    """A commit, and when it was made: UTC, RFC 3339."""

    commit: str
    at: str


def model_path(model: str) -> str:
    """Return where the file of a model is."""
    return f"models/{names.encode(model)}.json"


def pointer_path(path: str) -> str:
    """Return where the file of a pointer is whose file in the repository is at path."""
    return f"pointers/{path.removeprefix(f'{names.MODELS}/').removesuffix('.yaml')}.json"


def model_file(snapshot: Snapshot, model: str, changed: Moment, rest: str, pages: Mapping[int, str]) -> bytes:
    """Return the file of a model: its card, its numbers, its pointers, and the digests of its objects."""
    listed = snapshot.listed_model(model)
    return _text(
        {
            "model": model,
            **({"problem": listed.problem} if listed.problem else {}),
            "description": listed.description,
            "owners": list(listed.owners),
            "tags": dict(listed.tags),
            "versions": list(listed.versions),
            "aliases": dict(listed.aliases),
            "stages": {stage: list(numbers) for stage, numbers in listed.stages.items()},
            **_when(changed),
            "objects": {"model": rest, "pages": {str(n): digest for n, digest in sorted(pages.items())}},
        }
    )


def pointer_file(snapshot: Snapshot, path: str, changed: Moment) -> bytes:
    """Return the file of the alias or stage at path: the version that it resolves to, and where its files are."""
    place = names.locate(path)
    assert place is not None and place.kind in ("alias", "stage")  # noqa: S101  (pointers alone have such a file)
    said: dict[str, Any] = {"model": place.model, place.kind: place.name, "version": None}
    try:
        held = (
            snapshot.stage(place.model, place.name)
            if place.kind == "stage"
            else (snapshot.alias(place.model, place.name),)
        )
        if place.kind == "stage":
            said["versions"] = list(held)
        if held:
            said |= _version(snapshot, place.model, held[-1])
    except MusterError as error:
        said["problem"] = str(error)
    return _text({**said, **_when(changed)})


def _version(snapshot: Snapshot, model: str, number: int) -> dict[str, Any]:
    """What a deployment asks of a version. `artifact` is its address in the DVC remote, files/md5/<2>/<rest>."""
    manifest, oid = snapshot.manifest(model, number), snapshot.artifact_oid(model, number)
    files = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in manifest.files]
    return {
        "version": number,
        "label": manifest.label,
        "digest": manifest.digest,
        "artifact": oid,
        "files": files,
    }


def _when(changed: Moment) -> dict[str, str]:
    return {"commit": changed.commit, "changed": changed.at}


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode(errors="replace")
