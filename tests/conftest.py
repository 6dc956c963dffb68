"""What every test gets: an environment sealed from the machine it runs on, and repositories to work in."""

from __future__ import annotations

import os
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from support.gitcli import git

_GITCONFIG = """\
[user]
	name = Ann Author
	email = ann@example.com
[init]
	defaultBranch = main
"""


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a dataclass among parameters by its class: its values may be long, and differ from run to run."""
    return type(val).__name__ if is_dataclass(val) else None


@pytest.fixture(autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home of its own: nothing of the user's configuration or caches is seen or written."""
    home = tmp_path_factory.mktemp("home")
    for name in [n for n in os.environ if n.startswith(("GIT_", "MUSTER_", "DVC_", "XDG_")) or n == "CI"]:
        monkeypatch.delenv(name)
    (home / ".gitconfig").write_text(_GITCONFIG)
    places = {"CONFIG": ".config", "CACHE": ".cache", "DATA": ".local/share", "STATE": ".local/state"}
    variables = {
        "HOME": home,
        **{f"XDG_{kind}_HOME": home / place for kind, place in places.items()},
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": home / "dvc-site-cache",
        "DVC_GLOBAL_CONFIG_DIR": home / "dvc-global",
        "DVC_SYSTEM_CONFIG_DIR": home / "dvc-system",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return home


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty bare repository whose branch is to be main."""
    path = tmp_path / "registry.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository with a work tree and one commit on main: README and models/a/model.yaml."""
    path = tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(path))
    (path / "models" / "a").mkdir(parents=True)
    (path / "README").write_text("hello\n")
    (path / "models" / "a" / "model.yaml").write_text("description: a\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=first")
    return path


@pytest.fixture
def origin(bare: Path, work: Path) -> Path:
    """The bare repository with the commit of `work` on its main."""
    git(work, "push", "--quiet", str(bare), "main")
    return bare


@pytest.fixture
def clone(tmp_path: Path, origin: Path) -> Path:
    """A clone of `origin` whose main follows it."""
    path = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", origin.as_uri(), str(path))
    return path
