"""What judging a change costs: a promotion in a small and in a large registry, and a push of 2,000 new versions.

Both registries are built by `git fast-import`: one commit with every version, 100 to a model, then one that moves a
version into staging, then one that registers a lot of versions at once. A promotion is compared with the least that
anybody's check would do: `git diff --stat` of the commits, and a Python that has imported click, PyYAML and jsonschema.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from scale import commit, git, registered
from timing import ENVIRONMENT, MUSTER, in_turn, seconds

from muster import Registry, resources
from muster.core import manifest, names

PER_MODEL = 100
FLOOR = [sys.executable, "-c", "import click, yaml, jsonschema"]


def history(models: int, new_models: int) -> Iterator[bytes]:
    """Yield the fast-import stream of a registry, a promotion and a mass registration."""
    template = resources.template()
    template["registry.yaml"] = template["registry.yaml"].replace(b"review: true", b"review: false")
    everything = dict(template)
    for model in range(models):
        everything |= versions(f"model-{model}", model * PER_MODEL)
    yield commit(everything, "Set up the registry")
    staging = names.path("stage", "model-0", "staging")
    yield commit({staging: manifest.dump({"schema": 1, "versions": [2]}, "stage")}, "Promote")
    more: dict[str, bytes] = {}
    for model in range(new_models):
        more |= versions(f"new-{model}", (models + model) * PER_MODEL)
    yield commit(more, "Register a lot")


def versions(model: str, first: int) -> dict[str, bytes]:
    """Return the files of a model with 100 versions, whose contents are numbered from first."""
    return {
        path: data
        for number in range(PER_MODEL)
        for path, data in registered(model, number + 1, first + number)
    }


def build(where: Path, models: int, new_models: int) -> Path:
    """Build a bare registry and return its path."""
    repository = where / f"registry-{models * PER_MODEL}.git"
    git("init", "-q", "--bare", "-b", "main", str(repository))
    with subprocess.Popen(
        ["git", "-C", str(repository), "fast-import", "--quiet"], stdin=subprocess.PIPE
    ) as feed:
        assert feed.stdin is not None
        for chunk in history(models, new_models):
            feed.stdin.write(chunk)
    return repository


def main() -> None:
    """Print medians, ratios and rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", type=int, default=1000, help="of 100 versions each, in the large registry"
    )
    parser.add_argument("--new", type=int, default=20, help="models of 100 versions each, in the push")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    try:
        small, large = (build(where, models, options.new) for models in (1, options.models))
        promotions(small, large, options.rounds)
        pushes(large, options.new * PER_MODEL, max(3, options.rounds // 3))
    finally:
        shutil.rmtree(where)


def promotions(small: Path, large: Path, rounds: int) -> None:
    """Time the check of one promotion."""

    def check(repository: Path) -> float:
        return seconds([*MUSTER, "-R", str(repository), "check", "main~2", "main~1"])

    def floor(_: int) -> float:
        diff = seconds(["git", "-C", str(large), "diff", "--stat", "main~2", "main~1"])
        return diff + seconds(FLOOR)

    cases = {
        "git diff --stat; python -c 'import ...'": floor,
        f"muster check, {small.stem}": lambda _: check(small),
        f"muster check, {large.stem}": lambda _: check(large),
    }
    medians = in_turn(rounds, cases)
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<44} {median * 1000:7.1f} ms  {median / base:5.2f} x the least")
    of_small, of_large = list(medians.values())[1:]
    print(f"{'large against small':<44} {of_large / of_small:10.2f}")


def pushes(repository: Path, manifests: int, rounds: int) -> None:
    """Time the judgement of many new versions: alone, and as the hook's whole process."""

    def judged(_: int) -> float:
        with Registry(repository) as registry:
            started = time.perf_counter()
            findings = registry.check("main~1", "main")
            took = time.perf_counter() - started
        if findings:
            sys.exit(f"{len(findings)} findings, the first: {findings[0]}")
        return took

    def hook(_: int) -> float:
        ids = ("git", "-C", str(repository), "rev-parse", "main~1", "main")
        old, new = subprocess.run(ids, check=True, capture_output=True, text=True).stdout.split()
        started = time.perf_counter()
        subprocess.run(
            [*MUSTER, "hook", "pre-receive"],
            input=f"{old} {new} refs/heads/main\n",
            text=True,
            cwd=repository,
            env={**ENVIRONMENT, "GIT_DIR": "."},
            check=True,
        )
        return time.perf_counter() - started

    for name, median in in_turn(rounds, {"judging alone": judged, "the hook's process": hook}).items():
        print(f"{name + f', {manifests} manifests':<44} {manifests / median:7.0f} a second")


if __name__ == "__main__":
    main()
