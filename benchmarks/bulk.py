"""What it costs to bring many versions in as one commit, into a registry that has many, beside one commit for each.

muster plans, judges by every rule, commits and publishes 10,000 versions whose files the remote has already, into a
registry of 100,000, in one process. The peers do one version at a time, and what 10,000 would take is their time for one,
times 10,000: `muster register`, `gto register`, and, where `--mlflow` names a Python that has it, MLflow's client on
SQLite, within one process. Everything is done in turn; read the ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scale import MLFLOW, PER_MODEL, commit, git, gto_project, registered
from timing import MUSTER, in_turn, seconds

from muster import Registry, resources
from muster.core.models import Artifact, ArtifactFile, Lineage, Manifest, Run, Stored, StoredFile, digest_of
from muster.core.operations import RegisterVersion

MANY = MLFLOW.replace(
    'elif step == "register":',
    """elif step == "many":
    started = time.perf_counter()
    for n in range(int(number)):
        client.create_model_version("model-0", "/nowhere")
    print(time.perf_counter() - started)
elif step == "register":""",
)


def build(where: Path, versions: int) -> Path:
    """Build a bare registry of so many versions, a commit for each model, and return its path."""
    repository, template = where / "registry.git", resources.template()
    store = str(where / "store").encode()
    template[".dvc/config"] = template[".dvc/config"].replace(b"/srv/muster/artifacts", store)
    git("init", "-q", "--bare", "-b", "main", str(repository))
    with subprocess.Popen(
        ["git", "-C", str(repository), "fast-import", "--quiet"], stdin=subprocess.PIPE
    ) as feed:
        assert feed.stdin is not None
        feed.stdin.write(commit(template, "Set up the registry"))
        for first in range(0, versions, PER_MODEL):
            model = f"model-{first // PER_MODEL}"
            numbers = range(1, min(PER_MODEL, versions - first) + 1)
            files = (pair for n in numbers for pair in registered(model, n, first + n))
            feed.stdin.write(commit(dict(files), model))
    return repository


def registrations(count: int, per_model: int, seed: int) -> Iterator[RegisterVersion]:
    """Yield requests to register versions, per_model into each of some models, each with label, metrics and run."""
    for number in range(count):
        name = f"{seed}/{number}".encode()
        sha256, md5 = hashlib.sha256(name).hexdigest(), hashlib.md5(name, usedforsecurity=False).hexdigest()
        file = ArtifactFile("model.bin", 1000, sha256)
        stored = Stored(f"{md5}.dir", (StoredFile("model.bin", 1000, sha256, md5),))
        manifest = Manifest(
            f"model-{number // per_model}",
            0,
            "2026-05-01T12:00:00Z",
            "Bench <bench@example.com>",
            (Artifact("model.bin", "file", 1000, digest_of([file]), (file,)),),
            label=f"{seed}.{number}.0",
            metrics={"rmse": 50.5, "r2": 0.5},
            params={"depth": 3},
            lineage=Lineage(run=Run(f"run-{number}", "mlflow")),
        )
        yield RegisterVersion(manifest, stored)


def one_commit(repository: Path, count: int, per_model: int) -> Callable[[int], float]:
    """Return muster bringing so many versions in, as one commit."""

    def run(seed: int) -> float:
        wanted = list(registrations(count, per_model, seed))
        with Registry(repository, author="Bench <bench@example.com>") as registry:
            started = time.perf_counter()
            outcome = registry.submit(*wanted)
            took = time.perf_counter() - started
        assert len(outcome.events) == count
        return took

    return run


def one_each(repository: Path, where: Path) -> Callable[[int], float]:
    """Return muster registering one version by its command."""

    def run(seed: int) -> float:
        file = where / f"one-{seed}.bin"
        file.write_text(f"{seed} of {where}")
        return seconds([*MUSTER, "-R", str(repository), "register", "model-0", str(file)])

    return run


def of_mlflow(where: Path, python: str) -> Callable[[int], float]:
    """Return MLflow's client creating one version, on average of a hundred in one process."""
    uri = f"sqlite:///{where}/mlflow.db"
    seconds([python, "-c", MANY, uri, "build", "1000"])

    def run(seed: int) -> float:
        done = subprocess.run([python, "-c", MANY, uri, "many", "100"], capture_output=True, check=True)
        return float(done.stdout.split()[-1]) / 100

    return run


def main() -> None:
    """Print what bringing the versions in takes by each way, and how much longer than by one commit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--existing", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--per-model", type=int, default=PER_MODEL, help="new versions of each model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", action="store_true", help="time GTO too")
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has MLflow")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    os.environ["MUSTER_CACHE"] = str(where / "cache")
    try:
        compare(where, options)
    finally:
        shutil.rmtree(where)


def compare(where: Path, options: argparse.Namespace) -> None:
    """Time every way in turn, and print it."""
    repository, count = build(where, options.existing), options.count
    cases = {
        "muster, one commit": one_commit(repository, count, options.per_model),
        "muster register, each": one_each(repository, where),
    }
    if options.peers:
        cases["gto register, each"] = gto_project(where, 1000)["register"]
    if options.mlflow:
        cases["mlflow sqlite, each"] = of_mlflow(where, options.mlflow)
    medians = in_turn(options.rounds, cases)
    base = medians["muster, one commit"]
    print(f"{count} versions into {options.existing}, {options.per_model} of each model")
    for name, median in medians.items():
        whole = median if name == "muster, one commit" else median * count
        print(f"{name:<24} {whole:10.1f}s {count / whole:8.0f}/s {whole / base:8.1f}")


if __name__ == "__main__":
    main()
