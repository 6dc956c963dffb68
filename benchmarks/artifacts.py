"""One large file, and many small ones, into a remote and out of it again: muster, DVC and plain tools in turn.

The remote is a directory, or with --s3 a bucket of moto's server, which is slow for large objects: give --bytes then.
`dvc get` is DVC's way to one version out of a repository that is not cloned. A second pull by muster is from
its cache, and a third one into a directory that has the files already.

Peak memory is the largest resident set of any process a command started (getrusage), in MB.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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


def project(where: Path, remote: list[str]) -> Path:
    """Make a DVC project with a remote."""
    run(["git", "init", "-q", str(where)], cwd=where.parent)
    run(
        *([DVC, *words] for words in (["init", "-q"], ["remote", "add", "-q", "-d", "storage", remote[0]])),
        cwd=where,
    )
    for setting in remote[1:]:
        run([DVC, "remote", "modify", "-q", "storage", *setting.split("=", 1)], cwd=where)
    return where


def stored_by_dvc(where: Path, source: Path, remote: list[str]) -> dict[str, float]:
    """Time `dvc add` + `dvc push`, `dvc pull` in a fresh clone, and `dvc get` with no clone."""
    top = project(where, remote)
    shutil.move(source, top / source.name)
    target = f"{source.name}.dvc"
    store = run([DVC, "add", "-q", source.name], [DVC, "push", "-q", target], cwd=top)
    run(["git", "add", "-A"], ["git", "commit", "-qm", "x"], cwd=top)
    clone = where.with_name(f"{where.name}-clone")
    run(["git", "clone", "-q", str(top), str(clone)], cwd=where.parent)
    pull = run([DVC, "pull", "-q", target], cwd=clone)
    shutil.rmtree(top / ".dvc" / "cache")  # or it is read from there
    shutil.move(top / source.name, source)
    get = run([DVC, "get", "-q", top.as_uri(), source.name, "-o", f"{where}.got"], cwd=where.parent)
    return {"dvc add+push": store, "dvc pull": pull, "dvc get": get}


def stored_by_muster(where: Path, source: Path, remote: list[str]) -> dict[str, float]:
    """Time `muster register` in a clone, and `muster pull` with an empty cache, with a full one, and where all is."""
    run([*MUSTER, "init", str(where), "--remote", remote[0]], cwd=where.parent)
    if remote[1:]:
        own = [f"    {setting.replace('=', ' = ', 1)}\n" for setting in remote[1:]]
        (where / ".dvc" / "config.local").write_text("['remote \"storage\"']\n" + "".join(own))
    store = run([*MUSTER, "-R", str(where), "register", "m", str(source)], cwd=where.parent)
    shutil.rmtree(where / ".dvc" / "cache")
    pull = [*MUSTER, "-R", str(where), "pull", "m/1", "-o"]
    times = [run([*pull, f"{where}.{name}"], cwd=where.parent) for name in ("out", "again", "again")]
    return dict(
        zip(
            ("muster register", "muster pull", "from the cache", "there already"),
            [store, *times],
            strict=True,
        )
    )


def floor(where: Path, source: Path, remote: list[str]) -> dict[str, float]:
    """Time `openssl dgst -md5` and two `cp`, and one `cp` and `sha256sum`."""
    where.mkdir()
    files = [str(p) for p in sorted(source.rglob("*")) if p.is_file()] if source.is_dir() else [str(source)]
    copies = [["cp", "-r", str(source), str(where / name)] for name in ("cache", "remote", "out")]
    store = run(["openssl", "dgst", "-md5", *files], copies[0], copies[1], cwd=where)
    return {"md5, cp, cp": store, "cp, sha256sum": run(copies[2], ["sha256sum", *files], cwd=where)}


def main() -> None:
    """Print the medians of each way, and muster's ratio to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2 << 30, help="of the large file; 0 for none")
    parser.add_argument("--files", type=int, default=20_000, help="how many small ones; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="a directory with room for a dozen copies")
    parser.add_argument("--s3", action="store_true", help="keep the files on moto's S3 server")
    options = parser.parse_args()
    ways = (stored_by_muster, stored_by_dvc, floor)
    with served(options.s3) as remote:
        for case, size in {"one file": options.bytes, "many files": options.files}.items():
            if not size:
                continue
            times: dict[str, list[float]] = {}
            for number in range(options.rounds):
                for way in ways:
                    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
                        ENVIRONMENT["MUSTER_CACHE"] = f"{scratch}/cache"
                        source = make(Path(scratch), case, options)
                        os.sync()  # or the first way waits for the disk to take the source
                        place = remote(f"{case.replace(' ', '-')}-{number}-{way.__name__}", Path(scratch))
                        for name, took in way(Path(scratch) / "work", source, place).items():
                            times.setdefault(name, []).append(took)
                    os.sync()
            show(f"{case}: {size}", {name: statistics.median(found) for name, found in times.items()})
        print(f"peak memory of any process: {peak():.0f} MB")


def show(title: str, medians: dict[str, float]) -> None:
    """Print each median, and what muster's takes of it."""
    print(title)
    for name, took in medians.items():
        ours = "muster register" if name in ("dvc add+push", "md5, cp, cp") else "muster pull"
        ratio = "" if name.startswith("muster") else f"   {ours} takes {medians[ours] / took:.2f} x of it"
        print(f"  {name:<16} {took:7.2f} s{ratio}")


@contextlib.contextmanager
def served(s3: bool) -> Iterator[Callable[[str, Path], list[str]]]:
    """Give what names a remote for each run: its url, and settings of the user's own."""
    if not s3:
        yield lambda name, scratch: [f"{scratch}/remote"]
        return
    import boto3

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    ENVIRONMENT.update(keys)
    os.environ.update(keys)
    endpoint = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def bucket(name: str, scratch: Path) -> list[str]:
        name = name.replace("_", "-")
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)
        return [f"s3://{name}/store", f"endpointurl={endpoint}"]

    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
                break
            time.sleep(0.1)
        yield bucket
    finally:
        server.kill()
        server.wait()


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
