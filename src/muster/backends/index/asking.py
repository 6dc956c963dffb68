"""Filters and orders as SQL: every name in it is from a literal table, everything else is a parameter.

A comparison becomes `row IN (rows that have such a fact)`, which is true or false and never unknown: so AND, OR and NOT
mean what they mean in `filters`. Patterns and foldings are `filters`' own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...core.facts import DESCRIPTION, NAME, VERSION, Form, form_of, kept_as
from ...core.filters import (
    OPPOSITE,
    And,
    Attribute,
    Comparison,
    Everything,
    Filter,
    IsNull,
    Not,
    Or,
    Order,
    Subject,
    Text,
    Value,
    ilike,
    like,
)
from ...core.paging import Place, Search
from .schema import SINGULAR

_TESTS: Final[Mapping[str, str]] = {
    "=": "{0} = {1}",
    "<": "{0} < {1}",
    "<=": "{0} <= {1}",
    ">": "({0} > {1} AND {0} < '')",  # numbers sort before all texts
    ">=": "({0} >= {1} AND {0} < '')",
    "LIKE": "(typeof({0}) = 'text' AND muster_like({0}, {1}))",
    "ILIKE": "(typeof({0}) = 'text' AND muster_ilike({0}, {1}))",
}
FUNCTIONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "muster_like": like,
    "muster_ilike": ilike,
    "muster_contains": lambda text, folded: folded in text.casefold(),
}
_COLUMNS: Final = (NAME, VERSION)


@dataclass
class Question:
    """A question over one subject while it is written as SQL: `parameters` are the values of ?1, ?2, ...

    `numbers` are those of the attributes that any row has.
    """

    subject: Subject
    numbers: Mapping[Attribute, int]
    parameters: list[Form] = field(default_factory=list)

    def select(self, search: Search, after: Place | None, most: int | None) -> str:
        """Return the SELECT of the ids of the rows that answer, in order; those after a place, at most so many."""
        order = search.order
        keys = "".join(f", {self._sort_key(key.attribute)} AS k{n}" for n, key in enumerate(order))
        rows = f"{self._table}s AS r WHERE {self._where(search.condition)}"
        sql = f"SELECT id, name, version{keys} FROM {rows}"  # noqa: S608
        if after is not None:
            sql = f"SELECT * FROM ({sql}) WHERE {self._follows(order, after)}"  # noqa: S608
        by = (f"k{n} IS NULL, k{n}{' DESC' if key.descending else ''}" for n, key in enumerate(order))
        sql = f"{sql} ORDER BY {', '.join((*by, 'name', 'version DESC'))}"
        return sql if most is None else f"{sql} LIMIT {self._bound(most)}"

    @property
    def _table(self) -> str:
        return SINGULAR[self.subject]

    def _bound(self, value: Value) -> str:
        self.parameters.append(form_of(value))
        return f"?{len(self.parameters)}"

    def _sort_key(self, attribute: Attribute) -> str:
        if attribute in _COLUMNS:
            return attribute.kind
        of = f"row = r.id AND attribute = {self._number(attribute)}"
        return f"(SELECT min(value) FROM {self._table}_facts WHERE {of})"  # noqa: S608

    def _follows(self, order: Sequence[Order], after: Place) -> str:
        """Whether a row comes after a place: by its first key that differs, then by name and version."""
        *keys, name, version = map(self._bound_or_null, after)
        sql = f"(name > {name} OR (name = {name} AND version < {version}))"
        for n, (key, value) in reversed(list(enumerate(zip(order, keys, strict=True)))):
            later = "<" if key.descending else ">"
            if value == "NULL":  # those without a value come last
                sql = f"(k{n} IS NULL AND {sql})"
            else:
                sql = f"(k{n} IS NULL OR k{n} {later} {value} OR (k{n} = {value} AND {sql}))"
        return sql

    def _bound_or_null(self, value: Value | None) -> str:
        return "NULL" if value is None else self._bound(value)

    def _where(self, condition: Filter) -> str:
        match condition:
            case Everything():
                return "1"
            case And(parts):
                return _balanced("AND", [self._where(part) for part in parts])
            case Or(parts):
                return _balanced("OR", [self._where(part) for part in parts])
            case Not(part):
                return f"NOT {self._where(part)}"
            case IsNull(attribute):
                return f"NOT {self._has(attribute)}"
            case Text(text):
                contains = f"muster_contains({{}}, {self._bound(text.casefold())})"
                return f"({self._rows(NAME, contains)} OR {self._rows(DESCRIPTION, contains)})"
            case Comparison(attribute, operator, value) if operator in OPPOSITE:
                positive = self._where(Comparison(attribute, OPPOSITE[operator], value))
                return f"({self._has(attribute)} AND NOT {positive})"
            case Comparison(attribute, _, tuple(values)):
                return self._rows(attribute, f"{{}} IN ({', '.join(map(self._bound, values))})")
            case Comparison(attribute, operator, value):
                assert not isinstance(value, tuple)  # noqa: S101  (the case above)
                return self._rows(attribute, _TESTS[operator].format("{0}", self._bound(value)))

    def _has(self, attribute: Attribute) -> str:
        return self._rows(attribute, "1")

    def _rows(self, attribute: Attribute, test: str) -> str:
        """Whether a value of a row under attribute passes a test, in which `{0}` or `{}` is the value."""
        if attribute == VERSION:
            return test.format("version")
        if attribute == NAME:
            return f"name IN (SELECT name FROM models AS m WHERE {test.format('m.name')})"  # noqa: S608
        of = f"attribute = {self._number(attribute)} AND {test.format('value')}"
        return f"r.id IN (SELECT row FROM {self._table}_facts WHERE {of})"  # noqa: S608

    def _number(self, attribute: Attribute) -> int:
        """The number under which the facts of attribute are; 0, under which there are none, if no row has any."""
        return self.numbers.get(kept_as(attribute, self.subject), 0)


def _balanced(word: str, parts: Sequence[str]) -> str:
    """Join parts as a balanced tree: SQLite takes an expression that is 1,000 deep, and a filter may have more parts."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])} {word} {_balanced(word, parts[half:])})"
