"""What registering, promoting, checking and resolving cost in a small and in a large registry, and what peers take.

The registries are built by `git fast-import`, one commit a version, 100 versions a model. The peers do the same step on
as many versions: `dvc add` + `git commit`, GTO (git tags), and MLflow's client on SQLite where `--mlflow` names a
Python that has it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from timing import ENVIRONMENT, MUSTER, in_turn, seconds

from muster import resources
from muster.core import documents, dvcfile, manifest, names
from muster.core.models import Artifact, ArtifactFile, Manifest, digest_of

PER_MODEL = 100
BEGUN = datetime(2026, 1, 1, tzinfo=timezone.utc)
BIN = Path(sys.executable).parent


def history(versions: int, per_model: int, store: Path, apart: int = 0) -> Iterator[bytes]:
    """Yield the fast-import stream of a registry with so many versions, registered so many seconds apart."""
    template = resources.template()
    template[".dvc/config"] = template[".dvc/config"].replace(b"/srv/muster/artifacts", str(store).encode())
    template["registry.yaml"] = template["registry.yaml"].replace(b"review: true", b"review: false")
    yield commit(template, "Set up the registry")
    for number in range(versions):
        model, version = f"model-{number // per_model}", number % per_model + 1
        yield commit(dict(registered(model, version, number, apart)), f"{model}: registered {version}")


def registered(model: str, version: int, number: int, apart: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield the files of one version, and those of its model with the first one."""
    file = ArtifactFile("model.bin", 1000, hashlib.sha256(b"%d" % number).hexdigest())
    artifact = Artifact("model.bin", "file", file.size, digest_of([file]), (file,))
    metrics = {"rmse": 50 + number % 17 / 7, "r2": 0.5}
    at = f"{BEGUN + number * timedelta(seconds=apart):%Y-%m-%dT%H:%M:%SZ}"
    made = Manifest(model, version, at, "Bench <bench@example.com>", (artifact,), metrics=metrics)
    yield names.path("version", model, version), manifest.dump(documents.manifest_to(made), "version")
    oid = f"{hashlib.md5(b'%d' % number, usedforsecurity=False).hexdigest()}.dir"
    output = dvcfile.DvcFile(oid, file.size, 1, str(version))
    yield names.path("dvc", model, version), dvcfile.dump(output)
    if version == 1:
        yield names.path("model", model), manifest.dump({"schema": 1, "name": model}, "model")
        yield names.path("alias", model, "champion"), manifest.dump({"schema": 1, "version": 1}, "alias")


def commit(files: dict[str, bytes], subject: str) -> bytes:
    """Return one commit of a fast-import stream."""
    out = io.BytesIO()
    out.write(b"commit refs/heads/main\ncommitter Bench <bench@example.com> 1767225600 +0000\n")
    out.write(b"data %d\n%s\n" % (len(subject), subject.encode()))
    for path, data in files.items():
        out.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    return out.getvalue() + b"\n"


def build(where: Path, versions: int, per_model: int, apart: int = 0) -> Path:
    """Build a bare registry and return its path."""
    repository, store = where / f"registry-{versions}.git", where / f"store-{versions}"
    git("init", "-q", "--bare", "-b", "main", str(repository))
    with subprocess.Popen(
        ["git", "-C", str(repository), "fast-import", "--quiet"], stdin=subprocess.PIPE
    ) as feed:
        assert feed.stdin is not None
        for chunk in history(versions, per_model, store, apart):
            feed.stdin.write(chunk)
    return repository


def git(*words: str, cwd: Path | None = None) -> None:
    """Run git."""
    subprocess.run(["git", *words], cwd=cwd, env=ENVIRONMENT, check=True, capture_output=True)


def muster(repository: Path, scratch: Path, per_model: int) -> dict[str, Callable[[int], float]]:
    """Return muster's four steps on one registry."""

    def run(*words: str) -> float:
        return seconds([*MUSTER, "-R", str(repository), *words])

    def register(number: int) -> float:
        file = scratch / f"{repository.name}-{number}.bin"
        file.write_bytes(b"%d of %s" % (number, repository.name.encode()))
        return run("register", "model-0", str(file), "--metric", "rmse=1")

    return {
        "register": register,
        "promote": lambda n: run("promote", f"model-0/{per_model + 1 + n}", "staging"),
        "check": lambda n: run("check", "main~1", "main"),
        "resolve": lambda n: run("resolve", "model-0@champion", "--json"),
    }


def dvc_project(where: Path, versions: int) -> Callable[[int], float]:
    """Return `dvc add` + `git commit` of one more model file in a project with so many .dvc files."""
    top = where / f"dvc-{versions}"
    git("init", "-q", "-b", "main", str(top))
    seconds([str(BIN / "dvc"), "init", "-q"], top)
    for number in range(versions):
        place = top / f"models/model-{number // PER_MODEL}"
        place.mkdir(parents=True, exist_ok=True)
        oid = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
        output = dvcfile.DvcFile(oid, 1000, None, f"v{number}.bin")
        (place / f"v{number}.bin.dvc").write_bytes(dvcfile.dump(output))
    git("add", "-A", cwd=top)
    git("commit", "-q", "-m", "models", cwd=top)

    def register(number: int) -> float:
        file = top / f"new-{number}.bin"
        file.write_bytes(b"%d" % number)
        took = seconds([str(BIN / "dvc"), "add", "-q", file.name], top)
        took += seconds(["git", "add", "-A"], top)
        return took + seconds(["git", "commit", "-q", "-m", "new"], top)

    return register


def gto_project(where: Path, versions: int) -> dict[str, Callable[[int], float]]:
    """Return GTO's steps in a repository with so many version tags."""
    top = where / f"gto-{versions}"
    git("init", "-q", "-b", "main", str(top))
    stream = b""
    for number in range(versions // PER_MODEL + PER_MODEL + 1):
        stream += commit({"n": b"%d" % number}, f"commit {number}")
    subprocess.run(["git", "-C", str(top), "fast-import", "--quiet"], input=stream, check=True)
    git("reset", "-q", "--hard", "main", cwd=top)
    tags = b""
    for number in range(versions):
        model, version = f"model-{number // PER_MODEL}", number % PER_MODEL + 1
        behind = versions // PER_MODEL + PER_MODEL - version
        tags += b"tag %s@v%d.0.0\nfrom refs/heads/main~%d\n" % (model.encode(), version, behind)
        tags += b"tagger Bench <bench@example.com> %d +0000\ndata 1\nx\n" % (1767225600 + number)
    tags = b"feature done\n" + tags + b"done\n"
    subprocess.run(["git", "-C", str(top), "fast-import", "--quiet"], input=tags, check=True)

    def run(*words: str) -> float:
        return seconds([str(BIN / "gto"), *words], top)

    def register(number: int) -> float:
        git("commit", "-q", "--allow-empty", "-m", f"new {number}", cwd=top)
        return run("register", "model-0")

    return {"register": register, "resolve": lambda n: run("show", "model-0@latest")}


MLFLOW = """
import sys, time
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
step, number = sys.argv[2], sys.argv[3]
if step == "build":
    client.create_registered_model("model-0")
    for n in range(int(number)):
        client.create_model_version("model-0", "/nowhere")
    client.set_registered_model_alias("model-0", "champion", 1)
elif step == "register":
    client.create_model_version("model-0", "/nowhere")
elif step == "promote":
    client.set_registered_model_alias("model-0", f"a{number}", 1)
else:
    client.get_model_version_by_alias("model-0", "champion")
"""


def mlflow_registry(where: Path, versions: int, python: str) -> dict[str, Callable[[int], float]]:
    """Return MLflow's steps on a SQLite registry with so many versions."""
    uri = f"sqlite:///{where}/mlflow-{versions}.db"

    def run(step: str, number: int) -> float:
        return seconds([python, "-c", MLFLOW, uri, step, str(number)])

    run("build", versions)
    return {step: lambda n, step=step: run(step, n) for step in ("register", "promote", "resolve")}


def main() -> None:
    """Print each step's median in both sizes, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=100)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--per-model", type=int, default=PER_MODEL)
    parser.add_argument("--peers", action="store_true", help="time dvc and GTO too")
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has MLflow")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    try:
        run(where, options)
    finally:
        shutil.rmtree(where)


def run(where: Path, options: argparse.Namespace) -> None:
    """Build everything, time it in turn, and print it."""
    steps: dict[str, dict[int, Callable[[int], float]]] = {}
    for size in (options.small, options.large):
        per_model = min(options.per_model, size)
        for step, case in muster(build(where, size, per_model), where, per_model).items():
            steps.setdefault(f"muster {step}", {})[size] = case
        if options.peers:
            steps.setdefault("dvc add + git commit", {})[size] = dvc_project(where, size)
            for step, case in gto_project(where, size).items():
                steps.setdefault(f"gto {step}", {})[size] = case
        if options.mlflow:
            for step, case in mlflow_registry(where, size, options.mlflow).items():
                steps.setdefault(f"mlflow sqlite {step}", {})[size] = case
    print(f"{'':<24} {options.small:>9} {options.large:>9}  ratio")
    for step, cases in steps.items():
        rounds = options.rounds if step.startswith("muster") else max(3, options.rounds // 2)
        medians = in_turn(rounds, {str(size): case for size, case in cases.items()})
        small, large = medians[str(options.small)], medians[str(options.large)]
        print(f"{step:<24} {small:8.3f}s {large:8.3f}s  {large / small:5.2f}")


if __name__ == "__main__":
    main()
