"""What the tests of the artifact store share: a DVC project with a local remote, sealed from the user's own DVC."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.dvc_project import FILES, Project, project, seal, write_files


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
