"""Pages of a search: where one ends, so that the next begins after it, whatever was written in between.

A page ends at a row's place: what it is sorted by, its name and its version. The next page is what comes after that
place at the commit that is read then. So no row is there twice, and none is left out that keeps its place.
A token is the place, with what was asked and a checksum, as URL-safe base64. It holds nothing secret and nothing trusted:
the checksum finds accidents, and a forged place is only another place to begin.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, cast

from .errors import Invalid
from .facts import FIELDS, form_of
from .filters import Filter, Order, Row, Subject, Type, sort_value
from .models import ModelVersion
from .query import parse, parse_order, unparse, unparse_order

# What a row is sorted by (times in microseconds since 1970, None for what it lacks), its name, its version (0: a model).
Place: TypeAlias = tuple[str | int | float | bool | None, ...]
_CHECKED: Final = 12  # bytes of a digest
_AGAIN: Final = "repeat the search without a page token"
_TYPES: Final[dict[Type, tuple[type, ...]]] = {
    "text": (str,),
    "stage": (str,),
    "number": (int, float),
    "time": (int,),
    "flag": (bool,),
    "scalar": (str, int, float),
}


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of an answer, in order, at one commit; `next_page_token` asks for those that follow, None at the end."""

    rows: tuple[Row, ...]
    next_page_token: str | None
    commit: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for: which rows of a subject, and in which order."""

    subject: Subject
    condition: Filter
    order: tuple[Order, ...]

    @classmethod
    def parse(cls, subject: Subject, filter: str, order_by: Sequence[str] | str) -> Search:
        """Read a filter and an order; Invalid points at what is wrong."""
        return cls(subject, parse(filter, subject), parse_order(order_by, subject))

    def place(self, row: Row) -> Place:
        """Return where a row is in the answer."""
        found = (sort_value(row, key) for key in self.order)
        keys: list[Any] = [None if value is None else _plain(value[1]) for value in found]
        return (*keys, *((row.model, row.version) if isinstance(row, ModelVersion) else (row.name, 0)))

    def follows(self, row: Row, after: Place) -> bool:
        """Tell whether a row comes after a place."""
        here = self.place(row)
        for key, mine, other in zip(self.order, here, after, strict=False):
            if mine != other:
                if mine is None or other is None:
                    return mine is None
                return (_rank(mine) < _rank(other)) is key.descending
        (name, version), (other_name, other_version) = here[-2:], after[-2:]
        return (name, -cast(int, version)) > (other_name, -cast(int, other_version))

    def token(self, place: Place) -> str:
        """Return the token that asks for what follows a place."""
        body = json.dumps([self._digest(), *place]).encode()
        return base64.urlsafe_b64encode(_digest(body) + body).decode().rstrip("=")

    def place_in(self, token: str) -> Place:
        """Return the place that a token names; Invalid if it is damaged, or was given for another search."""
        try:
            data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            body = json.loads(data[_CHECKED:]) if _digest(data[_CHECKED:]) == data[:_CHECKED] else None
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, list) or not body:
            raise Invalid("the page token is damaged", hint=_AGAIN)
        if body[0] != self._digest():
            raise Invalid("the page token was given for another filter or order", hint=_AGAIN)
        if not self._is_place(place := tuple(body[1:])):
            raise Invalid("the page token is damaged", hint=_AGAIN)
        return place

    def _is_place(self, place: tuple[Any, ...]) -> bool:
        if len(place) != len(self.order) + 2:
            return False
        wanted = [_TYPES[FIELDS[self.subject][key.attribute.kind].type] for key in self.order]
        keys = zip(place, wanted, strict=False)
        fit = all(
            v is None or (isinstance(v, t) and (t == (bool,) or not isinstance(v, bool))) for v, t in keys
        )
        return fit and isinstance(place[-2], str) and type(place[-1]) is int

    def _digest(self) -> str:
        text = "\0".join((self.subject, unparse(self.condition), unparse_order(self.order)))
        return _digest(text.encode(errors="surrogatepass")).hex()


def _plain(value: Any) -> str | int | float | bool:
    return cast(int, form_of(value)) if isinstance(value, datetime) else cast(int, value)


def _rank(value: Any) -> tuple[bool, Any]:
    """What sorts numbers before texts, as tags and parameters are sorted."""
    return isinstance(value, str), value


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECKED]
