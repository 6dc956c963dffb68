"""One large file, and many small ones, into a local remote and out of it again: muster, DVC and plain tools in turn.

Peak memory is the largest resident set of any process a command started (getrusage), in MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import ENVIRONMENT, MUSTER

DVC = str(Path(sys.executable).parent / "dvc")


def run(*commands: list[str], cwd: Path) -> float:
    """Run commands one after the other and return how long they took together."""
    started = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)[:200]} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def peak() -> float:
    """Return the peak resident set of all finished children so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def project(where: Path) -> Path:
    """Make a DVC project with a local remote."""
    run(["git", "init", "-q", str(where)], cwd=where.parent)
    commands = (["init", "-q"], ["remote", "add", "-q", "-d", "storage", str(where) + ".remote"])
    run(*([DVC, *words] for words in commands), cwd=where)
    return where


def stored_by_dvc(where: Path, source: Path) -> tuple[float, float]:
    """Return the seconds of `dvc add` + `dvc push`, and of `dvc pull` in a fresh clone."""
    top = project(where)
    shutil.move(source, top / source.name)
    target = f"{source.name}.dvc"
    store = run([DVC, "add", "-q", source.name], [DVC, "push", "-q", target], cwd=top)
    run(["git", "add", "-A"], ["git", "commit", "-qm", "x"], cwd=top)
    clone = where.with_name(f"{where.name}-clone")
    run(["git", "clone", "-q", str(top), str(clone)], cwd=where.parent)
    pull = run([DVC, "pull", "-q", target], cwd=clone)
    shutil.move(top / source.name, source)
    return store, pull


def stored_by_muster(where: Path, source: Path) -> tuple[float, float]:
    """Return the seconds of `muster register` in a clone, and of `muster pull` with an empty cache."""
    run([*MUSTER, "init", str(where)], cwd=where.parent)
    store = run([*MUSTER, "-R", str(where), "register", "m", str(source)], cwd=where.parent)
    shutil.rmtree(where / ".dvc" / "cache")
    pull = run([*MUSTER, "-R", str(where), "pull", "m/1", "-o", str(where) + ".out"], cwd=where.parent)
    return store, pull


def floor(where: Path, source: Path) -> tuple[float, float]:
    """Return the seconds of `openssl dgst -md5` and two `cp`, and of one `cp` and `openssl dgst -sha256`."""
    where.mkdir()
    files = [str(p) for p in sorted(source.rglob("*")) if p.is_file()] if source.is_dir() else [str(source)]
    digests = [["openssl", "dgst", kind, *files] for kind in ("-md5", "-sha256")]
    copies = [["cp", "-r", str(source), str(where / name)] for name in ("cache", "remote", "out")]
    return run(digests[0], copies[0], copies[1], cwd=where), run(copies[2], digests[1], cwd=where)


def main() -> None:
    """Print the medians of each way, and muster's ratio to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2 << 30)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="a directory with room for a dozen copies")
    options = parser.parse_args()
    ways = {"muster": stored_by_muster, "dvc add+push / pull": stored_by_dvc, "openssl and cp": floor}
    for case in ("one file", "many files"):
        print(f"{case}: {options.bytes if case == 'one file' else options.files}")
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, way in ways.items():
                with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
                    os.environ["MUSTER_CACHE"] = ENVIRONMENT["MUSTER_CACHE"] = f"{scratch}/cache"
                    source = make(Path(scratch), case, options)
                    os.sync()  # or the first way waits for the disk to take the source
                    times[name].append(way(Path(scratch) / "work", source))
            os.sync()
        medians = {
            name: [sorted(column)[len(found) // 2] for column in zip(*found, strict=True)]
            for name, found in times.items()
        }
        ours = medians["muster"]
        for name, (store, pull) in medians.items():
            ratios = f"muster takes {ours[0] / store:.2f} x and {ours[1] / pull:.2f} x of it"
            print(f"  {name:<22} store {store:7.2f} s   pull {pull:7.2f} s   {ratios}")
    print(f"peak memory of any process: {peak():.0f} MB")


def make(scratch: Path, case: str, options: argparse.Namespace) -> Path:
    """Write what is to be stored: random bytes, so that nothing is smaller than it looks."""
    source = scratch / "source"
    if case == "one file":
        with source.open("wb") as file:
            for _ in range(options.bytes >> 20):
                file.write(os.urandom(1 << 20))
    else:
        for number in range(options.files):
            place = source / f"{number // 1000}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.bin").write_bytes(os.urandom(10_000))
    return source


if __name__ == "__main__":
    main()
