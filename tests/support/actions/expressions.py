"""GitHub's expression language: `${{ github.event_name == 'push' && 'a' || 'b' }}`.

Source: docs.github.com "Evaluate expressions in workflows and actions". Kept to GitHub's own implementation by
tests/ci/expressions.json, whose answers are those of the npm package @actions/expressions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Function = Callable[..., Any]
_TOKEN = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-fA-F]+|-?\d+(?:\.\d+)?)|'(?P<text>(?:[^']|'')*)'"
    r"|(?P<mark>\|\||&&|==|!=|<=|>=|[!<>().,\[\]*])|(?P<name>[A-Za-z_][\w-]*))"
)
_EMBEDDED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


class ExpressionError(Exception):
    """The expression is one that GitHub would refuse."""


class _Filtered(list[Any]):
    """What `.*` gives: what follows is asked of each."""


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> Any:
    """Return the value of one expression, without its braces."""
    return _Reading(text, contexts, {**FUNCTIONS, **(functions or {})}).whole()


def expand(value: Any, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> Any:
    """Return value with every `${{ }}` in it evaluated; one that is all of a text keeps its kind."""
    if isinstance(value, dict):
        return {k: expand(v, contexts, functions) for k, v in value.items()}
    if isinstance(value, list):
        return [expand(v, contexts, functions) for v in value]
    if not isinstance(value, str):
        return value
    found = _EMBEDDED.fullmatch(value.strip())
    if found and "${{" not in found[1]:
        return evaluate(found[1], contexts, functions)
    return _EMBEDDED.sub(lambda m: to_text(evaluate(m[1], contexts, functions)), value)


def truthy(value: Any) -> bool:
    """Tell whether GitHub takes value for true: all but null, false, 0, NaN and ''."""
    return not (value is None or value is False or value == "" or (_is_number(value) and not value)) and (
        value == value
    )


def to_text(value: Any) -> str:
    """Return value as GitHub writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "Object"
    if isinstance(value, list):
        return "Array"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    return str(value)


class _Reading:
    """One expression being read, and evaluated as it is read."""

    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> None:
        self.text, self.at = text, 0
        self.contexts = {k.lower(): v for k, v in contexts.items()}
        self.functions = functions
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ExpressionError(f"{text!r} cannot be read from {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def whole(self) -> Any:
        value = self.either()
        if self.at != len(self.tokens):
            raise ExpressionError(f"{self.text!r} goes on after its end")
        return value

    def sees(self, *marks: str) -> str:
        """The mark that comes next, if it is one of these; it is passed."""
        if self.at < len(self.tokens):
            kind, value = self.tokens[self.at]
            if kind == "mark" and value in marks:
                self.at += 1
                return value
        return ""

    def next(self) -> tuple[str, str]:
        if self.at == len(self.tokens):
            raise ExpressionError(f"{self.text!r} ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def demand(self, mark: str) -> None:
        if not self.sees(mark):
            raise ExpressionError(f"{self.text!r} lacks a {mark}")

    def either(self) -> Any:
        value = self.both()
        while self.sees("||"):
            other = self.both()
            value = value if truthy(value) else other
        return value

    def both(self) -> Any:
        value = self.comparison()
        while self.sees("&&"):
            other = self.comparison()
            value = other if truthy(value) else value
        return value

    def comparison(self) -> Any:
        value = self.negation()
        while order := self.sees(*_ORDER):
            value = compare(order, value, self.negation())
        return value

    def negation(self) -> Any:
        return not truthy(self.negation()) if self.sees("!") else self.part()

    def part(self) -> Any:
        if self.sees("("):
            value = self.either()
            self.demand(")")
            return self.tail(value)
        kind, text = self.next()
        if kind == "number":
            return float(int(text, 16)) if text.startswith("0x") else float(text)
        if kind == "text":
            return text.replace("''", "'")
        if kind == "name":
            return self.tail(self.named(text))
        raise ExpressionError(f"{self.text!r} has a {text} where a value must be")

    def named(self, name: str) -> Any:
        low = name.lower()
        if low in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[low]
        if self.sees("("):
            if low not in self.functions:
                raise ExpressionError(f"there is no function {name}")
            return self.functions[low](*self.arguments())
        if low not in self.contexts:
            raise ExpressionError(f"{name} is not known here")
        return self.contexts[low]

    def arguments(self) -> list[Any]:
        found: list[Any] = []
        while not self.sees(")"):
            if found:
                self.demand(",")
            found.append(self.either())
        return found

    def tail(self, value: Any) -> Any:
        while mark := self.sees(".", "["):
            if self.sees("*"):
                value = _Filtered(value.values() if isinstance(value, dict) else value or [])
            else:
                value = _item(value, self.next()[1] if mark == "." else self.either())
            if mark == "[":
                self.demand("]")
        return value


def compare(order: str, a: Any, b: Any) -> bool:
    """Compare as GitHub does: texts without regard to case, values of two kinds as numbers."""
    if isinstance(a, str) and isinstance(b, str):
        a, b = a.upper(), b.upper()
    elif isinstance(a, (dict, list)) or isinstance(b, (dict, list)):
        return (a is b) is (order == "==")
    elif type(a) is not type(b):
        a, b = _number(a), _number(b)
    elif a is None:
        a = b = 0.0
    return _ORDER[order](a, b)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0.0
    try:
        return float(int(value, 16)) if isinstance(value, str) and value.startswith("0x") else float(value)
    except ValueError:
        return math.nan


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, _Filtered):
        return _Filtered(found for v in value if (found := _item(v, key)) is not None)
    if isinstance(value, list):
        return value[int(key)] if _is_number(key) and 0 <= key < len(value) else None
    if isinstance(value, dict):
        return next((v for k, v in value.items() if str(k).lower() == to_text(key).lower()), None)
    return None


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(compare("==", item, what) for item in where)
    return to_text(what).lower() in to_text(where).lower()


def _format(pattern: str, *values: Any) -> str:
    marks = {"{{": "{", "}}": "}"}
    return re.sub(
        r"\{\{|\}\}|\{(\d+)\}",
        lambda m: marks[m[0]] if m[1] is None else to_text(values[int(m[1])]),
        pattern,
    )


def _plain(value: Any) -> Any:
    """Numbers without a fraction as JSON writes them."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


FUNCTIONS: Mapping[str, Function] = {
    "contains": _contains,
    "startswith": lambda text, start: to_text(text).lower().startswith(to_text(start).lower()),
    "endswith": lambda text, end: to_text(text).lower().endswith(to_text(end).lower()),
    "format": _format,
    "join": lambda v, by=",": by.join(map(to_text, v)) if isinstance(v, list) else to_text(v),
    "tojson": lambda value: json.dumps(_plain(value), indent=2),
    "fromjson": lambda text: json.loads(text),
}
