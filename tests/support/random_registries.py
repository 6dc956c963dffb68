"""Random registries as dicts of files, and random questions about them in the words that they hold, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from muster.core import manifest, names
from muster.core.facts import FIELDS
from muster.core.filters import (
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
)
from muster.core.query import OPERATORS

Files = Mapping[str, bytes]
MODELS = ["bikes", "Bikes", "ÄPFEL", "a%_"]
WORDS = [
    "a",
    "A",
    "ß",
    "SS",
    "ab",
    "1",
    "01",
    "1.0",
    "true",
    "TRUE",
    "a%",
    "_",
    "x\0y",
    "\U0001f6b2",
    "it's",
    '"; DROP',
]
KEYS = ["a", "A", "a.b", "' OR 1=1 --", "\0"]
NUMBERS = [0, 1, -1, 2, 0.5, -0.0, 1.0, 1e300, 2**53, 2**53 + 1, 2**63 - 1, -(2**63) + 1]
DAYS = [f"2026-05-0{day}T00:00:00Z" for day in range(1, 4)]
TIMES = [datetime(2026, 5, 1, tzinfo=timezone.utc) + timedelta(hours=12 * n) for n in range(6)]
BROKEN = b"{not: [yaml"
words, keys, numbers = st.sampled_from(WORDS), st.sampled_from(KEYS), st.sampled_from(NUMBERS)
scalars = words | numbers | st.booleans()


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(keys, values, max_size=2)


@st.composite
def manifests(draw: st.DrawFn, model: str, number: int) -> bytes:
    if draw(st.integers(0, 19)) == 0:
        return draw(st.sampled_from([BROKEN, b"schema: 99\n", b"- 1\n", b"model: x\n"]))
    artifact = {"path": ".", "format": draw(words), "size": draw(st.integers(0, 2)), "digest": draw(words)}
    artifact |= {"files": [], "flavors": draw(st.lists(words, max_size=2))}
    lineage: dict[str, Any] = {"source": draw(words)}
    if draw(st.booleans()):
        lineage["run"] = {"run_id": draw(words), "experiment": draw(words)}
        lineage["data"] = [{"name": draw(words), "uri": draw(words)}]
        lineage["parents"] = [{"model": draw(words), "version": 1}]
        lineage["code"] = {"commit": draw(words)}
    document = {
        "model": draw(st.sampled_from([model, "formerly"])),
        "version": number,
        "created_at": draw(st.sampled_from([*DAYS, "never"])),
        "created_by": draw(words),
        "artifacts": [artifact] * draw(st.integers(1, 2)),
        "metrics": draw(some(numbers)),
        "params": draw(some(scalars)),
        "lineage": lineage,
    }
    if draw(st.booleans()):
        document["label"] = draw(words)
    return manifest.dump(document)


@st.composite
def models(draw: st.DrawFn, model: str) -> dict[str, bytes]:
    """The files of one model, some of them broken."""
    cards = st.fixed_dictionaries(
        {"name": st.just(model)},
        optional={
            "description": words,
            "owners": st.lists(words, max_size=2),
            "tags": some(words),
            "renamed_to": st.just("another"),
        },
    )
    files = {names.path("model", model): manifest.dump(draw(cards))}
    if draw(st.integers(0, 9)) == 0:
        files[names.path("model", model)] = BROKEN
    for number in draw(st.sets(st.integers(1, 4))):
        files[names.path("version", model, number)] = draw(manifests(model, number))
        if draw(st.booleans()):
            said: dict[str, Any] = {"description": draw(words | st.just("")), "tags": draw(some(words))}
            yanked = {"yanked": {"reason": "bad"}} if draw(st.booleans()) else {}
            broken = draw(st.integers(0, 9)) == 0
            path = names.path("annotations", model, number)
            files[path] = BROKEN if broken else manifest.dump(said | yanked)
    for alias in draw(st.sets(st.sampled_from(["champion", "Blue", "ß"]))):
        files[names.path("alias", model, alias)] = manifest.dump({"version": draw(st.integers(1, 4))})
    for stage in draw(st.sets(st.sampled_from(["production", "Staging"]))):
        held = draw(st.lists(st.integers(1, 4), max_size=2, unique=True))
        files[names.path("stage", model, stage)] = manifest.dump({"versions": held})
    if draw(st.integers(0, 9)) == 0:
        files[names.path("alias", model, "broken")] = BROKEN
    if draw(st.booleans()):
        files[names.path("tombstone", model, 5)] = manifest.dump({"by": "Ann", "at": DAYS[0], "reason": "x"})
    return files


@st.composite
def registries(draw: st.DrawFn) -> Files:
    """The files of a few models, with some that belong to no model."""
    files = {"registry.yaml": b"schema: 1\nname: any\n", "models/README": b"hello\n"}
    for model in draw(st.sets(st.sampled_from(MODELS))):
        files |= draw(models(model))
    return files


def values(kind: str, field: Field[Any]) -> st.SearchStrategy[Any]:
    """What an attribute can be compared with by `=`."""
    match field.type:
        case "number":
            return numbers
        case "time":
            return st.sampled_from(TIMES)
        case "flag":
            return st.booleans()
        case "scalar":
            return words | numbers | st.booleans()
        case "stage":
            return st.sampled_from(["production", "staging", "ß", "x"])
    given = {
        "name": [*MODELS, "bik"],
        "alias": ["champion", "Blue", "blue"],
        "parent": ["a/1", "ß/1"],
    }
    return st.sampled_from(given[kind]) if kind in given else words


def attributes(subject: Subject) -> st.SearchStrategy[Attribute]:
    fields = FIELDS[subject]
    kinds = st.sampled_from(sorted(fields))
    return kinds.flatmap(
        lambda k: keys.map(lambda key: Attribute(k, key)) if fields[k].keyed else st.just(Attribute(k))
    )


@st.composite
def comparisons(draw: st.DrawFn, subject: Subject) -> Filter:
    attribute = draw(attributes(subject))
    field = FIELDS[subject][attribute.kind]
    operator: Any = draw(st.sampled_from([*OPERATORS[field.type], "IS NULL"]))
    if operator == "IS NULL":
        return IsNull(attribute)
    if "LIKE" in operator:
        pattern = draw(words | st.sampled_from(["%", "_", "%A%", "b%", "%s"]))
        return Comparison(attribute, operator, pattern.casefold() if field.type == "stage" else pattern)
    value = values(attribute.kind, field)
    if operator in ("IN", "NOT IN"):
        listed = value.filter(lambda v: not isinstance(v, bool))
        return Comparison(attribute, operator, tuple(draw(st.lists(listed, min_size=1, max_size=3))))
    if field.type == "scalar" and operator in ("<", "<=", ">", ">="):
        value = numbers
    return Comparison(attribute, operator, draw(value))


def filters(subject: Subject) -> st.SearchStrategy[Filter]:
    def grown(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        return parts.map(Not) | several.map(And) | several.map(Or)

    leaves = comparisons(subject) | st.sampled_from(["a", "SS", "ik", "\0"]).map(Text)
    return st.recursive(leaves, grown, max_leaves=4)


def orders(subject: Subject) -> st.SearchStrategy[tuple[Order, ...]]:
    keyed: Callable[[Order], Attribute] = lambda order: order.attribute  # noqa: E731
    one = st.builds(Order, attributes(subject), st.booleans())
    return st.lists(one, max_size=3, unique_by=keyed).map(tuple)
