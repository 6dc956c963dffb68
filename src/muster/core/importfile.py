"""The file that `muster import file` reads: versions to register, each with what is known of it.

It is JSON Lines (an object a line), or a list of such objects as JSON or strict YAML; `import.schema.json` says what each
may have. A version's content is a `path`, or what is in the artifact store already: the `oid` of its file list there,
and its `files`. JSON is read as strictly as YAML is: no key twice, no number that is not finite.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from . import documents, manifest, schema
from .errors import Finding, Invalid
from .manifest import Document
from .models import ArtifactFile, Stored, StoredFile
from .registration import Registration

RULE = "import_is_clear"
MAX_LINE = 1 << 20  # bytes of one line of JSON Lines


@dataclass(frozen=True, slots=True)
class Entry:
    """One version to register. `stored` is where its content is, None where `said.path` is to be stored first.

    `file`, `line` and `column` are where it stands, `position` how many are before it. `created_at` and `created_by` are
    when it was made elsewhere, and by whom; "" where that is not said.
    """

    said: Registration
    position: int
    file: str
    line: int
    column: int = 1
    stored: Stored | None = None
    created_at: str = ""
    created_by: str = ""

    @property
    def place(self) -> str:
        """Where it stands, as editors write it."""
        return f"{self.file}:{self.line}"

    def finding(self, rule: str, message: str, fix: str = "") -> Finding:
        """Return what is wrong with it."""
        return Finding(self.file, rule, message, self.line, self.column, fix)


def read(data: bytes, path: str, below: PurePath) -> list[Entry]:
    """Return the versions that the file at path lists, in its order; Invalid with every place that is wrong.

    Relative paths in it are relative to `below`.
    """
    read_as = _json_lines if _is_json_lines(data) else _list
    findings: list[Finding] = []
    entries: list[Entry] = []
    for document, place in read_as(data, path):
        found = list(schema.problems("import", document, path)) or list(_problems(document, path))
        findings += found
        if not found:
            entries.append(_entry(document.value, len(entries), path, place, below))
    if findings:
        raise Invalid(f"{path} cannot be imported:", findings)
    return entries


@dataclass(frozen=True)
class _Part(Document):
    """One version of a file: `at` a position of the `whole`, or all of it, with so many lines `above` it.

    Where its parts stand is looked for when something is wrong with one of them. JSON is nearly YAML, so that is asked of
    the reader of YAML; where even that cannot read it, the line at hand will do.
    """

    whole: Document
    at: tuple[int, ...] = ()
    above: int = 0

    def place(self, where: Iterable[str | int]) -> tuple[int, int]:
        try:
            line, column = self.whole.place((*self.at, *where))
        except Invalid:
            line, column = 1, 1
        return line + self.above, column


def _is_json_lines(data: bytes) -> bool:
    """Tell whether a file is JSON Lines: it begins with an object, and that ends on its line."""
    first = data.lstrip().partition(b"\n")[0].strip()
    return first.startswith(b"{") and first.endswith(b"}")


def _json_lines(data: bytes, path: str) -> Iterator[tuple[_Part, tuple[int, int]]]:
    """Yield what is on each line, and where that is."""
    for number, line in enumerate(data.split(b"\n")):
        if line.strip():
            if len(line) > MAX_LINE:
                raise _unreadable(path, f"a line has at most {MAX_LINE} bytes", number + 1)
            value = _from_json(line, path, number)
            yield _Part(value, line, Document(value, line), above=number), (number + 1, 1)


def _list(data: bytes, path: str) -> Iterator[tuple[_Part, tuple[int, int]]]:
    is_json = data.lstrip()[:1] in (b"[", b"{")
    values = _from_json(data, path, 0) if is_json else manifest.parse(data, path)
    if not isinstance(values, list):
        raise _unreadable(path, "a list of versions is wanted, or JSON Lines: an object a line", 1)
    whole = Document(values, data)
    for position, value in enumerate(values):
        part = _Part(value, data, whole, (position,))
        yield part, part.place(())


def _from_json(data: bytes, path: str, above: int) -> Any:
    try:
        return json.loads(data, object_pairs_hook=_distinct, parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _unreadable(path, f"not JSON: {error.msg}", above + error.lineno, error.colno) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"not JSON: {error}", above + 1) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
        raise ValueError(f"the key {twice!r} is here twice")
    return found


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


def _unreadable(path: str, message: str, line: int, column: int = 1) -> Invalid:
    return Invalid(f"{path} cannot be imported:", [Finding(path, RULE, message, line, column)])


def _problems(document: Document, path: str) -> Iterator[Finding]:
    """What no schema says: a version has its content in one of two ways."""
    value = document.value
    here = value.keys() & {"path", "oid", "files"}
    if here not in ({"path"}, {"oid", "files"}):
        message = "a version has a path, or else the oid and the files of what is stored already"
        yield Finding(path, RULE, message, *document.place(()))
    elif "oid" in here and "format" not in value:
        message = "what is stored already is not looked into: say its format"
        yield Finding(path, RULE, message, *document.place(()))


def _entry(
    value: Mapping[str, Any], position: int, path: str, place: tuple[int, int], below: PurePath
) -> Entry:
    card = value.get("model_card")
    content = below / value["path"] if "path" in value else PurePath(value["model"])
    said = Registration(
        model=value["model"],
        path=content,
        format=value.get("format"),
        label=value.get("label"),
        description=value.get("description", ""),
        tags=value.get("tags", {}),
        metrics=value.get("metrics", {}),
        params=value.get("params", {}),
        signature=documents.signature_from(value.get("signature")),
        input_example=value.get("input_example"),
        requirements=tuple(value.get("requirements", ())),
        model_card=content / card if card is not None else None,
        lineage=documents.lineage_from(value.get("lineage", {})),
        extra=value.get("extra", {}),
        aliases=tuple(alias.removeprefix("@") for alias in value.get("aliases", ())),
        stage=value.get("stage"),
    )
    created = value.get("created_at", ""), value.get("created_by", "")
    return Entry(said, position, path, *place, _stored(value), *created)


def _stored(value: Mapping[str, Any]) -> Stored | None:
    if "oid" not in value:
        return None
    files = (ArtifactFile(f["path"], f["size"], f["sha256"]) for f in value["files"])
    return Stored(value["oid"], tuple(StoredFile(f.path, f.size, f.sha256, "") for f in files))
