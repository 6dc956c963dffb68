"""What every repository promises, wherever it is: one suite, run over each kind of location."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from muster.backends.git import GitRepository
from muster.core.errors import Conflict, Invalid, NotFound
from muster.core.snapshot import Change
from support.gitcli import git, refs, tip
from support.githttpd import git_http_server
from support.sshd import ssh_server

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
ANN = "Ann Author <ann@example.com>"


@dataclass(frozen=True)
class Place:
    """A location to open, and the repository that has the last word on its main branch."""

    location: str
    authority: Path


@dataclass(frozen=True)
class Bench:
    """The directories from which a kind of place is made."""

    tmp: Path
    work: Path
    origin: Path
    stack: ExitStack
    patch: pytest.MonkeyPatch


def _linked(bench: Bench) -> Place:
    git(bench.work, "checkout", "--quiet", "-b", "elsewhere")
    git(bench.work, "worktree", "add", "--quiet", str(bench.tmp / "linked"), "main")
    return Place(str(bench.tmp / "linked"), bench.work)


def _clone(bench: Bench) -> Place:
    git(bench.tmp, "clone", "--quiet", bench.origin.as_uri(), "clone")
    return Place(str(bench.tmp / "clone"), bench.origin)


def _http(bench: Bench) -> Place:
    server = bench.stack.enter_context(git_http_server(bench.origin.parent, {"ann": "p@ss/word"}))
    return Place(server.url(bench.origin.name, "ann"), bench.origin)


def _clone_over_http(bench: Bench) -> Place:
    place = _http(bench)
    git(bench.tmp, "clone", "--quiet", place.location, "clone")
    return Place(str(bench.tmp / "clone"), bench.origin)


def _ssh(bench: Bench) -> Place:
    server = bench.stack.enter_context(ssh_server(bench.tmp / "ssh"))
    bench.patch.setenv("GIT_SSH_COMMAND", server.command)
    return Place(server.url(bench.origin), bench.origin)


KINDS: dict[str, Callable[[Bench], Place]] = {
    "work tree": lambda bench: Place(str(bench.work), bench.work),
    "subdirectory": lambda bench: Place(str(bench.work / "models" / "a"), bench.work),
    "git directory": lambda bench: Place(str(bench.work / ".git"), bench.work),
    "bare": lambda bench: Place(str(bench.origin), bench.origin),
    "linked work tree": _linked,
    "clone": _clone,
    "file url": lambda bench: Place(bench.origin.as_uri(), bench.origin),
    "http": _http,
    "clone over http": _clone_over_http,
    "ssh": _ssh,
}
SLOW = ("http", "clone over http", "ssh")


@pytest.fixture(params=[pytest.param(k, marks=[pytest.mark.slow] if k in SLOW else []) for k in KINDS])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, work: Path, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    with ExitStack() as stack:
        yield KINDS[request.param](Bench(tmp_path, work, origin, stack, monkeypatch))


@pytest.fixture
def repository(place: Place) -> Iterator[GitRepository]:
    with GitRepository(place.location) as opened:
        yield opened


def add(repository: GitRepository, parent: str | None, **files: str) -> str:
    """Make a commit that writes files, whose names are given with `__` for `/`."""
    contents = {name.replace("__", "/"): text.encode() for name, text in files.items()}
    return repository.commit(parent, Change(contents, "add\n\nthe reason"), ANN, AT)


def test_head_and_authority_are_the_tip_of_the_branch(repository: GitRepository, place: Place) -> None:
    assert repository.head() == repository.authority() == tip(place.authority)


def test_a_snapshot_reads_files_directories_and_ids(repository: GitRepository) -> None:
    head = repository.head()
    snapshot = repository.snapshot(head)
    assert snapshot.commit == head
    assert snapshot.files["models/a/model.yaml"] == b"description: a\n"
    assert list(snapshot.children("")) == ["README", "models"]
    assert list(snapshot.children("models/a")) == ["model.yaml"]
    assert list(snapshot.children("models/none")) == list(snapshot.children("README")) == []
    assert "models/a" not in snapshot and "models/b/model.yaml" not in snapshot
    asked = [("none", b""), ("models", b""), ("README", b"hallo\n"), ("README", b"hello\n")]
    assert list(snapshot.tree.holding(asked)) == ["README"]
    assert dict(snapshot.files) == {"README": b"hello\n", "models/a/model.yaml": b"description: a\n"}
    assert len(snapshot.files) == 2


def test_a_published_commit_is_the_tip_with_author_date_and_message(
    repository: GitRepository, place: Place
) -> None:
    old = repository.authority()
    new = add(repository, old, models__b__model="b", README="changed")
    assert tip(place.authority) == old
    assert repository.publish(new, old) is None
    assert tip(place.authority) == repository.head() == repository.authority() == new
    shown = git(place.authority, "show", "--no-patch", "--format=%P|%an <%ae>|%cn <%ce>|%aI|%cI|%B", new)
    date = "2026-05-01T12:30:00+00:00"
    assert shown.split("|") == [old, ANN, ANN, date, date, "add\n\nthe reason\n"[:-1]]
    assert repository.snapshot(new).files["models/b/model"] == b"b"
    git(place.authority, "fsck", "--strict")
    assert [ref for ref in refs(place.authority) if ref.startswith("refs/muster")] == []


def test_publishing_the_same_commit_again_is_done_already(repository: GitRepository, place: Place) -> None:
    old = repository.authority()
    new = add(repository, old, x="1")
    repository.publish(new, old)
    repository.publish(new, old)
    assert tip(place.authority) == new


def test_a_change_made_on_a_tip_that_has_moved_is_a_conflict_and_moves_nothing(
    repository: GitRepository, place: Place
) -> None:
    old = repository.authority()
    first, second = add(repository, old, x="1"), add(repository, old, x="2")
    repository.publish(first, old)
    with pytest.raises(Conflict):
        repository.publish(second, old)
    assert tip(place.authority) == first


def test_a_branch_that_must_not_exist_is_made_once(repository: GitRepository, place: Place) -> None:
    old = repository.authority()
    first, second = add(repository, old, x="1"), add(repository, old, x="2")
    repository.publish(first, None, "proposals/x")
    with pytest.raises(Conflict):
        repository.publish(second, None, "proposals/x")
    with pytest.raises(Conflict):
        repository.publish(second, None)
    assert tip(place.authority, "proposals/x") == first
    assert tip(place.authority) == old


def test_a_branch_that_is_gone_is_a_conflict(repository: GitRepository, place: Place) -> None:
    old = repository.authority()
    with pytest.raises(Conflict):
        repository.publish(add(repository, old, x="1"), old, "proposals/gone")
    assert tip(place.authority, "proposals/gone") is None


def test_tips_are_the_authoritys_branches_with_their_objects(repository: GitRepository, place: Place) -> None:
    old = repository.authority()
    assert repository.tips("proposals/") == {}
    new = git(place.authority, "commit-tree", "-p", str(old), "-m", "proposed", f"{old}^{{tree}}")
    for name in ("proposals/1", "proposals/deep/2", "other"):
        git(place.authority, "branch", name, new)
    assert repository.tips("proposals/") == {"proposals/1": new, "proposals/deep/2": new}
    assert [entry.message for entry in repository.log(new, limit=1)] == ["proposed"]
    git(place.authority, "branch", "-D", "proposals/1")
    assert repository.tips("proposals/") == {"proposals/deep/2": new}


def test_a_diff_has_what_was_added_changed_and_deleted(repository: GitRepository) -> None:
    old = repository.authority()
    new = repository.commit(
        old, Change({"README": b"changed", "b": b"new", "models/a/model.yaml": None}), ANN, AT
    )
    change = repository.diff(old, new, 10, 100)
    assert dict(change.files) == {"README": b"changed", "b": b"new", "models/a/model.yaml": None}
    assert not change.special
    assert dict(repository.diff(None, new, 10, 100).files) == {"README": b"changed", "b": b"new"}
    assert not repository.diff(new, new, 10, 100)


def test_a_log_tells_newest_first_what_each_commit_touched(repository: GitRepository, place: Place) -> None:
    first = repository.authority()
    second = add(repository, first, models__b__model="b", README="x")
    third = add(repository, second, README="y")
    entries = list(repository.log(third))
    assert [entry.commit for entry in entries] == [third, second, first]
    assert [entry.parent for entry in entries] == [second, first, None]
    assert [entry.paths for entry in entries[:2]] == [("README",), ("README", "models/b/model")]
    assert (entries[0].author, entries[0].at, entries[0].message) == (
        ANN,
        "2026-05-01T12:30:00Z",
        "add\n\nthe reason",
    )
    about_b = list(repository.log(third, ["models/b"]))
    assert [(entry.commit, entry.parent, entry.paths) for entry in about_b] == [
        (second, first, ("models/b/model",))
    ]
    assert [entry.commit for entry in repository.log(third, limit=2)] == [third, second]


def test_a_revision_is_a_commit_a_branch_a_git_tag_or_a_date(repository: GitRepository, place: Place) -> None:
    first = repository.authority()
    second = add(repository, first, x="1")
    repository.publish(second, first)
    where = Path(place.location) if Path(place.location).exists() else place.authority
    git(where, "tag", "--annotate", "--message=one", "v1", str(first))
    git(where, "branch", "side/way", str(first))
    assert repository.commit_of(second) == repository.commit_of(second[:10]) == second
    assert repository.commit_of("main") == repository.commit_of("HEAD") == second
    assert repository.commit_of("v1") == repository.commit_of("side/way") == first
    for nothing in ("v2", "2001-01-01", "0" * 40, "yesterday", "2026-99-99"):
        with pytest.raises(NotFound):
            repository.commit_of(nothing)


def test_a_date_is_the_end_of_that_day_in_utc(repository: GitRepository) -> None:
    old = repository.authority()
    tree = Change({"x": b"1"})
    early = repository.commit(old, tree, ANN, datetime(2020, 4, 30, 23, 59, 59, tzinfo=timezone.utc))
    late = repository.commit(early, tree, ANN, datetime(2020, 5, 1, 23, 59, 59, tzinfo=timezone.utc))
    repository.publish(late, old)
    found = {text: repository.commit_of(text) for text in DATES}
    assert found == {text: late if which == "late" else early for text, which in DATES.items()}


DATES = {
    "2020-05-01": "late",
    "2020-04-30": "early",
    "2020-05-01T23:59:58Z": "early",
    "2020-05-01T23:59:59Z": "late",
    "2020-05-02T01:59:59+02:00": "late",
    "2020-05-01 23:59:59": "late",
}


def test_what_begins_with_a_dash_is_no_revision_and_no_branch(
    repository: GitRepository, tmp_path: Path
) -> None:
    for bad in (f"--output={tmp_path}/owned", "-x", "", "a\nb", ":/first"):
        with pytest.raises(Invalid):
            repository.commit_of(bad)
        with pytest.raises(Invalid):
            list(repository.log(bad))
        with pytest.raises(Invalid):
            repository.snapshot(bad)
        with pytest.raises(Invalid):
            repository.diff(bad, bad, 1, 1)
    with pytest.raises(Invalid):
        repository.publish("0" * 40, None, "--force")
    assert not (tmp_path / "owned").exists()


def test_entries_are_everything_with_mode_and_size(repository: GitRepository) -> None:
    found = list(repository.entries(str(repository.head())))
    assert found == [("README", "100644", 6), ("models/a/model.yaml", "100644", 15)]
