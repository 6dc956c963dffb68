"""The command line as tests use it: a small registry of bikes, and commands run in a clone of it."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from muster import Registry
from muster.core.operations import SetStage
from muster.frontends.cli import run
from support.gitcli import git

START = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which must be one JSON document."""
        return json.loads(self.out)


def carry_out(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Said:
    """Run a command, and return what came of it alone."""
    capsys.readouterr()
    code = run([str(argument) for argument in arguments])
    return Said(code, *capsys.readouterr())


class Days:
    """A clock on which a day passes between any two readings."""

    def __init__(self) -> None:
        self._days = 0

    def __call__(self) -> datetime:
        self._days += 1
        return START + timedelta(days=self._days)


def copied(build: Callable[[Path], Path], directory: Path) -> Path:
    """Return what build makes of a registry in a directory, copied into this one; it is made once in each process.

    Where its artifacts are must be said relative to the registry.
    """
    made = _made(build)
    shutil.copytree(made.parent, directory, dirs_exist_ok=True)
    return directory / made.name


@cache
def _made(build: Callable[[Path], Path]) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="muster-made-"))
    atexit.register(shutil.rmtree, directory)
    return build(directory)


def bikes(directory: Path) -> Path:
    """Make a bare registry of bikes: 2 in production, 3 in staging and @champion, where 2 was before. And of vans."""
    return copied(_bikes, directory)


def _bikes(directory: Path) -> Path:
    path = directory / "server.git"
    with Registry.create(path, remote=f"../../{path.name}.artifacts", bare=True, clock=Days()) as registry:
        for number, rmse in ((1, 70.0), (2, 58.5), (3, 51.25)):
            model = directory / f"{number}.bin"
            model.write_bytes(bytes([number]) * 2000)
            said = {"metrics": {"rmse": rmse}, "params": {"depth": number}, "description": f"try {number}"}
            registry.register("bikes", model, stage="staging" if number > 1 else None, **said)
        git(path, "tag", "before-going-live")
        proposal = registry.propose(SetStage("bikes", 2, "production"), reason="good enough")
        git(path, "update-ref", "refs/heads/main", proposal.commit)
        git(path, "update-ref", "-d", f"refs/heads/{proposal.branch}")
        registry.set_alias("champion", "bikes/2")
        registry.set_alias("champion", "bikes/3", reason="a lower rmse")
        registry.register("vans", directory / "1.bin")
    return path


def clone_of(server: Path, path: Path) -> Path:
    """Clone a registry, as people who work with it do."""
    git(server, "clone", "--quiet", str(server), str(path))
    return path


def state_of(*directories: Path) -> str:
    """A digest of every file in directories: what is unchanged when nothing was written."""
    digest = hashlib.sha256()
    for directory in directories:
        for top, subdirectories, files in os.walk(directory):
            subdirectories.sort()
            for name in sorted(files):
                path = Path(top, name)
                digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
