"""Publishing while things go wrong: publishers that are killed, that race, that run out of room, and readers meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from muster import Registry
from muster.backends.publication import Rehearsal
from muster.backends.publication.directory import DirectoryTarget
from muster.core.errors import Conflict, Refused, Unavailable
from muster.publishing import Wanted, publish_to, verify
from support.gitcli import tip
from support.indexes import Killed, Mortal, Watched, contents, expected, files_of, publish, root_of
from support.publishing import publish as commit
from support.registry import valid, yaml

pytestmark = pytest.mark.slow


@pytest.fixture
def source(bare: Path) -> Path:
    commit(bare, dict(valid().files))
    return bare


@pytest.fixture
def site(source: Path, tmp_path: Path) -> Path:
    publish(source, tmp_path / "site")
    return tmp_path / "site"


def promoted(source: Path, version: int) -> str:
    """Move an alias, take a stage away and bring a model."""
    return commit(
        source,
        {
            "models/bikes/aliases/champion.yaml": yaml(f"version: {version}"),
            "models/vans/stages/production.yaml": None,
            f"models/new-{version}/model.yaml": yaml("description: new"),
        },
    )


def documents(files: dict[str, bytes]) -> dict[str, object]:
    found = contents(files)
    found.pop(".dvc/config")
    return found


@pytest.mark.parametrize("full", [False, True], ids=["what differs", "everything"])
def test_a_publisher_that_is_killed_anywhere_leaves_the_old_index_or_the_new_one(
    source: Path, site: Path, tmp_path: Path, full: bool
) -> None:
    old = expected(source)
    promoted(source, 3)
    new = expected(source)
    reference = tmp_path / "reference"
    shutil.copytree(site, reference)
    publish(source, reference, full=True)
    survived = 0
    for changes in range(100):
        copy = tmp_path / f"after-{changes}"
        shutil.copytree(site, copy)
        try:
            publish(source, Mortal(DirectoryTarget(copy), changes), full=full)
            survived += 1
        except Killed:
            pass
        assert documents(files_of(copy)) in (old, new), changes
        publish(source, copy)  # the next one finishes what was left
        assert documents(files_of(copy)) == new, changes
        people = ("models/", "pointers/")
        assert {p: d for p, d in files_of(copy).items() if p.startswith(people)} == {
            p: d for p, d in files_of(reference).items() if p.startswith(people)
        }, changes
        assert verify(str(copy)).problems == ()
        if survived:
            break
    assert survived
    assert changes > 5


def test_a_process_that_is_killed_leaves_a_whole_index(source: Path, site: Path) -> None:
    command = [sys.executable, "-m", "muster", "-R", str(source), "index", "publish", str(site), "--full"]
    for number in range(6):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.15 + number / 20)
            raise subprocess.TimeoutExpired(command, 0)  # it was quicker: as good
        process.kill()
        process.wait()
        assert verify(str(site)).problems == ()
    assert publish(source, site, full=True).files
    assert not list(site.rglob(".muster-part-*"))


def test_publishers_of_one_machine_take_turns(source: Path, site: Path) -> None:
    promoted(source, 3)
    failures: list[BaseException] = []

    def go() -> None:
        try:
            publish(source, site, full=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Registry(source) as registry:
        assert verify(str(site), (), registry).problems == ()


class Unlocked(Watched):
    """A target that keeps nobody out, as a bucket."""

    def locked(self):  # type: ignore[no-untyped-def]
        return Rehearsal(self._target).locked()


def test_whoever_loses_a_race_to_an_older_publisher_begins_anew(source: Path, site: Path) -> None:
    middle = promoted(source, 3)
    promoted(source, 4)
    target = Unlocked(DirectoryTarget(site))
    late = f"objects/{_new_top_shard(source, site)}"
    target.before[late] = lambda: publish(source, site, at=middle)
    publish(source, target)
    assert target.before == {}
    assert root_of(files_of(site))["commit"] == tip(source)
    with Registry(source) as registry:
        assert verify(str(site), (), registry).problems == ()


def test_whoever_loses_a_race_to_a_newer_publisher_gives_way(source: Path, site: Path) -> None:
    middle = promoted(source, 3)
    newest = promoted(source, 4)
    target = Unlocked(DirectoryTarget(site))
    target.before[f"objects/{_new_top_shard(source, site, middle)}"] = lambda: publish(source, site)
    with pytest.raises(Conflict):
        publish(source, target, at=middle)
    assert target.before == {}
    assert root_of(files_of(site))["commit"] == newest
    assert verify(str(site)).problems == ()


def _new_top_shard(source: Path, site: Path, at: str = "") -> str:
    """Where the shard will be that publishing would write."""
    with Registry(source) as registry:
        rehearsed = Rehearsal(DirectoryTarget(site))
        publish_to(registry.at(at) if at else registry, rehearsed, Wanted())
        digest = root_of({"root.json": rehearsed.read("root.json") or b""})["shards"][0]
    return f"{digest[:2]}/{digest}.json.gz"


def test_a_rehearsal_writes_nothing_and_says_what_would_be(source: Path, site: Path) -> None:
    promoted(source, 3)
    before = files_of(site)
    rehearsed = publish(source, Rehearsal(DirectoryTarget(site)), keep=_none())
    assert files_of(site) == before
    done = publish(source, site, keep=_none())
    assert (done.files, done.removed) == (rehearsed.files, rehearsed.removed)
    assert done.removed > 0


def _none():  # type: ignore[no-untyped-def]
    from datetime import timedelta

    return timedelta(0)


def test_readers_in_the_middle_of_publishing_read_one_whole_index_each(source: Path, site: Path) -> None:
    known = [expected(source)]
    seen, stop = [0], threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            root = root_of({"root.json": (site / "root.json").read_bytes()})
            found = contents(_Lazily(site), root)  # type: ignore[arg-type]
            found.pop(".dvc/config")
            seen[0] += 1
            if found not in known:
                wrong.append(found)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for version in (3, 1, 4, 2, 6):
        commit(source, {"models/bikes/aliases/champion.yaml": yaml(f"version: {version}")})
        known.append(expected(source))
        publish(source, site)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen[0] > 5


class _Lazily(dict):  # type: ignore[type-arg]
    """Files of a directory, each read when it is asked for."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def __missing__(self, path: str) -> bytes:
        return (self._directory / path).read_bytes()


def test_a_disk_that_is_full_leaves_the_old_index(source: Path, site: Path) -> None:
    before = documents(files_of(site))
    commit(source, {"models/bikes/annotations/3.yaml": yaml(f"description: {os.urandom(12_000).hex()}")})
    command = f"ulimit -f 8; exec {sys.executable} -m muster -R {source} index publish {site}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 8, done.stderr
    assert "no room" in done.stderr
    assert documents(files_of(site)) == before
    assert not list(site.rglob(".muster-part-*"))
    publish(source, site)
    assert documents(files_of(site)) == expected(source)


def test_a_place_that_is_no_directory_says_so(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises((Unavailable, Refused), match="cannot be used"):
        publish(source, tmp_path / "file" / "site")
