"""What reading one alias of a registry behind a URL costs: bytes from the server, and whole processes, in turn.

The registry is served by `git http-backend` on loopback. Each way is compared with a bare `git ls-remote`, the least that
asks whether anything is new, and with what people do instead: a clone of depth 1, and reading one file of it. Loopback
has no distance, and a real server has: `--delay` lets each request wait for so many milliseconds.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from scale import build, git
from timing import ENVIRONMENT, MUSTER, in_turn, seconds

from support.githttpd import GitHttpServer, git_http_server

READ = "import sys, yaml; print(yaml.safe_load(open(sys.argv[1])))"
TARGETS = {
    "muster resolve, nothing kept": "target: 6 x, 60,000 bytes",
    "muster resolve, not moved": "target: +60 ms",
    "muster resolve, moved by 1 commit": "target: 100,000 bytes",
}
REFERENCE = "model-7@champion"


def main() -> None:
    """Print the median of each way, its ratio to `git ls-remote`, and the bytes it had from the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--delay", type=float, default=0, help="milliseconds that each request takes on its way"
    )
    parser.add_argument("--no-clone", action="store_true", help="leave out the clone, which takes a minute")
    parser.add_argument("--registry", type=Path, help="one that an earlier run built, to build none")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp())
    try:
        served = options.registry or build(where, options.versions, 100)
        git("-C", str(served), "config", "uploadpack.allowFilter", "true")
        index_backwards(served)
        with git_http_server(served.parent) as server:
            server.delay = options.delay / 1000
            compare(where, served, server, options.rounds, not options.no_clone)
    finally:
        shutil.rmtree(where)


def index_backwards(served: Path) -> None:
    """Give every pack the reverse index that git writes by itself since 2.41; without, each fetch makes it anew."""
    for pack in served.glob("objects/pack/*.pack"):
        if not pack.with_suffix(".rev").exists():
            git("-C", str(served), "index-pack", "--rev-index", str(pack))


def compare(where: Path, served: Path, server: GitHttpServer, rounds: int, with_clone: bool) -> None:
    """Time every way in turn."""
    url = server.url(served.name)
    ENVIRONMENT["MUSTER_STATE"] = str(where / "state")
    head = subprocess.run(["git", "-C", str(served), "rev-parse", "main"], capture_output=True, text=True)
    tip, down = head.stdout.strip(), {}

    def counted(name: str, once: Callable[[], float]) -> Callable[[int], float]:
        def run(_: int) -> float:
            server.sent = 0
            took = once()
            down[name] = server.sent
            return took

        return run

    def resolve(cache: str, *options: str) -> float:
        ENVIRONMENT["MUSTER_CACHE"] = str(where / cache)
        return seconds([*MUSTER, "-R", url, *options, "resolve", REFERENCE, "--json"])

    def first() -> float:
        shutil.rmtree(where / "cold", ignore_errors=True)
        shutil.rmtree(where / "state", ignore_errors=True)
        return resolve("cold")

    def moved(commits: int) -> float:
        cache = f"moved-{commits}"
        shutil.rmtree(where / cache, ignore_errors=True)
        shutil.rmtree(where / "state", ignore_errors=True)
        git("-C", str(served), "update-ref", "refs/heads/main", f"{tip}~{commits}")
        resolve(cache)
        git("-C", str(served), "update-ref", "refs/heads/main", tip)
        server.sent = 0
        return resolve(cache)

    def cloned() -> float:
        shutil.rmtree(where / "clone", ignore_errors=True)
        took = seconds(["git", "clone", "-q", "--depth=1", url, str(where / "clone")])
        return took + seconds(
            [sys.executable, "-c", READ, str(where / "clone/models/model-7/aliases/champion.yaml")]
        )

    ways = {
        "git ls-remote": lambda: seconds(["git", "ls-remote", "--symref", url, "HEAD"]),
        "muster --help": lambda: seconds([*MUSTER, "--help"]),
        "muster resolve, nothing kept": first,
        "muster resolve, not moved": lambda: resolve("warm"),
        "muster resolve, moved by 1 commit": lambda: moved(1),
        "muster resolve, moved by 1,000 commits": lambda: moved(1000),
        "muster --offline resolve": lambda: resolve("warm", "--offline"),
        "muster --max-age 1h resolve": lambda: resolve("warm", "--max-age", "1h"),
    }
    medians = in_turn(rounds, {name: counted(name, once) for name, once in ways.items()})
    if with_clone:
        name = "git clone --depth 1, yaml"
        server.sent = 0
        medians[name], down[name] = cloned(), server.sent
    for name, median in medians.items():
        ratio = median / medians["git ls-remote"]
        more = (median - medians["git ls-remote"]) * 1000
        print(
            f"{name:<40} {median * 1000:8.1f} ms  {ratio:7.2f} x ls-remote  {more:+9.1f} ms  {down[name]:>10} bytes"
            f"  {TARGETS.get(name, '')}"
        )


if __name__ == "__main__":
    main()
