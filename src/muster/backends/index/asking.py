"""Filters and orders as SQL: every name in it is from a literal table, everything else is a parameter.

A comparison becomes `row IN (rows that have such a fact)`, which is true or false and never unknown: so AND, OR and NOT
mean what they mean in `filters`. Patterns and foldings are `filters`' own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...core.facts import CREATED, DESCRIPTION, FIELDS, NAME, VERSION, Form, form_of, kept_as
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
FEW: Final = 4_000  # rows: to look at so many is quicker than to find all rows that satisfy something else
_COLUMNS: Final = (NAME, VERSION)
_QUICK: Final = ("=", "IN", "<", "<=", ">", ">=")  # what an index over values finds
_PATTERNS: Final = ("LIKE", "ILIKE")  # models are few enough to try each one's name


@dataclass
class Question:
    """A question over one subject while it is written as SQL: `parameters` are the values of ?1, ?2, ...

    `numbers` are those of the attributes that any row has. A comparison is written as the set of the rows that satisfy
    it, or, with `one_by_one`, as a test of one row: for what few rows are looked at already. `walked` is an attribute
    through whose values the rows are found.
    """

    subject: Subject
    numbers: Mapping[Attribute, int]
    parameters: list[Form] = field(default_factory=list)
    one_by_one: bool = False
    walked: Attribute | None = None

    def few(self, condition: Filter) -> str | None:
        """Return the SELECT of how many rows satisfy a condition, at most FEW; None if to count them takes long."""
        match condition:
            case Comparison(attribute, operator) if attribute != VERSION and (
                operator in _QUICK or (attribute == NAME and operator in _PATTERNS)
            ):
                found = f"SELECT 1 {self._among(attribute, self._test(condition))} LIMIT {FEW}"
                return f"SELECT count(*) FROM ({found})"  # noqa: S608
        return None

    def walk(self, search: Search, after: Place | None) -> bool:
        """Go through the rows that have what they are sorted by, in that order; tell whether that can be.

        It finds only those, and it is quick if there are more than are asked for.
        """
        if not search.order or (after is not None and after[0] is None):
            return False
        key = search.order[0].attribute
        if key in _COLUMNS or FIELDS[self.subject][key.kind].type not in ("number", "time"):
            return False  # a row may have two
        self.walked, self.one_by_one = key, True
        return True

    def select(
        self, search: Search, after: Place | None, most: int | None, first: Filter | None = None
    ) -> str:
        """Return the SELECT of the ids of the rows that answer, in order; those after a place, at most so many.

        `first` is the part of the condition that few rows satisfy, if there is one.
        """
        keys = [self._sort_key(key.attribute) for key in search.order]
        rows, where = f"{self._table}s AS r", self._parts(search.condition, first)
        if self.walked is not None:
            keys[0] = self._walked_value
            rows, where = self._walk_of(rows, where, search.order[0].descending)
            if after is not None:
                later = "<=" if search.order[0].descending else ">="
                where = f"{keys[0]} {later} {self._bound_or_null(after[0])} AND {where}"
        columns = ", ".join(("id", "name", "version", *(f"{key} AS k{n}" for n, key in enumerate(keys))))
        sql = f"SELECT {columns} FROM {rows} WHERE {where}"  # noqa: S608
        if after is not None:
            # LIMIT -1 keeps SQLite from evaluating sort keys again for each comparison with them: that is slow, and
            # SQLite 3.40 takes one row's for another's where it answers an OR from several indexes.
            once = "" if self.walked else "LIMIT -1"
            sql = f"SELECT * FROM ({sql} {once}) WHERE {self._follows(search.order, after)}"  # noqa: S608
        by = [f"k{n} IS NULL, k{n}{' DESC' if key.descending else ''}" for n, key in enumerate(search.order)]
        if self.walked is not None:  # none is null, and so the index has this order
            by[0] = by[0].partition(", ")[2]
        sql = f"{sql} ORDER BY {', '.join((*by, 'name', 'version DESC'))}"
        return sql if most is None else f"{sql} LIMIT {self._bound(most)}"

    @property
    def _table(self) -> str:
        return SINGULAR[self.subject]

    @property
    def _walked_value(self) -> str:
        """The value by which the rows are found that are walked through."""
        return "r.created" if self._is_by_date else "o.value"

    @property
    def _is_by_date(self) -> bool:
        return self.walked is not None and kept_as(self.walked, self.subject) == CREATED

    def _walk_of(self, rows: str, where: str, descending: bool) -> tuple[str, str]:
        """The rows that have what is walked through, in its order: dates are in the order of ties as well."""
        assert self.walked is not None  # noqa: S101
        if self._is_by_date:
            end = "newest" if descending else "oldest"
            return f"{rows} INDEXED BY {self._table}s_from_{end}", f"r.created IS NOT NULL AND {where}"
        rows = f"{self._table}_facts AS o CROSS JOIN {rows} ON r.id = o.row"
        return rows, f"o.attribute = {self._number(self.walked)} AND {where}"

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

    def _parts(self, condition: Filter, first: Filter | None) -> str:
        """Whether a row satisfies a condition: its first part as a set, and the others one by one."""
        if first is None or first is condition or not isinstance(condition, And):
            return self._where(condition)
        found = [self._where(first)]
        self.one_by_one = True
        found += [self._where(part) for part in condition.parts if part is not first]
        return _balanced("AND", found)

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
                contains = f"muster_contains({{0}}, {self._bound(text.casefold())})"
                return f"({self._rows(NAME, contains)} OR {self._rows(DESCRIPTION, contains)})"
            case Comparison(attribute, operator, value) if operator in OPPOSITE:
                positive = self._where(Comparison(attribute, OPPOSITE[operator], value))
                return f"({self._has(attribute)} AND NOT {positive})"
            case Comparison(attribute):
                return self._rows(attribute, self._test(condition))

    def _test(self, comparison: Comparison) -> str:
        """The test of a value, which is `{0}` in it."""
        value = comparison.value
        if isinstance(value, tuple):
            return f"{{0}} IN ({', '.join(map(self._bound, value))})"
        return _TESTS[comparison.operator].format("{0}", self._bound(value))

    def _has(self, attribute: Attribute) -> str:
        return self._rows(attribute, "1")

    def _rows(self, attribute: Attribute, test: str) -> str:
        """Whether a value of a row under attribute passes a test."""
        if attribute == VERSION:
            return test.format("version")
        if attribute == NAME:
            own = "+name" if self.one_by_one else "name"  # with the +, no index is used to find rows by it
            return f"{own} IN (SELECT name FROM models AS m WHERE {test.format('m.name')})"  # noqa: S608
        if attribute == self.walked:
            return test.format(self._walked_value)
        if self.one_by_one:
            of = f"row = r.id AND attribute = {self._number(attribute)} AND {test.format('value')}"
            return f"EXISTS (SELECT 1 FROM {self._table}_facts WHERE {of})"  # noqa: S608
        return f"r.id IN (SELECT row {self._among(attribute, test)})"

    def _among(self, attribute: Attribute, test: str) -> str:
        if attribute == NAME:
            return f"FROM {self._table}s AS r WHERE {self._rows(NAME, test)}"
        return (
            f"FROM {self._table}_facts WHERE attribute = {self._number(attribute)} AND {test.format('value')}"
        )

    def _number(self, attribute: Attribute) -> int:
        """The number under which the facts of attribute are; 0, under which there are none, if no row has any."""
        return self.numbers.get(kept_as(attribute, self.subject), 0)


def _balanced(word: str, parts: Sequence[str]) -> str:
    """Join parts as a balanced tree: SQLite takes an expression that is 1,000 deep, and a filter may have more parts."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_balanced(word, parts[:half])} {word} {_balanced(word, parts[half:])})"
