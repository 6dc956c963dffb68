"""What the index costs and gives: made, moved by one commit, asked; and the same questions to MLflow's SQLite store.

The registry is `scale.py`'s: 1,000 models of 100 versions unless said otherwise, one registered each `--apart` seconds
(0: all of one date), in a bare repository. Questions are asked by the library in one warm process. `--mlflow` names a
Python that has MLflow, which answers those that it has words for (no metrics, no OR) from versions of the same names and
dates. `--direct` also times whole processes without an index.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scale import PER_MODEL, build
from timing import ENVIRONMENT, MUSTER, in_turn, seconds

from muster import Registry
from muster.backends.index import index_files

MOST = 100
QUESTIONS = {
    "a model": ("name = 'model-3'", ""),
    "a model and a metric, by the metric": ("name = 'model-3' AND metrics.rmse < 51", "metrics.rmse"),
    "two metrics that most have, by one": ("metrics.rmse < 51 AND metrics.r2 = 0.5", "metrics.rmse"),
    "two metrics that most have, by one, descending": (
        "metrics.rmse < 51 AND metrics.r2 = 0.5",
        "metrics.rmse DESC",
    ),
    "an alias and a metric, by the metric": ("alias = 'champion' AND metrics.rmse > 51", "metrics.rmse"),
    "names by a pattern and a metric, by the metric": (
        "name LIKE 'model-1%' AND metrics.rmse > 52",
        "metrics.rmse",
    ),
    "versions above 50, by version": ("version_number > 50", "version_number"),
    "names by a pattern, by date": ("name LIKE 'model-1%'", "creation_timestamp DESC"),
    "everything, by date": ("", "creation_timestamp DESC"),
}
BY_MLFLOW = ("a model", "versions above 50, by version", "names by a pattern, by date", "everything, by date")
MLFLOW = """
import statistics, sys, time
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel
store = SqlAlchemyStore(sys.argv[1])
models, per_model, apart = map(int, sys.argv[2:5])
def when(number): return (1767225600 + number * apart) * 1000
with store.ManagedSessionMaker() as session:
    session.bulk_save_objects([SqlRegisteredModel(name=f"model-{m}", creation_time=m) for m in range(models)])
with store.ManagedSessionMaker() as session:
    session.bulk_save_objects([
        SqlModelVersion(
            name=f"model-{m}", version=v, source="/nowhere",
            creation_time=when(m * per_model + v - 1), last_updated_time=when(m * per_model + v - 1),
        )
        for m in range(models) for v in range(1, per_model + 1)
    ])
for line in sys.stdin:
    name, filter, order = line.rstrip("\\n").split("\\t")
    times = []
    for _ in range(6):
        started = time.perf_counter()
        store.search_model_versions(filter, 100, [order] if order else None)
        times.append(time.perf_counter() - started)
    print(name, statistics.median(times[1:]), sep="\\t")
"""


def timed(ask: Callable[[], object], rounds: int = 7) -> float:
    """Return the median of so many rounds after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def mlflow(python: str, where: Path, models: int, per_model: int, apart: int) -> dict[str, float]:
    """Return MLflow's times for the questions that it has words for."""
    lines = "".join("\t".join((name, *QUESTIONS[name])) + "\n" for name in BY_MLFLOW)
    sizes = map(str, (models, per_model, apart))
    command = [python, "-c", MLFLOW, f"sqlite:///{where}/mlflow.db", *sizes]
    done = subprocess.run(command, input=lines, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found = (line.split("\t") for line in done.stdout.splitlines() if "\t" in line)
    return {name: float(took) for name, took in found}


def measure(where: Path, options: argparse.Namespace) -> None:
    """Build everything, ask, and print."""
    repository, cache = build(where, options.versions, options.per_model, options.apart), where / "cache"
    os.environ.update(ENVIRONMENT)
    with Registry(repository, cache=cache) as registry:
        started = time.perf_counter()
        registry.search("x")
        show(f"made, of {options.versions} versions", time.perf_counter() - started)
        print(f"{'peak memory':<50} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:9.1f} MB")
        print(f"{'the file':<50} {index_files(cache)[0].size / 1e6:9.1f} MB")
        moved = [move(registry, number) for number in range(options.rounds)]
        show("moved by one commit, and asked", statistics.median(moved))
        ours = {name: timed(lambda q=q: registry.search(*q, MOST)) for name, q in QUESTIONS.items()}
        show("all models", timed(registry.models))
        show("versions of a model", timed(lambda: registry.versions("model-3")))
        started = time.perf_counter()
        told = sum(1 for _ in registry.history("model-3"))
        show(f"the first history, of {told} commits", time.perf_counter() - started)
        show("history of a model", timed(lambda: list(registry.history("model-4"))))
        show("history of an alias", timed(lambda: list(registry.history("model-4@champion"))))
    models = options.versions // options.per_model
    sizes = models, options.per_model, options.apart
    theirs = mlflow(options.mlflow, where, *sizes) if options.mlflow else {}
    for name, took in ours.items():
        show(name, took, theirs.get(name))
    processes(repository, cache, options)


def show(name: str, took: float, theirs: float | None = None) -> None:
    """Print one figure, and how many times longer MLflow takes."""
    ratio = "" if theirs is None else f"  MLflow {theirs * 1000:9.1f} ms, {theirs / took:.1f} times"
    print(f"{name:<50} {took * 1000:9.1f} ms{ratio}", flush=True)


def move(registry: Registry, number: int) -> float:
    """Commit something, and return how long the next search takes."""
    registry.tag("model-1/3", {"round": str(number)})
    started = time.perf_counter()
    assert len(registry.search(f"tags.round = '{number}'")) == 1
    return time.perf_counter() - started


def processes(repository: Path, cache: Path, options: argparse.Namespace) -> None:
    """Print what whole processes take, with the index and, if asked for, without."""
    nowhere = repository.parent / "no-directory"
    nowhere.touch()
    ways = {"": cache, " (no index)": nowhere} if options.direct else {"": cache}
    search = ["search", *QUESTIONS["a model and a metric, by the metric"][:1], "--order-by", "metrics.rmse"]

    def case(words: list[str], cache: Path) -> Callable[[int], float]:
        command = ["env", f"MUSTER_CACHE={cache}", *MUSTER, "-R", str(repository), *words]
        return lambda _: seconds(command)

    commands = {
        "muster search": search,
        "muster list": ["list"],
        "muster list model-3": ["list", "model-3"],
        "muster history model-3": ["history", "model-3"],
        "muster history model-3@champion": ["history", "model-3@champion"],
    }
    cases = {f"{name}{way}": case(words, at) for name, words in commands.items() for way, at in ways.items()}
    for name, took in in_turn(options.rounds, cases).items():
        show(name, took)


def main() -> None:
    """Measure in a scratch folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--per-model", type=int, default=PER_MODEL)
    parser.add_argument("--apart", type=int, default=60, help="seconds from one version to the next")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has MLflow")
    parser.add_argument("--direct", action="store_true", help="time whole processes without an index, too")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    try:
        measure(where, options)
    finally:
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
