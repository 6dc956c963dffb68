"""Where a version came from, as its manifest records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .models import Code, Copied, Data, Lineage, Parent, Pipeline, Run


def lineage_from(document: Mapping[str, Any]) -> Lineage:
    """Return the lineage in document; TypeError or KeyError if it is none."""
    return Lineage(
        source=document.get("source", ""),
        run=Run(**document["run"]) if "run" in document else None,
        pipeline=Pipeline(**document["pipeline"]) if "pipeline" in document else None,
        code=Code(**document["code"]) if "code" in document else None,
        data=tuple(Data(**d) for d in document.get("data", ())),
        parents=tuple(Parent(**p) for p in document.get("parents", ())),
        copied_from=Copied(**document["copied_from"]) if "copied_from" in document else None,
    )


def lineage_to(lineage: Lineage) -> dict[str, Any]:
    """Return the document that records lineage, with nothing in it that says nothing."""
    document = {
        "source": lineage.source,
        "run": _fields(lineage.run),
        "pipeline": _fields(lineage.pipeline),
        "code": _fields(lineage.code),
        "data": [_fields(d) for d in lineage.data],
        "parents": [_fields(p) for p in lineage.parents],
        "copied_from": _fields(lineage.copied_from),
    }
    return {key: value for key, value in document.items() if value}


def _fields(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    items = ((name, getattr(value, name)) for name in value.__slots__)
    return {name: item for name, item in items if item not in ("", None)}
