"""The artifact store on local directories: what goes in comes out, and nothing else ever does."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.core.errors import Conflict, Integrity, Invalid, NotFound
from support.dvc_project import (
    FILES,
    LARGE,
    Project,
    flip,
    leftovers,
    manifest_files,
    read_files,
    write_files,
)

DIGEST = "sha256:" + "ab" * 32


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
        "try: survey(Path(sys.argv[1]), {})\n"
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
