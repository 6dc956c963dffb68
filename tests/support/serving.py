"""Servers on loopback for as long as a block lasts: of this process in a thread, or in a process of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import HTTPServer
from pathlib import Path
from typing import TypeVar

_START_SECONDS = 60
_Server = TypeVar("_Server", bound=HTTPServer)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def in_thread(server: _Server) -> Iterator[_Server]:
    """Have a server answer."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def in_process(
    command: Sequence[str | Path], port: int, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that serves; it answers at port when the block begins. What it says goes to log."""
    with (log or Path(os.devnull)).open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        _wait_for(port, process, log)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not start{f': {log.read_text()}' if log else ''}")
