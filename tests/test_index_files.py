"""The files of indexes: where they are, what they weigh, and which of them go."""

from __future__ import annotations

import os
from pathlib import Path

from muster.backends.index import IndexFile, index_files, path_of, prune
from muster.backends.index.database import Index
from muster.backends.index.files import in_use, remove


def made(cache: Path, name: str, used: float) -> Path:
    path = path_of(cache, name)
    index = Index(path)
    with index.writing():
        index.set_commit(name)
    index.close()
    os.utime(path.with_suffix(".lock"), (used, used))
    return path


def test_an_index_that_nobody_used_for_a_month_is_removed(tmp_path: Path) -> None:
    day = 86_400.0
    old, kept, recent = (made(tmp_path, name, used) for name, used in (("a", 0), ("b", 1), ("c", 20 * day)))
    prune(tmp_path, kept, now=32 * day)
    assert not old.exists()
    assert {file.path for file in index_files(tmp_path)} == {kept, recent}


def test_an_index_in_use_is_not_removed(tmp_path: Path) -> None:
    path = made(tmp_path, "a", 0)
    with in_use(path):
        assert not remove(path)
    assert path.exists()
    assert remove(path)
    assert list(path.parent.iterdir()) == []
    assert index_files(tmp_path) == []


def test_each_index_says_how_large_it_is_and_when_it_was_used(tmp_path: Path) -> None:
    path = made(tmp_path, "a", 77.0)
    assert index_files(tmp_path) == [IndexFile(path, path.stat().st_size, 77.0)]
