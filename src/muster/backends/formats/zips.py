"""Models that are zip files of data: skops (scikit-learn without pickle) and Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import Refused
from ...core.models import Described
from .reading import MIB, corrupt, mapping, member, member_names, open_zip, parse_json, pinned, present

_MAX_SCHEMA = 32 * MIB
_MAX_CONFIG = 16 * MIB
_KERAS = frozenset(["metadata.json", "config.json", "model.weights.h5"])


def is_skops(path: Path) -> bool:
    """Tell whether path is a zip file with skops' schema.json."""
    return "schema.json" in member_names(path)


def is_keras(path: Path) -> bool:
    """Tell whether path is a zip file with the three members that Keras 3 writes."""
    return member_names(path) >= _KERAS


def describe_skops(path: Path) -> Described:
    """Return what a skops file says about itself."""
    schema = _json(path, "schema.json", _MAX_SCHEMA)
    module, name = schema.get("__module__"), schema.get("__class__")
    if not isinstance(module, str) or not isinstance(name, str):
        raise corrupt(path, "its schema.json does not say what type of object it holds")
    sklearn = module.split(".")[0] == "sklearn"
    version = _sklearn_version(path, schema) if sklearn else None
    skops = schema.get("_skops_version")
    return Described(
        "skops",
        flavors=("sklearn",) if sklearn else (),
        requirements=pinned("scikit-learn", version),
        extra=present(
            skops_version=skops if isinstance(skops, str) else None,
            **{"estimator" if sklearn else "object": f"{module}.{name}"},
        ),
    )


def _sklearn_version(path: Path, schema: Mapping[str, Any]) -> Any:
    """Return the version in the state of the outermost estimator, where scikit-learn itself puts it."""
    node: Any = schema
    for key in ("content", "content", "_sklearn_version", "content"):
        node = node.get(key) if isinstance(node, dict) else None
    return parse_json(path, node, "the version in it") if isinstance(node, str) else None


def describe_keras(path: Path) -> Described:
    """Return what a Keras 3 file says about itself."""
    metadata, config = _json(path, "metadata.json", MIB), _json(path, "config.json", _MAX_CONFIG)
    version, inner = metadata.get("keras_version"), config.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    facts = {"keras_version": version, "date_saved": metadata.get("date_saved"), "name": name}
    return Described(
        "keras",
        flavors=("keras",),
        requirements=pinned("keras", version),
        extra=present(**facts, class_name=config.get("class_name")),
    )


def _json(path: Path, name: str, limit: int) -> Mapping[str, Any]:
    with open_zip(path) as archive:
        return mapping(path, parse_json(path, member(path, archive, name, limit), name), name)


def load_skops(path: Path, trust: bool) -> Any:
    """Return the object in a skops file; Refused, listing them, if skops does not know its types as safe."""
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    if unknown and not trust:
        raise Refused(
            f"{path.name} holds types that skops does not know to be safe: {', '.join(unknown)}",
            hint="Look at where they come from; if you trust all of them, load with trust=True.",
        )
    return skops.io.load(path, trusted=unknown)
