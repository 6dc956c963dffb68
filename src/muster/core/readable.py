"""What every document of a registry has, however it is written: a schema version, and a way to say what is wrong."""

from __future__ import annotations

from typing import Any

from .errors import Finding, Invalid

SCHEMA_VERSION = 1


class Inline(dict[str, Any]):
    """A mapping that is written on one line."""


def supported(document: Any) -> bool:
    """Tell whether this muster knows document's schema version; a newer file is shown, never guessed at."""
    version = document.get("schema", SCHEMA_VERSION) if isinstance(document, dict) else SCHEMA_VERSION
    return not (isinstance(version, int) and version > SCHEMA_VERSION)


def not_readable(path: str, document: Any, what: str, cause: Exception | str) -> Invalid:
    """Return the error for a document that is not what its place says, or is newer than we are."""
    if not supported(document):
        message = f"has schema version {document['schema']}; this muster knows up to {SCHEMA_VERSION}"
        return Invalid(
            f"{path} {message}", [Finding(path, "schema_is_known", message)], "upgrade muster-registry"
        )
    why = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause)
    return Invalid(f"{path} is not {what}", [Finding(path, "schema_matches", f"not {what}: {why}")])
