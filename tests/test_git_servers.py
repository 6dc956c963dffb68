"""Repositories behind a server, and many writers: what fails, what stays secret, that nothing is lost."""

from __future__ import annotations

import base64
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from muster.backends.git import GitRepository
from muster.core.errors import Conflict, Integrity, Invalid, MusterError, NotFound, Refused, Unavailable
from muster.core.snapshot import Change
from muster.core.terms import Terms
from support.gitcli import git, refs, tip, write_hook
from support.githttpd import GitHttpServer, git_http_server
from support.sshd import ssh_server

AT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
ANN = "Ann Author <ann@example.com>"
SOURCES = Path(__file__).parent.parent / "src"
SECRET = "s3cr:et@/%21"
pytestmark = pytest.mark.slow


@pytest.fixture
def server(origin: Path) -> Iterator[GitHttpServer]:
    with git_http_server(origin.parent, {"ann": SECRET}) as running:
        yield running


@pytest.fixture
def url(server: GitHttpServer, origin: Path) -> str:
    return server.url(origin.name, "ann")


def publish(repository: GitRepository, **files: str) -> str:
    old = repository.authority()
    new = repository.commit(old, Change({name: text.encode() for name, text in files.items()}, "x"), ANN, AT)
    repository.publish(new, old)
    return new


def leaks(text: str) -> bool:
    return any(secret in text for secret in (SECRET, "s3cr", "%3A", "wrong-password"))


# Credentials


def test_credentials_are_written_nowhere(url: str, sealed: Path, origin: Path) -> None:
    with GitRepository(url) as repository:
        publish(repository, x="1")
        assert not leaks(repository.location)
    kept = [path for path in (sealed / ".cache").rglob("*") if path.is_file()]
    assert kept
    token = base64.b64encode(f"ann:{SECRET}".encode())
    for path in kept:
        content = path.read_bytes()
        assert SECRET.encode() not in content and b"s3cr" not in content and token not in content


def test_credentials_are_on_no_command_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\necho "$@" >> {tmp_path}/commands\nPATH="{os.environ["PATH"]}" exec git "$@"\n'
    (tmp_path / "bin" / "git").write_text(script)
    (tmp_path / "bin" / "git").chmod(0o755)
    os.environ["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    try:
        with GitRepository(url) as repository:
            publish(repository, x="1")
    finally:
        os.environ["PATH"] = os.environ["PATH"].partition(":")[2]
    commands = (tmp_path / "commands").read_text()
    assert "push" in commands and "ls-remote" in commands
    assert not leaks(commands)


def test_a_wrong_password_is_unavailable_and_not_repeated(server: GitHttpServer, origin: Path) -> None:
    wrong = server.url(origin.name, "ann", "wrong-password")
    with GitRepository(wrong) as repository, pytest.raises(Unavailable) as failure:
        repository.head()
    assert not leaks(str(failure.value) + failure.value.hint)
    assert "127.0.0.1" in str(failure.value)


def test_a_reader_who_may_not_write_is_refused(origin: Path) -> None:
    with git_http_server(origin.parent, {"ann": SECRET}, anonymous_reads=True) as server:
        old = tip(origin)
        with GitRepository(server.url(origin.name)) as repository, pytest.raises(Refused) as refusal:
            publish(repository, x="1")
        assert tip(origin) == old
        assert "propose" in refusal.value.hint


def test_the_password_of_a_clones_remote_is_in_no_message(
    server: GitHttpServer, url: str, origin: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", url, "clone")
    origin.rename(origin.with_name("moved"))
    with GitRepository(tmp_path / "clone") as repository, pytest.raises(Unavailable) as failure:
        repository.authority()
    assert not leaks(str(failure.value) + failure.value.hint)


def test_a_user_without_a_password_is_asked_of_the_users_own_helper(
    server: GitHttpServer, origin: Path, sealed: Path
) -> None:
    helper = f'!f() {{ cat > {sealed}/asked; echo "password={SECRET}"; }}; f'
    git(sealed, "config", "--global", "credential.helper", helper)
    with GitRepository(f"http://ann@127.0.0.1:{server.server_port}/{origin.name}") as repository:
        assert repository.head() == tip(origin)
    assert "username=ann" in (sealed / "asked").read_text()


def test_everybodys_credentials_share_one_mirror(
    server: GitHttpServer, url: str, origin: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with GitRepository(url, cache=cache) as ours:
        head = ours.head()
    bare = server.url(origin.name)
    with GitRepository(bare, cache=cache, terms=Terms(offline=True)) as theirs:
        assert theirs.head() == head
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% owned",
        "gopher://x/y",
        "http://x/\n",
        "-x:y",
        "fd::17",
        "https://ann:s3cr\x00et@x/y",
    ],
)
def test_a_transport_that_could_run_commands_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        GitRepository(url)
    assert not leaks(str(refusal.value))


# What a server says, and when it says nothing


def test_a_push_that_a_hook_declines_is_refused_in_the_hooks_words(url: str, origin: Path) -> None:
    write_hook(origin, "pre-receive", "echo nobody pushes on a Friday; exit 1")
    old = tip(origin)
    with (
        GitRepository(url) as repository,
        pytest.raises(Refused, match="nobody pushes on a Friday") as refusal,
    ):
        publish(repository, x="1")
    assert "propose" in refusal.value.hint
    assert tip(origin) == old


def test_a_hook_runs_for_a_push_to_a_path_on_this_machine_too(clone: Path, origin: Path) -> None:
    write_hook(origin, "pre-receive", "echo nobody pushes on a Friday; exit 1")
    before = tip(clone)
    for location in (str(clone), origin.as_uri()):
        with GitRepository(location) as repository, pytest.raises(Refused, match="Friday"):
            publish(repository, x="1")
    assert tip(clone) == tip(origin) == before


def test_a_server_that_is_gone_is_unavailable_and_can_be_asked_again(origin: Path) -> None:
    with git_http_server(origin.parent) as server:
        repository = GitRepository(server.url(origin.name))
        old = repository.head()
        new = repository.commit(old, Change({"x": b"1"}), ANN, AT)
    for ask in (repository.head, repository.authority, lambda: repository.publish(new, old)):
        with pytest.raises(Unavailable):
            ask()
    assert repository.snapshot(old).files["README"] == b"hello\n"
    repository.close()


def test_a_push_that_worked_although_the_answer_was_lost_is_done(
    url: str, origin: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text(
        f'#!/bin/sh\nPATH="{os.environ["PATH"]}"\ngit "$@"\nstatus=$?\n'
        'case " $* " in *" push "*) echo lost >&2; exit 1;; esac\nexit $status\n'
    )
    (tmp_path / "bin" / "git").chmod(0o755)
    script = """
import sys
from datetime import datetime, timezone
from muster.backends.git import GitRepository
from muster.core.snapshot import Change
with GitRepository(sys.argv[1]) as repository:
    old = repository.authority()
    new = repository.commit(old, Change({"x": b"1"}), "A <a@b>", datetime.now(timezone.utc))
    repository.publish(new, old)
    print(new)
"""
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", script, url], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == tip(origin)


def test_a_head_that_has_not_moved_is_not_fetched(server: GitHttpServer, url: str) -> None:
    with GitRepository(url) as repository:
        first = repository.head()
        server.requests.clear()
        assert repository.head() == first
        asked = [request for request in server.requests if "git-upload-pack" in request and "POST" in request]
    assert len(asked) == 1  # ls-refs; a fetch would be two more


def test_a_branch_that_was_rewound_is_followed_once_that_is_accepted(url: str, origin: Path) -> None:
    with GitRepository(url) as repository:
        first = repository.head()
        publish(repository, x="1")
        git(origin, "update-ref", "refs/heads/main", str(first))
        with pytest.raises(Integrity):
            repository.head()
    with GitRepository(url, terms=Terms(accept=str(first))) as repository:
        assert repository.head() == repository.commit_of("main") == first


def test_a_branch_that_is_deleted_over_there_is_not_found_here(url: str, origin: Path) -> None:
    git(origin, "branch", "topic", "main")
    with GitRepository(url) as repository:
        assert repository.commit_of("topic") == tip(origin)
        git(origin, "branch", "-D", "topic")
        with pytest.raises(NotFound):
            repository.commit_of("topic")


def test_a_fresh_mirror_finds_an_old_commit_by_its_id(url: str, origin: Path) -> None:
    with GitRepository(url) as repository:
        first = repository.head()
        publish(repository, x="1")
    with GitRepository(url, cache=origin.parent / "cache") as fresh:
        assert fresh.commit_of(str(first)) == first
        assert fresh.snapshot(first).files["README"]


def test_a_sha256_repository_behind_a_server_is_mirrored(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", "new.git")
    with GitRepository(tmp_path / "new.git") as repository:
        new = publish(repository, x="1")
    with git_http_server(tmp_path) as server, GitRepository(server.url("new.git")) as remote:
        assert remote.snapshot(remote.head()).files["x"] == b"1"
        assert publish(remote, x="2") == tip(tmp_path / "new.git") != new


def test_the_short_form_of_an_ssh_url_is_a_url(tmp_path: Path, origin: Path, sealed: Path) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        os.environ["GIT_SSH_COMMAND"] = f"{server.command} -p {server.port}"
        try:
            with GitRepository(f"{server.user}@127.0.0.1:{origin}") as repository:
                assert publish(repository, x="1") == tip(origin)
        finally:
            del os.environ["GIT_SSH_COMMAND"]


def test_a_large_push_is_taken_whole(url: str, origin: Path) -> None:
    noise = random.Random(1).randbytes(3 << 20)  # more than http.postBuffer: it goes in chunks
    with GitRepository(url) as repository:
        old = repository.authority()
        new = repository.commit(old, Change({"noise": noise}), ANN, AT)
        repository.publish(new, old)
    assert git(origin, "cat-file", "-s", "main:noise") == str(len(noise))


# Many writers


def _write(location: str, cache: str, number: int, count: int) -> None:
    """Publish count commits, planning again after each conflict, as the registry does."""
    with GitRepository(location, cache=Path(cache)) as repository:
        for step in range(count):
            for attempt in range(200):
                old = repository.authority()
                lines = repository.snapshot(old).files.get("all", b"") + f"{number}.{step}\n".encode()
                change = Change({"all": lines, f"models/m{number}/{step}": b"x"}, f"{number}.{step}")
                try:
                    repository.publish(repository.commit(old, change, ANN, AT), old)
                    break
                except Conflict:
                    time.sleep(random.random() * 0.02 * min(attempt + 1, 10))
            else:
                raise AssertionError("no luck in 200 attempts")


def _all_write(locations: list[str], cache: Path, count: int) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write, args=(location, str(cache), number, count))
        for number, location in enumerate(locations)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(writers)


def _nothing_is_lost(origin: Path, writers: int, count: int) -> None:
    expected = sorted(f"{number}.{step}" for number in range(writers) for step in range(count))
    assert sorted(git(origin, "show", "main:all").split()) == expected
    subjects = git(origin, "log", "--format=%s", "--first-parent", "main").split("\n")
    assert sorted(set(subjects) - {"first"}) == expected
    assert len(git(origin, "ls-tree", "-r", "--name-only", "main:models").split()) == len(expected) + 1
    assert git(origin, "fsck", "--strict", "--no-dangling") == ""
    assert refs(origin) == ["refs/heads/main"]


def test_eight_processes_write_to_one_bare_repository_and_nothing_is_lost(
    origin: Path, tmp_path: Path
) -> None:
    _all_write([str(origin)] * 8, tmp_path / "cache", 4)
    _nothing_is_lost(origin, 8, 4)


def test_eight_processes_write_to_one_work_tree_and_its_files_follow(work: Path, tmp_path: Path) -> None:
    (work / "README").write_text("mine")
    _all_write([str(work)] * 8, tmp_path / "cache", 3)
    _nothing_is_lost(work, 8, 3)
    assert git(work, "status", "--porcelain") == " M README"


def test_eight_processes_write_through_clones_and_a_shared_mirror_and_nothing_is_lost(
    url: str, origin: Path, tmp_path: Path
) -> None:
    for number in range(4):
        git(tmp_path, "clone", "--quiet", url, f"clone{number}")
    clones = [str(tmp_path / f"clone{number}") for number in range(4)]
    _all_write(clones + [url] * 4, tmp_path / "cache", 2)
    _nothing_is_lost(origin, 8, 2)
    for clone in clones:
        assert git(Path(clone), "status", "--porcelain") == ""


def test_every_failure_here_has_a_hint(url: str, origin: Path) -> None:
    write_hook(origin, "pre-receive", "exit 1")
    failures: list[MusterError] = []
    with GitRepository(url) as repository:
        asked: list[Callable[[], str]] = [
            lambda: publish(repository, x="1"),
            lambda: repository.commit_of("none"),
        ]
        for ask in asked:
            with pytest.raises(MusterError) as failure:
                ask()
            failures.append(failure.value)
    assert all(failure.hint for failure in failures)
