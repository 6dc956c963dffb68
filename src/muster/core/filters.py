"""Filters and orders as values: what can be asked of a version or of a model, and which rows answer.

`VERSION_FIELDS` and `MODEL_FIELDS` alone list what can be asked. A field yields the values that a row has:
none when it is missing, several for aliases or flavors. A comparison holds when one of them satisfies it;
one with `!=` or `NOT` holds when there is a value and none satisfies its opposite, so that, as in MLflow, a
missing value never matches. Logic has two values, not SQL's three: `Not` of a comparison that failed for
want of a value holds. `query` reads and writes all this as text.
"""

from __future__ import annotations

import operator as compare
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from math import isfinite
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from .models import ModelVersion, RegisteredModel

Subject = Literal["versions", "models"]
Row = TypeVar("Row", ModelVersion, RegisteredModel)
Value: TypeAlias = str | int | float | bool | datetime
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"]
# "stage" is text without regard to case; "scalar" a tag or a parameter: text, number or flag, as it is asked.
Type = Literal["text", "stage", "number", "time", "flag", "scalar"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INSTANT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?P<fraction>\.[0-9]{1,6})?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_LARGEST: Final = 2**63 - 1  # what a column of the index, or of MLflow's database, holds


@dataclass(frozen=True, slots=True)
class Attribute:
    """What is compared: a field's name and, for tags, metrics and params, the key within it."""

    kind: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Everything:
    """Holds for every row."""


@dataclass(frozen=True, slots=True)
class And:
    """Holds when every part does; there are two parts or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Holds when one of the parts does; there are two parts or more."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when part does not."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares an attribute with a value, or with several for IN and NOT IN.

    The value's type decides how a tag or parameter is read. It is text for LIKE; stages are in lower case.
    """

    attribute: Attribute
    operator: Operator
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """Holds when the row has no value under the attribute; an empty description is no value."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Text:
    """Holds when the name or the description contains text, without regard to case."""

    text: str


Filter: TypeAlias = Everything | And | Or | Not | Comparison | IsNull | Text


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by attribute; rows without a value come last either way."""

    attribute: Attribute
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """One thing that can be asked: its type, what it means, how a row answers, and its other names.

    `read` is given the key, or "" for a field that has none.
    """

    type: Type
    meaning: str
    read: Callable[[Row, str], tuple[Value, ...]]
    synonyms: tuple[str, ...] = ()
    keyed: bool = False


def instant(text: str) -> datetime | None:
    """Read an RFC 3339 date or time, UTC where it names no zone; None if it is neither."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    zone = (match["zone"] or "Z").upper().replace("Z", "+00:00")
    fraction = (match["fraction"] or ".0").ljust(7, "0")
    clock = match["time"] or "00:00"
    clock = clock if len(clock) > 5 else f"{clock}:00"
    try:
        return datetime.fromisoformat(f"{match['day']}T{clock}{fraction}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def number(text: str) -> int | float | None:
    """Read a finite decimal number, an integer of at most 64 bits if it is written as one; None otherwise."""
    if _NUMBER.fullmatch(text) is None:
        return None
    if text.lstrip("+-").isdigit():
        whole = int(text) if len(text) < 32 else _LARGEST + 1
        return whole if abs(whole) <= _LARGEST else None
    return value if isfinite(value := float(text)) else None


def _some(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def _under(mapping: Mapping[str, Any], key: str) -> tuple[Value, ...]:
    return (mapping[key],) if key in mapping else ()


def _metric(version: ModelVersion, key: str) -> tuple[Value, ...]:
    value = version.metrics.get(key)
    return () if value is None or not isfinite(value) else (value,)


def _created(version: ModelVersion, _: str) -> tuple[Value, ...]:
    at = instant(version.manifest.created_at)
    return () if at is None else (at,)


def _run(version: ModelVersion, attribute: Literal["run_id", "experiment"]) -> tuple[str, ...]:
    run = version.manifest.lineage.run
    return () if run is None else _some(getattr(run, attribute))


def _code(version: ModelVersion, _: str) -> tuple[str, ...]:
    code = version.manifest.lineage.code
    return () if code is None else _some(code.commit)


def _sets(version: ModelVersion, _: str) -> tuple[str, ...]:
    return _some(*(word for d in version.manifest.lineage.data for word in (d.name, d.uri, d.digest)))


VERSION_FIELDS: Final[Mapping[str, Field[ModelVersion]]] = {
    "name": Field("text", "the registered model's name", lambda v, _: (v.model,), ("model",)),
    "version": Field("number", "the version number", lambda v, _: (v.version,), ("version_number",)),
    "label": Field("text", "the version's label, such as 1.4.0", lambda v, _: _some(v.label)),
    "alias": Field("text", "any alias that points at the version", lambda v, _: v.aliases, ("aliases",)),
    "stage": Field("stage", "the stage it is in", lambda v, _: _some((v.stage or "").casefold())),
    "description": Field("text", "its description", lambda v, _: _some(v.description)),
    "tags": Field("scalar", "a tag", lambda v, key: _under(v.tags, key), ("tag",), keyed=True),
    "metrics": Field("number", "a metric it was registered with", _metric, ("metric",), keyed=True),
    "params": Field(
        "scalar",
        "a parameter it was registered with",
        lambda v, key: _under(v.params, key),
        ("param", "parameter", "parameters"),
        keyed=True,
    ),
    "created_at": Field("time", "when it was registered", _created, ("creation_timestamp",)),
    # MLflow's words. Annotating a version leaves no date in its files, so both read when it was registered.
    "last_updated_timestamp": Field("time", "the same as created_at", _created, ("timestamp",)),
    "created_by": Field("text", "who registered it", lambda v, _: _some(v.manifest.created_by)),
    "format": Field("text", "the format of any of its artifacts", lambda v, _: v.manifest.formats),
    "flavor": Field(
        "text",
        "any flavor of any of its artifacts",
        lambda v, _: tuple(flavor for artifact in v.manifest.artifacts for flavor in artifact.flavors),
    ),
    "size": Field("number", "bytes of all its files together", lambda v, _: (v.manifest.size,)),
    "digest": Field(
        "text",
        "the digest of any of its artifacts",
        lambda v, _: tuple(a.digest for a in v.manifest.artifacts),
    ),
    "yanked": Field("flag", "whether it was yanked", lambda v, _: (v.yanked is not None,)),
    "source": Field(
        "text",
        "where it was registered from",
        lambda v, _: _some(v.manifest.lineage.source),
        ("source_path",),
    ),
    "run_id": Field("text", "the training run", lambda v, _: _run(v, "run_id")),
    "experiment": Field("text", "the training run's experiment", lambda v, _: _run(v, "experiment")),
    "code_commit": Field("text", "the commit of the training code", _code),
    "data": Field("text", "the name, URI or digest of any of its data sets", _sets),
    "parent": Field(
        "text",
        "any version it was made from, such as bikes/3",
        lambda v, _: tuple(f"{parent.model}/{parent.version}" for parent in v.manifest.lineage.parents),
    ),
}
MODEL_FIELDS: Final[Mapping[str, Field[RegisteredModel]]] = {
    "name": Field("text", "the model's name", lambda m, _: (m.name,), ("model",)),
    "description": Field("text", "its description", lambda m, _: _some(m.description)),
    "owner": Field("text", "any of its owners", lambda m, _: m.owners, ("owners",)),
    "tags": Field("scalar", "a tag", lambda m, key: _under(m.tags, key), ("tag",), keyed=True),
    "alias": Field("text", "any of its aliases", lambda m, _: tuple(m.aliases), ("aliases",)),
    "stage": Field(
        "stage",
        "any stage that a version of it is in",
        lambda m, _: tuple(stage.casefold() for stage, versions in m.stages.items() if versions),
    ),
    "latest_version": Field(
        "number",
        "its highest version number",
        lambda m, _: () if m.latest is None else (m.latest,),
        ("latest",),
    ),
}

OPPOSITE: Final[Mapping[str, Operator]] = {
    "!=": "=",
    "NOT IN": "IN",
    "NOT LIKE": "LIKE",
    "NOT ILIKE": "ILIKE",
}


def values_of(row: ModelVersion | RegisteredModel, attribute: Attribute) -> tuple[Value, ...]:
    """Return what row has under attribute. KeyError for an attribute that rows of its kind do not have."""
    if isinstance(row, ModelVersion):
        return VERSION_FIELDS[attribute.kind].read(row, attribute.key)
    return MODEL_FIELDS[attribute.kind].read(row, attribute.key)


def matches(filter: Filter, row: ModelVersion | RegisteredModel) -> bool:
    """Tell whether filter holds for row."""
    match filter:
        case Everything():
            return True
        case And(parts):
            return all(matches(part, row) for part in parts)
        case Or(parts):
            return any(matches(part, row) for part in parts)
        case Not(part):
            return not matches(part, row)
        case IsNull(attribute):
            return not values_of(row, attribute)
        case Text(text):
            name = row.model if isinstance(row, ModelVersion) else row.name
            return any(text.casefold() in words.casefold() for words in (name, row.description))
        case Comparison(attribute, operator, value):
            return _satisfies(values_of(row, attribute), operator, value)


def sorted_rows(rows: Iterable[Row], order: Sequence[Order]) -> list[Row]:
    """Return rows in order, ties by name and then by version from high to low."""
    result = sorted(rows, key=_by_name)
    for key in reversed(order):
        values = [(sort_value(row, key), row) for row in result]
        present = [(value, row) for value, row in values if value is not None]
        present.sort(key=lambda pair: pair[0], reverse=key.descending)
        result = [row for _, row in present] + [row for value, row in values if value is None]
    return result


def like(text: str, pattern: str) -> bool:
    """Tell whether all of text fits SQL's pattern: `%` stands for any characters, `_` for one.

    Takes time in proportion to the length of text, whatever the pattern: the first fit of each piece between
    two `%` is as good as any later one.
    """
    head, percent, rest = pattern.partition("%")
    if not percent:
        return len(text) == len(head) and _fits(text, head)
    *middle, tail = rest.split("%")
    start, end = len(head), len(text) - len(tail)
    if start > end or not _fits(text[:start], head) or not _fits(text[end:], tail):
        return False
    for piece in middle:
        found = _find(text, piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def ilike(text: str, pattern: str) -> bool:
    """Tell the same as `like` with both sides case-folded."""
    return like(text.casefold(), pattern.casefold())


_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": compare.eq,
    "<": compare.lt,
    "<=": compare.le,
    ">": compare.gt,
    ">=": compare.ge,
    "LIKE": like,
    "ILIKE": ilike,
}


def _satisfies(values: tuple[Value, ...], operator: Operator, wanted: Value | tuple[Value, ...]) -> bool:
    if operator in OPPOSITE:
        return bool(values) and not _satisfies(values, OPPOSITE[operator], wanted)
    if isinstance(wanted, tuple):
        read = (form for value in values for form in forms(value))
        return any(form in wanted for form in read if not isinstance(form, bool))  # True equals 1 in Python
    test = _TESTS[operator]
    return any(test(form, wanted) for value in values for form in forms(value) if _comparable(form, wanted))


def forms(value: Value) -> tuple[Value, ...]:
    """Every way to read value: a number is also its text, and a text is also the number or flag it spells."""
    if isinstance(value, bool):
        return (value, "true" if value else "false")
    if isinstance(value, str):
        flag = {"true": True, "false": False}.get(value.casefold())
        other = number(value) if flag is None else flag
        return (value,) if other is None else (value, other)
    return (value,) if isinstance(value, datetime) else (value, str(value))


def _comparable(form: Value, wanted: Value) -> bool:
    """Tell whether both are flags, texts, times or numbers; to Python alone, True is the number 1."""
    if isinstance(form, bool) or isinstance(wanted, bool):
        return isinstance(form, bool) and isinstance(wanted, bool)
    if isinstance(wanted, str | datetime):
        return isinstance(form, type(wanted))
    return isinstance(form, int | float)


def _fits(text: str, piece: str) -> bool:
    return text == piece or all(p in ("_", c) for c, p in zip(text, piece, strict=True))


def _find(text: str, piece: str, start: int, end: int) -> int:
    """Return where piece, in which `_` is any character, first fits text[start:end]; -1 if nowhere.

    The bits of `state` say which beginnings of piece end here: Shift-And, by Baeza-Yates and Gonnet (1992).
    """
    if "_" not in piece:
        return text.find(piece, start, end)
    accepts, always = _bits(piece)
    state, whole = 0, 1 << (len(piece) - 1)
    for at in range(start, end):
        state = (state << 1 | 1) & accepts.get(text[at], always)
        if state & whole:
            return at - len(piece) + 1
    return -1


@lru_cache(maxsize=64)
def _bits(piece: str) -> tuple[Mapping[str, int], int]:
    """For each character of piece, the places that accept it; and the places that accept every character."""
    always = sum(1 << at for at, p in enumerate(piece) if p == "_")
    accepts = dict.fromkeys(piece, always)
    for at, p in enumerate(piece):
        accepts[p] |= 1 << at
    return accepts, always


def _by_name(row: ModelVersion | RegisteredModel) -> tuple[str, int]:
    return (row.model, -row.version) if isinstance(row, ModelVersion) else (row.name, 0)


def sort_value(row: ModelVersion | RegisteredModel, order: Order) -> tuple[int, Any] | None:
    """Return what row is sorted by, None when it has nothing; of tags and parameters, numbers go first."""
    fields: Mapping[str, Field[Any]] = VERSION_FIELDS if isinstance(row, ModelVersion) else MODEL_FIELDS
    scalar = fields[order.attribute.kind].type == "scalar"
    values = values_of(row, order.attribute)
    return min((_rank(value, scalar) for value in values), default=None)


def _rank(value: Value, scalar: bool) -> tuple[int, Any]:
    if not scalar:
        return (0, value)
    numbers = [f for f in forms(value) if isinstance(f, int | float) and not isinstance(f, bool)]
    return (0, numbers[0]) if numbers else (1, next(f for f in forms(value) if isinstance(f, str)))
