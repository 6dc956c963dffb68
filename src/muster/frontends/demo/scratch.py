"""A scratch folder in which typed commands are run as a person would run them.

Every command is a process of its own, found by the words that were typed: so what is shown is what was run, with
this muster's own start-up, exit code and streams, and neither the caller's directory nor its environment is touched.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap

import click

from ...core.errors import MusterError

_FILES = Path(__file__).parent / "files"
_WIDTH = 80
_NOBODY = ("Dana Demo", "dana@example.com")


class Scratch:
    """A folder, what was said in it so far, and where the next command runs."""

    def __init__(self, top: Path) -> None:
        self.top, self._here, self._step = top, top, 0
        self.is_somebody, self._environment = _environment(top)

    def lay(self, *names: str) -> None:
        """Copy files of the demo into the folder."""
        for name in names:
            path = self.top / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes((_FILES / path.name).read_bytes())

    def tell(self, words: str) -> None:
        """Open the next step: say in a sentence what it is for."""
        self._step += 1
        number = f"{self._step}. "
        click.echo()
        for line in wrap(number + words, _WIDTH, subsequent_indent=" " * len(number)):
            click.secho(line, fg="magenta")

    def type(self, command: str, exits: int = 0) -> None:
        """Show a command, run it, and show what it says; MusterError unless it exits as the story has it."""
        words = shlex.split(command)
        click.echo(click.style("$ ", dim=True) + click.style(_folded(words), bold=True))
        if words[0] == "cd":
            self._here = (self._here / words[1]).resolve()
            return
        # Both streams go one way: the transcript keeps its order wherever it is sent.
        done = subprocess.run(
            [*_PROGRAMS.get(words[0], [words[0]]), *words[1:]],
            cwd=self._here,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != exits:
            raise MusterError(
                f"step {self._step} did not go as told: `{command}` exited with {done.returncode}, not {exits}",
                hint=f"look at what it left: {self.top}",
            )
        if exits:
            click.secho(f"(exit code {exits})", dim=True)

    def ask(self, *command: str) -> str:
        """Return what a command prints, unseen by the reader."""
        done = subprocess.run(command, cwd=self._here, env=self._environment, capture_output=True, text=True)
        return done.stdout.strip()


_PROGRAMS = {"muster": [sys.executable, "-m", "muster"], "python": [sys.executable]}


def _environment(top: Path) -> tuple[bool, Mapping[str, str]]:
    """Tell whether git knows who the user is, and return the environment of commands: sealed, but for that name."""
    asked = ["git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"]
    said = subprocess.run(asked, capture_output=True, text=True)
    known = said.returncode == 0
    name, email = said.stdout.rpartition("> ")[0].split(" <", 1) if known else _NOBODY
    config = {
        "user.name": name,
        "user.email": email,
        "advice.detachedHead": "false",
        "color.ui": "never" if os.environ.get("NO_COLOR") else "auto",
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "MUSTER_"))}
    for number, (key, value) in enumerate(config.items()):
        kept[f"GIT_CONFIG_KEY_{number}"], kept[f"GIT_CONFIG_VALUE_{number}"] = key, value
    package = Path(__file__).parents[3]
    return known, {
        **kept,
        "GIT_CONFIG_COUNT": str(len(config)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "MUSTER_CACHE": str(top / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")])),
    }


def _folded(words: list[str]) -> str:
    """Return a command as it is typed, over several lines where one is too long; an option keeps its value."""
    lines = [""]
    for word in _with_values(list(map(shlex.quote, words))):
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH - 5:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _with_values(words: list[str]) -> Iterator[str]:
    while words:
        first = words.pop(0)
        takes = first.startswith("-") and words and not words[0].startswith("-")
        yield f"{first} {words.pop(0)}" if takes else first
