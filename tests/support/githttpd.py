"""A git server over smart HTTP: the standard library's HTTP server in front of `git http-backend`.

It checks basic authentication, takes chunked and gzipped bodies, and speaks protocol version 2.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote, unquote, urlsplit

from support.serving import in_thread

_CHUNK = 1 << 16


class GitHttpServer(ThreadingHTTPServer):
    """Serves the bare repositories below root to users (name -> password); with no users, to everybody.

    `requests` lists the method and path of every request answered so far, and `sent` counts the bytes of their bodies.
    Each request waits `delay` seconds first, as on a network. After `cut_after` bytes of one body the connection is
    closed, as by a server that dies; None: never.
    """

    daemon_threads = True

    def __init__(
        self, root: Path, users: Mapping[str, str] | None = None, anonymous_reads: bool = False
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.root, self.users, self.anonymous_reads = root, dict(users or {}), anonymous_reads
        self.requests: list[str] = []
        self.sent = 0
        self.delay = 0.0
        self.cut_after: int | None = None

    def url(self, repository: str, user: str = "", password: str | None = None) -> str:
        """Return the URL of a repository, with the credentials of user in it if one is named."""
        secret = quote(self.users[user] if password is None and user else password or "", safe="")
        credentials = f"{quote(user, safe='')}:{secret}@" if user else ""
        return f"http://{credentials}127.0.0.1:{self.server_port}/{repository}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


@contextlib.contextmanager
def git_http_server(
    root: Path, users: Mapping[str, str] | None = None, anonymous_reads: bool = False
) -> Iterator[GitHttpServer]:
    """Run a server for as long as the block lasts."""
    with in_thread(GitHttpServer(root, users, anonymous_reads)) as server:
        yield server


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client to acknowledge its headers
    server: GitHttpServer

    def do_GET(self) -> None:
        body, user = self._body(), self._user()
        time.sleep(self.server.delay)
        self.server.requests.append(f"{self.command} {self.path}")
        if user is None and self._needs_user():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(body, user or "")

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _needs_user(self) -> bool:
        writes = "git-receive-pack" in self.path
        return bool(self.server.users) and (writes or not self.server.anonymous_reads)

    def _user(self) -> str | None:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if self.server.users.get(user) == password else None

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _environment(self, length: int, user: str) -> dict[str, str]:
        url = urlsplit(self.path)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        cgi = {
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": str(self.client_address[0]),
        }
        # Without a user http-backend does not allow a push, unless the repository's configuration does.
        return {
            **clean,
            **cgi,
            **({"REMOTE_USER": user or "anybody"} if user or not self.server.users else {}),
        }

    def _answer(self, body: bytes, user: str) -> None:
        with subprocess.Popen(
            ["git", "http-backend"],
            env=self._environment(len(body), user),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as backend:
            feeder = threading.Thread(target=_feed, args=(backend.stdin, body))
            feeder.start()
            self._relay(cast(BufferedReader, backend.stdout))
            feeder.join()

    def _relay(self, output: BufferedReader) -> None:
        status, headers = 200, []
        while line := output.readline().strip().decode():
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        self.send_response(status)
        for name, value in [*headers, ("Transfer-Encoding", "chunked")]:
            self.send_header(name, value)
        self.end_headers()
        given = 0
        while chunk := output.read1(_CHUNK):
            given += len(chunk)
            self.server.sent += len(chunk)
            if self.server.cut_after is not None and given > self.server.cut_after:
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")


def _feed(stream: IO[bytes], body: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(body)
