"""What an index must keep of a row so that it can answer every filter and every order as `filters` does.

A fact is a value under an attribute, in the forms that comparisons read it in: text as it is, numbers as numbers, a time
as microseconds since 1970, a flag as one byte. These classes sort in this order: numbers, text, bytes. So the smallest
form under an attribute is what `sorted_rows` sorts a row by. What an index cannot hold (an integer of more than 64 bits,
a value of another type than its field's) makes its attribute unfit: whatever asks for that is answered from the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeAlias

from .filters import (
    MODEL_FIELDS,
    VERSION_FIELDS,
    And,
    Attribute,
    Comparison,
    Field,
    Filter,
    IsNull,
    Not,
    Or,
    Order,
    Subject,
    Text,
    Type,
    Value,
    forms,
)
from .models import ModelVersion, RegisteredModel

Form: TypeAlias = str | int | float | bytes
FIELDS: Final[Mapping[Subject, Mapping[str, Field[Any]]]] = {
    "versions": VERSION_FIELDS,
    "models": MODEL_FIELDS,
}
NAME: Final = Attribute("name")
VERSION: Final = Attribute("version")
CREATED: Final = Attribute("created_at")
DESCRIPTION: Final = Attribute("description")
_LARGEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_KEYED: Final[Mapping[str, str]] = {"tags": "tags", "metrics": "metrics", "params": "params"}
# Two words for one thing are kept once: "last_updated_timestamp" reads what "created_at" reads.
_SAME: Final[Mapping[Subject, Mapping[str, str]]] = {
    subject: {
        kind: next(k for k, f in fields.items() if f.read is field.read) for kind, field in fields.items()
    }
    for subject, fields in FIELDS.items()
}
_ASKED: Final = {
    subject: [(kind, field) for kind, field in fields.items() if _SAME[subject][kind] == kind]
    for subject, fields in FIELDS.items()
}


@dataclass(frozen=True, slots=True)
class Facts:
    """The forms that a row has under each attribute that has any, and the attributes that cannot be kept."""

    forms: Mapping[Attribute, tuple[Form, ...]]
    unfit: tuple[Attribute, ...]


def facts_of(row: ModelVersion | RegisteredModel) -> Facts:
    """Return the facts of a row."""
    found: dict[Attribute, tuple[Form, ...]] = {}
    unfit: list[Attribute] = []
    for attribute, field in _attributes(row):
        try:
            values = field.read(row, attribute.key)
            if values:
                found[attribute] = _forms(values, field.type)
        except (TypeError, ValueError, AttributeError, OverflowError):
            unfit.append(attribute)
    return Facts(found, tuple(unfit))


def kept_as(attribute: Attribute, subject: Subject) -> Attribute:
    """Return the attribute under which an index has what this one reads."""
    return Attribute(_SAME[subject][attribute.kind], attribute.key)


def asked(filter: Filter, order: tuple[Order, ...]) -> Iterator[Attribute]:
    """Yield every attribute that the answer to filter, in this order, depends on."""
    yield from (NAME, VERSION)  # what ties are sorted by
    yield from (key.attribute for key in order)
    match filter:
        case And(parts) | Or(parts):
            for part in parts:
                yield from asked(part, ())
        case Not(part):
            yield from asked(part, ())
        case Comparison(attribute, _, _) | IsNull(attribute):
            yield attribute
        case Text(_):
            yield DESCRIPTION


def form_of(value: Value) -> Form:
    """Return the form in which a value is compared with facts; ValueError if no fact can be compared with it."""
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, str):
        value.encode()  # half a surrogate pair is nothing that a database holds
        return value
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(microseconds=1)
    if not isinstance(value, int | float) or value != value or (type(value) is int and abs(value) > _LARGEST):
        raise ValueError(f"{value!r} is nothing that an index holds")
    return value


def _attributes(row: ModelVersion | RegisteredModel) -> Iterator[tuple[Attribute, Field[Any]]]:
    subject: Subject = "versions" if isinstance(row, ModelVersion) else "models"
    for kind, field in _ASKED[subject]:
        if not field.keyed:
            yield Attribute(kind), field
        else:
            for key in getattr(row, _KEYED[kind]):
                yield Attribute(kind, key), field


def _forms(values: tuple[Value, ...], type: Type) -> tuple[Form, ...]:
    """The forms of values; TypeError if one is of another type than its field's."""
    if not all(isinstance(value, _TYPES[type]) for value in values) or (
        type == "number" and any(isinstance(value, bool) for value in values)
    ):
        raise TypeError(f"a value is not of type {type}")
    read = values if type != "scalar" else tuple(form for value in values for form in forms(value))
    return tuple(map(form_of, read))


_TYPES: Final[Mapping[Type, tuple[type, ...]]] = {
    "text": (str,),
    "stage": (str,),
    "number": (int, float),
    "time": (datetime,),
    "flag": (bool,),
    "scalar": (str, int, float, bool),
}
