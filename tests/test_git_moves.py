"""Moving a branch on this machine: odd states, edits in the way, killed on the way, a clone and upstream."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.backends.git import GitRepository, create
from muster.core.errors import Conflict, Invalid, Refused, Unavailable
from muster.core.snapshot import Change
from support.gitcli import git, refs, tip
from support.publishing import ANN, AT, publish

SOURCES = Path(__file__).parent.parent / "src"


@pytest.fixture
def opened(work: Path) -> Iterator[GitRepository]:
    with GitRepository(work) as repository:
        yield repository


def status(work: Path) -> str:
    return git(work, "status", "--porcelain", "--untracked-files=all")


# Branches in odd states


@pytest.mark.parametrize("kind", ["work tree", "bare", "clone", "url"])
def test_the_first_commit_makes_the_branch_that_head_names(tmp_path: Path, kind: str) -> None:
    create(tmp_path / "origin", branch="trunk", bare=kind != "work tree")
    location: Path | str = tmp_path / "origin"
    if kind == "clone":
        git(tmp_path, "clone", "--quiet", (tmp_path / "origin").as_uri(), "clone")
        location = tmp_path / "clone"
    elif kind == "url":
        location = (tmp_path / "origin").as_uri()
    with GitRepository(location) as repository:
        assert repository.head() is repository.authority() is None
        assert dict(repository.snapshot(None).files) == {}
        assert repository.tips("") == {}
        new = repository.commit(None, Change({"registry.yaml": b"1"}, "first"), ANN, AT)
        repository.publish(new, None)
        assert repository.head() == repository.authority() == new == tip(tmp_path / "origin", "trunk")
        if (tree := repository.work_tree()) is not None:
            assert (tree / "registry.yaml").read_bytes() == b"1"
            assert status(tree) == ""


def test_a_first_commit_leaves_what_was_staged_before_it(tmp_path: Path) -> None:
    create(tmp_path)
    (tmp_path / "mine").write_text("staged")
    (tmp_path / "notes").write_text("untracked")
    git(tmp_path, "add", "mine")
    publish(tmp_path, {"registry.yaml": b"1"})
    assert status(tmp_path) == "A  mine\n?? notes"


def test_a_detached_head_is_read_but_only_a_named_branch_is_moved(work: Path) -> None:
    git(work, "checkout", "--quiet", "--detach")
    with GitRepository(work) as repository:
        old = repository.authority()
        assert old == repository.head() == tip(work)
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
        with pytest.raises(Refused) as refusal:
            repository.publish(new, old)
        assert "--branch" in refusal.value.hint
        repository.publish(new, old, "main")
    assert tip(work) == new
    assert status(work) == ""


def test_a_branch_that_is_not_checked_out_moves_without_touching_files(work: Path) -> None:
    git(work, "checkout", "--quiet", "-b", "elsewhere")
    with GitRepository(work, branch="main") as repository:
        old = repository.head()
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
        repository.publish(new, old)
        assert repository.head() == tip(work) == new
    assert tip(work, "elsewhere") == old
    assert not (work / "x").exists()


def test_a_branch_checked_out_in_another_work_tree_moves_with_its_files(work: Path, tmp_path: Path) -> None:
    git(work, "branch", "side")
    git(work, "worktree", "add", "--quiet", str(tmp_path / "linked"), "side")
    publish(work, {"x": b"1"}, "side")
    assert (tmp_path / "linked" / "x").read_bytes() == b"1"
    assert status(tmp_path / "linked") == status(work) == ""
    assert not (work / "x").exists()


def test_a_work_tree_whose_directory_is_gone_stops_nothing(work: Path, tmp_path: Path) -> None:
    git(work, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"))
    (tmp_path / "linked").rename(tmp_path / "moved")
    assert tip(work, "side") != publish(work, {"x": b"1"}, "side") == tip(work, "side")


def test_a_branch_that_the_user_switches_to_is_the_one_that_moves(work: Path, opened: GitRepository) -> None:
    old = opened.authority()
    git(work, "checkout", "--quiet", "-b", "topic")
    new = opened.commit(opened.authority(), Change({"x": b"1"}), ANN, AT)
    opened.publish(new, old)
    assert (tip(work, "topic"), tip(work)) == (new, old)


def test_names_that_differ_by_case_stay_apart_where_files_fold(work: Path, opened: GitRepository) -> None:
    git(work, "config", "core.ignoreCase", "true")
    new = opened.commit(opened.head(), Change({"models/A/model.yaml": b"A", "readme": b"r"}), ANN, AT)
    assert set(opened.snapshot(new).files) == {
        "README",
        "readme",
        "models/A/model.yaml",
        "models/a/model.yaml",
    }


def test_a_branch_name_git_would_not_take_is_refused(work: Path, opened: GitRepository) -> None:
    for name in ("-x", "a b", "a..b", "a~1", "a:b", "x.lock", "a@{1}", "", "a/"):
        with pytest.raises(Invalid):
            GitRepository(work, branch=name)
        with pytest.raises(Invalid):
            opened.publish(str(tip(work)), None, name)


# The user's edits


def test_edits_elsewhere_stay_byte_for_byte_staged_or_not(work: Path) -> None:
    (work / "staged").write_text("staged")
    (work / "both").write_text("staged part")
    git(work, "add", "staged", "both")
    (work / "both").write_text("and more")
    (work / "README").write_text("unstaged")
    (work / "untracked").write_text("untracked")
    before = status(work)
    new = publish(work, {"models/b/model.yaml": b"b", "models/a/model.yaml": None})
    assert status(work) == before
    assert git(work, "show", ":both") == "staged part"
    assert [(work / name).read_text() for name in ("both", "README", "untracked")] == [
        "and more",
        "unstaged",
        "untracked",
    ]
    assert (work / "models" / "b" / "model.yaml").read_text() == "b"
    assert not (work / "models" / "a").exists()
    assert tip(work) == new


def _edit(work: Path) -> None:
    (work / "README").write_text("mine")


def _stage(work: Path) -> None:
    _edit(work)
    git(work, "add", "README")


def _delete(work: Path) -> None:
    git(work, "rm", "--quiet", "--cached", "README")


def _add_untracked(work: Path) -> None:
    (work / "new").write_text("mine")


def _add_ignored(work: Path) -> None:
    (work / ".git" / "info" / "exclude").write_text("new\n")
    (work / "new").write_text("mine")


def _add_where_a_directory_comes(work: Path) -> None:
    (work / ".git" / "info" / "exclude").write_text("deep\n")
    (work / "deep").write_text("mine")


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (_edit, "README"),
        (_stage, "README"),
        (_delete, "README"),
        (_add_untracked, "new"),
        (_add_ignored, "new"),
        (_add_where_a_directory_comes, "deep"),
    ],
)
def test_an_edit_in_the_way_is_named_and_nothing_moves(work: Path, edit: object, path: str) -> None:
    assert callable(edit)
    edit(work)
    before = (tip(work), status(work), (work / path).read_bytes())
    with pytest.raises(Refused, match=path):
        publish(work, {"README": b"theirs", "new": b"theirs", "other": b"theirs", "deep/x": b"theirs"})
    assert (tip(work), status(work), (work / path).read_bytes()) == before
    assert not (work / "other").exists()
    assert not (work / ".git" / "muster.journal").exists()


def test_a_file_that_was_only_touched_is_no_edit(work: Path) -> None:
    os.utime(work / "README", (1, 1))
    publish(work, {"README": b"theirs"})
    assert (work / "README").read_text() == "theirs"


def test_a_ref_that_is_locked_refuses_and_the_files_go_back(work: Path) -> None:
    (work / ".git" / "refs" / "heads" / "main.lock").touch()
    with pytest.raises(Refused, match=r"main\.lock"):
        publish(work, {"README": b"theirs", "new": b"1"})
    assert status(work) == ""
    assert (work / "README").read_text() == "hello\n"
    assert not (work / ".git" / "muster.journal").exists()


def test_a_branch_that_moved_under_a_work_tree_is_a_conflict_and_no_file_moves(work: Path) -> None:
    with GitRepository(work) as repository:
        old = repository.head()
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
        git(work, "commit", "--quiet", "--allow-empty", "--message=mine")
        with pytest.raises(Conflict):
            repository.publish(new, old)
    assert status(work) == ""
    assert not (work / "x").exists()


# Killed on the way

_PUBLISHER = """
import os, signal, sys
from datetime import datetime, timezone
from muster.backends.git import GitRepository
from muster.core.snapshot import Change
location, files, kill = sys.argv[1], eval(sys.argv[2]), sys.argv[3]
with GitRepository(location) as repository:
    old = repository.authority()
    new = repository.commit(old, Change(files, "change"), "A <a@b>", datetime.now(timezone.utc))
    if kill == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    repository.publish(new, old)
"""


def _publish_apart(location: Path, files: dict[str, bytes], kill: str = "", path: str = "") -> int:
    env = {**os.environ, "PYTHONPATH": str(SOURCES), "PATH": f"{path}:{os.environ['PATH']}".lstrip(":")}
    command = [sys.executable, "-c", _PUBLISHER, str(location), repr(files), kill]
    return subprocess.run(command, env=env).returncode


def _killer(directory: Path, command: str) -> str:
    """Make a git that kills who calls it instead of running command; return what to put on the PATH."""
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    directory.mkdir()
    (directory / "git").write_text(
        f'#!/bin/sh\ncase " $* " in *" {command} "*) kill -9 $PPID; exit 1;; esac\nexec {real} "$@"\n'
    )
    (directory / "git").chmod(0o755)
    return str(directory)


def test_a_process_killed_between_commit_and_publish_leaves_no_trace(work: Path) -> None:
    before = (tip(work), refs(work))
    assert _publish_apart(work, {"x": b"1"}, "kill") == -9
    assert (tip(work), refs(work), status(work)) == (*before, "")
    assert _publish_apart(work, {"x": b"1"}) == 0
    assert git(work, "show", "main:x") == "1"


@pytest.mark.parametrize("command", ["read-tree", "update-ref"])
def test_a_process_killed_while_it_publishes_is_undone_by_the_next(
    work: Path, tmp_path: Path, command: str
) -> None:
    old = tip(work)
    (work / "README").write_text("mine")
    path = _killer(tmp_path / "bin", command)
    assert _publish_apart(work, {"x": b"first", "models/a/model.yaml": b"first"}, path=path) == -9
    assert tip(work) == old
    assert (work / "x").exists() == (command == "update-ref")
    assert _publish_apart(work, {"x": b"second"}) == 0
    assert tip(work) != old
    assert (work / "x").read_text() == "second"
    assert (work / "models" / "a" / "model.yaml").read_text() == "description: a\n"
    assert status(work) == " M README"
    assert not (work / ".git" / "muster.journal").exists()


def test_recover_takes_back_the_files_of_a_killed_process(work: Path, tmp_path: Path) -> None:
    _publish_apart(work, {"x": b"1"}, path=_killer(tmp_path / "bin", "update-ref"))
    assert status(work) == "A  x"
    with GitRepository(work) as repository:
        repository.recover()
        repository.recover()
    assert status(work) == ""


def test_edits_made_after_a_process_was_killed_are_not_lost(work: Path, tmp_path: Path) -> None:
    _publish_apart(work, {"x": b"1"}, path=_killer(tmp_path / "bin", "update-ref"))
    (work / "x").write_text("mine")
    with pytest.raises(Refused):
        publish(work, {"y": b"1"})
    assert (work / "x").read_text() == "mine"
    git(work, "commit", "--quiet", "--all", "--message=mine")
    publish(work, {"y": b"1"})
    assert status(work) == ""


# A clone


def test_publishing_from_a_clone_brings_its_branch_and_files_along(clone: Path, origin: Path) -> None:
    new = publish(clone, {"x": b"1"})
    assert tip(clone) == tip(origin) == new
    assert (clone / "x").read_text() == "1"
    assert status(clone) == ""


def test_a_change_builds_on_the_upstream_not_on_the_clone(clone: Path, origin: Path, work: Path) -> None:
    git(work, "commit", "--quiet", "--allow-empty", "--message=theirs")
    git(work, "push", "--quiet", str(origin), "main")
    with GitRepository(clone) as repository:
        assert repository.head() == tip(clone) != repository.authority() == tip(origin)


def test_asking_the_upstream_touches_no_ref_of_the_users(clone: Path, origin: Path, work: Path) -> None:
    git(work, "commit", "--quiet", "--allow-empty", "--message=theirs")
    git(work, "tag", "theirs")
    git(work, "push", "--quiet", "--tags", str(origin), "main")
    before = git(clone, "for-each-ref")
    with GitRepository(clone) as repository:
        repository.authority()
    assert [
        line for line in git(clone, "for-each-ref").splitlines() if "refs/muster/" not in line
    ] == before.splitlines()
    assert not (clone / ".git" / "FETCH_HEAD").exists()


def test_a_clone_with_commits_of_its_own_is_left_behind_and_told(clone: Path, origin: Path) -> None:
    git(clone, "commit", "--quiet", "--allow-empty", "--message=mine")
    mine = tip(clone)
    with GitRepository(clone) as repository:
        old = repository.authority()
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
        assert "git pull" in str(repository.publish(new, old))
    assert (tip(origin), tip(clone), status(clone)) == (new, mine, "")


def test_a_clone_with_edits_in_the_way_is_left_behind_and_told(clone: Path, origin: Path) -> None:
    (clone / "README").write_text("mine")
    with GitRepository(clone) as repository:
        old = repository.authority()
        new = repository.commit(old, Change({"README": b"theirs"}), ANN, AT)
        assert "README" in str(repository.publish(new, old))
    assert (tip(origin), tip(clone), status(clone)) == (new, old, " M README")


def test_a_proposal_from_a_clone_is_pushed_and_makes_no_branch_here(clone: Path, origin: Path) -> None:
    with GitRepository(clone) as repository:
        old = repository.authority()
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
        repository.publish(new, None, "proposals/1")
    assert tip(origin, "proposals/1") == new
    assert tip(clone, "proposals/1") is None


def test_an_upstream_of_another_name_is_the_one_that_moves(clone: Path, origin: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "local")
    git(clone, "push", "--quiet", "--set-upstream", "origin", "local:theirs")
    new = publish(clone, {"x": b"1"})
    assert tip(origin, "theirs") == tip(clone, "local") == new != tip(origin)


def test_an_upstream_in_the_same_repository_is_none(work: Path) -> None:
    git(work, "checkout", "--quiet", "--track", "-b", "topic", "main")
    old = tip(work)
    assert publish(work, {"x": b"1"}) == tip(work, "topic")
    assert tip(work) == old


def test_an_upstream_that_is_gone_is_refused_while_there_are_commits(clone: Path, origin: Path) -> None:
    git(origin, "update-ref", "-d", "refs/heads/main")
    with GitRepository(clone) as repository, pytest.raises(Refused) as refusal:
        repository.authority()
    assert "git push" in refusal.value.hint


def test_an_upstream_that_is_gone_altogether_is_unavailable(clone: Path, origin: Path) -> None:
    origin.rename(origin.with_name("moved"))
    with GitRepository(clone) as repository:
        assert repository.head() == tip(clone)
        with pytest.raises(Unavailable):
            repository.authority()
