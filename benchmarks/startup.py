"""The start of the command line against what it cannot do without: Python, click and PyYAML."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from timing import MUSTER, in_turn, seconds


def main() -> None:
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        registry = Path(scratch) / "registry"
        model = Path(scratch) / "model.bin"
        model.write_bytes(b"model")
        seconds([*MUSTER, "init", str(registry)])
        seconds([*MUSTER, "-R", str(registry), "register", "bikes", str(model), "--alias", "champion"])
        floor = [sys.executable, "-c", "import click, yaml"]
        resolve = [*MUSTER, "-R", str(registry), "resolve", "bikes@champion", "--json"]
        medians = in_turn(
            rounds,
            {
                "python -c 'import click, yaml'": lambda _: seconds(floor),
                "muster --help": lambda _: seconds([*MUSTER, "--help"]),
                "muster resolve bikes@champion --json": lambda _: seconds(resolve),
            },
        )
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<40} {median * 1000:7.1f} ms  {median / base:5.2f} x")


if __name__ == "__main__":
    main()
