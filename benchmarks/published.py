"""What a published index costs to make: all of it, and after one commit, in a small and in a large registry.

The registries are those of scale.py: 100 versions a model, one commit a version, in a bare repository.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import scale
from timing import ENVIRONMENT, MUSTER, seconds

PER_MODEL = 100


def measured(*command: str) -> tuple[float, int, Any]:
    """Run a command that prints JSON; return its seconds, its peak memory in bytes, and what it printed."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.perf_counter() - began, used.ru_maxrss * _RSS_UNIT, json.loads(said)


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def published(repository: Path, site: Path) -> tuple[float, int, Mapping[str, Any]]:
    """Bring the index at site up to date."""
    return measured(*MUSTER, "-R", str(repository), "index", "publish", str(site), "--json")


class Registry:
    """A registry of so many versions, and its index."""

    def __init__(self, where: Path, size: int) -> None:
        self.repository, self.site = scale.build(where, size, PER_MODEL), where / f"site-{size}"

    def built(self) -> Mapping[str, float]:
        """What it costs to write everything."""
        took, memory, said = published(self.repository, self.site)
        megabytes = said["bytes"] / 1e6
        return {"seconds": took, "peak MB": memory / 1e6, "files": said["files"], "MB": megabytes}

    def followed(self, number: int) -> Mapping[str, float]:
        """What it costs to follow one commit, which moves an alias."""
        alias = ["alias", "set", f"model-0/{number + 2}", "champion"]
        seconds([*MUSTER, "-R", str(self.repository), *alias])
        return self.confirmed(number)

    def confirmed(self, number: int) -> Mapping[str, float]:
        """What it costs where nothing has changed."""
        took, memory, said = published(self.repository, self.site)
        return {"seconds": took, "peak MB": memory / 1e6, "files": said["files"], "kB": said["bytes"] / 1e3}


def building(registries: Mapping[int, Registry], rounds: int) -> dict[str, dict[int, float]]:
    """Return each figure, by size. Whatever is repeated is measured in turn, and its median returned."""
    found: dict[str, dict[int, float]] = {}
    for size, registry in registries.items():
        for what, figure in registry.built().items():
            found.setdefault(f"everything: {what}", {})[size] = figure
    runs: dict[tuple[str, int], list[float]] = {}
    for number in range(rounds):
        for size, registry in registries.items():
            for step in (registry.followed, registry.confirmed):
                for what, figure in step(number).items():
                    kind = "after a commit" if step == registry.followed else "nothing new"
                    runs.setdefault((f"{kind}: {what}", size), []).append(figure)
    for (what, size), figures in runs.items():
        found.setdefault(what, {})[size] = statistics.median(figures)
    return found


def main() -> None:
    """Print each figure in both sizes, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    small, large = options.small, options.large
    try:
        found = building({size: Registry(where, size) for size in (small, large)}, options.rounds)
    finally:
        shutil.rmtree(where)
    print(f"{'versions':<26} {small:>10} {large:>10}  ratio")
    for what, figures in found.items():
        print(
            f"{what:<26} {figures[small]:10.2f} {figures[large]:10.2f}  {figures[large] / figures[small]:5.2f}"
        )


if __name__ == "__main__":
    main()
