"""What the store withstands: altered remotes and caches, hostile lists, crashes and full disks."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.backends.artifacts.store import ArtifactStore
from muster.core.errors import Integrity, Invalid, NotFound, Unavailable
from muster.core.models import ArtifactFile
from support.dvc_project import (
    FILES,
    Project,
    flip,
    leftovers,
    manifest_files,
    read_files,
    write_files,
)

DIGEST = "sha256:" + "ab" * 32


# --- a remote, a cache or a list that is not what it should be ---


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


# --- crashes and full disks ---

_CHILD = """
import pickle, sys
from pathlib import Path
from muster.backends.artifacts.store import ArtifactStore
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
