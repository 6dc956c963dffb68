"""`Index`: the rows of one registry, to change and to search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import Unavailable
from ...core.facts import CREATED, NAME, VERSION, asked, facts_of, kept_as
from ...core.filters import And, Attribute, Filter, Subject
from ...core.models import ModelVersion, RegisteredModel
from ...core.paging import Place, Search
from . import schema
from .asking import FEW, FUNCTIONS, Question
from .connection import Database

_COLUMNS = (NAME, VERSION)  # what rows have as columns is no fact


class Index(Database):
    """The rows of one commit, in the file at path."""

    statements = (*schema.CREATE_TABLES, *schema.CREATE_INDEXES)
    functions = FUNCTIONS

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._numbers: dict[tuple[Subject, Attribute], int] = {}

    def _begun(self) -> None:
        self._numbers.clear()  # another process may have made the index anew

    def commit(self) -> str | None:
        """Return the commit that the rows are of; None if there are none yet."""
        found = self._run("SELECT commit_id FROM state").fetchone()
        return None if found is None else str(found[0])

    def set_commit(self, commit: str) -> None:
        """Say which commit the rows are of now."""
        self._run("DELETE FROM state")
        self._run("INSERT INTO state VALUES (?)", (commit,))

    # Changing it

    def clear(self) -> None:
        """Take everything away, to be filled again; `filled` ends that."""
        self._use_memory()
        for statement in (*schema.DROP_INDEXES, *(f"DELETE FROM {table}" for table in schema.TABLES)):  # noqa: S608
            self._run(statement)
        self._numbers.clear()

    def filled(self) -> None:
        """Make what finds rows quickly, which is quicker once they are all there."""
        for statement in schema.CREATE_INDEXES:
            self._run(statement)

    def put(
        self,
        row: ModelVersion | RegisteredModel,
        number: int,
        record: Mapping[str, Any],
        pointed: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a row: a version of that number, or a model (number 0). `pointed` is what `pointers` returns of it."""
        subject: Subject = "versions" if isinstance(row, ModelVersion) else "models"
        name = row.model if isinstance(row, ModelVersion) else row.name
        table = schema.SINGULAR[subject]
        found = facts_of(row)
        (created,) = found.forms.get(CREATED, (None,))
        values = (name, number, created, json.dumps(pointed) if pointed else None)
        insert = f"INSERT INTO {table}s (name, version, created, pointed) VALUES (?, ?, ?, ?)"  # noqa: S608
        id = self._run(insert, values).lastrowid
        self._run(f"INSERT INTO {table}_records VALUES (?, ?)", (id, json.dumps(record)))  # noqa: S608
        facts = [
            (id, self._number(subject, attribute), form)
            for attribute, forms in found.forms.items()
            if attribute not in _COLUMNS
            for form in forms
        ]
        self._run_many(f"INSERT OR IGNORE INTO {table}_facts VALUES (?, ?, ?)", facts)  # noqa: S608
        unfit = {self._number(subject, attribute) for attribute in found.unfit}
        if isinstance(row, ModelVersion) and row.version != number:
            unfit.add(self._number(subject, VERSION))
        self._run_many(f"INSERT INTO {table}_unfit VALUES (?, ?)", [(n, id) for n in unfit])  # noqa: S608

    def drop(self, subject: Subject, name: str, number: int | None = None) -> None:
        """Take a row away: a version of that number or a model (0); None takes all of the name. Nothing if not there."""
        table = schema.SINGULAR[subject]
        which = "name = ?1" if number is None else "name = ?1 AND version = ?2"
        values = (name,) if number is None else (name, number)
        ids = self._run(f"SELECT id FROM {table}s WHERE {which}", values).fetchall()  # noqa: S608
        self._run_many(f"DELETE FROM {table}_facts WHERE row = ?", ids)  # noqa: S608
        self._run_many(f"DELETE FROM {table}_unfit WHERE row = ?", ids)  # noqa: S608
        self._run_many(f"DELETE FROM {table}_records WHERE id = ?", ids)  # noqa: S608
        self._run_many(f"DELETE FROM {table}s WHERE id = ?", ids)  # noqa: S608

    def pointers(self, name: str) -> dict[int, Any]:
        """Return what was given as `pointed`, by number, of the versions of a model that had any."""
        found = self._run(
            "SELECT version, pointed FROM versions WHERE name = ? AND pointed IS NOT NULL", (name,)
        )
        return {number: json.loads(text) for number, text in found}

    # Asking it

    def has(self, subject: Subject, name: str) -> bool:
        """Tell whether there is a model of that name, or a version of one."""
        table = f"{schema.SINGULAR[subject]}s"
        found = self._run(f"SELECT 1 FROM {table} WHERE name = ? LIMIT 1", (name,))  # noqa: S608
        return found.fetchone() is not None

    def search(
        self, search: Search, after: Place | None = None, most: int | None = None
    ) -> list[tuple[str, int, Any]]:
        """Return name, number and record of the rows that answer, in order; those after a place, at most so many.

        Unavailable if it depends on something that cannot be kept.
        """
        with self._failures():
            try:
                found = self._found(search, after, most)
            except ValueError as error:
                raise Unavailable(f"the index has no answer to this: {error}") from error
            table = f"{schema.SINGULAR[search.subject]}_records"
            get = f"SELECT record FROM {table} WHERE id = ?"  # noqa: S608
            return [
                (name, version, json.loads(self._run(get, (id,)).fetchone()[0]))
                for id, name, version, *_ in found
            ]

    def _found(self, search: Search, after: Place | None, most: int | None) -> list[tuple[Any, ...]]:
        """The rows that answer: id, name, version. By what few rows satisfy; else in order, while there are enough."""
        known = self._known(search)
        first = self._first(search, known)
        question = Question(search.subject, known)
        if first is None and most is not None and question.walk(search, after):
            found = self._run(question.select(search, after, most), question.parameters).fetchall()
            if len(found) == most:
                return found
        question = Question(search.subject, known)
        return self._run(question.select(search, after, most, first), question.parameters).fetchall()

    def _first(self, search: Search, known: Mapping[Attribute, int]) -> Filter | None:
        """The part of a condition that the fewest rows satisfy, if those are few."""
        parts = search.condition.parts if isinstance(search.condition, And) else (search.condition,)
        counts: dict[int, Filter] = {}
        for part in parts:
            question = Question(search.subject, known)
            if (sql := question.few(part)) is not None:
                counts.setdefault(self._run(sql, question.parameters).fetchone()[0], part)
        least = min(counts, default=FEW)
        return counts[least] if least < FEW else None

    def _known(self, search: Search) -> dict[Attribute, int]:
        """The numbers of what is asked for, where any row has it; Unavailable if it is unfit for some row."""
        known: dict[Attribute, int] = {}
        subject, attributes = search.subject, asked(search.condition, search.order)
        for attribute in {kept_as(a, subject) for a in attributes if a != VERSION or subject == "versions"}:
            try:
                attribute.key.encode()
            except UnicodeEncodeError:  # no row that was kept has such a key
                continue
            which = (subject, attribute.kind, attribute.key)
            found = self._run(
                "SELECT id FROM attributes WHERE subject = ? AND kind = ? AND key = ?", which
            ).fetchone()
            if found is None:
                continue
            known[attribute] = found[0]
            table = f"{schema.SINGULAR[subject]}_unfit"
            if self._run(f"SELECT 1 FROM {table} WHERE attribute = ? LIMIT 1", found).fetchone():  # noqa: S608
                raise Unavailable(f"{attribute.kind} has values that the index cannot hold")
        return known

    def _number(self, subject: Subject, attribute: Attribute) -> int:
        """The number of an attribute, given when it is first needed."""
        if (subject, attribute) not in self._numbers:
            which = (subject, attribute.kind, attribute.key)
            self._run("INSERT OR IGNORE INTO attributes (subject, kind, key) VALUES (?, ?, ?)", which)
            found = self._run(
                "SELECT id FROM attributes WHERE subject = ? AND kind = ? AND key = ?", which
            ).fetchone()
            self._numbers[subject, attribute] = found[0]
        return self._numbers[subject, attribute]
