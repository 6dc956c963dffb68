"""A service asks for bikes@champion and has verified files: the same from wherever its registry is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muster import Invalid, NotFound, Registry
from muster.publishing import Wanted, publish
from support.cli import bikes, carry_out, clone_of
from support.gitcli import git
from support.githttpd import git_http_server
from support.sshd import ssh_server
from support.webserver import site

pytestmark = pytest.mark.slow
PLACES = ("path", "clone", "file", "http", "ssh", "index", "index+http")


class Deployed:
    """A registry that somebody writes to, and `where` a deployment reads it."""

    def __init__(self, origin: Path, where: str, follow: Callable[[], object]) -> None:
        self.origin, self.where, self._follow = origin, where, follow

    def move(self, number: int) -> None:
        """Point the champion at a version, and let the place that is read know of it."""
        with Registry(self.origin) as registry:
            registry.set_alias("champion", f"bikes/{number}")
        self._follow()


@pytest.fixture(params=PLACES)
def deployed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployed]:
    """The registry of bikes, reached in each of the ways there are."""
    origin = bikes(tmp_path / "served")
    absolute(origin)
    index = tmp_path / "index"

    def published() -> None:
        with Registry(origin) as registry:
            publish(registry, str(index), Wanted())

    def pulled() -> None:
        git(tmp_path / "clone", "pull", "--quiet")

    match request.param:
        case "path":
            yield Deployed(origin, str(origin), lambda: None)
        case "clone":
            clone_of(origin, tmp_path / "clone")
            yield Deployed(origin, str(tmp_path / "clone"), pulled)
        case "file":
            yield Deployed(origin, origin.as_uri(), lambda: None)
        case "http":
            with git_http_server(origin.parent, {"ann": "secret"}) as served:
                yield Deployed(origin, served.url(origin.name, "ann"), lambda: None)
        case "ssh":
            with ssh_server(tmp_path / "sshd") as served_by:
                monkeypatch.setenv("GIT_SSH_COMMAND", served_by.command)
                yield Deployed(origin, served_by.url(origin), lambda: None)
        case "index":
            published()
            yield Deployed(origin, f"index+{index}", published)
        case _:
            published()
            with site(index) as web:
                yield Deployed(origin, f"index+{web.url}", published)


def absolute(origin: Path) -> None:
    """Say absolutely where the artifacts are, as a registry must that is read from elsewhere."""
    from support.publishing import publish as commit

    config = git(origin, "show", "main:.dvc/config")
    commit(origin, {".dvc/config": config.replace("../..", str(origin.parent)).encode()})


@pytest.fixture
def muster(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> Any:
    return partial(carry_out, capsys, "-R", deployed.where)


def test_a_reference_becomes_verified_files(deployed: Deployed, tmp_path: Path) -> None:
    with Registry(deployed.where) as registry:
        found = registry.resolve("bikes@champion")
        assert (found.version, found.commit) == (3, git(deployed.origin, "rev-parse", "main").strip())
        registry.pull("bikes@champion", tmp_path / "out")
        assert (tmp_path / "out" / "3.bin").read_bytes() == bytes([3]) * 2000
        with registry.open("bikes/production", "2.bin") as file:
            assert file.read() == bytes([2]) * 2000
        assert registry.load("bikes/latest").read_bytes() == bytes([3]) * 2000
        deployed.move(1)
        assert registry.resolve("bikes@champion").version == 1
        assert [v.version for v in registry.search("metrics.rmse < 60", "metrics.rmse")] == [3, 2]


def test_a_watch_hands_over_what_the_alias_moves_to(deployed: Deployed) -> None:
    seen: list[tuple[int, bytes]] = []
    with Registry(deployed.where) as registry:
        watch = registry.watch(
            "bikes@champion",
            lambda update: seen.append(
                (update.after.resolved.version, next(update.after.path.iterdir()).read_bytes()[:1])
            ),
        )
        for _ in range(2):
            watch.poll()
        deployed.move(1)
        for _ in range(2):
            watch.poll()
    assert seen == [(3, b"\3"), (1, b"\1")]


def test_a_lock_brings_the_same_again_and_says_what_has_moved(
    deployed: Deployed, muster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert muster("lock", "bikes@champion", "bikes/production").code == 0
    deployed.move(1)
    assert muster("pull", "--locked", "bikes@champion", "-o", "locked").code == 0
    assert Path("locked", "3.bin").read_bytes() == bytes([3]) * 2000
    moved = muster("outdated", "--json", "--exit-code")
    assert moved.code == 1
    assert "bikes@champion" in moved.out
    assert muster("update").code == 0
    assert muster("outdated", "--exit-code").code == 0
    assert muster("pull", "--locked", "bikes@champion", "-o", "updated").code == 0
    assert os.listdir("updated") == ["1.bin"]


def test_offline_answers_and_files_are_those_of_the_last_time(deployed: Deployed, tmp_path: Path) -> None:
    with Registry(deployed.where) as registry:
        registry.pull("bikes@champion", tmp_path / "first")
        listed = registry.versions("bikes")
    with Registry(deployed.where, offline=True) as registry:
        registry.pull("bikes@champion", tmp_path / "again")
        assert registry.versions("bikes") == listed
    assert (tmp_path / "again" / "3.bin").read_bytes() == bytes([3]) * 2000


def test_what_is_not_there_is_said_in_the_same_words(deployed: Deployed) -> None:
    with Registry(deployed.where) as registry:
        with pytest.raises(NotFound, match="no alias 'champoin'") as error:
            registry.resolve("bikes@champoin")
        assert "champion" in error.value.hint
        with pytest.raises(NotFound, match="no version 9"):
            registry.pull("bikes/9", "nowhere")
    assert not Path("nowhere").exists()


def test_artifacts_at_a_relative_path_cannot_be_found_from_elsewhere_and_that_is_said(tmp_path: Path) -> None:
    origin = bikes(tmp_path / "served")
    with Registry(origin.as_uri()) as here:  # of a path on this machine it is known
        here.pull("bikes/1", tmp_path / "here")
    with git_http_server(origin.parent) as served, Registry(served.url(origin.name)) as registry:
        assert registry.resolve("bikes/1").version == 1
        with pytest.raises(Invalid, match="relative to its repository") as error:
            registry.pull("bikes/1", tmp_path / "out")
        assert "dvc remote modify" in error.value.hint


def test_artifacts_at_a_path_are_said_to_be_out_of_reach_when_an_index_is_published(tmp_path: Path) -> None:
    with Registry(bikes(tmp_path / "served")) as registry:
        (note,) = publish(registry, str(tmp_path / "index"), Wanted()).notes
        assert "--artifacts-url" in note
        web = Wanted(artifacts="https://models.example.com/artifacts")
        assert publish(registry, str(tmp_path / "other"), web).notes == ()
