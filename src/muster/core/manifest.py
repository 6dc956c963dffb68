"""YAML bytes to values and back. The only module that knows YAML.

What is read is a strict subset of YAML 1.2 that every YAML 1.1 and 1.2 reader understands alike: no anchors, aliases,
tags, merge keys or duplicate keys, one document, bounded size, depth and number of nodes, finite numbers, and no
plain scalar that 1.1 and 1.2 read differently (`no`, `012`, `12:30:45`, `1e5`, `2026-05-01`: quote them).
What is written is canonical: one value has one text, so a diff shows only what changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

import yaml

from .errors import Finding, Invalid
from .readable import Inline

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


@dataclass(frozen=True)
class Document:
    """A parsed file: its value, and where in the text each part of it stands (line and column, from 1).

    Where things stand is looked for when something is wrong with one of them: nearly never.
    """

    value: Any
    data: bytes

    @cached_property
    def marks(self) -> Mapping[tuple[str | int, ...], tuple[int, int]]:
        """The place of each part, by the keys and positions that lead to it."""
        found: dict[tuple[str | int, ...], tuple[int, int]] = {}
        _Reader(self.data, "", found).read()
        return found

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
    """Like `parse`, and can tell where each part stands."""
    return Document(parse(data, path), data)


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
    elif text in _CONSTANTS or (_MAYBE_BENT.match(text) and _is_bent(text)):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_bent(text: str) -> bool:
    return bool(re.fullmatch(_AMBIGUOUS, text) or _NOT_FINITE.fullmatch(text))


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
    Inline, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
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
    return value | {k: [Inline(v) if isinstance(v, dict) else v for v in items] for k, items in lists.items()}
