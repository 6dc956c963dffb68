"""`Commits`: which commits of one line of history, each the first parent of the next, touched which places.

commits     number, id: the newer, the higher; numbers have gaps
places      a number for each path that was recorded
touched     place, number of the commit

Nothing in it is ever changed, as a commit's past cannot: newer commits are put on top, and those of a history that
was replaced are taken away. So it answers for each commit that it has as for the newest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from .connection import Database

FORMAT: Final = 1
_ROOM = (
    1 << 32
)  # commits that can be put on top at once: they come from the newest, and nobody has counted them
_TABLES = (
    "CREATE TABLE commits (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE)",
    "CREATE TABLE places (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE)",  # as git has it: perhaps no UTF-8
    "CREATE TABLE touched (place INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (place, number)) WITHOUT ROWID",
)
_PLACE = "SELECT id FROM places WHERE path = ?"
_TOUCHING = """
SELECT id FROM commits WHERE number IN (
    SELECT number FROM touched WHERE number <= ? AND place IN (SELECT value FROM json_each(?))
) ORDER BY number DESC
"""


class Commits(Database):
    """A line of commits, in the file at path."""

    statements = _TABLES

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._places: dict[str, int] = {}

    def _begun(self) -> None:
        self._places.clear()

    def number(self, commit: str) -> int | None:
        """Return the number of a commit; None if it is not on the line."""
        found = self._run("SELECT number FROM commits WHERE id = ?", (bytes.fromhex(commit),)).fetchone()
        return None if found is None else int(found[0])

    def newest(self) -> int:
        """Return the highest number; 0 if there is none."""
        return int(self._run("SELECT coalesce(max(number), 0) FROM commits").fetchone()[0])

    def touching(self, places: Sequence[str], number: int) -> list[str]:
        """Return the commits up to a number that touched any of these places, the newest first."""
        known = [self._run(_PLACE, (_bytes(path),)).fetchone() for path in places]
        ids = json.dumps([found[0] for found in known if found is not None])
        return [found[0].hex() for found in self._run(_TOUCHING, (number, ids))]

    def put_on_top(self, line: Iterable[tuple[str, Iterable[str]]]) -> int:
        """Make a line, given from its newest commit with what each touched, the one that this is; return its number.

        It is read until it comes to a commit that is here. What is newer than that one is taken away.
        """
        self._use_memory()
        old = self.newest()
        top = number = old + _ROOM
        for commit, places in line:
            if (known := self.number(commit)) is not None:
                self._drop(known, old)
                break
            self._run("INSERT INTO commits VALUES (?, ?)", (number, bytes.fromhex(commit)))
            touched = [(self._place(path), number) for path in dict.fromkeys(places)]
            self._run_many("INSERT INTO touched VALUES (?, ?)", touched)
            number -= 1
        else:
            self._drop(0, old)
        return top

    def _drop(self, after: int, last: int) -> None:
        if after < last:
            for table in ("commits", "touched"):
                self._run(f"DELETE FROM {table} WHERE number > ? AND number <= ?", (after, last))  # noqa: S608

    def _place(self, path: str) -> int:
        """The number of a place, given when it is first needed."""
        if path not in self._places:
            key = (_bytes(path),)
            self._run("INSERT OR IGNORE INTO places (path) VALUES (?)", key)
            self._places[path] = self._run(_PLACE, key).fetchone()[0]
        return self._places[path]


def _bytes(path: str) -> bytes:
    return path.encode(errors="surrogateescape")
