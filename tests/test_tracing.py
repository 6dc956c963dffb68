"""The index of a history: whatever became of the history, it gives the commits that git's own walk gives."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import muster
from muster.backends.git import GitRepository
from muster.backends.index import index_files
from muster.core import names
from muster.tracing import WORTHWHILE, Tracing
from support.gitcli import git, tip
from support.publishing import publish

pytestmark = pytest.mark.slow
NO_UTF8 = "models/b\udce9b\udce9"
PATHS = [
    ["models/bikes"],
    ["models/cars", "models/bikes"],
    ["models/gone"],
    ["models/nobody"],
    ["models/odd"],
    [NO_UTF8],
    ["models/bikes/stages/production.yaml"],
    ["models/bikes/stages/production.yaml", "models/bikes/holds/production.yaml"],
    ["models/bikes/aliases/champion.yaml", "models/cars/aliases/champion.yaml"],
    ["models/bikes/aliases/ch"],
    ["models"],
    ["models/bikes/versions/1.yaml"],
    [],
]


def commit(files: dict[str, str], number: int, *merged: str, branch: str = "main", at: str = "") -> str:
    """One commit of a fast-import stream; a file of no content is deleted."""
    said = f"commit refs/heads/{branch}\nmark :{number + 1}\n"
    said += f"committer Ann <ann@example.com> {1767225600 + number} +0000\ndata 2\nx\n\n"
    said += f"from {at}\n" if at else ""
    said += "".join(f"merge {other}\n" for other in merged)
    for path, content in files.items():
        quoted = '"{}"'.format(os.fsencode(path).decode("latin-1").encode("unicode_escape").decode())
        quoted = quoted.replace("\\xe9", "\\351")
        said += f"M 100644 inline {quoted}\ndata {len(content)}\n{content}\n" if content else f"D {quoted}\n"
    return said + "\n"


def stream(count: int) -> Iterator[str]:
    """A long history, with all that a registry's may have at its end."""
    yield commit({"registry.yaml": "schema: 1\nname: many\n"}, 0)
    for number in range(1, count):
        model = f"model-{number % 40}" if number % 9 else "bikes"
        yield commit(
            {
                f"models/{model}/model.yaml": f"schema: 1\nname: {model}\n",
                f"models/{model}/versions/{number}.yaml": "v",
                **({f"models/{model}/aliases/champion.yaml": f"version: {number}\n"} if number % 2 else {}),
            },
            number,
        )
    for number, files in enumerate(SCENES, count):
        yield commit(files, number)
    last = count + len(SCENES)
    yield commit({"models/bikes/stages/production.yaml": "a\n"}, last, branch="side", at=f":{last - 30}")
    yield commit({"models/side/model.yaml": "a\n"}, last + 1, branch="side")
    yield commit({"models/bikes/versions/9999.yaml": "main"}, last + 2)
    # A merge that takes over what the other side did, and one of two histories that changes nothing itself
    taken = {"models/bikes/stages/production.yaml": "a\n", "models/side/model.yaml": "a\n"}
    yield commit(taken, last + 3, f":{last + 2}")
    yield commit({"models/odd/model.yaml": "a\n"}, last + 4, branch="other", at=f":{last + 3}")
    yield commit({}, last + 5, f":{last + 5}")
    yield commit({}, last + 6)
    # The other side becomes the first parent: what was the line is a side branch from here on
    yield commit({"models/bikes/aliases/champion.yaml": "z\n"}, last + 7, branch="foxtrot", at=f":{last + 2}")
    yield commit({"models/bikes/versions/10000.yaml": "f"}, last + 8, f":{last + 7}", branch="foxtrot")


SCENES: list[dict[str, str]] = [
    {"models/bikes/stages/production.yaml": "1\n", "models/bikes/holds/production.yaml": "h\n"},
    {"models/bikes/holds/production.yaml": ""},
    {"models/gone/model.yaml": "a\n", "models/gone/versions/1.yaml": "a\n"},
    {"models/gone/model.yaml": "", "models/gone/versions/1.yaml": ""},
    {
        "models/cars/model.yaml": "schema: 1\nname: cars\nformerly: [bikes]\n",
        "models/bikes/model.yaml": "renamed_to: cars\n",
    },
    {"models/odd": "a file\n", f"{NO_UTF8}/model.yaml": "a\n"},
    {"models/bikes/stages/production.yaml": "", "models/bikes/stages/production.yaml/x": "a directory\n"},
    {"models/bikes/stages/production.yaml/x": "", "models/bikes/stages/production.yaml": "2\n"},
    {"README.md": "nothing of the registry\n"},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "registry.git"
    git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    git(path, "fast-import", "--quiet", stdin="".join(stream(WORTHWHILE + 50)))
    return path


@pytest.fixture
def registry(built: Path, tmp_path: Path) -> Path:
    """The same, for one test to change."""
    return Path(shutil.copytree(built, tmp_path / "registry.git"))


def same(path: Path, cache: Path, commit: str, make: bool = True) -> None:
    """Every question has one answer, by the index and without one."""
    with GitRepository(path) as repository:
        tracing = Tracing(repository, None, cache)
        for paths in PATHS:
            for reverse in (False, True):
                found = list(tracing.log(commit, paths, reverse, make))
                assert found == list(repository.log(commit, paths, oldest_first=reverse)), (paths, reverse)
        tracing.close()


@pytest.mark.parametrize("at", ["main", "main~3", "main~2000", "side", "other", "foxtrot"])
def test_the_index_gives_the_commits_that_git_gives(registry: Path, tmp_path: Path, at: str) -> None:
    same(registry, tmp_path / "cache", git(registry, "rev-parse", at))
    assert index_files(tmp_path / "cache") or at == "main~2000"


def test_an_index_that_was_moved_gives_what_git_gives(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    # to and fro between histories of which each replaces the other
    for at in ("main~12", "main", "side", "foxtrot", "main~7", "other", "main", "main~1"):
        same(registry, cache, git(registry, "rev-parse", at))
    assert len(index_files(cache)) == 1


def test_an_index_that_may_not_be_made_is_moved_by_few_commits_only(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    same(registry, cache, git(registry, "rev-parse", "main"), make=False)
    assert not index_files(cache)
    same(registry, cache, git(registry, "rev-parse", "main~12"))
    for at in ("main", "foxtrot", "side", "main~20"):
        same(registry, cache, git(registry, "rev-parse", at), make=False)


def test_a_history_that_has_nothing_in_common_replaces_the_other(registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    same(registry, cache, str(tip(registry)))
    git(registry, "update-ref", "-d", "refs/heads/main")
    publish(registry, {"models/bikes/model.yaml": b"another\n"})
    same(registry, cache, str(tip(registry)))
    git(registry, "fast-import", "--quiet", "--force", stdin="".join(stream(WORTHWHILE + 51)))
    same(registry, cache, str(tip(registry)))


def test_a_shallow_clone_has_its_own_past(registry: Path, tmp_path: Path) -> None:
    cache, clone = tmp_path / "cache", tmp_path / "clone.git"
    depth = str(WORTHWHILE + 20)
    git(tmp_path, "clone", "--quiet", "--bare", "--depth", depth, f"file://{registry}", str(clone))
    same(clone, cache, str(tip(registry)))
    git(clone, "fetch", "--quiet", "--unshallow", "origin")
    same(clone, cache, str(tip(registry)))
    assert len(index_files(cache)) == 1
    git(clone, "fetch", "--quiet", "--depth=5", "origin", "main")
    same(clone, cache, str(tip(registry)))


@pytest.mark.parametrize("damage", [b"this is no database", b"", bytes(200_000)])
def test_a_damaged_index_changes_no_answer(registry: Path, tmp_path: Path, damage: bytes) -> None:
    cache = tmp_path / "cache"
    same(registry, cache, str(tip(registry)))
    (file,) = index_files(cache)
    file.path.write_bytes(damage)
    same(registry, cache, str(tip(registry)))


@pytest.mark.parametrize("subject", ["bikes@champion", "model-3", "model-3/43", "cars"])
def test_a_history_is_the_same_where_no_index_can_be(registry: Path, tmp_path: Path, subject: str) -> None:
    nowhere, cache = tmp_path / "a-file", tmp_path / "cache"
    nowhere.write_text("not a directory")

    def told(cache: Path, at: str = "") -> list[object]:
        with muster.Registry(registry, cache=cache) as opened:
            return list((opened.at(at) if at else opened).history(subject))

    assert told(cache) == told(nowhere) != []
    assert told(cache, "main~4") == told(nowhere, "main~4")
    publish(registry, {names.path("model", "model-3"): None, names.path("alias", "bikes", "champion"): None})
    assert told(cache) == told(nowhere)
    assert len(index_files(cache)) == 1


def test_with_a_few_commits_there_is_no_index(origin: Path, tmp_path: Path) -> None:
    publish(origin, {"models/bikes/model.yaml": b"schema: 1\nname: bikes\n"})
    same(origin, tmp_path / "cache", str(tip(origin)))
    assert index_files(tmp_path / "cache") == []
