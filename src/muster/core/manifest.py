"""YAML bytes to values and back. The only module that knows YAML.

What is read is a strict subset of YAML 1.2 that every YAML 1.1 and 1.2 reader understands alike: no anchors, aliases,
tags, merge keys or duplicate keys, one document, bounded size, depth and number of nodes, finite numbers, and no
plain scalar that 1.1 and 1.2 read differently (`no`, `012`, `12:30:45`, `1e5`, `2026-05-01`: quote them).
What is written is canonical: one value has one text, so a diff shows only what changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import yaml

from .errors import Finding, Invalid
from .models import (
    Annotations,
    Artifact,
    ArtifactFile,
    Code,
    Data,
    Evaluation,
    Lineage,
    Manifest,
    Parent,
    Pipeline,
    Run,
    Signature,
)

SCHEMA_VERSION = 1
SCHEMA_URL = "https://raw.githubusercontent.com/muster-registry/muster/main/schemas/{}.schema.json"
MAX_BYTES = 32 << 20
MAX_DEPTH = 32
MAX_NODES = 1_000_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})\.[0-9]{0,40}(?:[eE][-+][0-9]{1,4})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Compiled when first used: a registry that muster wrote has few such scalars to look at.
_AMBIGUOUS = (
    r"(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|=|<<)"
    r"|[-+]?0[xX][0-9a-fA-F_]+|[-+]?0o?[0-7_]+|[-+]?0b[01_]+"
    r"|(?:[0-9]|[-+][0-9_])[0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
)
_MAYBE_BENT = re.compile(r"[-+.=<0-9yYnNoO]")  # what every ambiguous or numeric scalar begins with


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, and where in the text each part of it stands (line and column, from 1)."""

    value: Any
    marks: Mapping[tuple[str | int, ...], tuple[int, int]]

    def place(self, where: Iterable[str | int]) -> tuple[int, int]:
        """Return line and column of the part at where, or of the nearest part around it that has a place."""
        key = tuple(where)
        while key and key not in self.marks:
            key = key[:-1]
        return self.marks.get(key, (1, 1))


def parse(data: bytes, path: str = "") -> Any:
    """Return the value in data; Invalid with one finding at path if it is not strict YAML."""
    return _Reader(data, path).read()


def parse_marked(data: bytes, path: str = "") -> Document:
    """Like `parse`, and remembers where each part stands."""
    marks: dict[tuple[str | int, ...], tuple[int, int]] = {}
    return Document(_Reader(data, path, marks).read(), marks)


class _Reader:
    """One pass over the parser's events, which come one by one however deep the text nests."""

    def __init__(
        self, data: bytes, path: str, marks: dict[tuple[str | int, ...], tuple[int, int]] | None = None
    ) -> None:
        self._data, self._path, self._marks, self._nodes = data, path, marks, 0

    def read(self) -> Any:
        if len(self._data) > MAX_BYTES:
            raise self._wrong(None, f"{len(self._data)} bytes are more than the {MAX_BYTES} a file may have")
        loader = _Loader(b"")
        try:
            self._data.decode("utf-8")  # PyYAML would take UTF-16 too
            loader = _Loader(self._data)
            return self._document(loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
            raise self._wrong(mark, f"not YAML: {what}") from error
        except (UnicodeDecodeError, RecursionError) as error:
            raise self._wrong(None, f"not YAML: {error}") from error
        finally:
            loader.dispose()

    def _document(self, loader: Any) -> Any:
        loader.get_event()  # the stream begins
        if loader.check_event(yaml.StreamEndEvent):
            return None
        start = loader.get_event()
        if start.version or start.tags:
            raise self._wrong(start.start_mark, "directives (%YAML, %TAG) are not allowed")
        value = self._node(loader, loader.get_event(), ())
        loader.get_event()  # the document ends
        if not loader.check_event(yaml.StreamEndEvent):
            raise self._wrong(loader.peek_event().start_mark, "more than one document")
        return value

    def _node(self, loader: Any, event: Any, where: tuple[str | int, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._wrong(event.start_mark, f"more than {MAX_NODES} values")
        kind = type(event)
        if kind is yaml.AliasEvent:
            raise self._wrong(event.start_mark, "aliases (*name) are not allowed: write the value out")
        if event.anchor is not None:
            raise self._wrong(event.start_mark, "anchors (&name) are not allowed: write the value out")
        if event.tag is not None:
            raise self._wrong(event.start_mark, f"tags are not allowed, found {event.tag!r}")
        if self._marks is not None:
            self._marks[where] = (event.start_mark.line + 1, event.start_mark.column + 1)
        if kind is yaml.ScalarEvent:
            return self._scalar(event)
        if len(where) >= MAX_DEPTH:
            raise self._wrong(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
        if kind is yaml.SequenceStartEvent:
            return self._sequence(loader, where)
        return self._mapping(loader, where)

    def _sequence(self, loader: Any, where: tuple[str | int, ...]) -> list[Any]:
        items: list[Any] = []
        while type(event := loader.get_event()) is not yaml.SequenceEndEvent:
            items.append(self._node(loader, event, (*where, len(items))))
        return items

    def _mapping(self, loader: Any, where: tuple[str | int, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while type(event := loader.get_event()) is not yaml.MappingEndEvent:
            key = self._node(loader, event, (*where, "?")) if type(event) is yaml.ScalarEvent else None
            if not isinstance(key, str):
                raise self._wrong(event.start_mark, "a key must be a string: quote it")
            if key in values:
                raise self._wrong(event.start_mark, f"the key {key!r} is here twice")
            values[key] = self._node(loader, loader.get_event(), (*where, key))
        return values

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # quoted, or a block
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if not _MAYBE_BENT.match(text):
            return text
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        if _NOT_FINITE.fullmatch(text) or _FLOAT.fullmatch(text):
            raise self._wrong(event.start_mark, f"{text} is not a finite number")
        if re.fullmatch(_AMBIGUOUS, text):
            raise self._wrong(
                event.start_mark,
                f"{text} means different things to different YAML readers: write it as '{text}'",
            )
        return text

    def _wrong(self, mark: Any, message: str) -> Invalid:
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        finding = Finding(self._path, "yaml_is_strict", message, line, column)
        return Invalid(f"{self._path or 'the text'} cannot be read", [finding])


class _Inline(dict[str, Any]):
    """A mapping that is written on one line."""


class _Canonical(_Dumper):  # type: ignore[misc]
    """PyYAML's dumper, for what `parse` reads again, with strings that stay strings for every reader."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        if bad := [key for key in mapping if not isinstance(key, str)]:
            raise Invalid(f"{bad[0]!r} cannot be a key in a file of the registry", hint="make it a string")
        return super().represent_mapping(tag, mapping, flow_style)


def _represent_str(dumper: Any, text: str) -> Any:
    style, text = None, str.__str__(text)  # what a subclass holds, whatever it prints as
    if "\n" in text:
        style = "|"
    elif re.fullmatch(_AMBIGUOUS, text) or text in _CONSTANTS or _NOT_FINITE.fullmatch(text):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_float(dumper: Any, number: float) -> Any:
    if not math.isfinite(number):
        raise Invalid(f"{number} is not a finite number")
    text = float.__repr__(number)
    if "e" in text:  # 1e-05 -> 1.0e-05, 1e+16 stays signed: a float to YAML 1.1 too
        mantissa, _, exponent = text.partition("e")
        mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
        text = f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_int(dumper: Any, number: int) -> Any:
    text = str(int(number))
    if not _INT.fullmatch(text):
        raise Invalid(f"a number of {len(text)} digits is too long for a file of the registry")
    return dumper.represent_scalar("tag:yaml.org,2002:int", text)


def _represent_other(dumper: Any, value: Any) -> Any:
    kind = type(value).__name__
    raise Invalid(f"a file of the registry cannot hold a {kind}: {value!r:.80}", hint="make it a string")


_SCALARS = {str: _represent_str, float: _represent_float, int: _represent_int}
for _kind, _represent in _SCALARS.items():
    _Canonical.add_representer(_kind, _represent)
    _Canonical.add_multi_representer(_kind, _represent)  # numpy's float64 is a float, an enum's member a str
for _unfit in (None, bytes, set, date, datetime):
    _Canonical.add_representer(_unfit, _represent_other)
_Canonical.add_representer(
    _Inline, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)


def dump(value: Mapping[str, Any], schema: str = "") -> bytes:
    """Return the canonical text of value, under the editor's `$schema` line when schema names one.

    Invalid for what a file of the registry cannot hold: it takes what JSON takes, finite numbers, and keys that are
    strings.
    """
    try:
        text: str = yaml.dump(
            dict(value),
            Dumper=_Canonical,
            sort_keys=False,
            allow_unicode=True,
            width=1 << 16,
            default_flow_style=False,
        )
        head = f"# yaml-language-server: $schema={SCHEMA_URL.format(schema)}\n" if schema else ""
        return (head + text).encode()
    except (UnicodeEncodeError, RecursionError) as error:
        raise Invalid(f"a file of the registry cannot hold this: {error}") from error


def canonical(document: Any, schema: str, fields: Sequence[str]) -> bytes:
    """Return the canonical text of a parsed file of this schema, its fields in the order given, unknown ones last."""
    if not isinstance(document, dict):
        raise Invalid("a file of the registry holds a mapping")
    known = {key: document[key] for key in fields if key in document}
    return dump(_with_inlines({**known, **document}), schema)


def has_comments(data: bytes) -> bool:
    """Tell whether a file has comments beside the `$schema` line at its top."""
    body = re.sub(rb"\A# yaml-language-server:[^\n]*\n", b"", data)
    return re.search(rb"(?m)(?:^|\s)#", body) is not None


def _with_inlines(document: Any) -> Any:
    """Mark what is written on one line: the files of an artifact and the columns of a signature."""
    artifacts, signature = document.get("artifacts"), document.get("signature")
    if isinstance(artifacts, list):
        document = document | {"artifacts": [_with_inline_items(a, "files") for a in artifacts]}
    if isinstance(signature, dict):
        document = document | {"signature": _with_inline_items(signature, "inputs", "outputs", "params")}
    return document


def _with_inline_items(value: Any, *keys: str) -> Any:
    if not isinstance(value, dict):
        return value
    lists = {key: value[key] for key in keys if isinstance(value.get(key), list)}
    return value | {
        k: [_Inline(v) if isinstance(v, dict) else v for v in items] for k, items in lists.items()
    }


def manifest_from(document: Any, path: str = "") -> Manifest:
    """Return the manifest in document; Invalid if it lacks what a manifest must have."""
    try:
        return Manifest(
            model=document["model"],
            version=document["version"],
            created_at=document["created_at"],
            created_by=document["created_by"],
            artifacts=tuple(_artifact_from(a) for a in _list(document, "artifacts")),
            label=document.get("label"),
            signature=_signature_from(document.get("signature")),
            input_example=document.get("input_example"),
            requirements=tuple(_list(document, "requirements")),
            metrics=_mapping(document, "metrics"),
            params=_mapping(document, "params"),
            lineage=_lineage_from(_mapping(document, "lineage")),
            model_card=document.get("model_card"),
            model_card_sections=tuple(map(str, _list(document, "model_card_sections"))),
            extra=_mapping(document, "extra"),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise not_readable(path, document, "a version manifest", error) from error


def manifest_to(manifest: Manifest) -> dict[str, Any]:
    """Return the document that records manifest, with nothing in it that says nothing."""
    return {
        "schema": SCHEMA_VERSION,
        "model": manifest.model,
        "version": manifest.version,
        **_present(label=manifest.label),
        "created_at": manifest.created_at,
        "created_by": manifest.created_by,
        "artifacts": [_artifact_to(a) for a in manifest.artifacts],
        **_present(
            signature=_signature_to(manifest.signature),
            input_example=manifest.input_example,
            requirements=list(manifest.requirements),
            metrics=dict(manifest.metrics),
            params=dict(manifest.params),
            lineage=_lineage_to(manifest.lineage),
            model_card=manifest.model_card,
            model_card_sections=list(manifest.model_card_sections),
            extra=dict(manifest.extra),
        ),
    }


def annotations_from(document: Any, path: str = "") -> Annotations:
    """Return the annotations in document; Invalid if it is not one."""
    try:
        return Annotations(
            description=document.get("description", ""),
            tags=_mapping(document, "tags"),
            evaluations=tuple(_evaluation_from(e) for e in _list(document, "evaluations")),
            yanked=document["yanked"]["reason"] if "yanked" in document else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise not_readable(path, document, "an annotations file", error) from error


def evaluation_to(evaluation: Evaluation) -> dict[str, Any]:
    """Return the document of one evaluation."""
    return {
        "name": evaluation.name,
        "passed": evaluation.passed,
        "at": evaluation.at,
        "by": evaluation.by,
        **_present(metrics=dict(evaluation.metrics), url=evaluation.url),
    }


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


def _present(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, ())}


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What document has at key, nothing unless it is there; TypeError if it is no mapping."""
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise TypeError(f"{key} is no mapping")
    return value


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    """What document has at key, nothing unless it is there; TypeError if it is no list."""
    value = document.get(key, [])
    if not isinstance(value, list):
        raise TypeError(f"{key} is no list")
    return value


def _artifact_from(document: Mapping[str, Any]) -> Artifact:
    return Artifact(
        path=document["path"],
        format=document["format"],
        size=document["size"],
        digest=document["digest"],
        files=tuple(ArtifactFile(f["path"], f["size"], f["sha256"]) for f in document["files"]),
        flavors=tuple(document.get("flavors", ())),
    )


def _artifact_to(artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "format": artifact.format,
        **_present(flavors=list(artifact.flavors)),
        "size": artifact.size,
        "digest": artifact.digest,
        "files": [_Inline(path=f.path, size=f.size, sha256=f.sha256) for f in artifact.files],
    }


def _signature_from(document: Mapping[str, Any] | None) -> Signature | None:
    if document is None:
        return None
    parts = (document.get(key) for key in ("inputs", "outputs", "params"))
    return Signature(*(None if part is None else tuple(part) for part in parts))


def _signature_to(signature: Signature | None) -> dict[str, Any] | None:
    if signature is None:
        return None
    parts = {"inputs": signature.inputs, "outputs": signature.outputs, "params": signature.params}
    return {key: [_Inline(column) for column in part] for key, part in parts.items() if part is not None}


def _lineage_from(document: Mapping[str, Any]) -> Lineage:
    return Lineage(
        source=document.get("source", ""),
        run=Run(**document["run"]) if "run" in document else None,
        pipeline=Pipeline(**document["pipeline"]) if "pipeline" in document else None,
        code=Code(**document["code"]) if "code" in document else None,
        data=tuple(Data(**d) for d in document.get("data", ())),
        parents=tuple(Parent(**p) for p in document.get("parents", ())),
    )


def _lineage_to(lineage: Lineage) -> dict[str, Any]:
    return _present(
        source=lineage.source,
        run=_fields(lineage.run),
        pipeline=_fields(lineage.pipeline),
        code=_fields(lineage.code),
        data=[_fields(d) for d in lineage.data],
        parents=[_fields(p) for p in lineage.parents],
    )


def _evaluation_from(document: Mapping[str, Any]) -> Evaluation:
    if not all(isinstance(document[key], str) for key in ("name", "at", "by")) or not isinstance(
        document["passed"], bool
    ):
        raise TypeError("an evaluation is malformed")
    return Evaluation(
        name=document["name"],
        passed=document["passed"],
        at=document["at"],
        by=document["by"],
        metrics=_mapping(document, "metrics"),
        url=document.get("url", ""),
    )


def _fields(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    return {name: item for name, item in _items(value) if item not in ("", None)}


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(value, name)) for name in value.__slots__)
