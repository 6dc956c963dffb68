"""The artifact store on local directories: what goes in comes out, and nothing else ever does."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.backends.artifacts import ArtifactStore
from muster.core.errors import Conflict, Integrity, Invalid, MusterError, NotFound, Refused, Unavailable
from muster.core.models import ArtifactFile, Stored
from support.dvc_project import Project, manifest_files, project, read_files, seal, write_files

LARGE = 5 << 20  # more than is read into memory at once
FILES = {
    "model.bin": b"weights" * 1000,
    "conf/über.json": b"{}",
    "empty": b"",
    "large.bin": bytes(range(256)) * (LARGE // 256),
}
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seal(monkeypatch, tmp_path / "home")


@pytest.fixture
def registry(tmp_path: Path) -> Project:
    return project(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_files(tmp_path / "source", FILES)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return tmp_path / "remote"


def leftovers(*places: Path) -> list[str]:
    """Everything temporary that is still there."""
    return [
        str(p)
        for place in places
        for p in place.rglob("*")
        if ".muster-" in p.name or p.name.startswith(".scratch-")
    ]


# --- in and out ---


def test_what_was_taken_comes_back_byte_for_byte(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    store.pull(stored.oid, manifest_files(stored), tmp_path / "deep/er/out")
    assert read_files(tmp_path / "deep/er/out") == FILES
    assert leftovers(tmp_path) == []


def test_the_digests_are_those_of_hashlib(registry: Project, source: Path) -> None:
    stored = registry.store().take(source)
    assert [f.path for f in stored.files] == sorted(FILES)
    for file in stored.files:
        data = FILES[file.path]
        assert (file.size, file.md5, file.sha256) == (
            len(data),
            hashlib.md5(data).hexdigest(),
            hashlib.sha256(data).hexdigest(),
        )
    assert stored.size == sum(map(len, FILES.values()))


def test_a_single_file_is_a_directory_with_one_file(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store()
    stored = store.take(source / "model.bin")
    assert [f.path for f in stored.files] == ["model.bin"] and stored.oid.endswith(".dir")
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == {"model.bin": FILES["model.bin"]}


def test_objects_are_read_only_and_named_by_their_md5(registry: Project, source: Path, remote: Path) -> None:
    registry.store().take(source)
    for place in (remote, registry.root / ".dvc/cache"):
        objects = [p for p in (place / "files/md5").rglob("*") if p.is_file()]
        assert len(objects) == len(FILES) + 1
        for path in objects:
            name = f"{path.parent.name}{path.name}".removesuffix(".dir")
            assert hashlib.md5(path.read_bytes()).hexdigest() == name
            assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_without_a_work_tree_no_dvc_cache_is_written(registry: Project, source: Path) -> None:
    registry.store(work_tree=False).take(source)
    assert not (registry.root / ".dvc/cache").exists()


def test_the_source_is_left_as_it_was(registry: Project, source: Path) -> None:
    before = {p: (p.lstat().st_ino, p.lstat().st_mode, p.lstat().st_nlink) for p in source.rglob("*")}
    registry.store().take(source)
    assert {p: (p.lstat().st_ino, p.lstat().st_mode, p.lstat().st_nlink) for p in source.rglob("*")} == before


def test_taking_twice_writes_nothing_the_second_time(registry: Project, source: Path, remote: Path) -> None:
    first = registry.store().take(source)
    before = {p: p.stat().st_mtime_ns for p in [*remote.rglob("*"), *registry.root.rglob("*")] if p.is_file()}
    inodes = {p: p.stat().st_ino for p in before}
    assert registry.store().take(source) == first
    assert {p: p.stat().st_ino for p in inodes} == inodes


def test_an_object_that_a_crash_cut_short_is_written_again(
    registry: Project, source: Path, remote: Path
) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    for file in stored.files[:3]:
        place = Path(store.uri(file.md5))
        place.chmod(0o600)
        place.write_bytes(b"")
    store.take(source)
    assert store.verify(stored.oid, manifest_files(stored)) == ()


def test_the_same_content_under_two_names_is_stored_once(
    registry: Project, tmp_path: Path, remote: Path
) -> None:
    same = b"same" * LARGE
    store = registry.store()
    stored = store.take(write_files(tmp_path / "s", {"a": same, "b": same, "c": b"1", "d": b"1"}))
    assert sum(p.is_file() for p in remote.rglob("*")) == 3
    for name, link in (("out", "copy"), ("linked", "auto")):
        store.pull(stored.oid, manifest_files(stored), tmp_path / name, link=link)  # type: ignore[arg-type]
        assert read_files(tmp_path / name) == {"a": same, "b": same, "c": b"1", "d": b"1"}


def test_progress_goes_up_to_all_bytes_and_not_by_small_steps(registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {f"{n}": b"x" * 1000 for n in range(500)})
    seen: list[tuple[str, int, int]] = []
    store = registry.store()
    stored = store.take(source, lambda *step: seen.append(step))
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out", lambda *step: seen.append(step))
    for what in ("hash", "pull"):
        steps = [step for step in seen if step[0] == what]
        assert steps[-1] == (what, 500_000, 500_000)
        assert [s[1] for s in steps] == sorted(s[1] for s in steps)
        assert len(steps) < 400


def test_an_error_of_whoever_is_told_of_progress_is_his_own(registry: Project, source: Path) -> None:
    def broken(what: str, done: int, total: int) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        registry.store().take(source, broken)


# --- what cannot be stored ---


def test_a_path_that_is_not_there_is_not_found(registry: Project, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        registry.store().take(tmp_path / "absent")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path has at most 108 bytes
        s.bind(path.name)
        os.chdir(here)


UNFIT: dict[str, Callable[[Path], object]] = {
    "x/pipe": _fifo,
    "x/socket": _socket,
    "x/out": lambda p: p.symlink_to("/etc/hostname"),
    "x/up": lambda p: p.symlink_to(".."),
    "x/self": lambda p: p.symlink_to("self"),
    "x/dangling": lambda p: p.symlink_to("nothing"),
    "x/escape": lambda p: p.symlink_to("../.."),
    ".git": lambda p: p.write_bytes(b"gitdir: elsewhere"),
    "x/.DVC": lambda p: write_files(p, {"config": b""}),
    "dvc.yaml": lambda p: p.write_bytes(b""),
    "x/other.dvc": lambda p: p.write_bytes(b""),
    "x/aux.txt": lambda p: p.write_bytes(b""),
    "a:b": lambda p: p.write_bytes(b""),
    "a\\b": lambda p: p.write_bytes(b""),
    "line\nbreak": lambda p: p.write_bytes(b""),
    "OK": lambda p: p.write_bytes(b"differs from ok by case"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_tree_that_is_no_plain_artifact_is_refused(
    name: str, registry: Project, tmp_path: Path, remote: Path
) -> None:
    source = write_files(tmp_path / "s", {"ok": b"1", "x/fine": b"2"})
    UNFIT[name](source / name)
    with pytest.raises(Invalid) as caught:
        registry.store().take(source)
    assert len(caught.value.findings) == 1
    assert not remote.exists()


def test_everything_for_which_a_tree_is_refused_is_said_at_once(registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"ok": b"1", "x/fine": b"2"})
    for name, make in UNFIT.items():
        make(source / name)
    with pytest.raises(Invalid) as caught:
        registry.store().take(source)
    expected = {name if name != "x/.DVC" else "x/.DVC/config" for name in UNFIT} - {"OK"}
    assert {f.path for f in caught.value.findings} >= expected
    assert {f.rule for f in caught.value.findings} == {"artifact_files_can_be_stored"}


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), lambda p: (p / "a/b").mkdir(parents=True)])
def test_a_directory_without_files_is_refused(
    make: Callable[[Path], object], registry: Project, tmp_path: Path
) -> None:
    make(tmp_path / "s")
    with pytest.raises(Invalid):
        registry.store().take(tmp_path / "s")


def test_a_name_that_is_not_utf8_is_refused_in_words_that_can_be_printed(
    registry: Project, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "s", {"ok": b"1"})
    with open(os.fsencode(source) + b"/caf\xe9", "wb"):
        pass
    with pytest.raises(Invalid) as caught:
        registry.store().take(source)
    str(caught.value).encode()


def test_links_inside_are_followed_as_content(registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"blobs/1": b"one", "blobs/2": b"two"})
    (source / "snapshot").mkdir()
    (source / "snapshot/model").symlink_to("../blobs/1")
    (source / "latest").symlink_to("snapshot")
    (tmp_path / "entry").symlink_to(source)
    store = registry.store()
    stored = store.take(tmp_path / "entry")
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == {
        "blobs/1": b"one",
        "blobs/2": b"two",
        "latest/model": b"one",
        "snapshot/model": b"one",
    }


def test_links_that_multiply_without_end_are_refused(registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"d30/x": b""})
    (source / "d30/x").unlink()
    for n in range(30):
        (source / f"d{n}").mkdir()
        for name in "ab":
            (source / f"d{n}" / name).symlink_to(f"../d{n + 1}")
    with pytest.raises(Invalid):
        registry.store().take(source)


@pytest.mark.slow
def test_a_file_that_may_not_be_read_is_named(registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"ok": b"1", "secret": b"2", "dir/x": b"3"})
    (source / "secret").chmod(0)
    (source / "dir").chmod(0)
    tmp_path.chmod(0o755)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from muster.backends.artifacts.survey import survey\n"
        "from muster.core.errors import Invalid\n"
        "os.getuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))\n"
        "try: survey(Path(sys.argv[1]))\n"
        "except Invalid as e: print(*sorted(f.path for f in e.findings))\n"
    )
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o111)
    done = subprocess.run([sys.executable, "-c", script, str(source)], capture_output=True, text=True)
    (source / "dir").chmod(0o700)
    assert done.stdout.split() == ["dir", "secret"], done.stderr


def test_a_file_that_changes_meanwhile_is_refused_and_nothing_of_it_stored(
    registry: Project, tmp_path: Path, remote: Path
) -> None:
    source = write_files(tmp_path / "s", {"large": b"0" * (64 << 20)})

    def interfere(what: str, done: int, total: int) -> None:
        with open(source / "large", "r+b") as file:
            file.write(os.urandom(8))

    with pytest.raises(Integrity, match="large"):
        registry.store().take(source, interfere)
    assert not list(tmp_path.rglob("files/md5/*/*"))
    assert leftovers(tmp_path) == []


# --- a remote, a cache or a list that is not what it should be ---


def flip(path: Path) -> None:
    """Change one byte of a file, and nothing else about it."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", ["model.bin", "large.bin"])
def test_a_flipped_byte_on_the_remote_is_named_and_nothing_appears(
    name: str, registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    files = {file.path: file for file in stored.files}
    flip(Path(store.uri(files[name].md5)))
    with pytest.raises(Integrity, match=name):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    with pytest.raises(Integrity, match=name):
        store.tree(stored.oid, manifest_files(stored), DIGEST)
    assert not (tmp_path / "out").exists() and leftovers(tmp_path) == []
    assert [f.path for f in store.verify(stored.oid, manifest_files(stored))] == [name]


def test_a_longer_or_missing_object_is_named_too(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    files = {file.path: file for file in stored.files}
    longer, gone = Path(store.uri(files["model.bin"].md5)), Path(store.uri(files["large.bin"].md5))
    longer.chmod(0o600)
    longer.write_bytes(longer.read_bytes() + b"!")
    gone.unlink()
    findings = store.verify(stored.oid, manifest_files(stored))
    assert [f.path for f in findings] == ["large.bin", "model.bin"]
    assert store.missing([stored.oid]) == (files["large.bin"].md5,)
    with pytest.raises(NotFound, match=r"large\.bin"):
        store.pull(stored.oid, list(manifest_files(stored)), tmp_path / "out")


@pytest.mark.parametrize("link", ["copy", "auto"])
@pytest.mark.parametrize("name", ["model.bin", "large.bin"])
def test_a_corrupt_cache_entry_is_dropped_and_fetched_again(
    name: str, link: str, registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    store.pull(stored.oid, manifest_files(stored), tmp_path / "first")
    cached = {f.path: registry.cache / "sha256" / f.sha256[:2] / f.sha256[2:] for f in stored.files}
    flip(cached[name])
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out", link=link)  # type: ignore[arg-type]
    assert read_files(tmp_path / "out") == FILES
    assert cached[name].read_bytes() == FILES[name]


def test_a_corrupt_dvc_cache_is_passed_over(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    for path in (registry.root / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file() and path.stat().st_size:
            flip(path)
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_what_is_in_the_dvc_cache_is_not_asked_of_the_remote(
    registry: Project, source: Path, tmp_path: Path, remote: Path
) -> None:
    stored = registry.store().take(source)
    remote.rename(tmp_path / "unmounted")
    registry.store().pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_a_work_tree_that_has_no_dvc_cache_yet_pulls_from_the_remote(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    stored = registry.store(work_tree=False).take(source)
    registry.store().pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_a_remote_directory_that_is_gone_is_unavailable(
    registry: Project, source: Path, tmp_path: Path, remote: Path
) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    remote.rename(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")


def plant(store: ArtifactStore, data: bytes) -> str:
    """Put a list on the remote under its own md5."""
    oid = hashlib.md5(data).hexdigest() + ".dir"
    place = Path(store.uri(oid))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return oid


@pytest.mark.parametrize(
    "path", ["../../escaped", "/tmp/escaped", ".git/config", "a\\b", "CON", "c:x", "a\0b"]
)
def test_a_hostile_list_is_refused_before_anything_is_written(
    path: str, registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store(work_tree=False)
    file = store.take(source / "model.bin").files[0]
    oid = plant(store, json.dumps([{"md5": file.md5, "relpath": path}]).encode())
    for read in (
        lambda: store.listing(oid),
        lambda: store.pull(oid, [ArtifactFile(path, file.size, file.sha256)], tmp_path / "out"),
        lambda: store.tree(oid, [ArtifactFile(path, file.size, file.sha256)], DIGEST),
    ):
        with pytest.raises(Integrity):
            read()
    assert [f.rule for f in store.verify(oid, [ArtifactFile("model.bin", 1, "0" * 64)])] == [
        "artifact_is_intact"
    ]
    assert not (tmp_path / "out").exists() and not list(tmp_path.rglob("*escaped*"))


def test_a_list_whose_md5_is_another_is_refused(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    flip(Path(store.uri(stored.oid)))
    with pytest.raises(Integrity):
        store.listing(stored.oid)
    with pytest.raises(Integrity):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")


def test_verify_reads_the_list_from_the_remote_itself(registry: Project, source: Path) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    assert store.listing(stored.oid)
    flip(Path(store.uri(stored.oid)))
    assert [f.rule for f in store.verify(stored.oid, manifest_files(stored))] == ["artifact_is_intact"]


@pytest.mark.parametrize("sha256", ["../../../../precious", "0" * 63, "0" * 64 + "\n", "A" * 64])
def test_a_sha256_that_is_none_is_refused(
    sha256: str, registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(source / "model.bin")
    with pytest.raises(Integrity):
        store.pull(stored.oid, [ArtifactFile("model.bin", 1, sha256)], tmp_path / "out")


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("/dev/zero"), lambda p: p.mkdir()])
@pytest.mark.parametrize("name", ["model.bin", "large.bin"])
def test_an_object_that_is_no_file_is_refused(
    make: Callable[[Path], object], name: str, registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    place = Path(store.uri(next(f.md5 for f in stored.files if f.path == name)))
    place.unlink()
    make(place)
    with pytest.raises(Integrity, match=name):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert [f.path for f in store.verify(stored.oid, manifest_files(stored))] == [name]


def test_a_list_and_a_manifest_that_name_other_files_are_refused(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(source)
    files = manifest_files(stored)
    for wanted in (files[:-1], (*files, ArtifactFile("more", 0, "0" * 64)), (*files, files[0])):
        with pytest.raises(Integrity):
            store.pull(stored.oid, wanted, tmp_path / "out")


def test_a_corrupt_kept_list_is_read_from_the_remote_again(registry: Project, source: Path) -> None:
    store = registry.store(work_tree=False)
    stored = store.take(source)
    expected = {file.path: file.md5 for file in stored.files}
    assert store.listing(stored.oid) == expected
    flip(registry.cache / "lists" / stored.oid)
    assert store.listing(stored.oid) == expected


@pytest.mark.parametrize("oid", ["../../etc/passwd", "", "0" * 31, "0" * 32 + ".dir/..", "G" * 32])
def test_an_address_that_is_none_is_refused(oid: str, registry: Project, tmp_path: Path) -> None:
    store = registry.store()
    for ask in (
        store.uri,
        store.listing,
        lambda o: store.missing([o]),
        lambda o: store.pull(o, [], tmp_path / "o"),
    ):
        with pytest.raises(Invalid):
            ask(oid)


@pytest.mark.parametrize("digest", ["sha256:../../x", "md5:" + "0" * 32, "0" * 64])
def test_a_digest_that_is_none_is_refused(digest: str, registry: Project, source: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    with pytest.raises(Invalid):
        store.tree(stored.oid, manifest_files(stored), digest)


def test_what_the_remote_lacks_is_told_by_address(registry: Project, source: Path, remote: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    assert store.missing([stored.oid]) == ()
    Path(remote / "files").rename(remote / "other")
    assert set(store.missing([stored.oid])) == {stored.oid, *(f.md5 for f in stored.files)}
    assert store.missing(["0" * 32, "1" * 32 + ".dir"]) == ("0" * 32, "1" * 32 + ".dir")


# --- destinations ---


def test_an_empty_directory_is_a_destination(registry: Project, source: Path, tmp_path: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    (tmp_path / "out").mkdir()
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


@pytest.mark.parametrize(
    "make",
    [lambda p: write_files(p, {"mine": b"1"}), lambda p: p.write_bytes(b""), lambda p: p.symlink_to("x")],
)
def test_a_destination_in_use_is_left_alone(
    make: Callable[[Path], object], registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(source)
    make(tmp_path / "out")
    before = os.lstat(tmp_path / "out")
    with pytest.raises(Conflict):
        store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert os.lstat(tmp_path / "out") == before


def test_pulled_copies_are_the_users_and_shared_files_are_read_only(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(source)
    store.pull(stored.oid, manifest_files(stored), tmp_path / "copy")
    store.pull(stored.oid, manifest_files(stored), tmp_path / "auto", link="auto")
    for name in FILES:
        assert (tmp_path / "copy" / name).stat().st_mode & 0o200 and (
            tmp_path / "copy" / name
        ).stat().st_nlink == 1
        assert stat.S_IMODE((tmp_path / "auto" / name).stat().st_mode) == 0o444


def test_a_tree_is_read_only_and_made_once(registry: Project, source: Path) -> None:
    store = registry.store()
    stored = store.take(source)
    tree = store.tree(stored.oid, manifest_files(stored), DIGEST)
    assert read_files(tree) == FILES
    assert {stat.S_IMODE(p.stat().st_mode) for p in [tree, *tree.rglob("*")]} == {0o444, 0o555}
    inode = tree.stat().st_ino
    assert store.tree(stored.oid, manifest_files(stored), DIGEST) == tree and tree.stat().st_ino == inode


def _add(tree: Path) -> None:
    tree.chmod(0o700)
    (tree / "sitecustomize.py").write_text("")


def _replace_by_link(tree: Path) -> None:
    tree.chmod(0o700)
    (tree / "model.bin").rename(tree / "elsewhere")
    (tree / "elsewhere").rename(tree.parent / "elsewhere")
    (tree / "model.bin").symlink_to("../elsewhere")


def _remove(tree: Path) -> None:
    tree.chmod(0o700)
    (tree / "empty").unlink()


@pytest.mark.parametrize("tamper", [lambda tree: flip(tree / "model.bin"), _add, _replace_by_link, _remove])
def test_a_tree_that_was_tampered_with_is_made_again(
    tamper: Callable[[Path], object], registry: Project, source: Path
) -> None:
    store = registry.store()
    stored = store.take(source)
    tamper(store.tree(stored.oid, manifest_files(stored), DIGEST))
    tree = store.tree(stored.oid, manifest_files(stored), DIGEST)
    assert read_files(tree) == FILES
    assert not (tree / "model.bin").is_symlink()


def test_several_threads_and_stores_may_make_one_tree(registry: Project, source: Path) -> None:
    stored = registry.store().take(source)
    seen: list[dict[str, bytes]] = []

    def make() -> None:
        store = registry.store()
        for _ in range(3):
            seen.append(read_files(store.tree(stored.oid, manifest_files(stored), DIGEST)))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [FILES] * 12


# --- crashes and full disks ---

_CHILD = """
import pickle, sys
from pathlib import Path
from muster.backends.artifacts import ArtifactStore
from muster.core.errors import MusterError
config, root, cache, dvc_cache, what, *arguments = pickle.loads(bytes.fromhex(sys.argv[1]))
store = ArtifactStore(config, Path(root), Path(cache), dvc_cache and Path(dvc_cache))
def step(*progress): print(*progress, flush=True)
try:
    getattr(store, what)(*arguments, step)
except MusterError as error:
    print(type(error).__name__, error)
"""


def child(
    registry: Project, dvc_cache: Path | None, what: str, *arguments: object, **options: object
) -> subprocess.Popen[str]:
    """Run one method of the store in a process of its own, which prints its progress."""
    import pickle

    call = pickle.dumps(
        (
            registry.config,
            str(registry.root),
            str(registry.cache),
            dvc_cache and str(dvc_cache),
            what,
            *arguments,
        )
    )
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, call.hex()],
        stdout=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.slow
def test_a_killed_pull_leaves_no_destination_and_the_next_clears_up(
    registry: Project, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "s", {f"{n}": bytes([n]) * (20 << 20) for n in range(12)})
    store = registry.store(work_tree=False)
    stored = store.take(source)
    process = child(registry, None, "pull", stored.oid, manifest_files(stored), tmp_path / "out")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    store.pull(stored.oid, manifest_files(stored), tmp_path / "out")
    assert read_files(tmp_path / "out") == read_files(source)
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_killed_take_leaves_no_half_object_and_the_next_completes_it(
    registry: Project, tmp_path: Path
) -> None:
    source = write_files(tmp_path / "s", {f"{n}": bytes([n]) * (20 << 20) for n in range(12)})
    process = child(registry, registry.root / ".dvc/cache", "take", source)
    assert process.stdout is not None
    while "hash" in (line := process.stdout.readline()) and int(line.split()[1]) < (60 << 20):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in tmp_path.rglob("files/md5/*/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name.removesuffix(".dir")
    store = registry.store()
    stored = store.take(source)
    assert store.verify(stored.oid, manifest_files(stored)) == ()
    assert leftovers(tmp_path) == []


def test_what_another_process_is_making_is_not_cleared_away(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(source)

    def nested(what: str, done: int, total: int) -> None:
        if not (tmp_path / "inner").exists() and what == "pull":
            store.pull(stored.oid, manifest_files(stored), tmp_path / "inner")
            store.take(source)

    store.pull(stored.oid, manifest_files(stored), tmp_path / "out", nested)
    assert read_files(tmp_path / "out") == read_files(tmp_path / "inner") == FILES


def _no_large_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


@pytest.mark.slow
@pytest.mark.parametrize("size", [3 << 20, 6 << 20])
def test_a_full_disk_is_unavailable_and_nothing_is_left(size: int, registry: Project, tmp_path: Path) -> None:
    source = write_files(tmp_path / "s", {"a": b"1", "big": bytes(size)})
    process = child(registry, registry.root / ".dvc/cache", "take", source, preexec_fn=_no_large_files)
    out, _ = process.communicate()
    assert out.splitlines()[-1].startswith("Unavailable")
    assert leftovers(tmp_path) == []
    store = registry.store(work_tree=False)
    stored = store.take(source)
    process = child(
        registry,
        None,
        "pull",
        stored.oid,
        manifest_files(stored),
        tmp_path / "out",
        preexec_fn=_no_large_files,
    )
    out, _ = process.communicate()
    assert out.splitlines()[-1].startswith("Unavailable")
    assert not (tmp_path / "out").exists() and leftovers(tmp_path) == []


def test_a_remote_that_vanishes_midway_is_unavailable(
    registry: Project, source: Path, tmp_path: Path, remote: Path
) -> None:
    def unmount(what: str, done: int, total: int) -> None:
        if remote.exists():
            remote.rename(tmp_path / "unmounted")
            remote.write_bytes(b"")

    with pytest.raises(Unavailable):
        registry.store(work_tree=False).take(source, unmount)


# --- configuration ---


def test_a_configuration_that_is_not_plain_is_refused_at_once(registry: Project) -> None:
    with pytest.raises(Invalid):
        registry.store(config=b"[core]\nremote = s\n['remote \"s\"']\nurl = ../x\ncredentialpath = y\n")


def test_without_a_remote_the_way_out_is_said(registry: Project, source: Path) -> None:
    with pytest.raises(Invalid) as caught:
        registry.store(config=b"").take(source)
    assert "dvc remote add" in caught.value.hint


def test_the_committed_configuration_counts_and_not_that_of_the_work_tree(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    (registry.root / ".dvc/config").write_text(
        "[core]\nremote = x\n['remote \"x\"']\nurl = ../../elsewhere\n"
    )
    registry.store().take(source)
    assert (tmp_path / "remote").exists() and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("level", ["dvc", "dvc-system", "local"])
def test_levels_of_the_users_own_are_merged_as_dvc_merges_them(level: str, tmp_path: Path) -> None:
    from dvc.config import Config

    registry = project(tmp_path, "s3://bucket/a", {"region": "eu"})
    own = registry.root / ".dvc/config.local" if level == "local" else tmp_path / "home" / level / "config"
    own.parent.mkdir(exist_ok=True)
    own.write_text(
        "[core]\nremote = STORAGE\n['remote \"Storage\"']\nurl = s3://mine/b\nregion = us, x\n"
        "credentialpath = ~/c\n"
        "['remote \"storage\"']\nURL = s3://mine/c\nconfigpath = rel/c\nregion = us\n"
        "[cache]\ntype = hardlink,copy\n"
    )
    from muster.backends.artifacts.config import settings_of
    from muster.core.dvcconfig import parse_config

    ours = settings_of(parse_config(registry.config), registry.root)
    theirs = Config(str(registry.root / ".dvc"), validate=False)
    assert ours.sections["remote"] == theirs["remote"]
    assert ours.url == theirs["remote"]["storage"]["url"]
    assert ours.kinds == ("hardlink", "copy")
    assert ours.name == "storage"


def test_a_url_is_shown_without_its_credentials(tmp_path: Path) -> None:
    registry = project(tmp_path, "https://example.com/store/")
    (registry.root / ".dvc/config.local").write_text(
        "['remote \"storage\"']\nurl = https://ada:secret@example.com:8443/store?sig=secret\n"
    )
    assert registry.store().uri("0" * 32) == "https://example.com:8443/store/files/md5/00/" + "0" * 30


@pytest.mark.parametrize("key", ["version_aware", "worktree"])
def test_a_remote_that_keeps_files_by_their_names_is_refused(
    key: str, registry: Project, source: Path
) -> None:
    (registry.root / ".dvc/config.local").write_text(f"['remote \"storage\"']\n{key} = True\n")
    with pytest.raises(Invalid):
        registry.store().take(source)


def test_a_broken_file_of_the_users_own_is_named_and_not_quoted(registry: Project, source: Path) -> None:
    (registry.root / ".dvc/config.local").write_text("[core]\nsecret words\n")
    with pytest.raises(Invalid, match=r"config\.local:2") as caught:
        registry.store().take(source)
    assert "secret" not in str(caught.value)


def test_a_hard_link_is_made_only_where_the_configuration_asks_for_it(
    registry: Project, source: Path, tmp_path: Path
) -> None:
    config = registry.config + b"[cache]\n    type = hardlink,copy\n"
    stored: Stored = registry.store(config=config).take(source)
    large = next(f for f in stored.files if f.path == "large.bin")
    cached = registry.root / ".dvc/cache/files/md5" / large.md5[:2] / large.md5[2:]
    assert cached.samefile(source / "large.bin")
    assert not (tmp_path / "remote/files/md5" / large.md5[:2] / large.md5[2:]).samefile(source / "large.bin")


def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path, source: Path) -> None:
    registry = project(tmp_path, "/proc/muster")
    with pytest.raises((Refused, Unavailable)) as caught:
        registry.store(work_tree=False).take(source)
    assert isinstance(caught.value, MusterError)


def test_a_local_remote_needs_no_dvc(registry: Project, source: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from muster.backends.artifacts import ArtifactStore\n"
        "root = Path(sys.argv[1]); config = (root / '.dvc/config').read_bytes()\n"
        "store = ArtifactStore(config, root, root / 'c')\n"
        "store.missing([store.take(Path(sys.argv[2])).oid])\n"
        "heavy = {'dvc', 'dvc_data', 'dvc_objects', 'fsspec'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(registry.root), str(source)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
