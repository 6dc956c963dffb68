"""Interrupted, simultaneous and disturbed transfers: what came is kept, and nothing wrong is ever taken for right."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from muster.backends.artifacts.delivery import Delivery
from muster.backends.artifacts.progress import Meter, silent
from muster.backends.artifacts.store import ArtifactStore
from muster.backends.artifacts.verified import VerifiedCache
from muster.core.errors import Integrity, Unavailable
from muster.core.models import ArtifactFile, Stored
from support.dvc_project import Project, leftovers, manifest_files, project, read_files, write_files
from support.faulty import Files, line_to
from support.remotes import Served
from support.serving import in_thread

BIG = 48 << 20


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """A server of what `behind` stores."""
    (tmp_path / "served").mkdir()
    with in_thread(Files(tmp_path / "served")) as server:
        yield server


def behind(tmp_path: Path) -> ArtifactStore:
    """The store that writes to the directory behind the server."""
    return project(tmp_path / "behind", str(tmp_path / "served")).store()


def content(size: int = BIG) -> dict[str, bytes]:
    """A large file among small ones."""
    return {"big.bin": os.urandom(size), "a.json": b"{}", "z/empty": b"", "z/mid.bin": os.urandom(100_000)}


def partial(registry: Project) -> dict[str, int]:
    """What is there of files that are not complete: sha256 -> bytes."""
    return {p.name: p.stat().st_size for p in (registry.cache / "partial").glob("*")}


def pull(registry: Project, stored: Stored, out: Path) -> bool:
    """Pull all that was stored, with nothing of this process's earlier connections."""
    return registry.store(work_tree=False).pull(stored.oid, manifest_files(stored), out)


# --- a server that goes away ---


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["s3", "ssh", "webdav", "http"])
def test_a_file_whose_server_went_away_is_gone_on_with(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    inside = content()
    if kind == "http":
        stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
        served = Served(project(tmp_path, files.url), None, files.server_port)  # type: ignore[arg-type]
    else:
        shutil.rmtree(tmp_path / "served")
        served = request.getfixturevalue(kind)
        stored = served.registry.store(work_tree=False).take(write_files(tmp_path / "source", inside))
    with line_to(served.port) as line:
        registry = served.through(line.port)
        line.left = 30 << 20
        with pytest.raises(Unavailable):
            pull(registry, stored, tmp_path / "out")
        (came,) = partial(registry).values()
        assert 4 << 20 < came < BIG
        assert not (tmp_path / "out").exists() and leftovers(tmp_path) == []
        line.mend()
        assert pull(registry, stored, tmp_path / "out")
        assert line.came < BIG - came + (4 << 20)
    assert read_files(tmp_path / "out") == inside
    assert partial(registry) == {}


@pytest.mark.slow
def test_a_server_that_knows_no_ranges_sends_all_of_it_again(tmp_path: Path, files: Files) -> None:
    inside = content(12 << 20)
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    files.ranges = False
    registry = project(tmp_path, files.url)
    with line_to(files.server_port) as line:
        through = project(tmp_path / "through", f"http://127.0.0.1:{line.port}")
        through = Project(through.root, through.config, registry.cache)
        line.left = 8 << 20
        with pytest.raises(Unavailable):
            pull(through, stored, tmp_path / "out")
    assert partial(registry)
    assert pull(registry, stored, tmp_path / "out")
    assert read_files(tmp_path / "out") == inside


@pytest.mark.slow
@pytest.mark.parametrize("honest", [True, False])
def test_answers_that_are_cut_short_are_put_together(honest: bool, tmp_path: Path, files: Files) -> None:
    inside = content(12 << 20)
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    files.most, files.honest = 5 << 20, honest
    assert pull(project(tmp_path, files.url), stored, tmp_path / "out")
    assert read_files(tmp_path / "out") == inside


@pytest.mark.slow
@pytest.mark.parametrize(("honest", "error"), [(True, Unavailable), (False, Integrity)])
def test_answers_that_are_cut_short_and_cannot_be_gone_on_with_are_one_error(
    honest: bool, error: type[Exception], tmp_path: Path, files: Files
) -> None:
    stored = behind(tmp_path).take(write_files(tmp_path / "source", content(12 << 20)))
    files.most, files.honest, files.ranges = 5 << 20, honest, False
    with pytest.raises(error):
        pull(project(tmp_path, files.url), stored, tmp_path / "out")
    assert not (tmp_path / "out").exists() and leftovers(tmp_path) == []


# --- what is half there ---


def begin(registry: Project, stored: Stored, data: bytes) -> Path:
    """Leave data as the beginning of the large file."""
    (file,) = (f for f in stored.files if f.path == "big.bin")
    path = registry.cache / "partial" / file.sha256
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["", "flipped", "all of it", "all of it, flipped", "too long", "empty"])
@pytest.mark.parametrize("remote", ["directory", "server"])
def test_whatever_beginning_there_is_the_file_comes_out_right(
    wrong: str, remote: str, tmp_path: Path, files: Files
) -> None:
    inside = content(8 << 20)
    big = inside["big.bin"]
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    registry = project(tmp_path, files.url if remote == "server" else str(tmp_path / "served"))
    beginning = {"": big[: 3 << 20], "flipped": b"!" + big[1 : 3 << 20], "empty": b"", "too long": big + b"!"}
    begin(registry, stored, beginning.get(wrong, big if wrong == "all of it" else b"!" + big[1:]))
    steps: list[tuple[str, int, int]] = []
    store = registry.store(work_tree=False)
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out", lambda *step: steps.append(step))
    assert read_files(tmp_path / "out") == inside and partial(registry) == {}
    assert all(done <= total for _, done, total in steps)
    if remote == "server" and wrong in ("", "all of it"):
        (sent,) = (n for path, n in files.sent.items() if n > 200_000) if wrong == "" else (0,)
        assert sent <= len(big) - (3 << 20)


@pytest.mark.slow
def test_bytes_that_are_wrong_twice_are_integrity_and_are_not_kept(tmp_path: Path, files: Files) -> None:
    inside = content(8 << 20)
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    (file,) = (f for f in stored.files if f.path == "big.bin")
    place = tmp_path / "served/files/md5" / file.md5[:2] / file.md5[2:]
    big = inside["big.bin"]
    flipped = bytes([big[-1] ^ 1])
    for number, bad in enumerate((big[:-1] + flipped, big[:-1], big + b"!")):
        place.chmod(0o600)
        place.write_bytes(bad)
        registry = project(tmp_path / f"{number}", files.url)
        begin(registry, stored, inside["big.bin"][: 3 << 20])
        with pytest.raises(Integrity, match=r"big\.bin"):
            pull(registry, stored, tmp_path / "out")
        assert partial(registry) == {} and not (tmp_path / "out").exists()


def test_a_link_that_was_planted_as_a_beginning_is_taken_away(tmp_path: Path) -> None:
    registry = project(tmp_path)
    store = registry.store(work_tree=False)
    inside = {"big.bin": os.urandom(5 << 20)}
    stored = store.take(write_files(tmp_path / "source", inside))
    (tmp_path / "precious").write_bytes(b"precious")
    planted = begin(registry, stored, b"")
    planted.unlink()
    planted.symlink_to(tmp_path / "precious")
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == inside
    assert (tmp_path / "precious").read_bytes() == b"precious"


class Plain:
    """A place from which an object comes whole, or not at all."""

    def __init__(self, inside: Mapping[str, bytes]) -> None:
        self._inside = inside

    def uri(self, oid: str) -> str:
        return f"plain:{oid}"

    def fetch(self, oid: str, target: str, limit: int) -> None:
        Path(target).write_bytes(self._inside[oid])


@pytest.mark.parametrize("wrong", [False, True])
def test_a_place_that_cannot_go_on_gives_whole_files(wrong: bool, tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    file = ArtifactFile("big.bin", len(data), hashlib.sha256(data).hexdigest())
    place, cache = Plain({"0" * 32: data[:-1] if wrong else data}), VerifiedCache(tmp_path / "cache")
    with cache.scratch() as scratch:
        delivery = Delivery(cache, [place], scratch, "copy", Meter(silent, "pull", file.size))
        if wrong:
            with pytest.raises(Integrity, match=r"big\.bin"):
                delivery.open(file, "0" * 32)
            assert os.listdir(scratch) == []
        else:
            with delivery.open(file, "0" * 32) as opened:
                assert opened.read() == data
    assert list((tmp_path / "cache/partial").iterdir()) == []


def test_a_beginning_that_nobody_went_on_with_is_cleared_away(tmp_path: Path) -> None:
    registry = project(tmp_path)
    store = registry.store(work_tree=False)
    stored = store.take(write_files(tmp_path / "source", {"big.bin": bytes(5 << 20)}))
    old = begin(registry, stored, b"x").with_name("0" * 64)
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    young = old.with_name("1" * 64)
    young.write_bytes(b"young")
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert partial(registry) == {"1" * 64: 5}


# --- several processes ---

_PULL = """
import pickle, sys
from pathlib import Path
from muster.backends.artifacts.store import ArtifactStore
config, root, cache, oid, files, out = pickle.loads(sys.stdin.buffer.read())
def step(*progress): print(*progress, flush=True)
ArtifactStore(config, root, cache).pull(oid, files, out, step)
"""


def start(registry: Project, stored: Stored, out: Path) -> subprocess.Popen[bytes]:
    """Pull in a process of its own."""
    import pickle

    said = (registry.config, registry.root, registry.cache, stored.oid, manifest_files(stored), out)
    process = subprocess.Popen(
        [sys.executable, "-c", _PULL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps(said))
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.slow
def test_thirty_two_processes_fetch_each_file_once_and_all_end_right(tmp_path: Path, files: Files) -> None:
    inside = {f"{n}.bin": os.urandom(6 << 20) for n in range(8)} | {
        f"s/{n}": bytes([n]) * 99 for n in range(60)
    }
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    registry = project(tmp_path, files.url)
    processes = [start(registry, stored, tmp_path / f"out{n}") for n in range(32)]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
    for n in range(32):
        assert read_files(tmp_path / f"out{n}") == inside
    lists = [n for path, n in files.sent.items() if path.endswith(".dir")]
    assert sum(files.sent.values()) - sum(lists) == sum(map(len, inside.values()))
    assert leftovers(tmp_path) == [] and partial(registry) == {}


@pytest.mark.slow
def test_a_process_that_is_killed_midway_leaves_what_came_to_the_next(tmp_path: Path, files: Files) -> None:
    inside = content()
    stored = behind(tmp_path).take(write_files(tmp_path / "source", inside))
    registry = project(tmp_path, files.url)
    process = start(registry, stored, tmp_path / "out")
    assert process.stdout is not None
    while int(process.stdout.readline().split()[1]) < 8 << 20:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (came,) = partial(registry).values()
    assert came >= 8 << 20 and not (tmp_path / "out").exists()
    files.sent.clear()
    assert pull(registry, stored, tmp_path / "out")
    assert sum(files.sent.values()) <= BIG - came + 1_000_000
    assert read_files(tmp_path / "out") == inside and leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_full_disk_keeps_no_beginning(tmp_path: Path, files: Files) -> None:
    import resource

    stored = behind(tmp_path).take(write_files(tmp_path / "source", content(8 << 20)))
    registry = project(tmp_path, files.url)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, before[1]))
    try:
        with pytest.raises(Unavailable, match="no room"):
            pull(registry, stored, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert partial(registry) == {} and leftovers(tmp_path) == []
    assert pull(registry, stored, tmp_path / "out")
