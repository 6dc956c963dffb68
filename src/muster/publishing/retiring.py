"""Objects of an index that no root names any more: since when, and which may go.

Readers hold an old root for as long as one read takes, caches for as long as they were told to, and both must find
what it names. So an object stays for a while, and `publisher.json` beside the root says since when it is not named:

    {"people": "<commit>", "retired": {"<digest>": {"at": "<time>", "model": "<name>"}}}

`people` is the commit of which the files for people are. `model` is whose object it was, "" of a shard and the top:
there one can look whether it is named again. null means that a full publication found it, named by nothing that was
known; only another full one knows whether it still is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..core import published
from ..core.errors import Integrity
from ..core.published import Root
from . import editions

RECORD = "publisher.json"


@dataclass(frozen=True, slots=True)
class Retired:
    """An object that a root named until `at`, and whose it was."""

    at: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What a publisher tells the next one."""

    people: str = ""
    retired: Mapping[str, Retired] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return it as it is kept."""
        retired = {digest: {"at": r.at, "model": r.model} for digest, r in self.retired.items()}
        return published.canonical({"people": self.people, "retired": retired}) + b"\n"


def read_record(data: bytes | None) -> Record:
    """Read what the last publisher left; nothing, where that is nothing that can be read."""
    try:
        document = json.loads(data or b"")
        retired = {
            published.checked(digest): Retired(_time(kept["at"]), kept["model"])
            for digest, kept in document["retired"].items()
        }
        return Record(str(document["people"]), retired)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Integrity):
        return Record()


def retire(record: Record, dropped: Mapping[str, str], now: str) -> Record:
    """Return the record once these objects, each with whose it was, are no longer named."""
    return Record(record.people, {**record.retired, **{d: Retired(now, m) for d, m in dropped.items()}})


def sweep(record: Record, there: Iterable[str], named: Collection[str], now: str) -> Record:
    """Return the record once all objects that are there are known, and all that are named."""
    found = {digest: Retired(now, None) for digest in there if digest not in named}
    kept = {digest: retired for digest, retired in record.retired.items() if digest in found}
    return Record(record.people, {**found, **kept})


def expired(
    record: Record, root: Root, fetch: editions.Fetch, keep: timedelta, now: str, swept: bool
) -> tuple[Record, tuple[str, ...]]:
    """Return the objects that may go, and the record without them and without what is named again."""
    old = {d: r for d, r in record.retired.items() if _moment(now) - _moment(r.at) >= keep}
    judged = {d: r for d, r in old.items() if swept or r.model is not None}
    named = set() if swept else _named(root, {r.model for r in judged.values() if r.model}, fetch)
    left = {digest: retired for digest, retired in record.retired.items() if digest not in judged}
    return Record(record.people, left), tuple(sorted(judged.keys() - named))


def _named(root: Root, models: Collection[str], fetch: editions.Fetch) -> set[str]:
    """What the root names of its own and of these models."""
    named = {root.top, *root.shards}
    for model in models:
        entry: Any = fetch(root.shard_of(model))["models"].get(model)
        if entry is not None:
            named |= {entry["rest"], *fetch(entry["rest"])["pages"].values()}
    return named


def _time(text: Any) -> str:
    _moment(text)
    return str(text)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
