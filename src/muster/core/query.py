"""The filter and order grammar, as text: MLflow's, and what MLflow's users ask for beyond it.

    filter     = [either]                                  empty: everything
    either     = both {"OR" both}
    both       = negation {"AND" negation}                 NOT binds tighter than AND, and AND than OR
    negation   = "NOT" negation | "(" either ")" | comparison | word | string
    comparison = attribute ("=" | "!=" | "<" | "<=" | ">" | ">=" | ["NOT"] ("LIKE" | "ILIKE")) value
               | attribute ["NOT"] "IN" "(" value {"," value} [","] ")"
               | attribute "IS" ["NOT"] "NULL"
    attribute  = ["attribute."] name | ("tags." | "metrics." | "params.") key
    value      = string | number | "true" | "false"
    order      = attribute ["ASC" | "DESC"] {"," ...}

Keywords are in any case. Strings are in '...' or "...", and in `...` a key that holds spaces, quotes,
operators, parentheses or commas; the quote itself is written twice. A word or string alone is looked for in
name and description; a word that names an attribute is refused there. `parse` and `unparse` are each
other's inverse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal, NoReturn, cast

from .errors import Finding, Invalid
from .filters import (
    MODEL_FIELDS,
    VERSION_FIELDS,
    And,
    Attribute,
    Comparison,
    Everything,
    Field,
    Filter,
    IsNull,
    Not,
    Operator,
    Or,
    Order,
    Subject,
    Text,
    Type,
    Value,
    instant,
    matches,
    number,
    sorted_rows,
)

__all__ = [
    "And",
    "Attribute",
    "Comparison",
    "Everything",
    "Filter",
    "IsNull",
    "Not",
    "Operator",
    "Or",
    "Order",
    "Subject",
    "Text",
    "Value",
    "matches",
    "parse",
    "parse_order",
    "sorted_rows",
    "unparse",
    "unparse_order",
]

MAX_TEXT: Final = 10_000
MAX_DEPTH: Final = 50
MAX_LIST: Final = 1_000
MAX_MILLISECONDS: Final = 14  # digits: up to the year 5138, inside what a datetime holds

_FIELDS: Final[Mapping[Subject, Mapping[str, Field[Any]]]] = {
    "versions": VERSION_FIELDS,
    "models": MODEL_FIELDS,
}
_NAMES: Final[Mapping[Subject, Mapping[str, str]]] = {
    subject: {word: kind for kind, field in fields.items() for word in (kind, *field.synonyms)}
    for subject, fields in _FIELDS.items()
}
_PREFIXES: Final = ("attribute", "attributes", "attr")
_KEYWORDS: Final = frozenset(("AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "IS", "NULL"))
_EQUALITY: Final = ("=", "!=", "IN", "NOT IN")
_ORDERING: Final = ("<", "<=", ">", ">=")
_PATTERNS: Final = ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE")
OPERATORS: Final[Mapping[Type, tuple[str, ...]]] = {
    "text": (*_EQUALITY, *_PATTERNS),
    "stage": (*_EQUALITY, *_PATTERNS),
    "number": (*_EQUALITY, *_ORDERING),
    "time": (*_EQUALITY, *_ORDERING),
    "flag": ("=", "!="),
    "scalar": (*_EQUALITY, *_ORDERING, *_PATTERNS),
}
_INSTEAD: Final = {"==": "=", "<>": "!=", "=<": "<=", "=>": ">=", "!": "!="}
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<operator>[<>=!]+)
  | (?P<mark>[(),])
  | (?P<word>[^\s'"`()<>=!,]+)
  | (?P<end>\Z)
  | (?P<open>['"`])
    )""",
    re.VERBOSE,
)
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]*")

Kind = Literal["string", "quoted", "operator", "mark", "word", "end"]


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the text, without the quotes of a string or key, and where it is."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """What a keyword is recognised by; empty for what cannot be one."""
        return self.text.upper() if self.kind in ("word", "operator", "mark") else ""

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(_clip(self.text))


def parse(text: str, subject: Subject) -> Filter:
    """Read a filter over subject. Raise Invalid with one finding, whose column is the character at fault."""
    return _Parser(text, subject, "filter").filter()


def parse_order(order_by: Sequence[str] | str, subject: Subject) -> tuple[Order, ...]:
    """Read keys to sort subject by: one text with commas between them, or a text for each. Raise Invalid."""
    if isinstance(order_by, str):
        return _Parser(order_by, subject, "order").order() if order_by.strip() else ()
    return _Parser(", ".join(order_by), subject, "order").order() if order_by else ()


def unparse(filter: Filter) -> str:
    """Write filter as text that `parse` reads back as the same filter."""
    match filter:
        case Everything():
            return ""
        case And(parts):
            return " AND ".join(_enclosed(part, And, Or) for part in parts)
        case Or(parts):
            return " OR ".join(_enclosed(part, Or) for part in parts)
        case Not(IsNull(attribute)):
            return f"{_attribute_text(attribute)} IS NOT NULL"
        case Not(part):
            return f"NOT {_enclosed(part, And, Or)}"
        case IsNull(attribute):
            return f"{_attribute_text(attribute)} IS NULL"
        case Text(text):
            return _quoted(text)
        case Comparison(attribute, operator, value):
            return f"{_attribute_text(attribute)} {operator} {_value_text(value)}"


def unparse_order(order: Iterable[Order]) -> str:
    """Write order as text that `parse_order` reads back as the same order."""
    return ", ".join(f"{_attribute_text(o.attribute)} {'DESC' if o.descending else 'ASC'}" for o in order)


def _enclosed(filter: Filter, *kinds: type) -> str:
    return f"({unparse(filter)})" if isinstance(filter, kinds) else unparse(filter)


def _attribute_text(attribute: Attribute) -> str:
    if not attribute.key:
        return attribute.kind
    plain = _PLAIN_KEY.fullmatch(attribute.key) is not None
    return f"{attribute.kind}.{attribute.key if plain else _quoted(attribute.key, '`')}"


def _value_text(value: Value | tuple[Value, ...]) -> str:
    match value:
        case tuple():
            return f"({', '.join(map(_value_text, value))})"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
    return _quoted(value.isoformat().replace("+00:00", "Z"))


def _quoted(text: str, quote: str = "'") -> str:
    return f"{quote}{text.replace(quote, quote * 2)}{quote}"


class _Parser:
    """Reads one text from left to right, a method for each rule of the grammar."""

    def __init__(self, text: str, subject: Subject, what: Literal["filter", "order"]) -> None:
        self._text, self._subject, self._what = text, subject, what
        self._fields = _FIELDS[subject]
        self._at = 0
        self._depth = 0
        if len(text) > MAX_TEXT:
            self._fail(
                MAX_TEXT, "query_is_small", f"the {what} has {len(text)} characters; {MAX_TEXT} are read"
            )
        self._tokens = self._split()

    def filter(self) -> Filter:
        result = Everything() if self._ended else self._either()
        if not self._ended:
            self._expected("AND or OR", "; a text of several words goes in quotes")
        return result

    def order(self) -> tuple[Order, ...]:
        result: dict[Attribute, Order] = {}
        while True:
            token = self._next
            attribute = self._attribute(self._path())
            if attribute in result:
                self._fail(token.start, "order_key_is_unique", f"{token} is there twice")
            descending = self._keyword("DESC")
            if not descending:
                self._keyword("ASC")
            result[attribute] = Order(attribute, descending)
            if self._ended:
                return tuple(result.values())
            if not self._keyword(","):
                self._expected("ASC, DESC or a comma")

    # The rules, from the loosest.

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._keyword("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Filter:
        parts = [self._negation()]
        while self._keyword("AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Filter:
        start = self._next.start
        if not (negated := self._keyword("NOT")) and not self._keyword("("):
            return self._term()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(start, "query_is_small", f"NOT and parentheses are nested more than {MAX_DEPTH} deep")
        result = Not(self._negation()) if negated else self._either()
        if not negated and not self._keyword(")"):
            self._expected("AND, OR or ')'")
        self._depth -= 1
        return result

    def _term(self) -> Filter:
        token = self._next
        if token.kind == "string":
            self._at += 1
            if not token.text:
                self._fail(token.start, "value_fits", "an empty text is in everything")
            if self._operator():
                self._fail(
                    token.start, "attribute_exists", f"{token} is a text: write an attribute without quotes"
                )
            return Text(token.text)
        if token.kind != "word" or token.upper in _KEYWORDS:
            self._expected("an attribute, a word or '('")
        path = self._path()
        if self._operator():
            return self._comparison(self._attribute(path))
        if len(path) > 1 or self._resolve(token.text):
            self._fail(token.start, "query_parses", f"{token} is an attribute and lacks a comparison")
        return Text(token.text)

    def _comparison(self, attribute: Attribute) -> Filter:
        token = self._next
        operator = self._operator()
        self._at += len(operator.split())
        if operator == "IS":
            negated = self._keyword("NOT")
            if not self._keyword("NULL"):
                self._expected("NULL")
            return Not(IsNull(attribute)) if negated else IsNull(attribute)
        type = self._fields[attribute.kind].type
        if operator not in OPERATORS[type]:
            instead = f"; did you mean {_INSTEAD[operator]!r}?" if operator in _INSTEAD else ""
            allowed = ", ".join(OPERATORS[type])
            message = f"{operator!r} does not compare {_attribute_text(attribute)} ({allowed} do)"
            self._fail(token.start, "operator_fits", message, instead)
        if operator in ("IN", "NOT IN"):
            return _without_none(attribute, operator == "IN", self._list(type))
        value = self._value(type, operator)
        if type == "stage" and operator in ("=", "!="):
            return _without_none(attribute, operator == "=", (value,), listed=False)
        return Comparison(attribute, cast(Operator, operator), value)

    def _list(self, type: Type) -> tuple[Value, ...]:
        start = self._next.start
        if not self._keyword("("):
            self._expected("'('")
        values = [self._value(type, "IN")]
        while self._keyword(",") and self._next.upper != ")":
            values.append(self._value(type, "IN"))
        if not self._keyword(")"):
            self._expected("a comma or ')'")
        if len(values) > MAX_LIST:
            self._fail(
                start, "query_is_small", f"a list of {len(values)} values; at most {MAX_LIST} are read"
            )
        return tuple(values)

    def _value(self, type: Type, operator: str) -> Value:
        token = self._next
        if token.kind not in ("string", "word") or token.upper in _KEYWORDS:
            instead = "; a missing value is found with IS NULL" if token.upper == "NULL" else ""
            self._expected("a value", instead)
        self._at += 1
        if operator in _PATTERNS or type in ("text", "stage"):
            if token.kind == "word":
                self._fail(token.start, "value_is_quoted", f"the text {token} needs quotes around it")
            return token.text.casefold() if type == "stage" else token.text
        value = _READERS[type](token, operator)
        if value is None:
            self._fail(token.start, "value_fits", f"{token} is not {_WANTED[type]}")
        return value

    def _attribute(self, path: Sequence[_Token]) -> Attribute:
        word = path[0].text
        kind = self._resolve(word)
        if kind is None:
            self._unknown(path)
        key = word.partition(".")[2] + "".join(token.text for token in path[1:])
        if not self._fields[kind].keyed:
            return Attribute(kind)
        if not key:
            self._fail(path[0].start, "attribute_exists", f"{word!r} lacks a key", f", as in {kind}.name")
        return Attribute(kind, key)

    def _resolve(self, word: str) -> str | None:
        """Return the name of the field that word names; None if it names none."""
        head, dot, rest = word.partition(".")
        if dot and head in _PREFIXES:
            kind = _NAMES[self._subject].get(rest)
            return None if kind is None or self._fields[kind].keyed else kind
        kind = _NAMES[self._subject].get(head)
        return None if kind is None or (dot and not self._fields[kind].keyed) else kind

    def _path(self) -> list[_Token]:
        """Take the word that stands for an attribute, and the quoted key that touches it."""
        token = self._next
        if token.kind != "word" or token.upper in _KEYWORDS:
            self._expected("an attribute")
        self._at += 1
        key = self._next
        if key.kind not in ("quoted", "string") or key.start != token.end or not token.text.endswith("."):
            return [token]
        self._at += 1
        return [token, key]

    # The text, a token at a time.

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    @property
    def _ended(self) -> bool:
        return self._next.kind == "end"

    def _keyword(self, word: str) -> bool:
        """Take the next token if it is this keyword or mark."""
        taken = self._next.upper == word
        self._at += taken
        return taken

    def _operator(self) -> str:
        """Return the operator that comes next, without taking it; empty if none does."""
        token = self._next
        if token.kind == "operator" or token.upper in ("IN", "LIKE", "ILIKE", "IS"):
            return token.upper
        if token.upper == "NOT" and self._tokens[self._at + 1].upper in ("IN", "LIKE", "ILIKE"):
            return f"NOT {self._tokens[self._at + 1].upper}"
        return ""

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        while not tokens or tokens[-1].kind != "end":
            match = cast(re.Match[str], _TOKEN.match(self._text, tokens[-1].end if tokens else 0))
            kind = cast(str, match.lastgroup)
            text, start = match[kind], match.start(kind)
            if kind == "open":
                self._fail(start, "query_parses", f"the quote {text} is not closed")
            if kind in ("string", "quoted"):
                text = text[1:-1].replace(text[0] * 2, text[0])
            tokens.append(_Token(cast(Kind, kind), text, start, match.end()))
        return tokens

    def _unknown(self, path: Sequence[_Token]) -> NoReturn:
        word = path[0].text
        from difflib import get_close_matches  # only an error needs it

        other: Subject = "models" if self._subject == "versions" else "versions"
        instead = ""
        if word.partition(".")[0] in _NAMES[other]:
            instead = f"; {other} have it, {self._subject} do not"
        elif close := get_close_matches(word, _NAMES[self._subject], 1):
            instead = f"; did you mean {close[0]!r}?"
        hint = f"the attributes of {self._subject} are {', '.join(self._fields)}"
        self._fail(path[0].start, "attribute_exists", f"unknown attribute {_clip(word)!r}", instead, hint)

    def _expected(self, what: str, instead: str = "") -> NoReturn:
        token = self._next
        self._fail(token.start, "query_parses", f"expected {what}, not {token},", instead)

    def _fail(self, at: int, rule: str, message: str, instead: str = "", hint: str = "") -> NoReturn:
        message = f"{message} at character {at + 1}{instead}"
        finding = Finding("", rule, message, line=1, column=at + 1)
        raise Invalid(f"cannot read this {self._what}:\n{_pointed(self._text, at)}", [finding], hint)


def _without_none(
    attribute: Attribute, wanted: bool, values: tuple[Value, ...], listed: bool = True
) -> Filter:
    """Compare attribute with values; to be in stage "None", which MLflow writes, is to be in no stage."""
    stages = tuple(value for value in values if attribute.kind != "stage" or value != "none")
    none = IsNull(attribute)
    if not stages:
        return none if wanted else Not(none)
    if not listed:
        return Comparison(attribute, "=" if wanted else "!=", stages[0])
    comparison = Comparison(attribute, "IN" if wanted else "NOT IN", stages)
    return Or((none, comparison)) if wanted and len(stages) < len(values) else comparison


def _flag(token: _Token, _: str) -> bool | None:
    return {"true": True, "false": False}.get(token.text.casefold())


def _time(token: _Token, _: str) -> datetime | None:
    """Read a quoted date or time, or MLflow's milliseconds since 1970 without quotes."""
    if token.kind == "string":
        return instant(token.text)
    if not (token.text.isascii() and token.text.isdigit()) or len(token.text) > MAX_MILLISECONDS:
        return None
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=int(token.text))


def _scalar(token: _Token, operator: str) -> Value | None:
    """Read a tag's or a parameter's value: what is in quotes is text, unless it is to be put in order."""
    if operator in _ORDERING:
        return number(token.text)
    if token.kind == "string":
        return token.text
    return number(token.text) if operator == "IN" or (flag := _flag(token, operator)) is None else flag


_READERS: Final[Mapping[Type, Callable[[_Token, str], Value | None]]] = {
    "number": lambda token, _: number(token.text),
    "time": _time,
    "flag": _flag,
    "scalar": _scalar,
}
_WANTED: Final[Mapping[Type, str]] = {
    "number": "a number",
    "time": "a date such as '2026-05-01' or '2026-05-01T12:00:00Z'",
    "flag": "true or false",
    "scalar": "a number, and a text needs quotes around it,",
}


def _pointed(text: str, at: int) -> str:
    """Return the part of text around at, indented, with a caret below the character."""
    start = max(0, at - 40)
    lead = "..." if start else ""
    shown = "".join(c if c.isprintable() else " " for c in text[start : start + 76])
    return f"    {lead}{shown}\n    {' ' * (len(lead) + at - start)}^"


def _clip(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
