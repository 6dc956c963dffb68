"""git itself, to build what a test needs and to look at what came of it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(directory: Path, *arguments: str, stdin: str = "") -> str:
    """Run git in directory and return what it printed, without the newline at its end."""
    command = ["git", "-C", str(directory), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.rstrip("\n")


def tip(directory: Path, branch: str = "main") -> str | None:
    """Return the commit a branch is at, None if there is no such branch."""
    return git(directory, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") or None


def refs(directory: Path) -> list[str]:
    """Return the names of all refs."""
    return git(directory, "for-each-ref", "--format=%(refname)").split()


def write_hook(repository: Path, name: str, script: str) -> None:
    """Install a shell script as a hook of a bare repository, or of a work tree's."""
    hooks = repository / "hooks" if (repository / "hooks").is_dir() else repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / name).write_text(f"#!/bin/sh\n{script}\n")
    (hooks / name).chmod(0o755)
