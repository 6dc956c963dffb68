"""The index: it never changes an answer, whatever is asked, and however it came to the commit that it is of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from muster import indexing
from muster.backends.index.database import Index
from muster.core import records
from muster.core.filters import Subject, matches, sorted_rows
from muster.core.paging import Search
from muster.core.snapshot import Snapshot
from support.random_registries import Files, filters, orders, registries

COMMIT = "c" * 40


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    opened = Index(tmp_path_factory.mktemp("index") / "registry.sqlite")
    yield opened
    opened.close()


def fill(index: Index, files: Files) -> Snapshot:
    snapshot = Snapshot(COMMIT, files)
    index.clear()
    for model in snapshot.models():
        indexing.add(index, snapshot, model)
    index.filled()
    return snapshot


def rows(snapshot: Snapshot, subject: Subject) -> list[Any]:
    if subject == "models":
        return [snapshot.listed_model(name) for name in snapshot.models()]
    return [snapshot.listed_version(m, n) for m in snapshot.models() for n in snapshot.versions(m)]


def expected(snapshot: Snapshot, search: Search) -> list[Any]:
    found = (row for row in rows(snapshot, search.subject) if matches(search.condition, row))
    return sorted_rows(found, search.order)


def answered(index: Index, search: Search, *page: Any) -> list[Any]:
    found = index.search(search, *page)
    if search.subject == "models":
        return [records.model_from(record, name) for name, _, record in found]
    return [records.version_from(record, name, number, COMMIT) for name, number, record in found]


def ask_anything(index: Index, snapshot: Snapshot, data: st.DataObject) -> None:
    for subject in ("versions", "models"):
        for _ in range(4):
            search = Search(subject, data.draw(filters(subject)), data.draw(orders(subject)))
            assert answered(index, search) == expected(snapshot, search)
            most = data.draw(st.integers(1, 3))
            assert pages(index, search, most) == expected(snapshot, search)


def pages(index: Index, search: Search, most: int) -> list[Any]:
    """All that is found, a page at a time, each from the token of the last."""
    found: list[Any] = []
    while page := answered(
        index, search, search.place_in(token) if (token := _token(search, found)) else None, most
    ):
        found += page
    return found


def _token(search: Search, found: list[Any]) -> str:
    return search.token(search.place(found[-1])) if found else ""


def answers_as_the_rows_do(index: Index, files: Files, data: st.DataObject) -> None:
    with index.writing(keep=False):
        ask_anything(index, fill(index, files), data)


def answers_once_it_was_moved(index: Index, before: Files, changes: Files, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(before))))
    after = {p: d for p, d in {**before, **changes}.items() if p not in gone}
    with index.writing(keep=False):
        fill(index, before)
        move(index, before, after)
        ask_anything(index, Snapshot(COMMIT, after), data)
        move(index, after, before)
        ask_anything(index, Snapshot(COMMIT, before), data)


def move(index: Index, before: Files, after: Files) -> None:
    paths = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    for model, changed in indexing.by_model(paths).items():
        indexing.update(index, Snapshot(COMMIT, after), model, changed)


FEW_EXAMPLES = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
MANY_EXAMPLES = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target],  # to shrink a registry takes minutes
)


@FEW_EXAMPLES
@given(registries(), st.data())
def test_the_index_answers_as_the_rows_do(index: Index, files: Files, data: st.DataObject) -> None:
    answers_as_the_rows_do(index, files, data)


@pytest.mark.slow
@MANY_EXAMPLES
@given(registries(), st.data())
def test_the_index_answers_as_the_rows_do_in_many_cases(
    index: Index, files: Files, data: st.DataObject
) -> None:
    answers_as_the_rows_do(index, files, data)


@FEW_EXAMPLES
@given(registries(), registries(), st.data())
def test_an_index_that_was_moved_answers_as_a_new_one_would(
    index: Index, before: Files, changes: Files, data: st.DataObject
) -> None:
    answers_once_it_was_moved(index, before, changes, data)


@pytest.mark.slow
@MANY_EXAMPLES
@given(registries(), registries(), st.data())
def test_an_index_that_was_moved_answers_as_a_new_one_would_in_many_cases(
    index: Index, before: Files, changes: Files, data: st.DataObject
) -> None:
    answers_once_it_was_moved(index, before, changes, data)
