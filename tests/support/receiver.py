"""A server that takes webhooks: it answers what a test tells it to, and records what came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.serving import in_thread


@dataclass(frozen=True)
class Request:
    """What came: headers by their names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`url` is where it listens. `answers` are (status, headers), taken in turn; then it answers 200.

    A status of 0 breaks the connection off.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


@contextmanager
def receiver(*answers: int | tuple[int, dict[str, str]]) -> Iterator[Receiver]:
    """Run a receiver on loopback."""
    here = Receiver(answers=[(a, {}) if isinstance(a, int) else a for a in answers])

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {k.lower(): v for k, v in self.headers.items()}
            here.requests.append(Request(self.path, headers, body))
            status, more = here.answers.pop(0) if here.answers else (200, {})
            if status:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Answer)) as server:
        here.url = f"http://127.0.0.1:{server.server_port}/hooks/T0/secret"
        yield here
