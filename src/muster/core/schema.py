"""Documents against their JSON Schemas. The only module that knows jsonschema; reading never needs it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from .. import resources
from .errors import Finding
from .manifest import Document
from .readable import supported

MAX_PROBLEMS = 50  # of one file: a hostile one could have a million
KINDS = ("registry", "model", "version", "annotations", "alias", "stage", "label", "hold", "tombstone")


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
    errors = islice(_specific(_validator(kind).iter_errors(document.value)), MAX_PROBLEMS)
    for error in sorted(errors, key=lambda e: [str(p) for p in e.absolute_path]):
        line, column = document.place(error.absolute_path)
        yield Finding(path, "schema_matches", _sentence(error), line, column)


def _specific(errors: Iterable[Any]) -> Iterator[Any]:
    """The errors, and in place of "under none of these schemas" what is wrong by the one that was meant."""
    for error in errors:
        branches: dict[Any, list[Any]] = {}
        for cause in error.context or ():
            branches.setdefault(cause.schema_path[0], []).append(cause)
        meant = [causes for causes in branches.values() if not any(_is_other_type(c, error) for c in causes)]
        if len(meant) == 1:
            yield from _specific(meant[0])
        else:
            yield error


def _is_other_type(cause: Any, error: Any) -> bool:
    return bool(cause.validator == "type" and cause.absolute_path == error.absolute_path)


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
    shown = json.dumps(error.instance, ensure_ascii=False, default=str)
    if error.validator == "pattern" and "description" in error.schema:
        message = f"{_short(shown)} does not fit: {error.schema['description']}"
    elif len(message) > 200:
        asked = json.dumps(error.validator_value)
        message = f"{_short(shown)} does not satisfy {error.validator}: {_short(asked)}"
    return f"{_short(where)}: {message}" if where else message


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
