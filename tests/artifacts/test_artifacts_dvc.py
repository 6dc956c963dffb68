"""The contract with DVC: what muster stores is an ordinary DVC project, and the other way round."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from muster.core.dvcfile import DvcFile, dump
from muster.core.models import ArtifactFile
from support.dvc_project import Project, manifest_files, project, read_files, write_files

pytestmark = pytest.mark.slow

FILES = {
    "model.bin": b"weights" * 1000,
    "sub/über 1.json": b'{"a": 1}',
    "sub/deep/e": b"",
    "big": b"x" * (5 << 20),
}


def test_dvc_add_writes_the_same_bytes(registry: Project, tmp_path: Path) -> None:
    stored = registry.store().take(write_files(tmp_path / "source", FILES))
    ours = registry.write_dvc_file(stored, "3").read_bytes()
    objects = read_files(tmp_path / "remote")
    theirs = project(tmp_path / "theirs")
    write_files(theirs.root / "3", FILES)
    theirs.dvc("add", "3")
    theirs.dvc("push")
    assert ours == (theirs.root / "3.dvc").read_bytes()
    assert objects == read_files(tmp_path / "theirs/remote")
    assert read_files(registry.root / ".dvc/cache") == read_files(theirs.root / ".dvc/cache")


@pytest.mark.parametrize("data", [b"a", b"weights"])
def test_dvc_add_of_a_single_file_writes_the_same_bytes(registry: Project, data: bytes) -> None:
    (registry.root / "model.bin").write_bytes(data)
    registry.dvc("add", "model.bin")
    file = DvcFile(hashlib.md5(data).hexdigest(), len(data), None, "model.bin")
    assert dump(file) == (registry.root / "model.bin.dvc").read_bytes()


def test_plain_dvc_sees_an_ordinary_project(registry: Project, tmp_path: Path) -> None:
    store = registry.store()
    stored = store.take(write_files(tmp_path / "source", FILES))
    registry.write_dvc_file(stored)
    (registry.root / ".gitignore").write_text("/3\n")
    store.pull(stored.oid, manifest_files(stored), registry.root / "3")
    registry.git("add", "-A")
    registry.git("commit", "-qm", "Register 3")

    assert "up to date" in registry.dvc("status")
    assert "in sync" in registry.dvc("status", "-c")
    assert "up to date" in registry.dvc("push", "3.dvc")
    assert "up to date" in registry.dvc("fetch", "3.dvc")
    assert "No unused" in registry.dvc("gc", "-w", "-c", "-f", "--dry")
    registry.dvc("gc", "-w", "-c", "-f")
    assert store.missing([stored.oid]) == ()
    registry.dvc("add", "3")
    assert registry.git("status", "--short") == ""


def test_plain_dvc_pulls_what_muster_stored_into_a_fresh_clone(registry: Project, tmp_path: Path) -> None:
    stored = registry.store(work_tree=False).take(write_files(tmp_path / "source", FILES))
    registry.write_dvc_file(stored)
    registry.git("add", "-A")
    registry.git("commit", "-qm", "Register 3")
    clone = tmp_path / "clone"
    registry.git("clone", "-q", str(registry.root), str(clone))
    registry.dvc("pull", "3.dvc", at=clone)
    assert read_files(clone / "3") == FILES
    assert "up to date" in registry.dvc("status", at=clone)


def test_muster_deploys_what_dvc_pushed(registry: Project, tmp_path: Path) -> None:
    write_files(registry.root / "3", FILES)
    registry.dvc("add", "3")
    registry.dvc("push")
    oid = (registry.root / "3.dvc").read_text().split("md5: ")[1].split()[0]
    files = [ArtifactFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in FILES.items()]
    store = registry.store(work_tree=False)
    assert store.missing([oid]) == () and store.verify(oid, files) == ()
    store.pull(oid, files, tmp_path / "out")
    assert read_files(tmp_path / "out") == FILES


def test_dvc_push_completes_a_remote_from_the_cache_that_muster_filled(
    registry: Project, tmp_path: Path
) -> None:
    store = registry.store()
    stored = store.take(write_files(tmp_path / "source", FILES))
    registry.write_dvc_file(stored)
    (tmp_path / "remote").rename(tmp_path / "lost")
    assert len(store.missing([stored.oid])) == len(FILES) + 1
    registry.dvc("push", "3.dvc")
    assert store.verify(stored.oid, manifest_files(stored)) == ()
