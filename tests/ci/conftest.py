"""A registry on a server whose CI runs here, by a muster that pip installs from a wheel of this very tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from muster import Registry
from support.actions.runner import Runner, load
from support.forges.hub import BOT, Hub, contract, job_token
from support.forges.server import ForgeServer, serving
from support.forges.state import Repository

TOP = Path(__file__).parents[2]
INSTALL = "Install muster"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    place = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        place,
        TOP,
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine without a network, on which what muster depends on can be imported."""
    home = tmp_path_factory.mktemp("runner")
    first = tmp_path_factory.mktemp("bin")
    (first / "python3").symlink_to(sys.executable)
    return {
        "HOME": str(home),
        "PATH": f"{first}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_COMPILE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A bare registry: bikes 1 in production, bikes 2 in staging; on main lies what `muster init` laid down."""
    path = tmp_path / "forge" / "acme" / "models.git"
    path.parent.mkdir(parents=True)
    with Registry.create(path, bare=True, ci=["github", "gitlab"]) as registry:
        for number in (1, 2):
            model = tmp_path / f"{number}.bin"
            model.write_bytes(bytes([number]) * 2000)
            registry.register("bikes", model, stage="staging")
    return path


@pytest.fixture
def forge(server: Path) -> Iterator[ForgeServer]:
    """The GitHub on which the registry lives, with ann and bob, who may write."""
    repository = Repository(server.parents[1], "acme/models", ("ann", "bob", BOT), ("ann",))
    users = {name: f"token-of-{name}" for name in ("ann", "bob")}
    with serving(ForgeServer(server.parents[1], users, Hub(), contract(), repository)) as running:
        yield running


@pytest.fixture(scope="session")
def installed(wheel: Path, machine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the step that installs muster leaves behind, run once for all."""
    temp = tmp_path_factory.mktemp("installed")
    jobs = load((TOP / "registry-template" / ".github" / "workflows" / "muster.yml").read_bytes())["jobs"]
    (script,) = [step["run"] for step in jobs["check"]["steps"] if step.get("name") == INSTALL]
    env = {**machine, "RUNNER_TEMP": str(temp), "MUSTER_INSTALL": str(wheel)}
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=temp, env=env, check=True)
    return temp / "muster"


@pytest.fixture
def runner(server: Path, wheel: Path, machine: dict[str, str], forge: ForgeServer, tmp_path: Path) -> Runner:
    """Runs the workflows of `server`; its variable MUSTER_INSTALL names the wheel."""
    return Runner(
        server,
        tmp_path / "runs",
        machine,
        published={"muster-registry/muster": TOP},
        variables={"MUSTER_INSTALL": str(wheel)},
        server=forge.base,
        api=forge.api,
        issue=partial(job_token, forge),
    )


@pytest.fixture
def ready(runner: Runner, installed: Path) -> Runner:
    """The same, where muster is installed already."""
    return replace(runner, done={INSTALL: installed})
