"""What a published index costs to make: all of it, and after one commit, in a small and in a large registry.

The registries are those of scale.py: 100 versions a model, one commit a version, in a bare repository.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import scale
from timing import ENVIRONMENT, MUSTER

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


def building(repository: Path, site: Path, rounds: int) -> dict[str, float]:
    """Build an index, then follow commits of one promotion each: what each costs."""
    seconds, memory, all_of_it = published(repository, site)
    found = {
        "build: seconds": seconds,
        "build: peak MB": memory / 1e6,
        "build: files": all_of_it["files"],
        "build: MB": all_of_it["bytes"] / 1e6,
    }
    again, after = [], []
    for number in range(rounds):
        alias = ["alias", "set", f"model-0/{number + 2}", "champion"]
        subprocess.run(
            [*MUSTER, "-R", str(repository), *alias], env=ENVIRONMENT, check=True, capture_output=True
        )
        after.append(published(repository, site))
        again.append(published(repository, site))
    moved, same = (
        sorted(after, key=lambda run: run[0])[rounds // 2],
        sorted(again, key=lambda run: run[0])[rounds // 2],
    )
    return found | {
        "after a commit: seconds": moved[0],
        "after a commit: peak MB": moved[1] / 1e6,
        "after a commit: files": moved[2]["files"],
        "after a commit: kB": moved[2]["bytes"] / 1e3,
        "no commit: seconds": same[0],
        "no commit: files": same[2]["files"],
    }


def main() -> None:
    """Print each figure in both sizes, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    try:
        found = {
            size: building(scale.build(where, size, PER_MODEL), where / f"site-{size}", options.rounds)
            for size in (options.small, options.large)
        }
    finally:
        shutil.rmtree(where)
    small, large = found[options.small], found[options.large]
    print(f"{'versions':<26} {options.small:>10} {options.large:>10}  ratio")
    for what in small:
        print(f"{what:<26} {small[what]:10.2f} {large[what]:10.2f}  {large[what] / small[what]:5.2f}")


if __name__ == "__main__":
    main()
