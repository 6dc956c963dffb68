"""When the index answers, how it follows the registry, and that whatever befalls it changes no answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import muster
from muster.backends.index import index_files
from muster.backends.index.database import Index
from muster.core import manifest, names
from muster.core.errors import Invalid
from muster.core.models import ModelVersion
from support.gitcli import git
from support.publishing import Files, publish

pytestmark = pytest.mark.slow
VERSIONS = 600
QUESTION = ("metrics.rmse < 40 AND tags.team = 'a'", "metrics.rmse DESC")


def version(model: str, number: int, **more: Any) -> dict[str, bytes]:
    artifact = {"path": "m.bin", "format": "file", "size": number, "digest": f"sha256:{number}", "files": []}
    document = {
        "model": model,
        "version": number,
        "created_at": "2026-05-01T00:00:00Z",
        "created_by": "Ann",
        "artifacts": [artifact],
        "metrics": {"rmse": number % 50},
    } | more
    said = {"tags": {"team": "ab"[number % 2]}}
    return {
        names.path("version", model, number): manifest.dump(document),
        names.path("annotations", model, number): manifest.dump(said),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare registry with more versions than are read without an index."""
    path = tmp_path_factory.mktemp("built") / "registry.git"
    git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    files = {"registry.yaml": b"schema: 1\nname: many\n"}
    for model in ("bikes", "taxis"):
        files[names.path("model", model)] = manifest.dump({"schema": 1, "name": model})
        for number in range(1, VERSIONS // 2 + 1):
            files |= version(model, number)
    publish(path, files)
    return path


@pytest.fixture
def registry(built: Path, tmp_path: Path) -> Path:
    """The same, for one test to change."""
    return Path(shutil.copytree(built, tmp_path / "registry.git"))


def ask(registry: Path, cache: Path, at: str = "") -> list[ModelVersion]:
    with muster.Registry(registry, cache=cache) as opened:
        return (opened.at(at) if at else opened).search(*QUESTION)


def ask_rows(registry: Path, tmp_path: Path, at: str = "") -> list[ModelVersion]:
    """What is found where there can be no index."""
    nowhere = tmp_path / "a-file"
    nowhere.write_text("not a directory")
    return ask(registry, nowhere, at)


def test_a_small_registry_has_no_index(origin: Path, tmp_path: Path) -> None:
    publish(origin, version("bikes", 1) | {names.path("model", "bikes"): b"schema: 1\nname: bikes\n"})
    with muster.Registry(origin, cache=tmp_path / "cache") as opened:
        assert [str(v) for v in opened.search("name = 'bikes'")] == ["bikes/1"]
    assert index_files(tmp_path / "cache") == []


def test_a_large_registry_is_searched_by_its_index(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    found = ask(registry, cache)
    (file,) = index_files(cache)
    assert file.size > 0
    assert len(found) == 240
    assert found == ask_rows(registry, tmp_path)


def test_lists_are_what_they_are_without_an_index(registry: Path, tmp_path: Path) -> None:
    publish(registry, {names.path("alias", "bikes", "champion"): b"version: 3\n"})
    with muster.Registry(registry, cache=tmp_path / "cache") as opened:
        opened.models()
        assert index_files(tmp_path / "cache") == []  # for that alone none is made
        opened.search(*QUESTION)
        by_index = opened.models(), opened.versions("bikes"), opened.search_models("alias = 'champion'")
        snapshot = opened.snapshot()
        assert by_index[0] == [snapshot.model("bikes"), snapshot.model("taxis")]
        assert by_index[1] == [snapshot.version("bikes", n) for n in range(VERSIONS // 2, 0, -1)]
        assert by_index[2] == by_index[0][:1]
    assert len(index_files(tmp_path / "cache")) == 1


def indexed(cache: Path) -> str | None:
    """The commit that the one index is of."""
    (file,) = index_files(cache)
    index = Index(file.path)
    try:
        with index.reading():
            return index.commit()
    finally:
        index.close()


MOVES: dict[str, Files] = {
    "a version more": version("bikes", 301, metrics={"rmse": 1.5}),
    "a version less": {names.path("version", "bikes", 1): None},
    "another description": {names.path("annotations", "bikes", 2): b"tags: {team: a}\n"},
    "a stage": {names.path("stage", "taxis", "production"): b"versions: [4]\n"},
    "an alias that cannot be read": {names.path("alias", "taxis", "champion"): b"{"},
    "a manifest that cannot be read": {names.path("version", "bikes", 2): b"{"},
    "a model less": {names.path("model", "bikes"): None},
    "a model renamed": {names.path("model", "bikes"): b"schema: 1\nrenamed_to: cars\n"},
    "nothing that is shown": {"README.md": b"hello\n"},
}


@pytest.mark.parametrize("move", MOVES)
def test_the_index_follows_a_commit_and_looks_back(registry: Path, tmp_path: Path, move: str) -> None:
    cache = tmp_path / "cache"
    before = ask(registry, cache)
    publish(registry, MOVES[move])
    assert ask(registry, cache) == ask_rows(registry, tmp_path)
    assert indexed(cache) == git(registry, "rev-parse", "main").strip()
    past = ask(registry, cache, "main~1")
    assert past == before == ask_rows(registry, tmp_path, "main~1")
    assert indexed(cache) == git(registry, "rev-parse", "main").strip()
    assert ask(registry, cache) == ask_rows(registry, tmp_path)


def test_an_index_of_another_history_is_made_anew(registry: Path, built: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    publish(registry, version("bikes", 301))
    ask(registry, cache)
    shutil.rmtree(registry)
    shutil.copytree(built, registry)  # and here that commit never was
    publish(registry, version("taxis", 302))
    assert ask(registry, cache) == ask_rows(registry, tmp_path)


@pytest.mark.parametrize("damage", [b"this is no database", b"", bytes(200_000)])
def test_a_damaged_index_is_made_anew(registry: Path, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    expected = ask(registry, cache)
    (file,) = index_files(cache)
    file.path.write_bytes(damage)
    assert ask(registry, cache) == expected
    assert ask(registry, cache) == expected
    (file,) = index_files(cache)
    assert file.path.read_bytes()[:6] == b"SQLite"


def test_a_page_of_an_index_that_is_rubbish_changes_no_answer(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = ask(registry, cache)
    (file,) = index_files(cache)
    with file.path.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(file.path.stat().st_size - 4096))
    assert ask(registry, cache) == expected
    assert ask(registry, cache) == expected


FILL_AND_DIE = """
import os, signal, sys
from pathlib import Path
from muster.backends.index.database import Index
index = Index(Path(sys.argv[1]))
with index.writing():
    index.clear()
    index.set_commit("f" * 40)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_while_it_fills_the_index_leaves_the_last_one(
    registry: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    expected = ask(registry, cache)
    (file,) = index_files(cache)
    died = subprocess.run([sys.executable, "-c", FILL_AND_DIE, str(file.path)], env=own_environment())
    assert died.returncode == -signal.SIGKILL
    index = Index(file.path)
    with index.reading():
        assert index.commit() != "f" * 40
    index.close()
    assert ask(registry, cache) == expected


def test_while_somebody_fills_the_index_others_read_the_registry(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = ask(registry, cache)
    (file,) = index_files(cache)
    index = Index(file.path)
    with index.writing(keep=False):
        index.clear()
        assert ask(registry, cache) == expected
    index.close()


def test_many_processes_make_and_move_one_index(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code = "import muster, sys; print(len(muster.Registry(sys.argv[1], cache=sys.argv[2]).search('bikes')))"
    for number in (301, 302):
        command = [sys.executable, "-c", code, str(registry), str(cache)]
        asking = [
            subprocess.Popen(command, stdout=subprocess.PIPE, env=own_environment(), text=True)
            for _ in range(6)
        ]
        assert {process.communicate()[0].strip() for process in asking} == {str(number - 1)}
        publish(registry, version("bikes", number))
    assert len(index_files(cache)) == 1


def own_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_a_forked_process_opens_the_index_for_itself(registry: Path, tmp_path: Path) -> None:
    with muster.Registry(registry, cache=tmp_path / "cache") as opened:
        expected = opened.search(*QUESTION)
        child = os.fork()
        if not child:
            os._exit(0 if opened.search(*QUESTION) == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert opened.search(*QUESTION) == expected


@pytest.mark.parametrize(
    ("more", "filter"),
    [
        ({"params": {"seed": 10**30}}, "params.seed > 5"),
        ({"label": 5}, "label = '5'"),
        ({"metrics": {"rmse": True}}, "metrics.rmse != 3"),
        ({"params": {"seed": [1]}}, "params.seed LIKE '[%'"),
        ({"version": 7}, "name = 'odd'"),
    ],
)
def test_what_no_index_holds_is_found_all_the_same(
    registry: Path, tmp_path: Path, more: dict[str, Any], filter: str
) -> None:
    odd = version("odd", 1, **more) | {names.path("model", "odd"): b"schema: 1\nname: odd\n"}
    publish(registry, odd)
    with muster.Registry(registry, cache=tmp_path / "cache") as opened:
        found = [v for v in opened.search(filter) if v.model == "odd"]
    assert found
    assert len(index_files(tmp_path / "cache")) == 1


# Pages


def pages(registry: Path, cache: Path, between: Callable[[int], None], most: int = 70) -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token: str | None = ""
    while token is not None:
        with muster.Registry(registry, cache=cache) as opened:
            page = opened.search_page(*QUESTION, max_results=most, page_token=token)
            assert page.commit == opened.commit_of("main")
        found += page.rows
        token = page.next_page_token
        between(len(found))
    return found


@pytest.mark.parametrize("indexed", [True, False])
def test_pages_are_the_whole_answer(registry: Path, tmp_path: Path, indexed: bool) -> None:
    cache = tmp_path / "cache"
    if not indexed:
        cache.write_text("not a directory")
    assert pages(registry, cache, lambda _: None) == ask_rows(registry, tmp_path)


@pytest.mark.parametrize("indexed", [True, False])
def test_what_is_written_between_pages_moves_nothing(registry: Path, tmp_path: Path, indexed: bool) -> None:
    cache = tmp_path / "cache"
    if not indexed:
        cache.write_text("not a directory")
    before = [str(v) for v in ask_rows(registry, tmp_path)]

    def write(count: int) -> None:
        model, last = before[count - 1].split("/")
        publish(
            registry,
            version("bikes", 300 + count, metrics={"rmse": 39.5})
            | {names.path("version", model, last): None},
        )

    found = [str(v) for v in pages(registry, cache, write) if v.version <= VERSIONS // 2]
    assert found == before


def token_of(registry: Path, filter: str, order: str) -> str:
    with muster.Registry(registry) as opened:
        token = opened.search_page(filter, order, max_results=1).next_page_token
    assert token is not None
    return token


def test_a_token_is_of_one_search(registry: Path) -> None:
    token = token_of(registry, "name = 'bikes'", "version")
    with muster.Registry(registry) as opened:
        assert opened.search_page("name = 'bikes'", "version", 1, token).rows[0].version == 2
        assert opened.search_page(" name='bikes' ", ["version ASC"], 1, token).rows[0].version == 2
        for filter, order in (("name = 'taxis'", "version"), ("name = 'bikes'", "version DESC")):
            with pytest.raises(Invalid, match="given for another filter or order"):
                opened.search_page(filter, order, 1, token)
        with pytest.raises(Invalid, match="given for another"):
            opened.search_models_page("name = 'bikes'", "", 1, token)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2], lambda t: "A" + t[1:], lambda _: "x", lambda _: "é", lambda t: t * 2]
)
def test_a_damaged_token_is_refused(registry: Path, change: Callable[[str], str]) -> None:
    token = token_of(registry, "name = 'bikes'", "version")
    with muster.Registry(registry) as opened, pytest.raises(Invalid, match="the page token is damaged"):
        opened.search_page("name = 'bikes'", "version", 1, change(token))


def test_the_index_of_a_url_is_made_and_moved_without_its_history(registry: Path, sealed: Path) -> None:
    url = f"file://{registry}"
    with muster.Registry(url) as opened:
        first = [found.version for found in opened.search(*QUESTION)]
        publish(registry, {names.path("annotations", "bikes", first[0]): None})
        assert [found.version for found in opened.search(*QUESTION)] == first[1:]
        opened.search(*QUESTION)
    with muster.Registry(registry) as direct:
        assert [found.version for found in direct.search(*QUESTION)] == first[1:]
    (mirror,) = (sealed / ".cache" / "muster" / "git").iterdir()
    assert not (mirror / "complete.git").exists()


def test_how_far_a_first_index_has_come_is_told_in_models(registry: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with muster.Registry(registry, cache=tmp_path / "cache") as opened:
        for _ in range(2):
            opened.search_page(*QUESTION, progress=lambda *said: told.append(said))
    assert told == [("index", 0, 2), ("index", 1, 2), ("index", 2, 2)]
