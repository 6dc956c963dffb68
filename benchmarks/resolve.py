"""Resolving one alias: in a process that stays, against MLflow's client; and as whole processes, against GTO and git.

Each that stays is asked through a pipe to resolve so many times, in turn with the others. muster looks where the
registry is at each of them. `--mlflow` names a Python that has MLflow; `--server` times its server, too.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from scale import build, gto_project, mlflow_registry
from timing import ENVIRONMENT, MUSTER, in_turn, seconds

ASKED = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
def repeat(once, count):
    for _ in range(count): once()
def serve(once):
    once()
    for line in sys.stdin:
        count, threads = map(int, line.split())
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: repeat(once, count // threads), range(threads)))
        print(time.perf_counter() - started, flush=True)
"""
OURS = """
from muster import Registry
registry = Registry(sys.argv[1])
serve(lambda: registry.resolve("model-0@champion"))
"""
THEIRS = """
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
serve(lambda: client.get_model_version_by_alias("model-0", "champion"))
"""


@contextlib.contextmanager
def staying(python: str, script: str, where: str) -> Iterator[Callable[[int, int], float]]:
    """Give what asks a process that stays to resolve (count, threads) and returns seconds for each."""
    command = [python, "-c", ASKED + script, where]
    with subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        feed, answers = process.stdin, process.stdout

        def ask(count: int, threads: int) -> float:
            feed.write(f"{count} {threads}\n")
            feed.flush()
            return float(answers.readline()) / count

        try:
            yield ask
        finally:
            feed.close()


@contextlib.contextmanager
def mlflow_server(python: str, database: str, where: Path) -> Iterator[str]:
    """Run MLflow's server on a database for as long as the block lasts; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    options = ["--backend-store-uri", database, "--port", str(port), "--workers", "1"]
    with (where / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "mlflow", "server", *options], cwd=where, env=ENVIRONMENT, stdout=log, stderr=log
        )
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health"):
                    break
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()
            process.wait()


def warm(where: Path, options: argparse.Namespace) -> None:
    """Print how often a second a process that stays resolves."""
    cases: dict[str, Callable[[int], float]] = {}
    with contextlib.ExitStack() as stack:
        registry = build(where, options.versions, 100)
        ours = stack.enter_context(staying(sys.executable, OURS, str(registry)))
        cases["muster"] = lambda _: ours(20_000, 1)
        cases["muster, 8 threads"] = lambda _: ours(20_000, 8)
        if options.mlflow:
            mlflow_registry(where, options.versions, options.mlflow)
            database = f"sqlite:///{where}/mlflow-{options.versions}.db"
            theirs = stack.enter_context(staying(options.mlflow, THEIRS, database))
            cases["mlflow client on sqlite"] = lambda _: theirs(500, 1)
            cases["mlflow client on sqlite, 8 threads"] = lambda _: theirs(500, 8)
        if options.mlflow and options.server:
            address = stack.enter_context(mlflow_server(options.mlflow, database, where))
            remote = stack.enter_context(staying(options.mlflow, THEIRS, address))
            cases["mlflow client of a server"] = lambda _: remote(100, 1)
        medians = in_turn(options.rounds, cases)
    for name, median in medians.items():
        print(f"{name:<36} {1 / median:9,.0f} a second {median / medians['muster']:8.1f} x the time")


def whole(where: Path, options: argparse.Namespace) -> None:
    """Print how long whole processes take."""
    registry = build(where / "whole", options.versions, 100)
    gto = gto_project(where, options.versions)["resolve"]
    resolve = [*MUSTER, "-R", str(registry), "resolve", "model-0@champion", "--json"]
    medians = in_turn(
        options.rounds,
        {
            "muster resolve": lambda _: seconds(resolve),
            "git ls-remote": lambda _: seconds(["git", "ls-remote", str(registry), "HEAD"]),
            "gto show": gto,
        },
    )
    for name, median in medians.items():
        print(f"{name:<36} {median * 1000:9.1f} ms {median / medians['muster resolve']:14.2f} x the time")


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mlflow", metavar="PYTHON", help="a Python that has MLflow")
    parser.add_argument("--server", action="store_true", help="time MLflow's server, too")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    (where / "whole").mkdir()
    try:
        warm(where, options)
        whole(where, options)
    finally:
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
