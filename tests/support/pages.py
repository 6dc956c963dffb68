"""Runs the examples of a page of documentation, in order, in one scratch folder.

A ```console block is what a reader types and sees: `$ ` begins a command, `> ` continues it, and the lines below are
what it prints, stdout and stderr together. All commands of a page go to one bash, so `cd` and variables last. A
```pycon block is run in one interpreter per page, in the folder the shell is in; so is a ```python block, which prints
nothing. Other blocks are not run.

- Output that is shown must be what is printed; output that is not shown is not looked at.
- A command must succeed, unless the one after it is `echo $?`.
- /home/ann stands for the scratch folder.
- What differs from run to run is compared by its kind: see `VOLATILE`. Runs of spaces count as one.
- `...` in a shown line stands for any text; a line that is `...` for any number of lines.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = "/home/ann"
VOLATILE = (  # what differs from run to run, and the kind it is compared by
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b20\d\d-\d\d-\d\d( \d\d:\d\d)?\b"), "<date>"),
    (re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{30}\b"), "<object>"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "<id>"),
    (re.compile(r"\b\d+(\.\d+)? (B|kB|MB|bytes)\b"), "<size>"),
    (re.compile(r"\bsize: \d+"), "size: <size>"),
    (re.compile(r"(==|version: )\d+(\.\d+)+\S*"), r"\1<version>"),
    (re.compile(r"[ \t]+"), " "),
)
_FENCE = re.compile(r"^```(\S*)\s*$")
_RUN = ("console", "pycon", "python")


@dataclass(frozen=True)
class Block:
    """A fenced block. `first` is the line of its first line of text, from 1."""

    kind: str
    first: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What stands in it."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(frozen=True)
class Command:
    """One command of a console block, and the lines it is shown to print: lines `first` to before `end`."""

    text: str
    shown: tuple[str, ...]
    first: int
    end: int


@dataclass(frozen=True)
class Mismatch:
    """An example that does not do what the page shows. `printed` replaces the lines from `first` to before `end`."""

    first: int
    end: int
    printed: tuple[str, ...]
    words: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    kind, first, lines = None, 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and kind is None:
            kind, first, lines = fence[1], number + 1, []
        elif fence and kind is not None:
            yield Block(kind, first, tuple(lines))
            kind = None
        elif kind is not None:
            lines.append(line)


def is_runnable(page: Path) -> bool:
    """Tell whether a page has an example that runs."""
    return any(block.kind in _RUN for block in blocks(page))


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block."""
    starts = [n for n, line in enumerate(block.lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(block.lines)], strict=True):
        lines = block.lines[start:end]
        typed = 1 + next((n for n, line in enumerate(lines[1:]) if not line.startswith(">")), len(lines) - 1)
        text = "\n".join([lines[0][2:], *(line[2:] for line in lines[1:typed])])
        yield Command(text, lines[typed:], block.first + start + typed, block.first + end)


def normal(line: str) -> str:
    """Return a line with everything that differs from run to run replaced by its kind."""
    for pattern, kind in VOLATILE:
        line = pattern.sub(kind, line)
    return line.rstrip()


def matches(shown: tuple[str, ...], printed: tuple[str, ...]) -> bool:
    """Tell whether what a page shows is what was printed."""
    pieces = [r"(?s:.*?)" if line.strip() == "..." else _pattern(normal(line)) + "\n" for line in shown]
    text = "".join(f"{normal(line)}\n" for line in printed)
    return re.fullmatch("".join(pieces), text) is not None


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


class Shell:
    """One bash for all commands of a page."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self.directory = folder, folder
        self._command = folder.parent / "command.sh"
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder, env=dict(environment), text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str) -> tuple[int, tuple[str, ...]]:
        """Run a command; return its exit code and the lines it printed."""
        assert self._bash.stdin and self._bash.stdout
        self._command.write_text(command.replace(HOME, str(self._folder)) + "\n", encoding="utf-8")
        # The subshell's code stays in $? for the next command.
        self._bash.stdin.write(
            f". {self._command} </dev/null; __code=$?; printf '\\n\\036%s\\036%s\\n' $__code \"$PWD\"; "
            "(exit $__code)\n"
        )
        self._bash.stdin.flush()
        printed: list[str] = []
        for line in self._bash.stdout:
            if line.startswith("\x1e"):
                _, code, directory = line.rstrip("\n").split("\x1e")
                self.directory = Path(directory)
                text = "".join(printed).removesuffix("\n").replace(str(self._folder), HOME)
                return int(code), tuple(text.splitlines())
            printed.append(line)
        raise AssertionError(f"the shell ended in: {command}")

    def close(self) -> None:
        """End the shell."""
        assert self._bash.stdin and self._bash.stdout
        self._bash.stdin.close()
        self._bash.wait()
        self._bash.stdout.close()


class _Loosely(doctest.OutputChecker):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return matches(tuple(want.splitlines()), tuple(got.replace(str(self._folder), HOME).splitlines()))


def environment(tools: Path) -> dict[str, str]:
    """Return this environment with `muster`, `python` and `dvc` of this interpreter first on the PATH."""
    tools.mkdir()
    run = {
        "python": "",
        "muster": "-m muster",
        "dvc": "-m dvc",
    }
    for name, how in run.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {how} "$@"\n')
        (tools / name).chmod(0o755)
    source = Path(__file__).parents[2] / "src"
    path = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}


def run(page: Path, scratch: Path) -> list[Mismatch]:
    """Run every example of a page below scratch; return those that do not do what the page shows."""
    folder = scratch / "ann"
    folder.mkdir()
    shell = Shell(folder, environment(scratch / "tools"))
    names: dict[str, Any] = {"__name__": "__main__"}
    found: list[Mismatch] = []
    try:
        for block in blocks(page):
            if block.kind == "console":
                found += _run_console(block, shell)
            elif block.kind in ("pycon", "python"):
                with _inside(shell.directory):
                    found += _run_python(block, names, folder)
    finally:
        shell.close()
    return found


@contextlib.contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _run_console(block: Block, shell: Shell) -> Iterator[Mismatch]:
    every = list(commands(block))
    for command, following in zip(every, [*every[1:], None], strict=True):
        code, printed = shell.run(command.text)
        may_fail = following is not None and following.text == "echo $?"
        wrong_code = code != 0 and not may_fail
        if wrong_code or (command.shown and not matches(command.shown, printed)):
            words = f"$ {command.text}\n--- shown\n" + "\n".join(command.shown)
            words += (
                "\n--- printed\n" + "\n".join(printed) + (f"\n--- exit code {code}" if wrong_code else "")
            )
            yield Mismatch(command.first, command.end, printed, words)


def _run_python(block: Block, names: dict[str, Any], folder: Path) -> Iterator[Mismatch]:
    if block.kind == "python":
        exec(compile(block.text, f"line {block.first}", "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, "page", None, block.first)
    said: list[str] = []
    doctest.DocTestRunner(checker=_Loosely(folder)).run(test, out=said.append, clear_globs=False)
    names |= test.globs
    if said:
        yield Mismatch(block.first, block.first, (), "".join(said))


def accept(page: Path, found: list[Mismatch]) -> None:
    """Write what was printed into the page, where console blocks showed something else."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for wrong in sorted(found, key=lambda mismatch: -mismatch.first):
        lines[wrong.first - 1 : wrong.end - 1] = wrong.printed
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
