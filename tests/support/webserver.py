"""A web server for static files that does to them what servers, proxies and attackers do, and counts what it was asked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.serving import in_thread


@dataclass
class Answer:
    """What is sent: a fault takes one and returns another, or None to hang up without a word."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # what Content-Length says, where that is not true
    encodings: str = ""


Fault = Callable[[str, Answer], "Answer | None"]


@dataclass
class Site:
    """A running server. `faults` are applied to each answer, in order, while they are there."""

    url: str
    top: Path
    asked: list[tuple[str, int]] = field(default_factory=list)  # path and status
    headers: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    connections: int = 0

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for _, status in self.asked)

    def forget(self) -> None:
        self.asked.clear()
        self.headers.clear()


@contextlib.contextmanager
def site(top: Path) -> Iterator[Site]:
    """Serve a directory: entity tags, conditional requests and ranges."""
    holder: list[Site] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            holder[0].connections += 1
            super().setup()

        def do_GET(self) -> None:
            _serve(self, holder[0])

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    holder.append(Site(f"http://127.0.0.1:{server.server_port}", top))
    with in_thread(server):
        yield holder[0]


_LOCK = threading.Lock()


def _serve(handler: BaseHTTPRequestHandler, here: Site) -> None:
    path = handler.path.partition("?")[0]
    answer: Answer | None = _found(here.top / path.lstrip("/"), handler)
    for fault in list(here.faults):
        answer = fault(path, answer) if answer is not None else None
    with _LOCK:
        here.asked.append((path, answer.status if answer else 0))
        here.headers.append({k.lower(): v for k, v in handler.headers.items()})
    if answer is None:
        handler.close_connection = True
        return
    handler.send_response(answer.status)
    length = len(answer.body) if answer.length is None else answer.length
    for name, value in {"Content-Length": str(length), **answer.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        handler.wfile.write(answer.body)
    if length != len(answer.body):
        handler.close_connection = True


def _found(place: Path, handler: BaseHTTPRequestHandler) -> Answer:
    if not place.is_file():
        return Answer(404, b"nothing here")
    body = place.read_bytes()
    tag = f'"{hashlib.md5(body).hexdigest()}"'
    headers = {"ETag": tag, "Content-Type": "application/octet-stream"}
    if handler.headers.get("If-None-Match") == tag:
        return Answer(304, b"", headers)
    wanted = handler.headers.get("Range", "")
    if wanted and handler.headers.get("If-Range", tag) == tag:
        begin = int(wanted.removeprefix("bytes=").partition("-")[0])
        if begin >= len(body):
            return Answer(416, b"", headers)
        headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        return Answer(206, body[begin:], headers)
    return Answer(200, body, headers)


# --- faults --------------------------------------------------------------------------------------------------------


def only(part: str, fault: Fault) -> Fault:
    """A fault of the paths that hold part."""
    return lambda path, answer: fault(path, answer) if part in path else answer


def first(times: int, fault: Fault) -> Fault:
    """A fault that goes away after so many times."""
    left = [times]

    def now(path: str, answer: Answer) -> Answer | None:
        with _LOCK:
            left[0] -= 1
        return fault(path, answer) if left[0] >= 0 else answer

    return now


def hang_up(path: str, answer: Answer) -> None:
    """Close the connection without a word."""


def cut_short(path: str, answer: Answer) -> Answer:
    """Send half of it, and close the connection."""
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers, len(answer.body))


def truncated(path: str, answer: Answer) -> Answer:
    """Send half of it as if it were all."""
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def flipped(path: str, answer: Answer) -> Answer:
    """Change one byte inside of a gzip file, which stays one."""
    body = bytearray(gzip.decompress(answer.body) if answer.body[:2] == b"\x1f\x8b" else answer.body)
    if body:
        body[len(body) // 2] ^= 1
    return Answer(answer.status, gzip.compress(bytes(body)), answer.headers)


def status(code: int, **headers: str) -> Fault:
    """Answer with a status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda path, answer: Answer(code, b"sorry", named)


def login_page(path: str, answer: Answer) -> Answer:
    """Answer as a proxy that wants somebody to log in."""
    return Answer(200, b"<!doctype html><title>Log in</title>", {"Content-Type": "text/html"})


def body(data: bytes, **headers: str) -> Fault:
    """Answer with these bytes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda path, answer: Answer(200, data, named)
