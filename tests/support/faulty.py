"""Servers that do wrong on purpose: a connection that breaks off, and HTTP as too many proxies speak it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_PIECE = 1 << 16


class Line:
    """A line to a server on this machine. It lets so many bytes come back, then it is dead until it is mended."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.left: float = float("inf")
        self.came = 0
        self._open: set[socket.socket] = set()

    def mend(self) -> None:
        """Let everything through again, and count from nothing."""
        self.left, self.came = float("inf"), 0

    def serve(self) -> None:
        """Accept connections until closed."""
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                threading.Thread(target=self._join, args=(ours,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._cut()

    def _join(self, ours: socket.socket) -> None:
        if self.left <= 0:
            ours.close()
            return
        theirs = socket.create_connection(("127.0.0.1", self._target))
        self._open |= {ours, theirs}
        threading.Thread(target=self._forward, args=(ours, theirs, False), daemon=True).start()
        self._forward(theirs, ours, True)

    def _forward(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if back:
                    self.came += len(piece)
                    self.left -= len(piece)
                    if self.left <= 0:
                        self._cut()
                        return
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        for end in tuple(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Give a line to the server at port."""
    line = Line(port)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join()


class Files(ThreadingHTTPServer):
    """Serves a directory over HTTP, and counts the bytes of each path that it sent.

    It knows `ranges`, or does not; it sends at most `most` bytes at a time of what it announces, and if it is not
    `honest` it announces nothing, so that nobody can see from an answer that it is not all.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.directory = directory
        self.ranges, self.honest, self.most = True, True, 1 << 40
        self.sent: dict[str, int] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Answer(BaseHTTPRequestHandler):
    server: Files

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, with_body: bool) -> None:
        place = self.server.directory / unquote(self.path).lstrip("/")
        if not place.is_file():
            self.send_error(404)
            return
        size = place.stat().st_size
        range = self.headers.get("Range", "")
        start = int(range.removeprefix("bytes=").partition("-")[0]) if range and self.server.ranges else 0
        if start >= size and start:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if self.server.honest:
            self.send_header("Content-Length", str(size - start))
        self.end_headers()
        if with_body:
            self._send(place, start)

    def _send(self, place: Path, start: int) -> None:
        left = self.server.most
        with place.open("rb") as file:
            file.seek(start)
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                self.wfile.write(piece)
                left -= len(piece)
                with self.server.lock:
                    self.server.sent[self.path] = self.server.sent.get(self.path, 0) + len(piece)
