"""`muster watch` and what `muster resolve` prints for other programs, as they are typed and as processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster import Registry
from muster.frontends.cli import run
from support.cli import Said, bikes, carry_out
from support.publishing import publish
from support.registry import built, version

MUSTER = [sys.executable, "-m", "muster"]
SOURCES = str(Path(__file__).parents[1] / "src")
Muster = Callable[..., Said]
Line = Mapping[str, Any]


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """The registry of bikes, where 3 is @champion and 2 is in production."""
    return bikes(tmp_path)


@pytest.fixture
def muster(server: Path, capsys: pytest.CaptureFixture[str]) -> Muster:
    """Run a command on the registry."""
    return lambda *words: carry_out(capsys, "-R", server, *words)


def point(server: Path, version: int) -> None:
    with Registry(server) as registry:
        registry.set_alias("champion", f"bikes/{version}")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCES}


def _as_at_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def running(server: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`muster watch bikes@champion` with words, as a process that is gone afterwards."""
    command = [*MUSTER, "-R", server, "watch", "bikes@champion", "--interval", "1s", *words]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, preexec_fn=_as_at_a_terminal
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def event(process: subprocess.Popen[str]) -> Line:
    """The next line of JSON that a watch prints."""
    assert process.stdout is not None
    found: Line = json.loads(process.stdout.readline())
    return found


def test_once_brings_the_version_and_says_where(muster: Muster, tmp_path: Path) -> None:
    said = muster("watch", "bikes@champion", "--once", "--output", tmp_path / "out")
    (brought,) = (tmp_path / "out").glob("3-*")
    assert (said.code, said.out, said.err) == (0, f"bikes/3  {brought}\n", "")
    assert (tmp_path / "out" / "current" / "3.bin").read_bytes() == b"\x03" * 2000
    again = muster("watch", "bikes@champion", "--once", "--output", tmp_path / "out")
    assert (again.code, again.out) == (0, "")


def test_once_into_the_cache_prints_json(muster: Muster) -> None:
    found = muster("watch", "bikes@champion", "--once", "--json").json
    assert (found["event"], found["version"], found["previous_version"]) == ("updated", 3, None)
    assert (Path(found["path"]) / "3.bin").read_bytes() == b"\x03" * 2000


def test_the_command_gets_what_is_known_and_no_shell_sees_it(
    server: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    show = "import os, sys; print(sys.argv[1:], *sorted(f'{k}={v}' for k, v in os.environ.items() if 'MUSTER_' in k))"
    command = [sys.executable, "-c", show, "$HOME; --once", "--keep"]
    for number in (3, 2):
        point(server, number)
        words = ["-R", str(server), "watch", "bikes@champion", "--once", "-o", str(out), "--exec", *command]
        assert run(words) == 0
    printed = [line for line in capfd.readouterr().out.splitlines() if line.startswith("[")]
    with Registry(server) as registry:
        now = registry.resolve("bikes@champion")
    assert printed[-1] == (
        f"['$HOME; --once', '--keep'] MUSTER_COMMIT={now.commit} MUSTER_DIGEST={now.digest} MUSTER_MODEL=bikes "
        f"MUSTER_PATH={out}/2-{now.digest[7:19]} MUSTER_PREVIOUS_VERSION=3 MUSTER_VERSION=2"
    )


def test_a_command_that_fails_is_reported_with_its_exit_code(
    muster: Muster, server: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    muster("watch", "bikes@champion", "--once", "-o", out)
    point(server, 2)
    said = muster("watch", "bikes@champion", "--once", "-o", out, "--exec", "sh", "-c", "exit 7")
    assert (said.code, said.out) == (1, "")
    assert "error: sh -c 'exit 7' ended with 7 on bikes/2" in said.err
    assert (out / "current" / "3.bin").exists()
    killed = muster("watch", "bikes@champion", "--once", "-o", out, "--exec", "sh", "-c", "kill -9 $$")
    assert "was ended by SIGKILL on bikes/2" in killed.err
    missing = muster("watch", "bikes@champion", "--once", "-o", out, "--exec", "no-such-command")
    assert "no-such-command" in missing.err
    assert (out / "current" / "3.bin").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["bikes@nobody", "--once"], 3),
        (["bikes", "--once"], 5),
        (["bikes@champion", "--exec"], 2),
        (["bikes@champion", "--interval", "often"], 2),
        (["bikes@champion", "--interval", "0s"], 5),
        (["bikes@champion", "--keep", "-1"], 2),
    ],
)
def test_what_cannot_be_watched_ends_with_the_code_of_its_kind(
    muster: Muster, words: list[str], code: int
) -> None:
    assert muster("watch", *words).code == code


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_each_version_is_a_line_of_json_and_a_signal_ends_it_with_0(
    server: Path, tmp_path: Path, how: signal.Signals
) -> None:
    out = tmp_path / "out"
    with running(server, "--json", "-o", out, "--exec", "sh", "-c", "echo words of the command") as process:
        assert event(process)["version"] == 3
        point(server, 2)
        found = event(process)
        assert (found["version"], found["previous_version"]) == (2, 3)
        process.send_signal(how)
        assert process.wait(30) == 0
    assert (out / "current" / "2.bin").exists()
    assert [path for path in out.iterdir() if path.name.startswith(".incoming")] == []


@pytest.mark.slow
def test_a_signal_ends_the_command_too_and_the_version_does_not_count(server: Path, tmp_path: Path) -> None:
    out, pid = tmp_path / "out", tmp_path / "pid"
    with running(
        server, "-o", out, "--exec", "sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600"
    ) as process:
        _until(pid.exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not (out / "current").is_symlink()
    assert not (out / ".watched.json").exists()


@pytest.mark.slow
def test_a_watch_that_is_killed_before_its_version_counts_ends_right_the_next_time(
    server: Path, tmp_path: Path
) -> None:
    out, pid = tmp_path / "out", tmp_path / "pid"
    with running(server, "-o", out, "--json") as process:
        event(process)
        _until((out / ".watched.json").exists)
    point(server, 2)
    held = ("--exec", "sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")
    with running(server, "-o", out, *held) as process:
        _until(pid.exists)
        process.kill()
        process.wait(30)
        os.kill(int(pid.read_text()), signal.SIGKILL)
    with running(server, "-o", out, "--json") as process:
        found = event(process)
    assert (found["version"], found["previous_version"]) == (2, 3)
    assert (out / "current" / "2.bin").read_bytes() == b"\x02" * 2000
    assert {path.name.partition("-")[0] for path in out.iterdir()} == {".watched.json", "2", "3", "current"}


@pytest.mark.slow
def test_a_watch_that_is_killed_while_it_brings_files_leaves_no_half_version(
    server: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        file.truncate(1 << 28)  # it takes a moment to read
    with Registry(server) as registry:
        registry.register("bikes", big, aliases=["big"])
    out = tmp_path / "out"
    with running(server, "-o", out) as process:
        _until((out / ".watched.json").exists)
        with Registry(server) as registry:
            registry.set_alias("champion", "bikes@big")
        _until(lambda: any(out.glob(".incoming-*")))
        process.kill()
    assert {p.name.partition("-")[0] for p in out.iterdir()} == {".watched.json", ".incoming", "3", "current"}
    point(server, 2)
    with running(server, "-o", out, "--json") as process:
        assert event(process)["version"] == 2
    assert {p.name.partition("-")[0] for p in out.iterdir()} == {".watched.json", "2", "3", "current"}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What resolve prints for other programs


def test_several_references_are_answered_in_order_and_at_one_commit(muster: Muster) -> None:
    assert (
        muster("resolve", "bikes@champion", "vans/1", "bikes/production").out == "bikes/3\nvans/1\nbikes/2\n"
    )
    found = muster("resolve", "bikes@champion", "vans/1", "--json").json
    assert [(one["model"], one["version"]) for one in found] == [("bikes", 3), ("vans", 1)]
    assert len({one["commit"] for one in found}) == 1
    assert muster("resolve", "bikes@champion", "--json").json == found[0]
    assert muster("resolve", "bikes@champion", "vans/9").code == 3


def test_values_for_a_deployment_are_strict_yaml_and_the_same_until_a_version_moves(
    muster: Muster, server: Path
) -> None:
    first = muster("resolve", "bikes@champion", "vans/1", "--format", "yaml").out
    assert yaml.safe_load(first)["models"]["bikes@champion"]["version"] == 3
    with Registry(server) as registry:
        registry.tag("bikes/3", {"seen": "yes"})
    assert muster("resolve", "bikes@champion", "vans/1", "--format", "yaml").out == first
    point(server, 2)
    assert muster("resolve", "bikes@champion", "vans/1", "--format", "yaml").out != first


def test_variables_for_a_shell_are_read_back_as_they_were(muster: Muster) -> None:
    said = muster("resolve", "bikes@champion", "--format", "env")
    script = said.out + 'printf "%s\\n" "$MUSTER_MODEL" "$MUSTER_VERSION" "$MUSTER_LABEL" "$MUSTER_STAGE"'
    read = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True)
    assert read.stdout == "bikes\n3\n\nstaging\n"
    assert muster("resolve", "bikes@champion", "bikes/1", "--format", "env").code == 2
    assert muster("resolve", "bikes@champion", "--format", "env", "--json").code == 2


def test_a_hostile_name_stays_a_word_in_every_format(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "$(touch pwned)'`touch pwned`\"; touch pwned #"
    publish(bare, dict(built(version(name, "one")).files))
    said = carry_out(capsys, "-R", bare, "resolve", f"{name}/1", "--format", "env")
    assert said.code == 0, said.err
    script = said.out + 'printf %s "$MUSTER_MODEL"'
    read = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert read.stdout == name
    assert not (tmp_path / "pwned").exists()
    values = yaml.safe_load(carry_out(capsys, "-R", bare, "resolve", f"{name}/1", "--format", "yaml").out)
    assert values["models"][f"{name}/1"]["model"] == name
