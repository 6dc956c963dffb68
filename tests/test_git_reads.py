"""Reading and committing on this machine: the environment, settings, hostile trees, no repository, no git."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.backends.git import GitRepository, code_state, create
from muster.core.errors import Invalid, NotFound, Unavailable
from muster.core.models import Code
from muster.core.snapshot import Change
from support.gitcli import git, tip, write_hook
from support.publishing import ANN, AT, publish

SOURCES = Path(__file__).parent.parent / "src"


@pytest.fixture
def opened(work: Path) -> Iterator[GitRepository]:
    with GitRepository(work) as repository:
        yield repository


def status(work: Path) -> str:
    return git(work, "status", "--porcelain", "--untracked-files=all")


# The environment and the settings


@pytest.mark.parametrize("kind", ["work", "clone"])
def test_what_git_sets_for_a_hook_does_not_mislead(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location: Path = request.getfixturevalue(kind)
    create(tmp_path / "other")
    before = tip(location)
    for name, value in {
        "GIT_DIR": tmp_path / "other" / ".git",
        "GIT_WORK_TREE": tmp_path / "other",
        "GIT_COMMON_DIR": tmp_path / "other" / ".git",
        "GIT_INDEX_FILE": tmp_path / "index",
        "GIT_OBJECT_DIRECTORY": tmp_path / "objects",
        "GIT_PREFIX": "models/",
        "GIT_NAMESPACE": "x",
        "GIT_CONFIG_PARAMETERS": "'core.bare=true'",
        "GIT_AUTHOR_DATE": "nonsense",
    }.items():
        monkeypatch.setenv(name, str(value))
    new = publish(location, {"x": b"1"})
    with GitRepository(location) as repository:
        assert repository.root() == location
        assert repository.head() == new
        assert repository.author() == ANN
    create(tmp_path / "made")
    monkeypatch.undo()
    assert new == tip(location) != before
    assert (location / "x").read_text() == "1"
    assert (tmp_path / "made" / ".git").is_dir()
    assert not (tmp_path / "index").exists()


def test_no_hook_of_the_users_runs(clone: Path, work: Path, tmp_path: Path) -> None:
    names = (
        "pre-commit",
        "commit-msg",
        "post-commit",
        "pre-push",
        "reference-transaction",
        "post-index-change",
    )
    for repository in (clone, work):
        for name in (*names, "post-checkout", "post-merge"):
            write_hook(repository, name, f"touch {tmp_path}/ran-{name}; exit 1")
        publish(repository, {"x": b"1"})
    assert list(tmp_path.glob("ran-*")) == []


def test_settings_for_people_do_not_change_what_is_read(opened: GitRepository, work: Path) -> None:
    for setting in (
        "diff.relative=true",
        "diff.noprefix=true",
        "diff.renames=copies",
        "diff.ignoreSubmodules=all",
        "log.showSignature=true",
        "log.decorate=full",
        "log.follow=true",
        "log.mailmap=true",
        "log.diffMerges=off",
        "core.quotePath=true",
        "color.ui=always",
        "core.pager=false",
        "i18n.logOutputEncoding=latin1",
        "notes.displayRef=*",
    ):
        git(work, "config", *setting.split("=", 1))
    old = opened.head()
    new = opened.commit(old, Change({"copy é": b"hello\n", "README": None}, "é"), ANN, AT)
    assert dict(opened.diff(old, new, 9, 9).files) == {"README": None, "copy é": b"hello\n"}
    assert [(e.commit, e.message, e.paths) for e in opened.log(new, limit=1)] == [
        (new, "é", ("README", "copy é"))
    ]
    assert [e.commit for e in opened.log(new, ["copy é"])] == [new]


def test_a_merge_is_shown_by_what_it_brought(opened: GitRepository, work: Path) -> None:
    git(work, "checkout", "--quiet", "-b", "side")
    side = publish(work, {"x": b"1"})
    git(work, "checkout", "--quiet", "main")
    first = tip(work)
    git(work, "merge", "--quiet", "--no-ff", "--message=merged", "side")
    entries = list(opened.log(str(tip(work))))
    assert [(entry.message, entry.parent, entry.paths) for entry in entries[:1]] == [
        ("merged", first, ("x",))
    ]
    assert side not in {entry.commit for entry in entries}


def test_a_log_is_stopped_when_its_reader_stops(opened: GitRepository) -> None:
    entries = opened.log(str(opened.head()))
    assert next(entries).message == "first"
    entries.close()  # type: ignore[attr-defined]


def test_commits_are_signed_where_git_is_told_to(work: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    (tmp_path / "allowed").write_text(f"ann@example.com {(tmp_path / 'key.pub').read_text()}")
    for key, value in {
        "commit.gpgSign": "true",
        "gpg.format": "ssh",
        "user.signingKey": tmp_path / "key",
        "gpg.ssh.allowedSignersFile": tmp_path / "allowed",
    }.items():
        git(work, "config", key, str(value))
    new = publish(work, {"x": b"1"})
    assert git(work, "log", "-1", "--format=%G? %P %an <%ae> %ct %s", new).split(" ", 2)[0] == "G"
    assert (
        git(work, "log", "-1", "--format=%an <%ae>|%cn <%ce>|%cI|%s", new)
        == f"{ANN}|{ANN}|2026-05-01T12:30:00+00:00|change"
    )
    assert git(work, "show", f"{new}:x") == "1"


def test_the_author_is_who_git_says(opened: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened.author() == ANN
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody Else")
    assert opened.author() == "Somebody Else <ann@example.com>"


def test_an_unknown_author_is_told_what_to_type(opened: GitRepository, sealed: Path) -> None:
    (sealed / ".gitconfig").write_text("")
    with pytest.raises(Invalid) as refusal:
        opened.author()
    assert "git config --global user.name" in refusal.value.hint
    assert "git config --global user.email" in refusal.value.hint


def test_a_sha256_repository_works_like_any(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", "origin")
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", "work")
    for location in (tmp_path / "origin", tmp_path / "work", (tmp_path / "origin").as_uri()):
        first = publish(location, {"models/a/model.yaml": b"a", "x": None})
        second = publish(location, {"models/b/model.yaml": b"b", "x": b"1"})
        with GitRepository(location) as repository:
            tree = repository.snapshot(second).files
            assert len(second) == 64 and repository.head() == second
            assert tree["models/b/model.yaml"] == b"b"
            assert list(repository.snapshot(second).tree.holding([("x", b"1"), ("x", b"2")])) == ["x"]
            assert repository.diff(None, second, 9, 9).files["x"] == b"1"
            assert set(repository.diff(first, second, 9, 9).files) >= {"x"}
            assert repository.log(second, limit=1).__next__().commit == second
    assert status(tmp_path / "work") == ""


# Reading


def test_reading_a_pointer_and_a_manifest_starts_one_process_and_imports_nothing_heavy(
    work: Path, tmp_path: Path
) -> None:
    publish(
        work, {"models/a/aliases/champion.yaml": b"version: 1\n", "models/a/versions/1.yaml": b"schema: 1\n"}
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/started\nPATH="{os.environ["PATH"]}" exec git "$@"\n'
    )
    (tmp_path / "bin" / "git").chmod(0o755)
    script = """
import sys
from muster.backends.git import GitRepository
with GitRepository(sys.argv[1]) as repository:
    files = repository.snapshot(repository.head()).files
    assert files["models/a/aliases/champion.yaml"] and files["models/a/versions/1.yaml"]
    assert "models/a/aliases/none.yaml" not in files
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", script, work], env=env, capture_output=True, text=True, check=True
    )
    assert len((tmp_path / "started").read_text().splitlines()) == 1
    assert not {"git", "gitdb", "dvc", "jsonschema", "urllib3", "asyncio"} & set(done.stdout.split())


def test_threads_that_share_a_repository_each_get_their_own_bytes(opened: GitRepository) -> None:
    files = {f"models/m{n}/model.yaml": f"{n} ".encode() * (n * 50) for n in range(40)}
    commit = opened.commit(None, Change(dict(files)), ANN, AT)
    wrong: list[str] = []

    def read(offset: int) -> None:
        for _ in range(5):
            tree = opened.snapshot(commit).files
            for n in range(40):
                path = f"models/m{(n + offset) % 40}/model.yaml"
                if tree[path] != files[path]:
                    wrong.append(path)

    threads = [threading.Thread(target=read, args=(5 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_forked_process_reads_through_a_pipe_of_its_own(opened: GitRepository) -> None:
    snapshot = opened.snapshot(opened.head())
    assert snapshot.files["README"] == b"hello\n"
    child = os.fork()
    if child == 0:
        right = snapshot.files["models/a/model.yaml"] == b"description: a\n"
        opened.close()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert snapshot.files["models/a/model.yaml"] == b"description: a\n"


def test_a_commit_made_by_another_process_is_seen_at_once(opened: GitRepository, work: Path) -> None:
    old = opened.head()
    git(work, "commit", "--quiet", "--allow-empty", "--message=x")
    git(work, "gc", "--quiet", "--prune=now")
    assert old != opened.head() == tip(work)


def test_a_closed_repository_opens_again_when_it_is_used(opened: GitRepository) -> None:
    head = opened.head()
    opened.close()
    assert opened.head() == head


def test_a_directory_named_like_a_described_commit_is_itself(opened: GitRepository) -> None:
    old = str(opened.head())
    directory = f"models/x-g{old[:12]}"
    new = opened.commit(old, Change({f"{directory}/model.yaml": b"x"}), ANN, AT)
    assert list(opened.snapshot(new).children(directory)) == ["model.yaml"]
    assert list(opened.snapshot(old).children(directory)) == []


def test_paths_that_need_quotes_survive(opened: GitRepository, work: Path) -> None:
    odd = [
        'a "b"',
        "back\\slash",
        "new\nline",
        "tab\t",
        "é/ü",
        " lead",
        "-dash",
        "trail ",
        "\udcff not utf-8",
        ":(top)x",
    ]
    old = opened.head()
    new = opened.commit(old, Change({path: path.encode(errors="surrogateescape") for path in odd}), ANN, AT)
    tree = opened.snapshot(new).files
    assert set(tree) == {*odd, "README", "models/a/model.yaml"}
    assert set(opened.diff(old, new, 99, 99).files) == set(odd)
    fresh = opened.snapshot(new).files
    for path in odd:
        assert fresh[path] == tree[path] == path.encode(errors="surrogateescape")
        assert [entry.commit for entry in opened.log(new, [path])] == [new]
    gone = opened.commit(new, Change(dict.fromkeys(odd)), ANN, AT)
    assert git(work, "diff", "--stat", str(old), gone) == ""


def test_a_file_may_become_a_directory(opened: GitRepository) -> None:
    new = opened.commit(opened.head(), Change({"README/inside": b"1", "README": None}), ANN, AT)
    assert set(opened.snapshot(new).files) == {"README/inside", "models/a/model.yaml"}


@pytest.mark.parametrize(
    "path", ["", "/x", "a//b", "a/../b", ".git/config", "a/.GIT/x", "./a", "a/", "nul\0"]
)
def test_a_path_no_checkout_should_hold_is_not_committed(opened: GitRepository, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        opened.commit(opened.head(), Change({path: b"x"}), ANN, AT)


def test_what_is_not_a_plain_file_is_not_committed(opened: GitRepository) -> None:
    with pytest.raises(ValueError, match="plain file"):
        opened.commit(opened.head(), Change({}, "x", {"link": "symbolic link"}), ANN, AT)


@pytest.mark.parametrize("author", ["Ann", "A <a@b>\ncommitter X <x@y>", "<a@b>", "A <a@b> <c@d>", ""])
def test_an_author_that_git_could_misread_is_refused(opened: GitRepository, author: str) -> None:
    with pytest.raises(Invalid, match="author"):
        opened.commit(opened.head(), Change({"x": b"1"}), author, AT)


# Trees that others made


@pytest.fixture
def hostile(work: Path) -> str:
    """A commit with a link, a submodule, executable files and a file of 2,000 bytes on top of the first."""
    (work / "models" / "link").symlink_to("/etc/passwd")
    (work / "models" / "big").write_text("x" * 2000)
    for script in (work / "models" / "run", work / "tool"):
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
    (work / ".gitmodules").write_text('[submodule "s"]\n\tpath = models/sub\n\turl = x\n\tignore = all\n')
    git(work, "add", ".")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{tip(work)},models/sub")
    git(work, "commit", "--quiet", "--message=hostile")
    return str(tip(work))


def test_a_diff_says_what_is_special_and_does_not_read_it(opened: GitRepository, hostile: str) -> None:
    change = opened.diff(opened.commit_of("HEAD~1"), hostile, 99, 1000)
    assert change.special == {
        "models/link": "symbolic link",
        "models/sub": "submodule",
        "models/run": "executable file",
        "models/big": "2000 bytes",
    }
    assert set(change.files) == {".gitmodules", "tool"}


def test_deleting_what_is_special_is_an_ordinary_deletion(opened: GitRepository, hostile: str) -> None:
    change = opened.diff(hostile, opened.commit_of("HEAD~1"), 99, 1000)
    assert change.special == {}
    assert set(change.files.values()) == {None}
    assert len(change.files) == 6


def test_links_and_submodules_are_not_files(opened: GitRepository, hostile: str) -> None:
    tree = opened.snapshot(hostile).files
    for path in ("models/link", "models/sub", "models/sub/x", "models/link/x"):
        assert path not in tree
        assert tree.get(path) is None
    assert list(opened.snapshot(hostile).children("models")) == ["a", "big", "run"]
    assert "models/link" not in set(tree)
    modes = {path: mode for path, mode, _size in opened.entries(hostile)}
    assert modes["models/link"] == "120000" and modes["models/sub"] == "160000"


def test_too_many_paths_are_refused_with_the_count_and_the_cap(opened: GitRepository) -> None:
    new = opened.commit(None, Change({f"x{n}": b"" for n in range(150)}), ANN, AT)
    with pytest.raises(Invalid, match=r"150 paths .* at most 149"):
        opened.diff(None, new, 149, 9)
    assert len(opened.diff(None, new, 150, 9).files) == 150


def test_a_replaced_object_is_read_as_it_was(opened: GitRepository, work: Path) -> None:
    blob = git(work, "rev-parse", "HEAD:README")
    forged = git(work, "hash-object", "-w", "--stdin", stdin="forged")
    git(work, "replace", blob, forged)
    assert opened.snapshot(opened.head()).files["README"] == b"hello\n"


def test_an_object_that_is_missing_is_said_to_be(opened: GitRepository, work: Path) -> None:
    blob = git(work, "rev-parse", "HEAD:README")
    (work / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Unavailable, match=blob):
        opened.snapshot(opened.head()).files["README"]


# Where there is no repository, and where there is no git


def test_a_place_without_a_repository_is_not_found(tmp_path: Path) -> None:
    for location in (tmp_path, tmp_path / "none" / "deeper", tmp_path / "none.git"):
        with GitRepository(location) as repository, pytest.raises(NotFound, match="not a git repository"):
            repository.head()
        with GitRepository(location) as repository, pytest.raises(NotFound):
            repository.root()


def test_a_path_that_does_not_exist_is_not_the_repository_around_it(work: Path) -> None:
    with GitRepository(work / "typo") as repository, pytest.raises(NotFound):
        repository.head()


def test_a_file_stands_for_the_repository_it_is_in(work: Path) -> None:
    with GitRepository(work / "README") as repository:
        assert repository.head() == tip(work)


def test_a_commit_that_is_not_there_is_not_found(opened: GitRepository, work: Path) -> None:
    blob = git(work, "rev-parse", "HEAD:README")
    for missing in ("1" * 40, blob):
        with pytest.raises(NotFound):
            opened.snapshot(missing)


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo git version 2.30.1", "git version 2.30.1 is too old"), (None, "no git on the PATH")],
)
def test_a_git_that_is_old_or_missing_is_unavailable(
    work: Path, tmp_path: Path, script: str | None, message: str
) -> None:
    (tmp_path / "bin").mkdir()
    if script:
        (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    program = """
import sys
from muster.backends.git import GitRepository
from muster.core.errors import Unavailable
for ask in (GitRepository.head, GitRepository.author):
    try:
        ask(GitRepository(sys.argv[1]))
    except Unavailable as error:
        print(error, error.hint)
"""
    env = {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", program, work], env=env, capture_output=True, text=True, check=True
    )
    assert [message in line and "2.34" in line for line in done.stdout.splitlines()] == [True, True]


# Layout, creating, code


def test_root_and_work_tree_are_where_files_are(work: Path, bare: Path) -> None:
    for location, root, top in (
        (work / "models", work, work),
        (work / ".git", work, work),
        (bare, bare, None),
        (bare.as_uri(), bare, None),
        ("https://git.example/ml/registry.git", None, None),
    ):
        with GitRepository(location) as repository:
            assert repository.work_tree() == top
            assert repository.root() == root


def test_create_makes_a_repository_once(tmp_path: Path) -> None:
    for bare in (False, True):
        path = tmp_path / str(bare)
        create(path, branch="trunk", bare=bare)
        assert git(path, "symbolic-ref", "HEAD") == "refs/heads/trunk"
        assert git(path, "rev-parse", "--is-bare-repository") == str(bare).lower()
        create(path, branch="other")
        assert git(path, "symbolic-ref", "HEAD") == "refs/heads/trunk"


def test_create_makes_a_repository_inside_another(work: Path) -> None:
    create(work / "inner")
    assert (work / "inner" / ".git").is_dir()


def test_create_refuses_a_name_that_is_no_branch(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        create(tmp_path, branch="a..b")


def test_code_is_the_origin_the_commit_and_whether_it_is_dirty(work: Path) -> None:
    git(work, "remote", "add", "origin", "https://ann:secret@example.com/code.git")
    clean = Code("https://example.com/code.git", str(tip(work)), False)
    assert code_state(work) == code_state(work / "models") == code_state(work / "README") == clean
    (work / "README").write_text("edited")
    assert code_state(work / "models") == Code(clean.repo, clean.commit, True)


def test_an_output_does_not_make_the_code_dirty_but_any_other_file_does(work: Path) -> None:
    (work / "out [1]").mkdir()
    (work / "out [1]" / "model.onnx").write_text("x")
    (work / ".git" / "info" / "exclude").write_text("*.log\n")
    (work / "train.log").write_text("ignored")
    states = [
        code_state(path)
        for path in (work / "out [1]", work / "out [1]" / "model.onnx", work / "models", work)
    ]
    assert [state.dirty for state in states if state] == [False, False, True, True]


def test_there_is_no_code_outside_a_repository_or_before_a_commit(tmp_path: Path) -> None:
    assert code_state(tmp_path) is None
    create(tmp_path / "unborn")
    assert code_state(tmp_path / "unborn") is None
