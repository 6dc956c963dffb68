"""The nouns. Frozen values; the field list of each is what its file holds or what a reader is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Scalar = str | int | float | bool
Metrics = Mapping[str, float]
Params = Mapping[str, Scalar]
Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of an artifact. `path` is relative to the version's directory, with `/` between its parts."""

    path: str
    size: int  # bytes
    sha256: str  # 64 lower-case hexadecimal digits


def digest_of(files: Iterable[ArtifactFile]) -> str:
    """Return the digest of a set of files.

    It is the SHA-256 of the text `sha256sum` prints for them, sorted by path (two spaces, a line feed after each):
    Go's `dirhash.Hash1` with another prefix, and any shell can recompute it.
    """
    import hashlib  # reading a manifest needs no hash

    lines = (f"{f.sha256}  {f.path}\n" for f in sorted(files, key=lambda f: f.path))
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a version is made of.

    `path` is the file or directory inside the version's directory, "." for all of it. `digest` is
    `sha256:<hex>` over `sha256sum`'s lines of the files, sorted by path: see `digest_of`.
    """

    path: str
    format: str
    size: int  # bytes, all files together
    digest: str
    files: tuple[ArtifactFile, ...]
    flavors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, in the shape MLflow writes: a list of columns or tensors, or None for unknown.

    A column is `{"name": ..., "type": ..., "required": ...}`; a tensor is
    `{"name": ..., "type": "tensor", "tensor-spec": {"dtype": ..., "shape": [...]}}`, -1 for a free dimension.
    """

    inputs: tuple[Mapping[str, Any], ...] | None = None
    outputs: tuple[Mapping[str, Any], ...] | None = None
    params: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The training run, in the tracker that recorded it."""

    run_id: str
    tracker: str = ""
    experiment: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline run and step that produced the model."""

    name: str = ""
    run_id: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """The training code: a git repository at a commit, and whether uncommitted changes were on top."""

    repo: str = ""
    commit: str = ""
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """A data set the model was trained or judged on."""

    name: str
    uri: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """The version that this one was made from."""

    model: str
    version: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a version came from."""

    source: str = ""
    run: Run | None = None
    pipeline: Pipeline | None = None
    code: Code | None = None
    data: tuple[Data, ...] = ()
    parents: tuple[Parent, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version as its manifest records it. Its bytes never change."""

    model: str
    version: int
    created_at: str  # UTC, RFC 3339 with seconds and a Z
    created_by: str  # "Name <email>"
    artifacts: tuple[Artifact, ...]
    label: str | None = None
    signature: Signature | None = None
    input_example: str | None = None  # path of a file in the artifact
    requirements: tuple[str, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    model_card: str | None = None  # path of a Markdown file in the artifact
    model_card_sections: tuple[str, ...] = ()  # its headings, as they were when it was registered
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[ArtifactFile, ...]:
        """Every file of the version, in the manifest's order."""
        return tuple(f for artifact in self.artifacts for f in artifact.files)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(artifact.size for artifact in self.artifacts)

    @property
    def digest(self) -> str:
        """The digest of all its files: what names the version's content."""
        return self.artifacts[0].digest if len(self.artifacts) == 1 else digest_of(self.files)

    @property
    def formats(self) -> tuple[str, ...]:
        """The format of each artifact."""
        return tuple(artifact.format for artifact in self.artifacts)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The verdict of one evaluation of a version, recorded after it was registered."""

    name: str
    passed: bool
    at: str  # UTC, RFC 3339
    by: str
    metrics: Metrics = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What may change about a version after it was registered."""

    description: str = ""
    tags: Tags = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    yanked: str | None = None  # the reason; None while it is not yanked


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version as a reader sees it at one commit: manifest, annotations, and what points at it.

    In a list, `problem` says why a version cannot be read (a newer schema version, a damaged file); then its manifest
    says no more than its model and number.
    """

    manifest: Manifest
    annotations: Annotations
    stage: str | None
    aliases: tuple[str, ...]
    commit: str | None
    problem: str = ""

    @property
    def model(self) -> str:
        """The registered model's name."""
        return self.manifest.model

    @property
    def version(self) -> int:
        """The version number."""
        return self.manifest.version

    @property
    def label(self) -> str | None:
        """The name somebody gave this version, such as 1.4.0."""
        return self.manifest.label

    @property
    def digest(self) -> str:
        """What names the version's content."""
        return self.manifest.digest

    @property
    def metrics(self) -> Metrics:
        """The metrics it was registered with."""
        return self.manifest.metrics

    @property
    def params(self) -> Params:
        """The parameters it was registered with."""
        return self.manifest.params

    @property
    def tags(self) -> Tags:
        """Its tags now."""
        return self.annotations.tags

    @property
    def description(self) -> str:
        """Its description now."""
        return self.annotations.description

    @property
    def signature(self) -> Signature | None:
        """What it takes and gives."""
        return self.manifest.signature

    @property
    def yanked(self) -> str | None:
        """Why it must not be used any more; None if it may be."""
        return self.annotations.yanked

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A named model: what is said about it, its versions, and what points at them.

    In a list, `problem` says why a model cannot be read; then the rest is empty.
    """

    name: str
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: Tags = field(default_factory=dict)
    versions: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    formerly: tuple[str, ...] = ()
    problem: str = ""

    @property
    def latest(self) -> int | None:
        """The highest version number there is."""
        return max(self.versions, default=None)


@dataclass(frozen=True, slots=True)
class Described:
    """What an artifact says about itself, read from its files and never by running it.

    `input_example` and `model_card` are paths relative to the artifact; `model_card_sections` are the card's headings.
    """

    format: str
    flavors: tuple[str, ...] = ()
    signature: Signature | None = None
    input_example: str | None = None
    requirements: tuple[str, ...] = ()
    metrics: Metrics = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    run: Run | None = None
    model_card: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    model_card_sections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as the artifact store took it in: what the manifest records, and DVC's address of it."""

    path: str
    size: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A directory in the artifact store. `oid` is DVC's address of the file list: 32 hexadecimal digits and `.dir`."""

    oid: str
    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(f.size for f in self.files)
