"""Where files are pulled to: some of them, linked, there already, replaced; and one of them opened."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from muster.backends.artifacts.delivery import Link
from muster.backends.artifacts.store import ArtifactStore
from muster.core.errors import Conflict, Integrity, NotFound, Refused, Unavailable
from muster.core.models import ArtifactFile, Stored
from support.dvc_project import FILES, Project, flip, leftovers, manifest_files, read_files, write_files


@pytest.fixture
def store(registry: Project) -> ArtifactStore:
    return registry.store(work_tree=False)


@pytest.fixture
def stored(store: ArtifactStore, source: Path) -> Stored:
    return store.take(source)


def named(stored: Stored, *paths: str) -> tuple[ArtifactFile, ...]:
    """The files of those paths."""
    return tuple(file for file in manifest_files(stored) if file.path in paths)


def pull(store: ArtifactStore, stored: Stored, out: Path, **said: object) -> bool:
    """Pull all that was stored."""
    return store.pull(stored.oid, manifest_files(stored), out, **said)  # type: ignore[arg-type]


# --- some of the files ---


def test_only_what_is_wanted_is_fetched(
    store: ArtifactStore, stored: Stored, registry: Project, tmp_path: Path
) -> None:
    for file in stored.files:
        if file.path != "model.bin":
            Path(store.uri(file.md5)).unlink()
    assert pull(store, stored, tmp_path / "out", wanted=named(stored, "model.bin"))
    assert read_files(tmp_path / "out") == {"model.bin": FILES["model.bin"]}
    assert len([p for p in (registry.cache / "sha256").rglob("*") if p.is_file()]) == 1


def test_the_list_is_judged_whole_for_some_of_the_files(
    store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    files = (*manifest_files(stored), ArtifactFile("more", 0, "0" * 64))
    with pytest.raises(Integrity):
        store.pull(stored.oid, files, tmp_path / "out", wanted=named(stored, "model.bin"))


# --- there already ---


def test_a_directory_that_has_exactly_the_files_is_verified_and_left_alone(
    store: ArtifactStore, stored: Stored, remote: Path, tmp_path: Path
) -> None:
    assert pull(store, stored, tmp_path / "out")
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (tmp_path / "out").rglob("*")}
    remote.rename(tmp_path / "unmounted")
    assert not pull(store, stored, tmp_path / "out")
    assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (tmp_path / "out").rglob("*")} == before


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink", "auto"])
def test_linked_files_are_there_already_too(
    link: Link, store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    assert pull(store, stored, tmp_path / "out", link=link)
    assert read_files(tmp_path / "out") == FILES
    assert not pull(store, stored, tmp_path / "out", link=link)


@pytest.mark.parametrize("wrong", ["flipped", "more", "less", "elsewhere"])
def test_any_other_directory_is_refused_and_kept_until_it_is_replaced(
    wrong: str, store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    pull(store, stored, out)
    if wrong == "flipped":
        flip(out / "model.bin")
    elif wrong == "more":
        (out / "notes").write_text("mine")
    elif wrong == "less":
        (out / "empty").unlink()
    else:
        (out / "model.bin").rename(tmp_path / "model.bin")
        (out / "model.bin").symlink_to(tmp_path / "model.bin")
    before = read_files(out)
    with pytest.raises(Conflict, match="already there") as caught:
        pull(store, stored, out)
    assert "--replace" in caught.value.hint and read_files(out) == before
    assert pull(store, stored, out, replace=True)
    assert read_files(out) == FILES and not (out / "model.bin").is_symlink() and leftovers(tmp_path) == []


# --- replaced ---


def test_a_directory_is_replaced_as_a_whole_and_never_missing(
    store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    out = write_files(tmp_path / "out", {"old": b"1", "sub/old": b"2"})
    seen: list[set[str]] = []

    def look(what: str, done: int, total: int) -> None:
        seen.append(set(os.listdir(out)))

    assert store.pull(stored.oid, manifest_files(stored), out, look, replace=True)
    assert {"old", "sub"} in seen and all(names == {"old", "sub"} for names in seen[:-1])
    assert read_files(out) == FILES and leftovers(tmp_path) == []


@pytest.mark.slow
def test_whoever_reads_while_a_directory_is_replaced_sees_one_version_or_the_other(
    store: ArtifactStore, tmp_path: Path
) -> None:
    """Readers open the directory once, and read in it: then it is that one, whatever its name names now."""
    out = tmp_path / "out"
    versions = [
        store.take(write_files(tmp_path / f"s{n}", {"a": b"%d" % n, "b": b"%d" % n})) for n in range(2)
    ]
    pull(store, versions[0], out)
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None and reader.stdout.readline() == "00\n"
    for n in range(60):
        pull(store, versions[(n + 1) % 2], out, replace=True)
    said, _ = reader.communicate("")
    assert reader.returncode == 0 and set(said.split()) <= {"00", "11", "gone"}


_READER = """
import os, select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    top = os.open(sys.argv[1], os.O_RDONLY)  # must be there at any moment
    try:
        print("".join(open(os.open(n, os.O_RDONLY, dir_fd=top)).read() for n in "ab"), flush=True)
    except FileNotFoundError:
        print("gone")  # its files were taken away with it, after another took its name
    os.close(top)
"""


def test_a_replacement_that_fails_leaves_the_old_files(
    store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    out = write_files(tmp_path / "out", {"old": b"1"})
    flip(Path(store.uri(next(f.md5 for f in stored.files if f.path == "model.bin"))))
    with pytest.raises(Integrity):
        pull(store, stored, out, replace=True)
    assert read_files(out) == {"old": b"1"} and leftovers(tmp_path) == []


@pytest.mark.parametrize("what", ["here", "home", "cache", "git"])
def test_what_holds_more_than_pulled_files_is_not_replaced(
    what: str,
    store: ArtifactStore,
    stored: Stored,
    registry: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here/below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here/below")
    write_files(tmp_path / "git", {".git/HEAD": b"ref: x"})
    (tmp_path / "home/notes").touch()
    pull(store, stored, tmp_path / "first")
    out = {"cache": registry.cache}.get(what, tmp_path / what)
    with pytest.raises(Refused, match="not replaced"):
        pull(store, stored, out, replace=True)
    assert out.is_dir()


@pytest.mark.parametrize("what", ["file", "link"])
def test_a_file_or_a_link_is_not_replaced(
    what: str, store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    write_files(tmp_path / "elsewhere", {"mine": b"1"})
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Conflict) as caught:
        pull(store, stored, tmp_path / what, replace=True)
    assert "--replace" not in caught.value.hint
    assert (tmp_path / "file").read_text() == "mine" and read_files(tmp_path / "elsewhere") == {"mine": b"1"}


def test_the_root_of_a_file_system_is_refused_in_words(store: ArtifactStore, stored: Stored) -> None:
    with pytest.raises(Conflict, match="root of a file system"):
        pull(store, stored, Path("/proc"), replace=True)


# --- links ---


@pytest.mark.parametrize("link", ["hardlink", "symlink", "auto"])
def test_linked_files_are_the_caches_and_read_only(
    link: Link, store: ArtifactStore, stored: Stored, registry: Project, tmp_path: Path
) -> None:
    for out in (tmp_path / "fetched", tmp_path / "cached"):
        pull(store, stored, out, link=link)
        for file in stored.files:
            cached = registry.cache / "sha256" / file.sha256[:2] / file.sha256[2:]
            assert (out / file.path).samefile(cached)
            assert stat.S_IMODE((out / file.path).stat().st_mode) == 0o444
            assert (out / file.path).is_symlink() == (link == "symlink")


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_a_damaged_file_of_the_cache_is_fetched_again_before_it_is_linked(
    link: Link, store: ArtifactStore, stored: Stored, registry: Project, tmp_path: Path
) -> None:
    pull(store, stored, tmp_path / "first")
    for path in (registry.cache / "sha256").rglob("*"):
        if path.is_file() and path.stat().st_size:
            flip(path)
    pull(store, stored, tmp_path / "out", link=link)
    assert read_files(tmp_path / "out") == FILES


def test_what_the_file_system_cannot_link_is_unavailable_and_nothing_is_left(
    store: ArtifactStore, stored: Stored, tmp_path: Path
) -> None:
    other = next((p for p in (Path("/dev/shm"), Path("/run")) if os.access(p, os.W_OK)), None)
    assert other is not None and other.stat().st_dev != tmp_path.stat().st_dev
    out = other / f"muster-test-{os.getpid()}"
    for link in ("hardlink", "reflink"):
        with pytest.raises(Unavailable, match=f"No {link}"):
            pull(store, stored, out, link=link)
        assert not out.exists() and not list(other.glob(f".{out.name}*"))


def test_a_link_that_was_planted_in_the_cache_is_taken_away(
    store: ArtifactStore, stored: Stored, registry: Project, tmp_path: Path
) -> None:
    pull(store, stored, tmp_path / "first")
    outside = tmp_path / "outside"
    for file in stored.files:
        cached = registry.cache / "sha256" / file.sha256[:2] / file.sha256[2:]
        cached.rename(outside)
        cached.symlink_to(outside)
        for link in ("copy", "hardlink", "symlink", "auto"):
            pull(store, stored, tmp_path / f"{link}-{file.sha256[:9]}", link=link)
        assert not cached.is_symlink()
        with store.open(stored.oid, manifest_files(stored), named(stored, file.path)[0]) as opened:
            assert opened.read() == FILES[file.path]


# --- one file, opened ---


@pytest.mark.parametrize("path", list(FILES))
def test_an_opened_file_has_its_bytes_and_no_other_is_fetched(
    path: str, store: ArtifactStore, stored: Stored, registry: Project, remote: Path, tmp_path: Path
) -> None:
    (wanted,) = named(stored, path)
    with store.open(stored.oid, manifest_files(stored), wanted) as opened:
        assert opened.read() == FILES[path]
    assert len([p for p in (registry.cache / "sha256").rglob("*") if p.is_file()]) == 1
    remote.rename(tmp_path / "unmounted")
    with store.open(stored.oid, manifest_files(stored), wanted) as opened:
        assert opened.read(3) == FILES[path][:3] and not opened.writable()


@pytest.mark.parametrize("path", ["model.bin", "large.bin"])
def test_what_is_wrong_is_not_opened(
    path: str, store: ArtifactStore, stored: Stored, registry: Project, tmp_path: Path
) -> None:
    (wanted,) = named(stored, path)
    store.open(stored.oid, manifest_files(stored), wanted).close()
    cached = registry.cache / "sha256" / wanted.sha256[:2] / wanted.sha256[2:]
    flip(cached)
    with store.open(stored.oid, manifest_files(stored), wanted) as opened:
        assert opened.read() == FILES[path]
    flip(cached)
    there = Path(store.uri(next(f.md5 for f in stored.files if f.path == path)))
    flip(there)
    with pytest.raises(Integrity, match=path):
        store.open(stored.oid, manifest_files(stored), wanted)
    there.unlink()
    with pytest.raises(NotFound, match=path):
        store.open(stored.oid, manifest_files(stored), wanted)
    assert leftovers(tmp_path) == [] and not list((registry.cache / "partial").iterdir())
