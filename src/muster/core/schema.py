"""Documents against their JSON Schemas. The only module that knows jsonschema; reading never needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from .. import resources
from .errors import Finding
from .manifest import Document, supported

MAX_PROBLEMS = 50  # of one file: a hostile one could have a million
KINDS = ("registry", "model", "version", "annotations", "alias", "stage", "label", "tombstone")


def problems(kind: str, document: Document, path: str) -> Iterator[Finding]:
    """Yield every way document fails the schema of its kind, at its place in the file.

    `path` is the file's, for the findings.
    """
    if not supported(document.value):
        yield Finding(
            path,
            "schema_is_known",
            f"schema version {document.value['schema']!r} is newer than this muster",
            *document.place(["schema"]),
            fix="upgrade muster-registry",
        )
        return
    errors = islice(_validator(kind).iter_errors(document.value), MAX_PROBLEMS)
    for error in sorted(errors, key=lambda e: [str(p) for p in e.path]):
        line, column = document.place(error.absolute_path)
        yield Finding(path, "schema_matches", _sentence(error), line, column)


def fields(kind: str) -> tuple[str, ...]:
    """Return the fields of a kind of file, in the order in which they are written."""
    return tuple(_schema(kind)["properties"])


@cache
def _schema(kind: str) -> Any:
    return json.loads(resources.schema(kind))


@cache
def _validator(kind: str) -> Any:
    from jsonschema import Draft202012Validator, validators

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    validator = validators.extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return validator(_schema(kind))


def _is_integer(_: Any, value: Any) -> bool:
    """Whether value is written as a whole number; to JSON Schema 3.0 is one too, and would be another path."""
    return isinstance(value, int) and not isinstance(value, bool)


def _sentence(error: Any) -> str:
    """jsonschema's message, without echoing a whole document, and with the place in front of it."""
    where = error.json_path.removeprefix("$").removeprefix(".")
    message = error.message
    if len(message) > 200:
        shown = json.dumps(error.instance, ensure_ascii=False, default=str)[:60]
        message = f"{shown}... does not satisfy {error.validator}: {json.dumps(error.validator_value)[:80]}"
    message = message.replace(r"(?![\s\S])", "")
    return f"{where}: {message}" if where else message
