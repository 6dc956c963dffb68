"""A registry behind a URL: read in part, kept, verified, and robust against whatever happens to the copy or the server."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from muster import Registry, caching
from muster.backends.git import GitRepository
from muster.core.errors import Integrity, MusterError, NotFound, Unavailable
from muster.core.snapshot import Snapshot
from support.gitcli import git, tip
from support.gitdaemon import git_daemon
from support.githttpd import GitHttpServer, git_http_server
from support.registry import valid
from support.sshd import ssh_server

SOURCES = Path(__file__).parent.parent / "src"
pytestmark = pytest.mark.slow
FILES = dict(valid().files)


def commit(origin: Path, message: str = "x", **files: bytes | None) -> str:
    """Commit files (`__` in a name stands for `/`, and `_yaml` at its end for `.yaml`) on main of a bare repository."""
    changed = {name.replace("__", "/").replace("_yaml", ".yaml"): data for name, data in files.items()}
    return written(origin, changed, message, tip(origin))


def written(origin: Path, files: dict[str, bytes | None], message: str, parent: str | None) -> str:
    """Commit files on parent with fast-import, point main at it, and return it."""
    out = b"commit refs/heads/main\ncommitter A <a@b> %d +0000\n" % (1_700_000_000 + next(_CLOCK))
    out += b"data %d\n%s\n" % (len(message), message.encode())
    if parent:
        out += b"from %s\n" % parent.encode()
    for path, data in files.items():
        if data is None:
            out += b"D %s\n" % path.encode()
        else:
            out += b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
    done = subprocess.run(["git", "-C", origin, "fast-import", "--quiet", "--force"], input=out, check=True)
    assert done.returncode == 0
    return str(tip(origin))


_CLOCK = iter(range(10**9))


@pytest.fixture
def registry(bare: Path) -> Path:
    """A bare repository with a small registry and thirty commits of history, that lets readers filter."""
    for number in range(30):
        commit(bare, notes=b"%d" % number)
    written(bare, FILES, "registry", tip(bare))
    git(bare, "config", "uploadpack.allowFilter", "true")
    return bare


@pytest.fixture
def server(registry: Path) -> Iterator[GitHttpServer]:
    with git_http_server(registry.parent) as running:
        yield running


@pytest.fixture
def url(server: GitHttpServer, registry: Path) -> str:
    return server.url(registry.name)


def read(url: str, cache: Path | None = None, **terms: object) -> int:
    """Return the number of bikes@champion."""
    with Registry(url, cache=cache, **terms) as opened:  # type: ignore[arg-type]
        return opened.get("bikes@champion").version


def champion(origin: Path, number: int) -> str:
    """Point bikes@champion at a version, and return the commit."""
    alias = FILES["models/bikes/aliases/champion.yaml"].replace(b"version: 2", b"version: %d" % number)
    return written(origin, {"models/bikes/aliases/champion.yaml": alias}, "moved", tip(origin))


def mirror(sealed: Path) -> Path:
    """The only mirror in the cache."""
    (found,) = (sealed / ".cache" / "muster" / "git").iterdir()
    return found


# What is fetched


def test_one_reference_brings_no_history_and_no_other_model(
    server: GitHttpServer, url: str, sealed: Path
) -> None:
    assert read(url) == 2
    (store,) = mirror(sealed).glob("read-*.git")
    listed = git(store, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert listed.count("commit") == 1
    assert not (mirror(sealed) / "complete.git").exists()
    with Registry(url) as opened:
        taxi = git(server.root / "registry.git", "rev-parse", "main:models/taxis/versions/1.yaml")
    assert subprocess.run(["git", "-C", store, "cat-file", "-e", taxi], capture_output=True).returncode
    opened.close()


def test_a_head_that_has_not_moved_costs_one_question(server: GitHttpServer, url: str) -> None:
    read(url)
    server.requests.clear()
    assert read(url) == 2
    assert [request for request in server.requests if "POST" in request] == [
        "POST /registry.git/git-upload-pack"
    ]


def test_the_first_read_asks_and_fetches_at_once(server: GitHttpServer, url: str) -> None:
    assert read(url) == 2
    first, model, manifest = 2, 1, 1  # which refs there are and a fetch; and what each lacked
    question = 1  # meanwhile
    assert sum("POST" in request for request in server.requests) == first + model + manifest + question


def test_a_first_read_of_a_branch_that_is_not_there_says_so(url: str, sealed: Path) -> None:
    with Registry(url, branch="nowhere") as opened:
        assert opened.models() == []
    assert not list(mirror(sealed).glob("*.git*"))


def test_everything_is_listed_with_a_handful_of_requests(
    server: GitHttpServer, url: str, registry: Path
) -> None:
    more = {
        path.replace("bikes", f"m{n}"): data
        for n in range(40)
        for path, data in FILES.items()
        if "bikes" in path
    }
    written(registry, dict(more), "more", tip(registry))
    with Registry(registry) as here, Registry(url) as there:
        server.requests.clear()
        assert [v.digest for v in there.search()] == [v.digest for v in here.search()]
        assert [m.name for m in there.models()] == [m.name for m in here.models()]
    assert len([request for request in server.requests if "POST" in request]) <= 6


def test_who_reads_everything_without_saying_so_is_noticed(
    server: GitHttpServer, url: str, registry: Path
) -> None:
    more = {
        path.replace("bikes", f"m{n}"): data
        for n in range(60)
        for path, data in FILES.items()
        if "bikes" in path
    }
    written(registry, dict(more), "more", tip(registry))
    with GitRepository(url) as repository:
        head = repository.head()
        server.requests.clear()
        files = repository.snapshot(head).files
        snapshot = Snapshot(head, files)
        assert {snapshot.get(f"m{n}@champion").version for n in range(60)} == {2}
        assert dict(files) == {**FILES, **more, "notes": b"29"}
    assert len([request for request in server.requests if "POST" in request]) <= 30


def test_a_file_that_is_not_there_is_not_asked_for(server: GitHttpServer, url: str) -> None:
    with GitRepository(url) as repository:
        files = repository.snapshot(repository.head()).files
        assert "models/bikes/model.yaml" in files
        server.requests.clear()
        assert "models/bikes/none.yaml" not in files and "none" not in files
    assert server.requests == []


def test_history_brings_everything_and_keeps_it(url: str, sealed: Path, registry: Path) -> None:
    assert read(url) == 2
    with Registry(url) as opened:
        assert len(list(opened.history())) == 31
    assert (mirror(sealed) / "complete.git").is_dir()
    champion(registry, 3)
    assert read(url) == 3
    with Registry(url) as opened:
        assert len(list(opened.history())) == 32


def _allow_no_filter(origin: Path) -> None:
    git(origin, "config", "uploadpack.allowFilter", "false")


def _allow_blob_filters_alone(origin: Path) -> None:
    git(origin, "config", "uploadpackfilter.allow", "false")
    git(origin, "config", "uploadpackfilter.blob:none.allow", "true")


def _speak_the_old_protocol(origin: Path) -> None:
    git(origin.parent, "config", "--global", "protocol.version", "0")


@pytest.mark.parametrize("restrict", [_allow_no_filter, _allow_blob_filters_alone, _speak_the_old_protocol])
def test_a_less_able_server_is_read_too(restrict: Callable[[Path], None], url: str, registry: Path) -> None:
    restrict(registry)
    assert read(url) == 2
    champion(registry, 3)
    assert read(url) == 3
    with Registry(url) as opened:
        assert len(opened.search()) == len(valid().versions("bikes")) + 2


def test_a_server_that_only_serves_files_is_read_too(registry: Path, tmp_path: Path) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from support.serving import in_thread

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(registry.parent))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    git(registry, "update-server-info")
    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Files)) as server:
        assert read(f"http://127.0.0.1:{server.server_port}/{registry.name}") == 2


def test_a_filter_that_a_server_refused_is_not_tried_again_for_a_week(
    server: GitHttpServer, url: str, registry: Path, sealed: Path
) -> None:
    for branch in ("a", "b"):
        git(registry, "update-ref", f"refs/heads/{branch}", commit(registry, notes=branch.encode()))
    commit(registry, notes=b"c")
    _allow_blob_filters_alone(registry)
    assert read(url) == 2
    record = mirror(sealed) / "record.json"

    def asked(branch: str) -> int:
        server.requests.clear()
        with Registry(url, branch=branch) as opened:
            opened.get("bikes@champion")
        return len(server.requests)

    within = asked("a")
    known = json.loads(record.read_text())
    assert set(known["refused"]) == {"tree:2"}
    week_ago = known["refused"]["tree:2"] - 7 * 24 * 3600
    record.write_text(json.dumps({**known, "refused": {"tree:2": week_ago}}))
    assert asked("b") > within
    assert json.loads(record.read_text())["refused"]["tree:2"] > week_ago


@pytest.mark.parametrize("how", ["file", "ssh", "git"])
def test_a_path_and_ssh_are_read_in_part_as_well(
    how: str, registry: Path, sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        url = registry.as_uri()
        if how == "ssh":
            ssh = stack.enter_context(ssh_server(tmp_path / "ssh"))
            monkeypatch.setenv("GIT_SSH_COMMAND", ssh.command)
            url = ssh.url(registry)
        if how == "git":
            url = stack.enter_context(git_daemon(registry, tmp_path / "log"))
        assert read(url) == 2
        champion(registry, 3)
        assert read(url) == 3
        assert not (mirror(sealed) / "complete.git").exists()


def test_a_bulk_of_commits_of_one_second_brings_no_more_than_commits(
    url: str, registry: Path, sealed: Path
) -> None:
    assert read(url) == 2
    lines = (
        f"commit refs/heads/main\ncommitter A <a@b> 1800000000 +0000\ndata 1\n{n % 10}\n" for n in range(3000)
    )
    stream = "".join([next(lines), f"from {tip(registry)}\n", *lines])
    subprocess.run(["git", "-C", registry, "fast-import", "--quiet"], input=stream.encode(), check=True)
    middle = git(registry, "rev-parse", "main~2900").strip()
    newest = str(tip(registry))
    git(registry, "update-ref", "refs/heads/main", middle)
    assert read(url) == 2
    git(registry, "update-ref", "refs/heads/main", newest)
    assert read(url) == 2
    assert not (mirror(sealed) / "complete.git").exists()
    (store,) = mirror(sealed).glob("read-*.git")
    assert int(git(store, "rev-list", "--count", newest)) > 3000


def test_a_merge_of_a_branch_that_began_long_ago_brings_little(
    server: GitHttpServer, url: str, registry: Path, sealed: Path
) -> None:
    for number in range(300):
        commit(registry, notes=b"%d" % number)
    assert read(url) == 2
    old = git(registry, "commit-tree", "-p", "main~290", "-m", "side", "main~290^{tree}")
    merge = git(registry, "commit-tree", "-p", "main", "-p", old, "-m", "merge", "main^{tree}")
    git(registry, "update-ref", "refs/heads/main", merge)
    assert read(url) == 2
    (store,) = mirror(sealed).glob("read-*.git")
    assert int(git(store, "rev-list", "--count", merge)) < 100
    assert not (mirror(sealed) / "complete.git").exists()


# On which terms


def test_offline_answers_from_what_was_read_last(server: GitHttpServer, url: str, registry: Path) -> None:
    with pytest.raises(NotFound, match="nothing was read"):
        read(url, offline=True)
    read(url)
    champion(registry, 3)
    server.requests.clear()
    assert read(url, offline=True) == 2
    assert server.requests == []
    with Registry(url, offline=True) as opened, pytest.raises(Unavailable) as failure:
        opened.get("taxis/1")
    assert "--offline" in failure.value.hint
    with Registry(url, offline=True) as opened, pytest.raises(Unavailable):
        opened.set_alias("champion", "bikes/3")


def test_an_answer_may_be_as_old_as_it_is_said_to_be_and_no_older(
    server: GitHttpServer, url: str, registry: Path, sealed: Path
) -> None:
    read(url)
    champion(registry, 3)
    server.requests.clear()
    assert read(url, max_age=3600) == 2
    assert server.requests == []
    assert read(url, max_age=0) == 3
    with Registry(url, max_age=3600) as opened:
        assert opened.upstream().commit == tip(registry)  # who writes always asks


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_was_set_makes_no_answer_young(
    hours: int, url: str, registry: Path, sealed: Path
) -> None:
    read(url)
    record = mirror(sealed) / "record.json"
    said = json.loads(record.read_text())
    said["heads"][""]["at"] = time.time() + hours * 3600
    record.write_text(json.dumps(said))
    champion(registry, 3)
    assert read(url, max_age=3600) == 3
    assert json.loads(record.read_text())["heads"][""]["at"] <= time.time()


# History that is rewritten


def _go_back(origin: Path) -> str:
    git(origin, "update-ref", "refs/heads/main", "main~1")
    return str(tip(origin))


def _replace(origin: Path) -> str:
    return written(origin, dict(FILES), "another", None)


@pytest.mark.parametrize("rewrite", [_go_back, _replace])
@pytest.mark.parametrize("cleared", [False, True], ids=["kept", "cleared"])
@pytest.mark.parametrize("known", ["part", "all"])
def test_a_history_that_is_rewritten_is_refused_until_that_very_commit_is_accepted(
    rewrite: Callable[[Path], str], cleared: bool, known: str, url: str, registry: Path, sealed: Path
) -> None:
    last = champion(registry, 3)
    with Registry(url) as opened:
        assert opened.get("bikes@champion").version == 3
        if known == "all":
            opened.birth()
    new = rewrite(registry)
    if cleared:
        shutil.rmtree(sealed / ".cache")
    for _ in range(2):
        with pytest.raises(Integrity) as failure:
            read(url)
        assert last in str(failure.value) and new in str(failure.value) and new in failure.value.hint
    if not cleared:
        assert read(url, offline=True) == 3
    with pytest.raises(Integrity):
        read(url, accept_history=last)
    assert read(url, accept_history=new) == 2
    assert read(url) == 2


def test_a_branch_that_moves_on_is_believed_with_an_empty_cache_too(
    url: str, registry: Path, sealed: Path
) -> None:
    read(url)
    for _ in range(100):
        commit(registry, notes=b"%d" % random.randrange(10**9))
    champion(registry, 3)
    shutil.rmtree(sealed / ".cache")
    assert read(url) == 3
    assert not (mirror(sealed) / "complete.git").exists()


def test_branches_are_remembered_apart(url: str, registry: Path) -> None:
    git(registry, "branch", "dev", "main~5")
    written(registry, {"notes": b"x"}, "x", tip(registry))
    read(url)
    with GitRepository(url, "dev") as repository:
        assert repository.head() == tip(registry, "dev")
    git(registry, "update-ref", "refs/heads/dev", "main~9")
    with GitRepository(url, "dev") as repository, pytest.raises(Integrity, match="dev"):
        repository.head()
    assert read(url) == 2


# Whatever happens


def _truncate(pack: Path) -> None:
    os.truncate(pack, pack.stat().st_size // 2)


def _flip(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    for position in range(20, len(content) - 20, 7):
        content[position] ^= 0x55
    pack.chmod(0o644)
    pack.write_bytes(bytes(content))


def _of_packs(spoil: Callable[[Path], None], suffix: str) -> Callable[[Path], None]:
    def spoiled(store: Path) -> None:
        for pack in store.glob(f"objects/pack/*.{suffix}"):
            pack.chmod(0o644)
            spoil(pack)

    return spoiled


def _empty(store: Path) -> None:
    shutil.rmtree(store)
    store.mkdir()


def _write(*names: str) -> Callable[[Path], None]:
    def written(store: Path) -> None:
        for name in names:
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            (store / name).write_text("[[garbage\n")

    return written


DAMAGE: dict[str, Callable[[Path], None]] = {
    "truncated pack": _of_packs(_truncate, "pack"),
    "flipped bytes": _of_packs(_flip, "pack"),
    "flipped index": _of_packs(_flip, "idx"),
    "no packs": _of_packs(Path.unlink, "pack"),
    "no HEAD": lambda store: (store / "HEAD").unlink(),
    "no objects": lambda store: shutil.rmtree(store / "objects"),
    "empty directory": _empty,
    "garbage refs": _write("refs/heads/main"),
    "garbage shallow": _write("shallow"),
    "garbage config": _write("config"),
    "locks": _write("shallow.lock", "config.lock", "packed-refs.lock", "HEAD.lock", "refs/heads/main.lock"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("moved", [False, True], ids=["unmoved", "moved"])
@pytest.mark.parametrize("known", ["part", "all"])
def test_a_damaged_mirror_is_made_again_and_the_answer_is_right(
    damage: str, moved: bool, known: str, url: str, registry: Path, sealed: Path
) -> None:
    with Registry(url) as opened:
        opened.get("bikes@champion")
        if known == "all":
            opened.birth()
    for store in mirror(sealed).glob("*.git"):
        DAMAGE[damage](store)
    if moved:
        champion(registry, 3)
    assert read(url) == (3 if moved else 2)
    with Registry(url) as opened, Registry(registry) as here:
        assert [e.commit for e in opened.history()] == [e.commit for e in here.history()]
        assert [v.digest for v in opened.search()] == [v.digest for v in here.search()]


def test_questions_about_history_mend_a_mirror_that_lacks_some(
    url: str, registry: Path, sealed: Path
) -> None:
    for number in range(4):
        commit(registry, notes=b"%d" % number)
    oldest, lost, newest = git(registry, "rev-parse", "main~3", "main~1", "main").split()
    for question, answer in (("fork", oldest), ("merged", (newest, ()))):
        with GitRepository(url) as repository:
            list(repository.log(newest))
        _lose(mirror(sealed) / "complete.git", lost)
        with GitRepository(url) as repository:
            assert getattr(repository, question)(oldest, newest) == answer


def test_nobody_is_accused_because_of_what_a_mirror_has_lost(url: str, registry: Path, sealed: Path) -> None:
    for number in range(4):
        commit(registry, notes=b"%d" % number)
    with Registry(url) as opened:
        opened.birth()
    oldest, lost, newest = git(registry, "rev-parse", "main~3", "main~1", "main").split()
    _lose(mirror(sealed) / "complete.git", lost)
    for path in (mirror(sealed) / "record.json", *sealed.rglob("heads/*.json")):
        path.write_text(path.read_text().replace(newest, oldest))
    assert read(url) == 2


def _lose(store: Path, oid: str) -> None:
    """Take one object away from a repository."""
    packs = [pack.rename(store / pack.name) for pack in store.glob("objects/pack/*.pack")]
    shutil.rmtree(store / "objects" / "pack")
    for pack in packs:
        subprocess.run(["git", "-C", store, "unpack-objects", "-q"], input=pack.read_bytes(), check=True)
    (store / "objects" / oid[:2] / oid[2:]).unlink()


def test_a_damaged_record_or_memory_is_as_good_as_none(url: str, sealed: Path) -> None:
    read(url)
    for path in [*sealed.rglob("record.json"), *(sealed / ".local/state/muster/heads").iterdir()]:
        path.write_text("{")
    assert read(url) == 2


_READ = """
import sys
from pathlib import Path
from muster import Registry
with Registry(sys.argv[1]) as registry:
    print(registry.get("bikes@champion").version)
    if len(sys.argv) > 2:
        print(len(list(registry.history())))
"""


def started(url: str, *more: str) -> subprocess.Popen[str]:
    """Start a process that reads."""
    command = [sys.executable, "-c", _READ, url, *more]
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.mark.parametrize("whole", [False, True], ids=["part", "all"])
def test_a_reader_killed_at_any_moment_is_in_nobodys_way(
    whole: bool, url: str, registry: Path, sealed: Path
) -> None:
    chance = random.Random(1)
    for round in range(8):
        if round == 4:
            read(url)
            champion(registry, 3)
        reader = started(url, *(["history"] if whole else []))
        time.sleep(chance.uniform(0.15, 0.7))
        reader.send_signal(signal.SIGKILL)
        reader.communicate()
    assert read(url) == 3
    with Registry(url) as opened:
        assert len(list(opened.history())) == 32
    left = [
        p.name for p in mirror(sealed).rglob("*") if p.name.endswith((".lock", ".gone")) or "tmp_" in p.name
    ]
    assert set(left) <= {"muster-fetch.lock"}


def test_a_git_that_outlives_its_killed_reader_holds_the_lock(tmp_path: Path) -> None:
    from muster.backends.git.lock import locked
    from muster.backends.git.process import Git

    script = (
        "import sys; from pathlib import Path; from muster.backends.git.lock import locked;"
        "from muster.backends.git.process import Git\n"
        "with locked(Path(sys.argv[1]), 1) as lock:\n"
        "    Git(environment={'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': 'alias.wait',"
        " 'GIT_CONFIG_VALUE_0': '!touch ' + sys.argv[1] + '.on; sleep 2'}).ask('wait', hold=(lock,))"
    )
    lock = tmp_path / "lock"
    env = {**os.environ, "PYTHONPATH": str(SOURCES)}
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], env=env) as reader:
        while not Path(f"{lock}.on").exists():
            time.sleep(0.01)
        reader.kill()
    with pytest.raises(Unavailable), locked(lock, 0.1):
        pass
    with locked(lock, 30):
        assert Git().ask("version").returncode == 0


def test_many_processes_on_one_cold_cache_fetch_little_and_answer_right(
    server: GitHttpServer, url: str, registry: Path
) -> None:
    server.requests.clear()
    readers = [started(url) for _ in range(32)]
    assert {reader.communicate()[0] for reader in readers} == {"2\n"}
    fetched = len([request for request in server.requests if "POST" in request]) - 32
    assert fetched <= 6


def test_readers_never_mistake_a_late_answer_for_a_step_back(url: str, registry: Path) -> None:
    context = multiprocessing.get_context("spawn")
    readers = [context.Process(target=_read_often, args=(url, 12)) for _ in range(4)]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        commit(registry, notes=b"%d" % random.randrange(10**9))
    for reader in readers:
        reader.join()
    assert [reader.exitcode for reader in readers] == [0] * 4


def _read_often(url: str, times: int) -> None:
    for _ in range(times):
        assert read(url) == 2


@pytest.mark.parametrize("cut_after", [0, 100, 1000])
def test_a_server_that_dies_while_it_answers_is_unavailable_and_the_mirror_usable(
    cut_after: int, server: GitHttpServer, url: str, registry: Path
) -> None:
    server.cut_after = cut_after
    with pytest.raises(Unavailable) as failure:
        read(url)
    assert failure.value.hint
    server.cut_after = None
    assert read(url) == 2
    written(
        registry,
        {"models/bikes/aliases/champion.yaml": b"# %s\nschema: 1\nversion: 3\n" % (b"x" * 400)},
        "x",
        tip(registry),
    )
    server.cut_after = 0
    with pytest.raises(Unavailable):
        read(url)
    assert read(url, offline=True) == 2
    server.cut_after = None
    assert read(url) == 3


def _with_little_room(url: str, cache: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
    try:
        read(url, Path(cache))
    except MusterError as error:
        os._exit(8 if isinstance(error, Unavailable) and str(error) and error.hint else 1)


def test_a_full_disk_is_unavailable_and_the_mirror_usable_afterwards(url: str, tmp_path: Path) -> None:
    reader = multiprocessing.get_context("spawn").Process(
        target=_with_little_room, args=(url, str(tmp_path / "c"))
    )
    reader.start()
    reader.join()
    assert reader.exitcode == 8
    assert read(url, tmp_path / "c") == 2


def test_a_cache_that_cannot_be_written_is_unavailable(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        read(url, tmp_path / "file" / "cache")


def test_packs_do_not_pile_up_for_ever(url: str, registry: Path, sealed: Path) -> None:
    read(url)
    (store,) = mirror(sealed).glob("read-*.git")
    (pack,) = list(store.glob("objects/pack/*.pack"))[:1]
    for number in range(101):
        shutil.copy(pack, pack.with_name(f"pack-{number:040x}.pack"))
        shutil.copy(pack.with_suffix(".idx"), pack.with_name(f"pack-{number:040x}.idx"))
    champion(registry, 3)
    assert read(url) == 3
    assert len(list(store.glob("objects/pack/*.pack"))) < 10


# What is kept


def test_the_cache_says_what_is_in_it_and_gives_it_back(url: str, registry: Path, sealed: Path) -> None:
    cache = sealed / ".cache" / "muster"
    read(url.replace("http://", "http://ann:s3cret@"))
    read(registry.as_uri())
    digest = "ab" * 32
    for path in (cache / "sha256" / "ab" / digest[2:], cache / "trees" / digest / "model.bin"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 1000)
    found = caching.inspect()
    assert {m.url for m in found.mirrors} == {url, registry.as_uri()}
    assert {m.commit for m in found.mirrors} == {tip(registry)}
    assert (found.files, found.trees) == (caching.KeptFiles(1, 1000), caching.KeptFiles(1, 1000))
    assert caching.clear(older_than=timedelta(days=1)) == 0
    assert caching.clear(registry=url) > 0
    assert [m.url for m in caching.inspect().mirrors] == [registry.as_uri()]
    assert caching.clear(artifacts=True) == 2000
    later = datetime.now(timezone.utc) + timedelta(days=31)
    assert caching.clear(older_than=timedelta(days=30), now=later) > 0
    assert caching.inspect().size == 0
    assert read(url) == 2


def test_the_cache_may_be_cleared_while_others_read(url: str, registry: Path) -> None:
    with Registry(url) as opened:
        snapshot = opened.snapshot()
        assert snapshot.get("bikes@champion").version == 2
        caching.clear()
        assert snapshot.get("taxis/1").version == 1
    readers = [started(url) for _ in range(6)]
    while any(reader.poll() is None for reader in readers):
        caching.clear()
    assert {reader.communicate()[0] for reader in readers} == {"2\n"}
