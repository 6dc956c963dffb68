"""Two versions side by side: everything that two manifests and annotations differ in, as rows to show.

`a` is the version that is there, `b` the one that would take its place; they may be of different models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final, Generic, Literal, TypeVar

from .models import ArtifactFile, Lineage, ModelVersion, Scalar
from .signatures import SignatureDifference, Verdict, signature_compatibility, signature_differences

__all__ = ["Change", "Comparison", "MetricRow", "Row", "compare", "signature_compatibility"]

T = TypeVar("T")
Change = Literal["added", "removed", "changed", "same"]
_PACKAGE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """What both versions have under one name; None is "not there"."""

    name: str
    change: Change
    a: T | None
    b: T | None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of both. `delta` is b - a; `relative` is delta by the size of a, None where a is zero."""

    name: str
    a: float | None
    b: float | None
    delta: float | None
    relative: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between a and b, and what does not: rows are in the order of their names."""

    a: str  # references, such as bikes/2
    b: str
    same_content: bool
    metrics: tuple[MetricRow, ...]
    params: tuple[Row[Scalar], ...]
    tags: tuple[Row[str], ...]
    files: tuple[Row[ArtifactFile], ...]
    size_delta: int  # bytes
    formats: Row[str]
    requirements: tuple[Row[str], ...]
    lineage: tuple[Row[str], ...]
    signature: Verdict
    signature_reasons: tuple[str, ...]
    signature_differences: tuple[SignatureDifference, ...]


def compare(a: ModelVersion, b: ModelVersion) -> Comparison:
    """Put a and b side by side; the signature's verdict says whether b may take a's place."""
    verdict, reasons = signature_compatibility(a.signature, b.signature)
    formats = [", ".join(v.manifest.formats) for v in (a, b)]
    return Comparison(
        a=str(a),
        b=str(b),
        same_content=_digests(a) == _digests(b),
        metrics=_metrics(a.metrics, b.metrics),
        params=_rows(a.params, b.params),
        tags=_rows(a.tags, b.tags),
        files=_rows({f.path: f for f in a.manifest.files}, {f.path: f for f in b.manifest.files}),
        size_delta=b.manifest.size - a.manifest.size,
        formats=Row("formats", "same" if formats[0] == formats[1] else "changed", *formats),
        requirements=_rows(_requirements(a.manifest.requirements), _requirements(b.manifest.requirements)),
        lineage=_rows(_lineage(a.manifest.lineage), _lineage(b.manifest.lineage)),
        signature=verdict,
        signature_reasons=reasons,
        signature_differences=signature_differences(a.signature, b.signature),
    )


def _digests(version: ModelVersion) -> dict[str, str]:
    return {artifact.path: artifact.digest for artifact in version.manifest.artifacts}


def _rows(a: Mapping[str, T], b: Mapping[str, T]) -> tuple[Row[T], ...]:
    return tuple(_row(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()))


def _row(name: str, a: T | None, b: T | None) -> Row[T]:
    if a is None:
        return Row(name, "added", a, b)
    if b is None:
        return Row(name, "removed", a, b)
    same = type(a) is type(b) and a == b  # True is not 1, nor 1 the text "1"
    return Row(name, "same" if same else "changed", a, b)


def _metrics(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[MetricRow, ...]:
    return tuple(_metric(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()))


def _metric(name: str, a: float | None, b: float | None) -> MetricRow:
    delta = None if a is None or b is None else _finite(b - a)
    relative = None if delta is None or not a else _finite(delta / abs(a))
    return MetricRow(name, a, b, delta, relative)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _requirements(lines: Iterable[str]) -> dict[str, str]:
    """Return requirements by package, named as PEP 503 does so that `Scikit_Learn` is `scikit-learn`."""
    result: dict[str, str] = {}
    for line in lines:
        match = _PACKAGE.match(line)
        name = re.sub(r"[-_.]+", "-", match[0]).lower() if match else line
        result[name] = f"{result[name]}, {line}" if name in result else line
    return result


def _lineage(lineage: Lineage) -> dict[str, str]:
    """Return what is known of where a version came from, a text for each question."""
    run, pipeline, code, origin = lineage.run, lineage.pipeline, lineage.code, lineage.copied_from
    known = {
        "source": lineage.source,
        "run": run.run_id if run else "",
        "experiment": run.experiment if run else "",
        "pipeline": "/".join(filter(None, (pipeline.name, pipeline.step))) if pipeline else "",
        "pipeline run": pipeline.run_id if pipeline else "",
        "code": code.repo if code else "",
        "code commit": f"{code.commit}{' with uncommitted changes' if code.dirty else ''}" if code else "",
        "parents": ", ".join(f"{parent.model}/{parent.version}" for parent in lineage.parents),
        "copied from": f"{origin.registry} {origin.model}/{origin.version}" if origin else "",
        **{f"data {data.name}": data.digest or data.uri for data in lineage.data},
    }
    return {name: value for name, value in known.items() if value}
