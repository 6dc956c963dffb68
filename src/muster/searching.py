"""Searches: from the index where it answers, else from every row of the registry. Both ways give one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .backends.artifacts.progress import Progress, silent
from .core import names, records
from .core.filters import Attribute, Comparison, Row, matches, sorted_rows
from .core.models import ModelVersion, RegisteredModel
from .core.paging import Page, Place, Search
from .core.snapshot import Snapshot
from .indexing import Indexing
from .sources import Source

if TYPE_CHECKING:
    from .backends.index.database import Index

FEW = 200  # versions of one model: reading so many takes no longer than asking the index


class Searching:
    """What a registry finds at a commit, or at its head where that is "". `progress` is told of an index being made."""

    def __init__(
        self, source: Source, commit: str, index: Indexing | None = None, progress: Progress = silent
    ) -> None:
        self._source, self._commit, self._index, self._progress = source, commit, index, progress

    def versions(
        self, filter: str, order_by: Sequence[str] | str, most: int | None, token: str
    ) -> Page[ModelVersion]:
        """Return a page of versions."""

        def made(name: str, number: int, record: records.Record) -> ModelVersion:
            return records.version_from(record, name, number, commit)

        search = Search.parse("versions", filter, order_by)
        commit = self._at()
        return self._page(search, commit, _all_versions, made, most, token)

    def models(
        self, filter: str, order_by: Sequence[str] | str, most: int | None, token: str
    ) -> Page[RegisteredModel]:
        """Return a page of models."""

        def made(name: str, _: int, record: records.Record) -> RegisteredModel:
            return records.model_from(record, name)

        search = Search.parse("models", filter, order_by)
        return self._page(search, self._at(), _all_models, made, most, token)

    def versions_of(self, snapshot: Snapshot, model: str) -> list[ModelVersion]:
        """Return every version of a model, the newest first."""
        numbers = snapshot.versions(model)
        search = Search("versions", Comparison(Attribute("name"), "=", model), ())
        commit = snapshot.commit
        found = None
        if len(numbers) > FEW and commit is not None:
            found = self._ask(search, commit, make=False)
        if found is None:
            snapshot.expect(names.path("model", model).rpartition("/")[0])
            return [snapshot.listed_version(model, number) for number in reversed(numbers)]
        return [records.version_from(record, name, n, commit) for name, n, record in found]

    def _at(self) -> str | None:
        return self._commit or self._source.head()

    def _page(
        self,
        search: Search,
        commit: str | None,
        every: Callable[[Snapshot], Iterator[Row]],
        made: Callable[[str, int, records.Record], Row],
        most: int | None,
        token: str,
    ) -> Page[Row]:
        """A page, from the index or from every row."""
        after = search.place_in(token) if token else None
        wanted = None if most is None else most + 1  # one more tells whether another page follows
        make = (
            search.subject == "versions"
        )  # to read all models is quicker than to make an index of all versions
        found = None if commit is None else self._ask(search, commit, after, wanted, make)
        if found is not None:
            rows = [made(*row) for row in found]
        else:
            snapshot = self._source.snapshot(commit)
            snapshot.expect(names.MODELS)
            rows = _directly(search, every(snapshot), after, wanted)
        if most is None or len(rows) <= most:
            return Page(tuple(rows), None, commit)
        return Page(tuple(rows[:most]), search.token(search.place(rows[most - 1])), commit)

    def _ask(
        self,
        search: Search,
        commit: str,
        after: Place | None = None,
        most: int | None = None,
        make: bool = True,
    ) -> list[tuple[str, int, Any]] | None:
        def question(index: Index) -> list[tuple[str, int, Any]]:
            return index.search(search, after, most)

        if self._index is None:
            return None
        return self._index.answer(commit, question, keep=not self._commit, make=make, progress=self._progress)


def _directly(search: Search, every: Iterator[Row], after: Place | None, most: int | None) -> list[Row]:
    rows = sorted_rows((row for row in every if matches(search.condition, row)), search.order)
    if after is not None:
        rows = [row for row in rows if search.follows(row, after)]
    return rows[:most]


def _all_versions(snapshot: Snapshot) -> Iterator[ModelVersion]:
    return (snapshot.listed_version(m, n) for m in snapshot.models() for n in snapshot.versions(m))


def _all_models(snapshot: Snapshot) -> Iterator[RegisteredModel]:
    return (snapshot.listed_model(name) for name in snapshot.models())
