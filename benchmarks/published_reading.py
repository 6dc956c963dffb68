"""Reading a published index behind nginx: what a read costs, and a thousand readers at once, against plain requests.

The floor of a reader is one conditional GET of root.json by the same load generator: Python threads in a few processes.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timing import ENVIRONMENT, in_turn

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "src"), str(TOP / "tests")]

from muster import Registry  # noqa: E402
from muster.core import published  # noqa: E402
from muster.core.published import Root  # noqa: E402
from support.plain_index import write_index, write_root  # noqa: E402
from support.registry import built, edited, version  # noqa: E402
from support.serving import free_port, in_process  # noqa: E402

PROCESSES = 4
CONFIGURATION = """\
daemon off; pid {top}/nginx.pid; error_log {top}/error.log; worker_processes 2; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {top}/t1; proxy_temp_path {top}/t2;
  fastcgi_temp_path {top}/t3; uwsgi_temp_path {top}/t4; scgi_temp_path {top}/t5; types {{ application/json json; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; root {top}/index;
    location = /root.json {{ add_header Cache-Control "no-cache"; }}
    location /objects/ {{ add_header Cache-Control "public, max-age=31536000, immutable"; }} }}
}}
"""


def states(top: Path, models: int) -> list[Root]:
    """Publish two states of a registry of so many models; in the second, bikes' champion is another."""
    (top / "index").mkdir()
    wanted = [version(f"model-{n}", f"content {n}", aliases=("champion",)) for n in range(models)]
    one = built(*wanted, version("bikes", "one", aliases=("champion",)), version("bikes", "two"))
    two = edited(one, {"models/bikes/aliases/champion.yaml": b"schema: 1\nversion: 2\n"})
    noon = "2026-05-01T12:0{}:00Z".format
    made = [
        write_index(top / "index", s, commit=str(n) * 40, committed=noon(n), at=noon(n))
        for n, s in enumerate((one, two), 1)
    ]
    write_root(top / "index", made[0])
    return made


@contextmanager
def nginx(top: Path) -> Iterator[int]:
    """Serve top/index."""
    port = free_port()
    (top / "nginx.conf").write_text(CONFIGURATION.format(top=top, port=port))
    with in_process(["nginx", "-p", top, "-c", top / "nginx.conf"], port, top / "nginx.log") as process:
        yield port
        process.terminate()
        process.wait()


def plain(port: int) -> Callable[[], Any]:
    """A conditional GET of root.json, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/root.json")
    answer = connection.getresponse()
    answer.read()
    headers = {"If-None-Match": answer.headers["ETag"]}

    def ask() -> int:
        connection.request("GET", "/root.json", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    return ask


def reader(port: int, cache: Path) -> Callable[[], Any]:
    """A reader of one pointer."""
    registry = Registry(f"index+http://127.0.0.1:{port}", cache=cache)

    def ask() -> tuple[str | None, int]:
        found = registry.get("bikes@champion")
        return found.commit, found.version

    return ask


def crowd(make: Callable[[], Callable[[], Any]], threads: int, seconds: float, results: Any) -> None:
    """Ask in so many threads for so long, once all have asked once; put how often which answer came."""
    ready, stop, counts = (
        threading.Barrier(threads + 1),
        threading.Event(),
        [Counter[Any]() for _ in range(threads)],
    )

    def work(counted: Counter[Any]) -> None:
        ask = make()
        counted[ask()] += 1
        ready.wait()
        while not stop.is_set():
            counted[ask()] += 1

    workers = [threading.Thread(target=work, args=(c,)) for c in counts]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    before = sum(map(Counter.total, counts))
    time.sleep(seconds)
    asked, took = sum(map(Counter.total, counts)) - before, time.perf_counter() - started
    stop.set()
    for worker in workers:
        worker.join()
    results.put((asked / took, sum(counts, Counter[Any]())))


def crowds(
    make: Callable[[], Callable[[], Any]],
    readers: int,
    seconds: float,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[float, Counter[Any]]:
    """Run crowds in several processes; return requests a second and how often which answer came."""
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    running = [
        fork.Process(target=crowd, args=(make, readers // PROCESSES, seconds, results))
        for _ in range(PROCESSES)
    ]
    for process in running:
        process.start()
    meanwhile()
    found = [results.get() for _ in running]
    for process in running:
        process.join()
    return sum(rate for rate, _ in found), sum((counted for _, counted in found), Counter[Any]())


def throughput(port: int, top: Path, readers: int, seconds: float, rounds: int) -> None:
    """Print how many reads a second a crowd of readers does, and how many plain requests, in turn."""
    rates: dict[str, list[float]] = {"conditional GET": [], "muster get": []}
    for _ in range(rounds):
        rates["conditional GET"].append(crowds(lambda: plain(port), readers, seconds)[0])
        rate, answers = crowds(lambda: reader(port, top / "cache"), readers, seconds)
        rates["muster get"].append(rate)
        if set(answers) != {("1" * 40, 1)}:
            sys.exit(f"wrong answers: {answers}")
    floor, ours = (sorted(found)[len(found) // 2] for found in rates.values())
    print(f"{readers} readers, {PROCESSES} processes, every answer compared:")
    print(f"  a conditional GET each   {floor:8.0f} /s")
    print(f"  Registry.get each        {ours:8.0f} /s   {floor / ours:.2f} x as slow")


def publishing(port: int, top: Path, made: list[Root], readers: int) -> None:
    """Publish in the middle of reading, and say what was seen."""

    def publish() -> None:
        time.sleep(2)
        write_root(top / "index", made[1])

    _, answers = crowds(lambda: reader(port, top / "cache"), readers, 4, publish)
    if set(answers) != {("1" * 40, 1), ("2" * 40, 2)}:
        sys.exit(f"wrong answers: {answers}")
    print(
        f"a publish in the middle: {answers['1' * 40, 1]} reads saw the old state, {answers['2' * 40, 2]} the new,"
    )
    print("  none anything else")


def costs(port: int, top: Path, rounds: int) -> None:
    """Print what one process pays: from nothing, and when nothing has moved."""
    url = f"http://127.0.0.1:{port}"
    environment = ENVIRONMENT | {"PYTHONPATH": str(TOP / "src"), "MUSTER_STATE": str(top / "state")}
    numbers = itertools.count()

    def process(*command: str, cache: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            env=environment | {"MUSTER_CACHE": cache},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started

    get = f"import http.client as h; c = h.HTTPConnection('127.0.0.1', {port}); c.request('GET', '/root.json'); "
    light = ("-m", "muster.light", "resolve", f"index+{url}", "bikes@champion")
    fresh = lambda: str(top / f"cold-{next(numbers)}")  # noqa: E731
    medians = in_turn(
        rounds,
        {
            "python, http.client and one GET": lambda _: process(
                "-c", get + "c.getresponse().read()", cache=""
            ),
            "muster.light resolve, cache empty": lambda _: process(*light, cache=fresh()),
            "muster.light resolve, cache warm": lambda _: process(*light, cache=str(top / "warm")),
            "  ... --max-age 3650d": lambda _: process(*light, "--max-age", "3650d", cache=str(top / "warm")),
            "  ... --offline": lambda _: process(*light, "--offline", cache=str(top / "warm")),
        },
    )
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<36} {median * 1000:7.1f} ms  {median / base:5.2f} x")


def sizes(top: Path, root: Root) -> None:
    """Print how many bytes a first read of a pointer is."""
    index = top / "index"
    shard = (index / published.object_path(root.shard_of("bikes"))).stat().st_size
    print(
        f"a first read of a pointer: root.json {(index / published.ROOT).stat().st_size} bytes, a shard {shard}"
    )


def in_process_times(port: int, top: Path, rounds: int) -> None:
    """Print what a read costs in a process that goes on, against a conditional GET."""
    asks = {"conditional GET": plain(port), "Registry.get": reader(port, top / "cache")}

    def timed(ask: Callable[[], Any]) -> float:
        started = time.perf_counter()
        for _ in range(200):
            ask()
        return (time.perf_counter() - started) / 200

    medians = in_turn(rounds, {name: (lambda _, ask=ask: timed(ask)) for name, ask in asks.items()})
    base = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<36} {median * 1e6:7.0f} us  {median / base:5.2f} x")


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        sys.exit("this needs nginx")
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        top.chmod(0o755)
        os.environ["MUSTER_STATE"] = str(top / "state")
        made = states(top, options.models)
        with nginx(top) as port:
            sizes(top, made[0])
            costs(port, top, options.rounds)
            in_process_times(port, top, options.rounds)
            throughput(port, top, options.readers, options.seconds, options.rounds)
            publishing(port, top, made, options.readers)


if __name__ == "__main__":
    main()
