"""The files of docs/examples do what the recipes say: each is run, or its commands are, as they stand."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from muster import Registry
from muster.publishing import Wanted, publish
from support import pages
from support.cli import bikes
from support.gitcli import git
from support.serving import free_port, in_process, in_thread
from support.webserver import site

TOP = Path(__file__).parents[1]
EXAMPLES = TOP / "docs" / "examples"
FILES = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
slow = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A bare registry: bikes 2 in production, bikes 3 is @champion."""
    return bikes(tmp_path)


@pytest.fixture
def environment(tmp_path: Path, server: Path) -> Mapping[str, str]:
    """A machine on which muster is installed, and which knows the registry by MUSTER_REGISTRY."""
    return {**pages.environment(tmp_path / "tools"), "MUSTER_REGISTRY": str(server)}


def document(path: str) -> Any:
    return yaml.safe_load((EXAMPLES / path).read_text())


def moved_to(root: Path, words: Sequence[str], *places: str) -> list[str]:
    """A command in which each of these places of a container lies below root."""
    found = list(words)
    for place in places:
        found = [re.sub(rf"(?<![\w/]){re.escape(place)}(?=/|\b)", f"{root}{place}", word) for word in found]
    return found


def point(server: Path, version: int) -> None:
    with Registry(server) as registry:
        registry.set_alias("champion", f"bikes/{version}")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_the_page_of_recipes_links_to_every_example(path: Path) -> None:
    assert f"(examples/{path.relative_to(EXAMPLES).as_posix()})" in (TOP / "docs" / "recipes.md").read_text()


# A service in Python


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    """A registry of two models that skops saved: version 1 doubles, version 2 triples. 1 is @champion."""
    import skops.io
    from sklearn.linear_model import LinearRegression

    path = tmp_path / "linear.git"
    with Registry.create(path, bare=True) as registry:
        for number in (1, 2):
            model = LinearRegression().fit([[0.0], [1.0]], [0.0, number + 1.0])
            skops.io.dump(model, tmp_path / f"{number}.skops")
            registry.register("bikes", tmp_path / f"{number}.skops")
        registry.register("bikes", tmp_path / "linear.git" / "HEAD", label="no-model")
        registry.set_alias("champion", "bikes/1")
    return path


def ask(port: int) -> tuple[int, int, float]:
    """What the service says of [[1.0]]: the status, the version, the prediction."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", json.dumps([[1.0]]), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said["version"], round(said["predictions"][0], 6)


@slow
def test_a_service_changes_its_model_under_load_and_no_request_fails(
    linear: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, stop = free_port(), threading.Event()
    answers: Counter[tuple[int, int, float]] = Counter()
    failed: list[BaseException] = []

    def load() -> None:
        while not stop.is_set():
            try:
                answers[ask(port)] += 1
            except BaseException as error:
                failed.append(error)

    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "app:app",
        "--port",
        str(port),
        "--app-dir",
        EXAMPLES / "fastapi",
    ]
    monkeypatch.setenv("MUSTER_REGISTRY", str(linear))
    monkeypatch.setenv("MUSTER_INTERVAL", "0.2")
    monkeypatch.setenv("PYTHONPATH", str(TOP / "src"))
    with in_process(list(map(str, command)), port, tmp_path / "log") as process:
        users = [threading.Thread(target=load) for _ in range(4)]
        for user in users:
            user.start()
        until(lambda: (200, 1, 2.0) in answers)
        point(linear, 2)
        until(lambda: (200, 2, 3.0) in answers)
        point(linear, 3)  # which is no model: the service goes on with the one it has
        until(lambda: "next try in" in (tmp_path / "log").read_text())
        stop.set()
        for user in users:
            user.join()
        assert ask(port) == (200, 2, 3.0)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert failed == []
    assert set(answers) == {(200, 1, 2.0), (200, 2, 3.0)}


# Kubernetes


@pytest.mark.parametrize("manifest", ["deployment", "light"])
def test_the_manifest_is_one_that_kubernetes_takes(manifest: str) -> None:
    for version in ("1.29", "1.31", "1.34"):
        kubernetes_validate.validate(document(f"kubernetes/{manifest}.yaml"), version, strict=True)


@slow
def test_the_light_container_brings_the_model_by_its_index(server: Path, tmp_path: Path) -> None:
    pod = document("kubernetes/light.yaml")["spec"]["template"]["spec"]
    (init,) = pod["initContainers"]
    root, key = tmp_path / "root", tmp_path / "key"
    (root / "models").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout
    with site(tmp_path / "index") as index, site(tmp_path / "server.git.artifacts") as artifacts:
        with Registry(server) as registry:
            publish(registry, str(tmp_path / "index"), Wanted((key,), artifacts.url))
        words = moved_to(root, [sys.executable, *init["command"][1:], *init["args"]], "/models")
        words = [re.sub(r"^SHA256:.*", shown.split()[1], word) for word in words]
        words = [word.replace("https://models.example.com/acme", index.url) for word in words]
        settings = {one["name"]: f"{root}{one['value']}" for one in init["env"]}
        env = {**os.environ, **settings, "PYTHONPATH": str(TOP / "src")}
        subprocess.run(words, env=env, check=True)
    assert (root / "models" / "bikes" / "3.bin").read_bytes() == b"\x03" * 2000


class _Reloading(BaseHTTPRequestHandler):
    """A server that reads /models/current when it is told to."""

    current: Path
    loaded: list[str]

    def do_POST(self) -> None:
        assert self.path == "/reload"
        self.loaded.append(next(self.current.iterdir()).name)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def reloading(root: Path) -> Iterator[tuple[int, list[str]]]:
    """The server's port, and what it has loaded since it began."""
    loaded: list[str] = []
    handler = type("Reloading", (_Reloading,), {"current": root / "models" / "current", "loaded": loaded})
    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as running:
        yield running.server_port, loaded


@slow
def test_the_init_container_brings_the_model_and_the_sidecar_each_later_one(
    server: Path, environment: Mapping[str, str], tmp_path: Path
) -> None:
    pod = document("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    (init,), (_, sidecar) = pod["initContainers"], pod["containers"]
    root = tmp_path / "root"
    (root / "models").mkdir(parents=True)
    settings = {one["name"]: one["value"] for one in init["env"] if one["name"] != "MUSTER_REGISTRY"}
    settings = dict(zip(settings, moved_to(root, list(settings.values()), "/models"), strict=True))
    env = {**environment, **settings}
    subprocess.run(moved_to(root, init["command"], "/models"), env=env, check=True)
    assert (root / "models" / "current" / "3.bin").read_bytes() == b"\x03" * 2000
    with reloading(root) as (port, loaded):
        words = moved_to(root, [*sidecar["command"], *sidecar["args"]], "/models")
        words = [word.replace("15s", "1s").replace(":8080/", f":{port}/") for word in words]
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            point(server, 1)
            said = json.loads(watch.stdout.readline())
            watch.terminate()
            assert watch.wait(60) == 0
    assert (said["event"], said["version"], said["previous_version"]) == ("updated", 1, 3)
    assert loaded == ["1.bin"]


# KServe


def test_kserve_finds_the_container_by_the_uri_of_the_model() -> None:
    container, service = document("kserve/storage-container.yaml"), document("kserve/inference-service.yaml")
    assert container["spec"]["container"]["name"] == "storage-initializer"  # KServe asks for this name
    (prefix,) = [form["prefix"] for form in container["spec"]["supportedUriFormats"]]
    assert service["spec"]["predictor"]["model"]["storageUri"].startswith(prefix)


@slow
def test_the_storage_container_puts_the_files_where_kserve_says(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    container = document("kserve/storage-container.yaml")["spec"]["container"]
    uri = document("kserve/inference-service.yaml")["spec"]["predictor"]["model"]["storageUri"]
    mounted = tmp_path / "mnt" / "models"
    mounted.mkdir(parents=True)
    subprocess.run([*container["command"], uri, str(mounted)], env=environment, check=True)
    assert {path.name: path.read_bytes() for path in mounted.iterdir()} == {"2.bin": b"\x02" * 2000}


# Docker


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield (instruction, rest) of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, " ".join(rest.split())


def test_the_dockerfile_has_nothing_that_hadolint_minds() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, EXAMPLES / "docker" / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@slow
def test_the_image_gets_the_files_of_the_version_it_is_built_for(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    steps = list(instructions((EXAMPLES / "docker" / "Dockerfile").read_text()))
    (run,) = [rest for word, rest in steps if word == "RUN" and "muster pull" in rest]
    command = re.sub(r"--mount=\S+ ", "", run)
    resolved = subprocess.run(
        ["muster", "resolve", "bikes/production"], env=environment, capture_output=True, text=True, check=True
    )
    env = {**environment, "MODEL": resolved.stdout.strip()}
    (line,) = moved_to(tmp_path, [command], "/model")
    subprocess.run(["sh", "-euc", line], env=env, check=True)
    assert (tmp_path / "model" / "2.bin").read_bytes() == b"\x02" * 2000
    copied = [rest for word, rest in steps if word == "COPY" and "--from=model" in rest]
    (served,) = [json.loads(rest) for word, rest in steps if word == "CMD"]
    assert copied == ["--from=model /model /model"]
    assert served[-1] == "/model"


# GitOps


def test_argo_cd_and_flux_read_the_values_that_the_script_writes() -> None:
    script = (EXAMPLES / "gitops" / "models.sh").read_text()
    (written,) = re.findall(r"^mv \S+ (\S+)$", script, flags=re.MULTILINE)
    source = document("gitops/application.yaml")["spec"]["source"]
    assert any(
        Path(os.path.normpath(Path(source["path"], name))) == Path(written)
        for name in source["helm"]["valueFiles"]
    )
    chart = document("gitops/helmrelease.yaml")["spec"]["chart"]["spec"]
    assert f"./{written}" in chart["valuesFiles"]


@slow
def test_the_script_commits_what_is_in_production_only_when_it_has_moved(
    server: Path, environment: Mapping[str, str], tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "deployments.git")
    git(tmp_path, "clone", "--quiet", "deployments.git", "deployments")
    work = tmp_path / "deployments"
    script = EXAMPLES / "gitops" / "models.sh"

    def run() -> tuple[int, Mapping[str, int]]:
        """How many commits there are after the script has run, and which versions it has written."""
        subprocess.run(["sh", script], cwd=work, env=environment, check=True)
        models = yaml.safe_load(git(work, "show", "origin/main:models.yaml"))["models"]
        count = int(git(work, "rev-list", "--count", "origin/main"))
        return count, {reference: found["version"] for reference, found in models.items()}

    assert run() == (1, {"bikes/production": 2, "bikes@champion": 3})
    with Registry(server) as registry:
        registry.tag("bikes/2", {"seen": "yes"})
    assert run() == (1, {"bikes/production": 2, "bikes@champion": 3})
    point(server, 1)
    assert run() == (2, {"bikes/production": 2, "bikes@champion": 1})
