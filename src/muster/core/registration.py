"""From what a user says about a model, what its files say and how they were stored, to a request to register it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from .models import (
    Artifact,
    ArtifactFile,
    Code,
    Described,
    Lineage,
    Manifest,
    Metrics,
    Params,
    Run,
    Signature,
    Stored,
    StoredFile,
    Tags,
    digest_of,
)
from .operations import RegisterVersion

BESIDE = "file"  # the format of a model card that lies beside the model


@dataclass(frozen=True, slots=True)
class Registration:
    """A file or directory that is to become a version, and what its user says about it.

    What the user says goes before what the files say; None and empty say nothing. `model_card` is a Markdown file:
    inside `path`, or another one that is then stored beside it.
    """

    model: str
    path: PurePath
    format: str | None = None
    label: str | None = None
    description: str = ""
    tags: Tags = field(default_factory=dict)
    metrics: Metrics = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    signature: Signature | None = None
    input_example: str | None = None
    requirements: tuple[str, ...] = ()
    model_card: PurePath | None = None
    lineage: Lineage = field(default_factory=Lineage)
    extra: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    stage: str | None = None
    allow_duplicate: bool = False

    @property
    def card_inside(self) -> str | None:
        """The model card's path inside the artifact; None if there is none, or it lies elsewhere."""
        if self.model_card is None or not self.model_card.is_relative_to(self.path):
            return None
        inside = self.model_card.relative_to(self.path).as_posix()
        return self.model_card.name if inside == "." else inside

    @property
    def beside(self) -> Mapping[str, PurePath]:
        """The files to store beside the artifact's own, by their path in the version."""
        if self.model_card is None or self.card_inside is not None:
            return {}
        return {self.model_card.name: self.model_card}


def request(
    said: Registration,
    described: Described,
    stored: Stored,
    by: str,
    at: str,
    code: Code | None,
    is_file: bool,
) -> RegisterVersion:
    """Return the request to register a version.

    `code` is the state of the training code as found, which the user's own words go before; `is_file` tells whether the
    artifact is a single file.
    """
    return RegisterVersion(
        _manifest(said, described, stored, by, at, code, is_file),
        stored,
        said.description,
        said.tags,
        said.aliases,
        said.stage,
        said.allow_duplicate,
    )


def placeholder(said: Registration) -> Stored:
    """Return a stand-in for what is not stored yet, to plan a registration with before gigabytes are moved."""
    return Stored("0" * 32 + ".dir", (StoredFile(said.path.name or "model", 0, "0" * 64, "0" * 32),))


def _manifest(
    said: Registration,
    described: Described,
    stored: Stored,
    by: str,
    at: str,
    code: Code | None,
    is_file: bool,
) -> Manifest:
    files = tuple(ArtifactFile(f.path, f.size, f.sha256) for f in stored.files)
    beside = tuple(f for f in files if f.path in said.beside)
    model = tuple(f for f in files if f.path not in said.beside)
    path = model[0].path if is_file else "."
    if beside and path == ".":  # then the directory is all of it, the card too
        model, beside = files, ()
    card = next(iter(said.beside), None) or said.card_inside or described.model_card
    return Manifest(
        model=said.model,
        version=0,
        created_at=at,
        created_by=by,
        artifacts=(
            _artifact(path, described.format, model, described.flavors),
            *(_artifact(f.path, BESIDE, (f,)) for f in beside),
        ),
        label=said.label,
        signature=said.signature or described.signature,
        input_example=said.input_example or described.input_example,
        requirements=said.requirements or described.requirements,
        metrics=_plain({**described.metrics, **said.metrics}),
        params=_plain({**described.params, **said.params}),
        lineage=replace(
            said.lineage, run=_run(said.lineage.run, described.run), code=said.lineage.code or code
        ),
        model_card=card,
        model_card_sections=described.model_card_sections,
        extra={**described.extra, **said.extra},
    )


def _artifact(
    path: str, format: str, files: tuple[ArtifactFile, ...], flavors: tuple[str, ...] = ()
) -> Artifact:
    return Artifact(path, format, sum(f.size for f in files), digest_of(files), files, flavors)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values in Python's own types, where a library's scalars (numpy's, torch's) can tell theirs."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}


def _run(said: Run | None, found: Run | None) -> Run | None:
    """What is said of a run, filled up with what the files say of the same one."""
    if said is None or found is None or said.run_id != found.run_id:
        return said or found
    return Run(
        said.run_id, said.tracker or found.tracker, said.experiment or found.experiment, said.url or found.url
    )
