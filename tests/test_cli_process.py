"""The command line as a process: what it imports, and how it behaves on terminals, in pipes and when interrupted."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.cli import bikes

MUSTER = [sys.executable, "-m", "muster"]
SOURCES = str(Path(__file__).parents[1] / "src")
HEAVY = ("dvc", "mlflow", "jsonschema", "rich", "requests", "git", "numpy", "sklearn", "pandas", "fsspec")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The sealed environment of the test, in which the sources are on the path."""
    return {**os.environ, "PYTHONPATH": SOURCES, "TERM": "xterm"}


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return bikes(tmp_path)


def _modules_after(environment: Mapping[str, str], cwd: Path, *arguments: str) -> tuple[str, set[str]]:
    """What a command prints, and the top-level modules that were imported to do it."""
    script = (
        "import sys\nfrom muster.frontends.cli import run\nassert run(sys.argv[1:]) == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.split())


def test_help_and_version_import_neither_yaml_nor_anything_heavy(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    said, modules = _modules_after(environment, tmp_path, "--help")
    assert "Usage: muster" in said
    assert not modules & {"yaml", *HEAVY}


@pytest.mark.parametrize("reference", ["bikes@champion", "bikes/production", "bikes/1"])
def test_resolving_imports_nothing_heavy(
    server: Path, environment: Mapping[str, str], reference: str
) -> None:
    said, modules = _modules_after(environment, server, "resolve", reference, "--json")
    assert '"uri"' in said
    assert not modules & {*HEAVY, "asyncio", "concurrent", "logging", "tempfile"}


def test_python_m_muster_is_the_command(server: Path, environment: Mapping[str, str]) -> None:
    command = [*MUSTER, "resolve", "bikes@champion", "-R", str(server)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bikes/3\n", "")


@pytest.mark.parametrize("command", [["list"], ["history"], ["show", "bikes/3", "--json"], ["--help"]])
def test_a_reader_that_has_read_enough_ends_it_without_a_word(
    server: Path, environment: Mapping[str, str], command: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `muster list | head -0` leaves it
    done = subprocess.run(
        [*MUSTER, *command], cwd=server, env=environment, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def _as_in_a_terminal() -> None:
    """Let Ctrl-C end the process: whoever runs the tests in the background ignores it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_with_130(environment: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes a connection, and never answers
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/registry.git"
        command = [*MUSTER, "list", "-R", url]
        with subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_as_in_a_terminal,
        ) as running:
            connection, _ = listening.accept()
            os.killpg(running.pid, signal.SIGINT)
            out, err = running.communicate(timeout=30)
            connection.close()
    assert (running.returncode, out) == (130, b"")
    assert err.strip() == b"interrupted"


def _on_a_terminal(environment: Mapping[str, str], *arguments: str, program: Sequence[str] = MUSTER) -> str:
    """What a command writes to a terminal."""
    ours, its = pty.openpty()
    command = [*program, *arguments]
    with subprocess.Popen(command, env=environment, stdin=its, stdout=its, stderr=its) as running:
        os.close(its)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:  # Linux: the other side is closed
            pass
        running.wait()
    os.close(ours)
    return said.decode()


_SLOWLY = """
import sys, time
from muster.frontends.cli.progress import Bar
with Bar() as bar:
    for step in range(int(sys.argv[1])):
        bar("pull", step * 10_000_000, 200_000_000)
        time.sleep(0.1)
    bar("pull", 200_000_000, 200_000_000)
"""


@pytest.mark.slow
def test_what_takes_more_than_a_second_shows_its_rate_and_the_time_that_is_left(
    environment: Mapping[str, str],
) -> None:
    shown = _on_a_terminal(environment, "15", program=[sys.executable, "-c", _SLOWLY])
    assert re.search(r"fetching +\[#+-+\] +\d\d% +\d\d:\d\d:\d\d +\d+\.\d MB/s", shown), shown
    assert "100%" in shown and max(map(len, re.split(r"[\r\n]|\x1b\[\S+", shown))) < 80
    assert _on_a_terminal(environment, "2", program=[sys.executable, "-c", _SLOWLY]) == ""


def test_errors_are_coloured_on_a_terminal_unless_no_color_is_set(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    command = ("show", "bikes/1", "-R", str(tmp_path / "nowhere"))
    assert "\x1b[31m\x1b[1merror:\x1b[0m" in _on_a_terminal(environment, *command)
    plainly = _on_a_terminal({**environment, "NO_COLOR": "1"}, *command)
    assert "error: " in plainly and "\x1b" not in plainly


def test_deleting_asks_on_a_terminal_and_a_no_deletes_nothing(
    server: Path, environment: Mapping[str, str]
) -> None:
    command = [*MUSTER, "delete", "bikes/1", "--reason", "old", "-R", str(server)]
    for answer, code, left in ((b"n\n", 1, "bikes/1\n"), (b"y\n", 0, "")):
        ours, its = pty.openpty()
        os.write(ours, answer)
        done = subprocess.run(command, env=environment, stdin=its, capture_output=True, text=True)
        os.close(ours), os.close(its)
        assert done.returncode == code, done.stderr
        assert "delete bikes/1?" in done.stderr
        shown = subprocess.run(
            [*MUSTER, "resolve", "bikes/1", "-R", str(server)], env=environment, capture_output=True
        )
        assert shown.stdout.decode() == left


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_of_every_shell_calls_muster(
    shell: str, environment: Mapping[str, str]
) -> None:
    done = subprocess.run([*MUSTER, "completion", shell], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"_MUSTER_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes_commands_and_options(tmp_path: Path, environment: Mapping[str, str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    on_path = tmp_path / "bin" / "muster"
    on_path.parent.mkdir()
    on_path.write_text(f'#!/bin/sh\nexec {sys.executable} -m muster "$@"\n')
    on_path.chmod(0o755)
    script = """
        eval "$(muster completion bash)"
        complete -p muster
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _muster_completion muster; echo "${COMPREPLY[*]}"; }
        try muster prom
        try muster re
        try muster alias s
        try muster list --re
    """
    path = f"{on_path.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [bash, "-c", script], env={**environment, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *offered = done.stdout.splitlines()
    assert first.endswith("-F _muster_completion muster")
    assert offered == ["promote", "register resolve rename", "set", "--registry"]
