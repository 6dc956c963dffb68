"""The lock file: which versions some references named when they were locked, so that the same bytes come again.

    schema: 1
    registry:
      url: https://git.example.com/ml/registry.git
      birth: <its first commit: the registry's identity, wherever it is>
    locked:
    - reference: bikes/production
      model: bikes
      version: 3
      label: 1.4.0                                    (if it has one)
      digest: sha256:<of the version's files>
      oid: <DVC's address of the list of files>.dir
      manifest: sha256:<of the manifest as canonical JSON>
      commit: <where it was read>

Sorted by reference, one field a line: a version that moves changes its own lines and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import manifest, names, published, schema
from .errors import Finding, Invalid, NotFound
from .manifest import Document
from .readable import SCHEMA_VERSION
from .snapshot import Snapshot, did_you_mean, parse_reference

NAME = "muster.lock"
RULE = "lock_is_clear"
_CREDENTIALS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/@\s]*:[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Locked:
    """What a reference named at `commit`. `manifest` is the SHA-256 of the manifest's document as canonical JSON."""

    reference: str
    model: str
    version: int
    label: str | None
    digest: str
    oid: str
    manifest: str
    commit: str

    @property
    def name(self) -> str:
        """The version, such as bikes/3."""
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True)
class Lock:
    """What is locked, of which registry: `birth` is its first commit, `url` where it was found."""

    url: str
    birth: str
    locked: tuple[Locked, ...] = ()

    def get(self, reference: str) -> Locked:
        """Return what is locked for reference; NotFound if nothing is."""
        wanted = str(parse_reference(reference))
        for entry in self.locked:
            if entry.reference == wanted:
                return entry
        known = [entry.reference for entry in self.locked]
        raise NotFound(f"{reference} is not locked", did_you_mean(reference, known))

    def but(self, changed: Iterable[Locked] = (), without: Iterable[str] = ()) -> Lock:
        """Return the lock with entries changed or added, and some references taken out."""
        kept = {entry.reference: entry for entry in self.locked} | {e.reference: e for e in changed}
        for reference in without:
            del kept[self.get(reference).reference]
        return replace(self, locked=tuple(kept[reference] for reference in sorted(kept)))


def pin(snapshot: Snapshot, reference: str) -> Locked:
    """Return what reference names at a snapshot, which is of a commit, to be found again."""
    model, version = snapshot.resolve(reference)
    found = snapshot.manifest(model, version)
    return Locked(
        str(parse_reference(reference)),
        model,
        version,
        found.label,
        found.digest,
        snapshot.artifact_oid(model, version),
        manifest_digest(snapshot, model, version),
        str(snapshot.commit),
    )


def manifest_digest(snapshot: Snapshot, model: str, version: int) -> str:
    """Return `sha256:` and the digest of a manifest's document, which is the same wherever it is read from."""
    document = snapshot.document(names.path("version", model, version))
    return f"sha256:{published.digest(published.canonical(document))}"


def dump(lock: Lock) -> bytes:
    """Return the text of a lock file."""
    locked = [
        {key: value for key in Locked.__slots__ if (value := getattr(entry, key)) is not None}
        for entry in lock.locked
    ]
    registry = {"url": lock.url, "birth": lock.birth}
    return manifest.dump({"schema": SCHEMA_VERSION, "registry": registry, "locked": locked}, "lock")


def read(data: bytes, path: str) -> Lock:
    """Read a lock file; Invalid with every place that is wrong."""
    document = manifest.parse_marked(data, path)
    if findings := list(schema.problems("lock", document, path)) or list(_problems(document, path)):
        raise Invalid(
            f"{path} is not a lock:", findings, f"write it anew with `muster lock --file {path} REF...`"
        )
    registry = document.value["registry"]
    return Lock(registry["url"], registry["birth"], tuple(_locked(e) for e in document.value["locked"]))


def _locked(entry: Mapping[str, Any]) -> Locked:
    return Locked(**{"label": None, **entry})


def _problems(document: Document, path: str) -> Iterator[Finding]:
    """What no schema says."""
    if _CREDENTIALS.match(document.value["registry"]["url"]):
        where = document.place(("registry", "url"))
        yield Finding(path, RULE, "a URL in a lock has no password", *where)
    seen: set[str] = set()
    for n, entry in enumerate(document.value["locked"]):
        where = document.place(("locked", n, "reference"))
        try:
            at = names.parse_reference(entry["reference"])
        except ValueError as error:
            yield Finding(path, RULE, str(error), *where)
            continue
        if str(at) in seen:
            yield Finding(path, RULE, f"{at} is locked twice", *where)
        if at.kind == "model":
            yield Finding(path, RULE, f"{at} names a model, not a version", *where)
        seen.add(str(at))
