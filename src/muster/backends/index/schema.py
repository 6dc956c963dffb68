"""The tables of an index.

state                       one row: the commit that the rows are of
versions, models            a row each: what it is sorted by in a tie, when it was created, and what points at it
version_records, ...        its record, apart: rows are looked at by the thousand, records by the page
attributes                  a number for each attribute that any row has
version_facts, model_facts  attribute, value, row: see core/facts.py
version_unfit, model_unfit  rows that have something under an attribute that cannot be kept
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...core.filters import Subject

FORMAT: Final = 2
SINGULAR: Final[Mapping[Subject, str]] = {"versions": "version", "models": "model"}

_ROWS = """
CREATE TABLE {s}s (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, created INTEGER,
    pointed TEXT);
CREATE TABLE {s}_records (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE {s}_facts (row INTEGER NOT NULL, attribute INTEGER NOT NULL, value NOT NULL,
    PRIMARY KEY (row, attribute, value)) WITHOUT ROWID;
CREATE TABLE {s}_unfit (attribute INTEGER NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (attribute, row)) WITHOUT ROWID;
"""
_REST = """
CREATE TABLE state (commit_id TEXT NOT NULL);
CREATE TABLE attributes (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    UNIQUE (subject, kind, key));
"""
_INDEXES = {
    "{s}s_by_name": "UNIQUE INDEX {s}s_by_name ON {s}s (name, version DESC)",
    "{s}s_pointed": "INDEX {s}s_pointed ON {s}s (name, version) WHERE pointed IS NOT NULL",
    "{s}s_from_oldest": "INDEX {s}s_from_oldest ON {s}s (created, name, version DESC) WHERE created IS NOT NULL",
    "{s}s_from_newest": "INDEX {s}s_from_newest ON {s}s (created DESC, name, version DESC) WHERE created IS NOT NULL",
    "{s}s_by_value": "INDEX {s}s_by_value ON {s}_facts (attribute, value, row)",
    "{s}s_unfit_rows": "INDEX {s}s_unfit_rows ON {s}_unfit (row)",
}


def statements(text: str) -> list[str]:
    """Return the statements for versions and those for models."""
    return [part.format(s=s) for s in SINGULAR.values() for part in text.split(";") if part.strip()]


CREATE_TABLES: Final = (*statements(_ROWS), *(part for part in _REST.split(";") if part.strip()))
TABLES: Final = (*statements("{s}s; {s}_records; {s}_facts; {s}_unfit"), "state", "attributes")
CREATE_INDEXES: Final = tuple(f"CREATE {s}" for text in _INDEXES.values() for s in statements(text))
DROP_INDEXES: Final = tuple(f"DROP INDEX IF EXISTS {s}" for name in _INDEXES for s in statements(name))
