"""`Database`: one SQLite file, open. Whoever writes holds SQLite's one write lock; readers see whole states."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from ...core.errors import Unavailable
from .files import in_use, remove

_BUSY_SECONDS = 5.0
_CACHE_KIB = 64 << 10  # of pages while it is filled
_SETTINGS = (
    "journal_size_limit = 16777216",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "trusted_schema = OFF",
    "temp_store = MEMORY",
)


class Database:
    """The file at path; opened when first used, and safe to share between threads.

    Everything raises Unavailable where the file cannot be used. One that is damaged is removed, so that the next use
    makes another. A subclass says what makes the tables, `statements`, and which `functions` its SQL calls.
    """

    statements: ClassVar[Sequence[str]]
    functions: ClassVar[Mapping[str, Callable[[Any, Any], Any]]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock, self._owner = threading.RLock(), os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._open = ExitStack()
        self._inherited: object = None  # from the process that this one was forked from

    def close(self) -> None:
        """Let go of the file. The next use opens it again."""
        with self._lock:
            if self._owner == os.getpid():
                self._connection = None
                self._open.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the file, whoever writes meanwhile."""
        with self._transaction("BEGIN"):
            yield
            self._run("ROLLBACK")

    @contextmanager
    def writing(self, keep: bool = True) -> Iterator[None]:
        """Change the file, alone; what was changed is forgotten unless keep, or if something goes wrong."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield
            self._run("COMMIT" if keep else "ROLLBACK")

    def _begun(self) -> None:
        """A transaction begins: what was remembered of the file may be of another state."""

    def _use_memory(self) -> None:
        """Keep more of the file in memory from here on, as what fills it wants."""
        self._run(f"PRAGMA cache_size = -{_CACHE_KIB}")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if self._owner != os.getpid():  # a connection must not be used by two processes, not even to close it
            self._inherited = self._connection, self._open
            self._lock, self._owner, self._open = threading.RLock(), os.getpid(), ExitStack()
            self._connection = None
        with self._lock, self._failures():
            if self._connection is None:
                self._connection = self._opened()
            self._begun()
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
        for name, function in self.functions.items():
            connection.create_function(name, 2, function, deterministic=True)
        if _is_new(connection):
            connection.execute("BEGIN IMMEDIATE")
            if _is_new(connection):  # nobody else was quicker
                for statement in self.statements:
                    connection.execute(statement)
                connection.execute("PRAGMA user_version = 1")
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
