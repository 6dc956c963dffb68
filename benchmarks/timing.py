"""Whole processes, timed in turn, so that a ratio holds while the machine's speed drifts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and not k.startswith("GIT_")},
    "DVC_NO_ANALYTICS": "1",
    "GIT_AUTHOR_NAME": "Bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "Bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}
MUSTER = [sys.executable, "-m", "muster"]


def seconds(command: list[str], cwd: Path | None = None) -> float:
    """Run a command to its end and return how long it took; it must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def in_turn(rounds: int, cases: Mapping[str, Callable[[int], float]]) -> dict[str, float]:
    """Run every case once to warm up, then all of them in turn, round by round; return each one's median."""
    for case in cases.values():
        case(0)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(1, rounds + 1):
        for name, case in cases.items():
            times[name].append(case(number))
    return {name: statistics.median(found) for name, found in times.items()}
