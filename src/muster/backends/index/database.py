"""`Index`: one registry's index, open. Whoever writes holds SQLite's one write lock; readers see whole commits."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ...core.errors import Unavailable
from ...core.facts import NAME, VERSION, asked, facts_of, kept_as
from ...core.filters import And, Attribute, Filter, Subject
from ...core.models import ModelVersion, RegisteredModel
from ...core.paging import Place, Search
from . import schema
from .asking import FEW, FUNCTIONS, Question
from .files import in_use, remove

_BUSY_SECONDS = 5.0
_COLUMNS = (NAME, VERSION)  # what rows have as columns is no fact
_CACHE_KIB = 64 << 10  # of pages while it is filled
_SETTINGS = (
    "journal_size_limit = 16777216",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
)


class Index:
    """The rows of one commit, in the file at path; opened when first used, and safe to share between threads.

    Everything raises Unavailable where the file cannot be used. One that is damaged is removed, so that the next use
    makes another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock, self._owner = threading.RLock(), os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._open = ExitStack()
        self._inherited: object = None  # from the process that this one was forked from
        self._numbers: dict[tuple[Subject, Attribute], int] = {}

    def close(self) -> None:
        """Let go of the file. The next use opens it again."""
        with self._lock:
            if self._owner == os.getpid():
                self._connection = None
                self._open.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the index, whoever writes meanwhile."""
        with self._transaction("BEGIN"):
            yield
            self._run("ROLLBACK")

    @contextmanager
    def writing(self, keep: bool = True) -> Iterator[None]:
        """Change the index, alone; what was changed is forgotten unless keep, or if something goes wrong."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield
            self._run("COMMIT" if keep else "ROLLBACK")

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
        self._run(f"PRAGMA cache_size = -{_CACHE_KIB}")
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
        values = (name, number, json.dumps(pointed) if pointed else None, json.dumps(record))
        insert = f"INSERT INTO {table}s (name, version, pointed, record) VALUES (?, ?, ?, ?)"  # noqa: S608
        id = self._run(insert, values).lastrowid
        found = facts_of(row)
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
            table = f"{schema.SINGULAR[search.subject]}s"
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

    # The connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if self._owner != os.getpid():  # a connection must not be used by two processes, not even to close it
            self._inherited = self._connection, self._open
            self._lock, self._owner, self._open = threading.RLock(), os.getpid(), ExitStack()
            self._connection = None
        with self._lock, self._failures():
            if self._connection is None:
                self._connection = self._opened()
            self._numbers.clear()  # another process may have made the index anew
            self._run(begin)
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):
                    self._run("ROLLBACK")
                raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn SQLite's errors into Unavailable; a damaged file is removed."""
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            if (
                type(error) is sqlite3.DatabaseError
            ):  # not one of its kinds: the file is malformed, or no database
                self.close()
                remove(self.path)
            raise Unavailable(f"{self.path} cannot be used: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        """Open the file, made with its tables if it is new."""
        with ExitStack() as opened:
            opened.enter_context(in_use(self.path))
            connection = self._connected(opened)
            self._open = opened.pop_all()
        return connection

    def _connected(self, opened: ExitStack) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        opened.callback(connection.close)
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        for name, function in FUNCTIONS.items():
            connection.create_function(name, 2, function, deterministic=True)
        if _is_new(connection):
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection):  # nobody else was quicker
                for statement in (*schema.CREATE_TABLES, *schema.CREATE_INDEXES):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {schema.FORMAT}")
            connection.execute("COMMIT")
        return connection

    def _run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        assert self._connection is not None  # noqa: S101  (every caller is inside a transaction)
        return self._connection.execute(sql, values)

    def _run_many(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        assert self._connection is not None  # noqa: S101
        self._connection.executemany(sql, values)


def _is_new(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == 0)
