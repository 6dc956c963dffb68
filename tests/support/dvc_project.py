"""A git repository with a DVC remote, the real `dvc` command, and what the artifact store makes of both."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from muster.backends.artifacts.store import ArtifactStore
from muster.core.dvcfile import DvcFile, dump
from muster.core.models import ArtifactFile, Stored

LARGE = 5 << 20  # bytes: more than the store holds in memory at once
FILES = {
    "model.bin": b"weights" * 1000,
    "conf/über.json": b"{}",
    "empty": b"",
    "large.bin": bytes(range(256)) * (LARGE // 256),
}
DVC = str(Path(sys.executable).parent / "dvc")


def seal(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Keep the configuration of whoever runs the tests out of them."""
    for name in [n for n in os.environ if n.startswith(("GIT_", "DVC_", "AWS_", "SSH_", "XDG_"))]:
        monkeypatch.delenv(name)
    home.mkdir(exist_ok=True)
    settings = {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (home / "gitconfig").write_text(
        "[user]\n name = Ada\n email = ada@example.com\n[init]\n defaultBranch = main\n"
    )


@dataclass(frozen=True)
class Project:
    """A repository at `root`, whose remote has the given url."""

    root: Path
    config: bytes
    cache: Path

    def store(self, work_tree: bool = True, config: bytes | None = None) -> ArtifactStore:
        """The artifact store of this repository."""
        dvc_cache = self.root / ".dvc/cache" if work_tree else None
        return ArtifactStore(self.config if config is None else config, self.root, self.cache, dvc_cache)

    def dvc(self, *arguments: str, at: Path | None = None) -> str:
        """Run the real DVC, which must succeed; return what it printed."""
        done = subprocess.run([DVC, *arguments], cwd=at or self.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Run git, which must succeed; return what it printed."""
        return subprocess.run(
            ["git", *arguments], cwd=at or self.root, check=True, capture_output=True, text=True
        ).stdout

    def write_dvc_file(self, stored: Stored, name: str = "3") -> Path:
        """Write the `.dvc` file of what was stored."""
        path = self.root / f"{name}.dvc"
        path.write_bytes(dump(DvcFile(stored.oid, stored.size, len(stored.files), name)))
        return path


def project(root: Path, url: str = "../../remote", settings: Mapping[str, str] | None = None) -> Project:
    """Make a repository at root/repo with a remote at url; relative urls are below root."""
    repo = root / "repo"
    (repo / ".dvc").mkdir(parents=True)
    lines = [f"    {key} = {value}\n" for key, value in {"url": url, **(settings or {})}.items()]
    config = "[core]\n    remote = storage\n['remote \"storage\"']\n" + "".join(lines)
    (repo / ".dvc/config").write_text(config)
    (repo / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    subprocess.run(["git", "init", "-q"], cwd=repo, check=True)
    return Project(repo, config.encode(), root / "muster-cache")


def write_files(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below directory, and return it."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def read_files(directory: Path) -> dict[str, bytes]:
    """Return every file below directory."""
    return {
        str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()
    }


def manifest_files(stored: Stored) -> tuple[ArtifactFile, ...]:
    """What a manifest records of what was stored."""
    return tuple(ArtifactFile(file.path, file.size, file.sha256) for file in stored.files)


def leftovers(*places: Path) -> list[str]:
    """Everything temporary that is still there."""
    return [
        str(p)
        for place in places
        for p in place.rglob("*")
        if ".muster-" in p.name or p.name.startswith(".scratch-")
    ]


def flip(path: Path) -> None:
    """Change one byte of a file, and nothing else about it."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
