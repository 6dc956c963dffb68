"""What the tests of the artifact store share: a DVC project with a local remote, sealed from the user's own DVC."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.dvc_project import FILES, Project, project, seal, write_files
from support.remotes import Served, moto_server, on_s3, over_http, over_ssh, over_webdav


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


@pytest.fixture(scope="session")
def moto() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with moto_server() as running:
        yield running


@pytest.fixture
def s3(tmp_path: Path, moto: tuple[int, subprocess.Popen[bytes]]) -> Served:
    return on_s3(tmp_path, moto)


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[Served]:
    with over_ssh(tmp_path) as served:
        yield served


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Served]:
    with over_http(tmp_path) as served:
        yield served


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[Served]:
    with over_webdav(tmp_path) as served:
        yield served
