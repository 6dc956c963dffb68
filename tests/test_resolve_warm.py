"""A registry that is asked again and again: it looks each time, and does no work where nothing has moved."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path

import pytest

from muster import Registry
from muster.backends.git import GitRepository
from muster.reader import Reader
from support.gitcli import git
from support.publishing import publish
from support.registry import valid


@pytest.fixture
def registry(bare: Path) -> Path:
    """A bare registry with a little of everything."""
    publish(bare, dict(valid().files))
    return bare


def point(registry: Path, alias: str, version: int) -> str:
    return publish(
        registry, {f"models/bikes/aliases/{alias}.yaml": f"schema: 1\nversion: {version}\n".encode()}
    )


def test_a_warm_answer_is_the_one_that_a_new_reader_gives(registry: Path) -> None:
    with Registry(registry) as warm:
        for _ in range(3):
            for reference in ("bikes@champion", "bikes/production", "bikes/1.4.0", "bikes/3", "vans/1"):
                with Registry(registry) as cold:
                    assert warm.resolve(reference) == cold.resolve(reference)


def test_each_move_is_seen_at_once_however_the_ref_is_kept(registry: Path) -> None:
    with Registry(registry) as warm:
        for version in (1, 3, 6, 1, 2):
            commit = point(registry, "champion", version)
            assert (warm.resolve("bikes@champion").version, warm.resolve("bikes@champion").commit) == (
                version,
                commit,
            )
            git(registry, "pack-refs", "--all")
            assert warm.resolve("bikes@champion").commit == commit


def test_a_packed_ref_that_moves_back_is_seen(registry: Path) -> None:
    first = git(registry, "rev-parse", "main").strip()
    git(registry, "pack-refs", "--all")
    with GitRepository(registry) as repository:
        assert [repository.head() for _ in range(3)] == [first] * 3
        second = point(registry, "champion", 1)
        assert repository.head() == second
        git(registry, "update-ref", "refs/heads/main", first)
        assert repository.head() == first
        git(registry, "pack-refs", "--all")
        assert repository.head() == first


def test_a_switched_branch_a_detached_head_and_a_linked_work_tree_are_seen(
    registry: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(registry), "clone")
    clone = tmp_path / "clone"
    first = git(clone, "rev-parse", "main").strip()
    git(clone, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    with GitRepository(clone) as here, GitRepository(tmp_path / "linked") as linked:
        assert [here.head(), here.head(), linked.head(), linked.head()] == [first] * 4
        git(tmp_path / "linked", "commit", "--quiet", "--allow-empty", "--message=other")
        second = git(clone, "rev-parse", "other").strip()
        assert (here.head(), linked.head()) == (first, second)
        git(clone, "checkout", "--quiet", "--detach", "other")
        assert [here.head(), here.head()] == [second] * 2
        git(clone, "switch", "--quiet", "main")
        assert [here.head(), here.head()] == [first] * 2


def test_a_branch_that_names_another_is_followed(registry: Path) -> None:
    git(registry, "symbolic-ref", "refs/heads/live", "refs/heads/main")
    with GitRepository(registry, "live") as repository:
        for version in (1, 3, 6):
            commit = point(registry, "champion", version)
            assert [repository.head(), repository.head()] == [commit] * 2


def test_a_branch_that_is_born_and_one_that_is_deleted_are_seen(bare: Path) -> None:
    with GitRepository(bare) as repository:
        assert [repository.head(), repository.head()] == [None, None]
        commit = publish(bare, dict(valid().files))
        assert [repository.head(), repository.head()] == [commit] * 2
        git(bare, "update-ref", "-d", "refs/heads/main")
        assert [repository.head(), repository.head()] == [None, None]


def test_the_users_own_remote_is_seen_although_the_registry_has_not_moved(
    registry: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(registry), "clone")
    with Registry(tmp_path / "clone") as warm:
        assert warm.resolve("bikes@champion").uri.startswith("s3://models/registry/")
        own = tmp_path / "clone" / ".dvc" / "config.local"
        own.write_text("['remote \"storage\"']\n    url = s3://elsewhere\n")
        assert warm.resolve("bikes@champion").uri.startswith("s3://elsewhere/")
        own.unlink()
        assert warm.resolve("bikes@champion").uri.startswith("s3://models/registry/")


def test_several_references_are_read_at_one_commit_although_the_registry_moves_on(registry: Path) -> None:
    stop = threading.Event()

    def move() -> None:
        version = 0
        while not stop.is_set():
            version = version % 3 + 1
            both = f"schema: 1\nversion: {version}\n".encode()
            publish(registry, {f"models/bikes/aliases/{name}.yaml": both for name in ("a", "b")})

    point(registry, "a", 1), point(registry, "b", 1)
    mover = threading.Thread(target=move)
    mover.start()
    try:
        with Registry(registry) as warm:
            seen = set()
            while len(seen) < 8:
                a, b = warm.resolve_all(("bikes@a", "bikes@b"))
                assert (a.version, a.commit) == (b.version, b.commit)
                seen.add(a.commit)
    finally:
        stop.set()
        mover.join()


def test_threads_that_share_a_registry_get_each_the_right_answer(registry: Path) -> None:
    wanted = {"bikes/1": 1, "bikes/2": 2, "bikes/3": 3, "bikes/6": 6, "taxis/1": 1, "bikes@champion": 2}
    wrong: list[str] = []
    with Registry(registry) as warm:

        def ask() -> None:
            for _ in range(100):
                wrong.extend(r for r, version in wanted.items() if warm.resolve(r).version != version)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_what_is_kept_does_not_grow_with_what_is_asked(registry: Path) -> None:
    with Reader(registry) as warm:
        kept = warm._resolved.cache_info().maxsize
        assert kept is not None
        assert kept <= 10_000
        for _ in range(2):
            warm.resolve("bikes@champion")
        assert warm._resolved.cache_info().currsize == 1


def test_the_past_is_answered_beside_the_present(registry: Path) -> None:
    with Registry(registry) as warm:
        past = warm.at("HEAD")
        before = warm.resolve("bikes@champion")
        point(registry, "champion", 6)
        assert warm.resolve("bikes@champion").version == 6
        assert past.resolve("bikes@champion") == before


def test_a_repository_that_is_gone_is_reported(registry: Path, tmp_path: Path) -> None:
    with Registry(registry) as warm:
        warm.resolve("bikes@champion"), warm.resolve("bikes@champion")
        os.rename(registry, tmp_path / "moved.git")
        warm.close()
        with pytest.raises(Exception, match="not a git repository|no such file|cannot"):
            warm.resolve("bikes@champion")


def test_nothing_keeps_a_registry_alive_that_nobody_uses_any_more(registry: Path) -> None:
    warm = Registry(registry)
    warm.resolve("bikes@champion")
    gone = weakref.ref(warm)
    warm.close()
    del warm
    assert gone() is None
