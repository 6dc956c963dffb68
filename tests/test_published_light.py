"""A reader with nothing but this package, and many of them at once: processes that share a cache, die, and run out of disk."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster import Integrity, NotFound, Refused, Registry, Unavailable
from muster.core.published import Root
from muster.frontends.light import run
from support import webserver
from support.cli import bikes
from support.plain_index import new_key, write_index
from support.webserver import Site, site

TOP = Path(__file__).parent.parent


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory that is served: the index of a real registry, and beside it the artifacts that it names."""
    path = bikes(tmp_path)
    served = tmp_path / "served"
    served.mkdir()
    (tmp_path / "server.git.artifacts").rename(served / "artifacts")
    (tmp_path / "server.git.artifacts").symlink_to(served / "artifacts")
    publish(path, served, "")
    return served


def publish(path: Path, served: Path, artifacts: str, **options: Any) -> Root:
    with Registry(path) as registry:
        now = registry.snapshot()
        assert now.commit
        index = served / "index"
        index.mkdir(exist_ok=True)
        return write_index(index, now, commit=now.commit, url=str(path), artifacts=artifacts, **options)


@pytest.fixture
def served(top: Path, tmp_path: Path) -> Iterator[Site]:
    with site(top) as running:
        publish(tmp_path / "server.git", top, f"{running.url}/artifacts", at="2026-05-01T12:00:01Z")
        yield running


def index(served: Site) -> str:
    return f"index+{served.url}/index"


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_resolves_and_pulls_with_the_standard_library_alone(
    served: Site, tmp_path: Path
) -> None:
    """What else could be imported is not there; that nothing else is imported is asked all the same."""
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", tmp_path / "dist", TOP], check=True, capture_output=True, timeout=300)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def said(*command: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [*map(str, command)], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    said(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    key = new_key(tmp_path / "key")
    publish(
        tmp_path / "server.git", served.top, f"{served.url}/artifacts", keys=[key], at="2026-05-01T12:00:02Z"
    )
    light = (python, "-m", "muster.light")
    found = json.loads(
        said(*light, "resolve", index(served), "bikes@champion", "--json", "--key", f"{key}.pub")
    )
    assert (found["version"], found["uri"].partition("/files")[0]) == (3, f"{served.url}/artifacts")
    assert said(*light, "pull", index(served), "bikes@champion", "-o", "here") == "here\n"
    assert (tmp_path / "here/3.bin").read_bytes() == bytes([3]) * 2000
    assert "no model" in said(*light, "resolve", index(served), "cars/1", code=3)
    assert "python -m muster.light" in said(python, "-m", "muster", "resolve", "bikes/1", code=1)
    assert "python -m muster.light" in said(tmp_path / "venv/bin/muster", "resolve", "bikes/1", code=1)
    script = (
        "import sys; from muster.frontends.light import run\n"
        f"assert run(['pull', {index(served)!r}, 'bikes/2', '-o', 'there']) == 0\n"
        "names = {name.partition('.')[0] for name in sys.modules} - {'muster', '__main__'}\n"
        "print(sorted(name for name in names if name not in sys.stdlib_module_names))"
    )
    assert said(python, "-c", script).splitlines() == ["there", "[]"]


def test_the_light_command_line_has_the_exit_codes_and_words_of_the_other(
    top: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"index+{top}/index"
    assert run(["resolve", where, "bikes@champion"]) == 0
    assert capsys.readouterr().out == "bikes/3\n"
    assert run(["pull", where, "bikes@champion", "-o", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["reference"], said["path"], said["files"]) == ("bikes@champion", str(tmp_path / "out"), 1)
    assert run(["open", where, "bikes/1", "1.bin", "-o", str(tmp_path / "one")]) == 0
    assert (tmp_path / "one").read_bytes() == bytes([1]) * 2000
    assert run(["pull", where, "bikes/1", "-o", str(tmp_path / "two"), "--include", "*.txt"]) == 3
    capsys.readouterr()
    for code, arguments in (
        (3, ["resolve", where, "cars/1"]),
        (5, ["resolve", where, "bikes@"]),
        (6, ["pull", where, "bikes/2", "-o", str(tmp_path / "out")]),
        (7, ["resolve", where, "bikes/1", "--key", "SHA256:" + "A" * 43]),
        (8, ["resolve", f"index+{tmp_path}/nowhere", "bikes/1"]),
        (8, ["resolve", where, "bikes/1", "--key", "no-such-file"]),
    ):
        assert run(arguments) == code
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("error: ")
    with pytest.raises(SystemExit) as caught:
        run(["resolve", where])
    assert caught.value.code == 2


def test_terms_are_options_of_the_light_command_line(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"index+{top}/index"
    assert run(["resolve", where, "bikes/1", "--offline"]) == 8
    assert run(["resolve", where, "bikes/1", "--max-age", "10m"]) == 0
    assert run(["resolve", where, "bikes/1", "--max-age", "10m", "--offline"]) == 0


# --- artifacts by http ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_artifacts_come_by_http_without_dvc_and_go_on_where_they_broke_off(
    served: Site, tmp_path: Path
) -> None:
    served.faults.append(webserver.only("/artifacts/", webserver.first(2, webserver.cut_short)))
    with Registry(index(served)) as registry:
        registry.pull("bikes@champion", tmp_path / "out")
    assert (tmp_path / "out/3.bin").read_bytes() == bytes([3]) * 2000
    assert served.statuses[206] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (webserver.flipped, Integrity),
        (webserver.truncated, Integrity),
        (webserver.login_page, Integrity),
        (webserver.status(404), NotFound),
        (webserver.status(403), Refused),
        (webserver.status(500), Unavailable),
        (webserver.hang_up, Unavailable),
        (webserver.body(b"0" * 100_000_000), Integrity),
    ],
)
def test_artifacts_that_are_not_what_was_registered_appear_nowhere(
    served: Site, tmp_path: Path, fault: Any, error: Any
) -> None:
    served.faults.append(webserver.only("/artifacts/", fault))
    with Registry(index(served)) as registry:
        with pytest.raises(error):
            registry.pull("bikes@champion", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        served.faults.clear()
        registry.pull("bikes@champion", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../evil", "/etc/evil", ".git/config"])
def test_a_list_of_files_that_leads_out_of_the_directory_is_refused(
    served: Site, tmp_path: Path, path: str
) -> None:
    data = json.dumps([{"md5": "0" * 32, "relpath": path}]).encode()
    served.faults.append(webserver.only(".dir", webserver.body(data)))
    with Registry(index(served)) as registry, pytest.raises(Integrity):
        registry.pull("bikes@champion", tmp_path / "out")
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_where_files_are_on_s3_and_dvc_is_not_there_the_extra_is_named(top: Path, tmp_path: Path) -> None:
    publish(tmp_path / "server.git", top, "s3://models/registry", at="2026-05-01T12:00:01Z")
    script = (
        "import sys; sys.modules['dvc'] = sys.modules['dvc.fs'] = None\n"
        "from muster.frontends.light import run\n"
        f"sys.exit(run(['pull', 'index+{top}/index', 'bikes/1', '-o', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 8
    assert "muster-registry[s3]" in done.stderr and not (tmp_path / "out").exists()


# --- many processes ------------------------------------------------------------------------------------------------


READ = """\
import sys
from muster import Registry
with Registry(sys.argv[1]) as registry:
    print(registry.resolve("bikes@champion").version, len(registry.search()))
    registry.pull("bikes@champion", sys.argv[2])
"""


@pytest.mark.slow
def test_32_processes_share_one_cold_cache(served: Site, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ, index(served)]
    running = [
        subprocess.Popen(
            [*command, str(tmp_path / f"out{n}")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(32)
    ]
    said = [process.communicate(timeout=300) for process in running]
    assert {process.returncode for process in running} == {0}, said
    assert {out for out, _ in said} == {b"3 4\n"}
    assert {(tmp_path / f"out{n}/3.bin").read_bytes() for n in range(32)} == {bytes([3]) * 2000}


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_nothing_that_the_next_one_believes(
    served: Site, tmp_path: Path, sealed: Path
) -> None:
    for number, wait in enumerate((0.05, 0.12, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)):
        command = [sys.executable, "-c", READ, index(served), str(tmp_path / f"killed{number}")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(
        [sys.executable, "-c", READ, index(served), str(tmp_path / "out")], capture_output=True, check=True
    )
    assert done.stdout == b"3 4\n"
    for path in (sealed / ".cache/muster/published/objects").glob("??/*"):
        from muster.backends.published.files import unpacked

        assert hashlib.sha256(unpacked(path.read_bytes(), 1 << 26, path.name)).hexdigest() == path.name


@pytest.mark.slow
def test_a_full_disk_keeps_nobody_from_an_answer_that_needs_none(served: Site, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: what is kept is larger than it, what is remembered is not."""
    script = (
        "import sys; from muster import Registry\n"
        "print(Registry(sys.argv[1]).resolve('bikes@champion').version)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, index(served)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (450, 450)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "muster.light", "resolve", index(served), "bikes@champion"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        capture_output=True,
        text=True,
        env={**os.environ, "MUSTER_STATE": str(tmp_path / "fresh")},
    )
    assert done.returncode == 8 and "cannot be remembered" in done.stderr, done.stderr
