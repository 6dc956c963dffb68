"""What is kept on this machine: all of it is said, all of it can be taken away, and none of it grows for ever."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from muster import caching
from support.published import cached, champion, index_of, moved
from support.registry import valid

LONG_AGO = time.time() - 40 * 86_400


def objects(sealed: Path) -> list[Path]:
    return sorted(cached(sealed).glob("objects/??/*"))


def test_what_was_read_of_an_index_is_said_and_taken_away(tmp_path: Path, sealed: Path) -> None:
    one, two = (tmp_path / name for name in ("one", "two"))
    for place in (one, two):
        index_of(place, commit=place.name[0] * 40)
        champion(place)
    found = caching.inspect()
    assert {kept.url: kept.commit for kept in found.indexes} == {
        f"index+{place}": place.name[0] * 40 for place in (one, two)
    }
    assert found.objects == caching.KeptFiles(
        len(objects(sealed)), sum(p.stat().st_size for p in objects(sealed))
    )
    assert found.size == found.objects.size + sum(kept.size for kept in found.indexes)
    assert caching.clear(older_than=timedelta(days=1)) == 0
    assert caching.clear(registry=f"index+{one}") > 0
    assert [kept.url for kept in caching.inspect().indexes] == [f"index+{two}"]
    later = datetime.now(timezone.utc) + timedelta(days=31)
    assert caching.clear(older_than=timedelta(days=30), now=later) > 0
    assert caching.inspect().size == 0
    assert champion(one) == champion(two) == 2


def test_objects_that_nobody_reads_any_more_go_after_a_month(tmp_path: Path, sealed: Path) -> None:
    index_of(tmp_path, commit="1" * 40)
    champion(tmp_path)
    (stamp,) = cached(sealed).glob("swept")
    for path in (*objects(sealed), stamp):
        os.utime(path, (LONG_AGO, LONG_AGO))
    before = set(objects(sealed))
    index_of(tmp_path, moved(3), commit="2" * 40, at="2026-05-01T13:00:00Z")
    assert champion(tmp_path) == 3
    assert before.isdisjoint(objects(sealed))
    assert champion(tmp_path) == 3


def test_an_object_that_is_read_stays(tmp_path: Path, sealed: Path) -> None:
    index_of(tmp_path, valid())
    champion(tmp_path)
    for path in objects(sealed):
        os.utime(path, (LONG_AGO, LONG_AGO))
    champion(tmp_path)
    assert any(path.stat().st_mtime > LONG_AGO + 86_400 for path in objects(sealed))
