"""From what a user says about a model, what its files say and how they were stored, to a version manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import Invalid
from .models import (
    Artifact,
    ArtifactFile,
    Code,
    Described,
    Lineage,
    Manifest,
    Metrics,
    Params,
    Signature,
    Stored,
    digest_of,
)

CARD = "file"  # the format of a model card that lies beside the artifact


@dataclass(frozen=True, slots=True)
class Said:
    """What the user says about a version. It goes before what the files say; None and empty say nothing."""

    label: str | None = None
    metrics: Metrics = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    signature: Signature | None = None
    input_example: str | None = None
    requirements: tuple[str, ...] = ()
    model_card: str | None = None  # path of a file in the artifact
    lineage: Lineage = field(default_factory=Lineage)
    extra: Mapping[str, Any] = field(default_factory=dict)


def draft(
    model: str, artifact: str, said: Said, described: Described, stored: Stored, by: str, at: str, code: Code | None
) -> Manifest:
    """Return the manifest of a version of model that has no number yet.

    `artifact` is the file in the version's directory that is the model, "." for all of it; `code` is the state of the
    training code as found, which the user's own words go before.
    """
    files = tuple(ArtifactFile(f.path, f.size, f.sha256) for f in stored.files)
    inside = tuple(f for f in files if artifact in (".", f.path))
    beside = tuple(f for f in files if f not in inside)
    card = said.model_card or described.model_card
    if card is not None and card not in {f.path for f in files}:
        raise Invalid(f"model card {card!r} is not a file of the artifact")
    return Manifest(
        model=model,
        version=0,
        created_at=at,
        created_by=by,
        artifacts=(
            _artifact(artifact, described.format, inside, described.flavors),
            *(_artifact(f.path, CARD, (f,)) for f in beside),
        ),
        label=said.label,
        signature=said.signature or described.signature,
        input_example=said.input_example or described.input_example,
        requirements=said.requirements or described.requirements,
        metrics={**described.metrics, **said.metrics},
        params={**described.params, **said.params},
        lineage=_lineage(said.lineage, described, code),
        model_card=card,
        extra={**described.extra, **said.extra},
    )


def _artifact(path: str, format: str, files: tuple[ArtifactFile, ...], flavors: tuple[str, ...] = ()) -> Artifact:
    return Artifact(path, format, sum(f.size for f in files), digest_of(files), files, flavors)


def _lineage(said: Lineage, described: Described, code: Code | None) -> Lineage:
    run = said.run
    if run is not None and described.run is not None and run.run_id == described.run.run_id:
        run = replace(described.run, **{n: v for n in ("tracker", "experiment", "url") if (v := getattr(run, n))})
    return replace(said, run=run or described.run, code=said.code or code)
