"""As much of GitHub's API as a CI job asks: pull requests, their reviews and their comments, kept in memory.

A token says what it may do, as the tokens of `support.actions.runner` do; what it may not is answered with 403.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOT = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class Hub:
    """`url` is where it is; its API is at /api/v3, as that of GitHub Enterprise Server. `writes` are what was asked of it."""

    url: str = ""
    pulls: dict[str, dict[str, Any]] = field(default_factory=dict)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"{self.url}/api/v3"

    def open(self, number: int, head: str, base: str, author: str = "ann") -> None:
        """Make a pull request known."""
        repo = {"full_name": "acme/models"}
        self.pulls[str(number)] = {
            "number": number,
            "state": "open",
            "title": "A change",
            "user": {"login": author, "type": "User"},
            "head": {"ref": "change", "sha": head, "repo": repo},
            "base": {"ref": "main", "sha": base, "repo": repo},
            "html_url": f"{self.url}/acme/models/pull/{number}",
            "created_at": "2026-05-01T12:00:00Z",
            "merged_at": None,
        }

    def approve(self, by: str, commit: str) -> None:
        """Let somebody who may write approve a commit."""
        at = f"2026-05-01T12:{len(self.reviews):02}:00Z"
        who = {"login": by, "type": "User"}
        review = {"user": who, "commit_id": commit, "state": "APPROVED", "submitted_at": at}
        self.reviews.append({**review, "author_association": "MEMBER", "id": len(self.reviews) + 1})

    def answer(self, method: str, path: str, body: Any, may: dict[str, str]) -> tuple[int, Any]:
        """Return status and JSON."""
        path = path.partition("?")[0].removeprefix("/api/v3")
        allowed = may.get("pull-requests", "none")
        if allowed == "none" or (method != "GET" and allowed != "write"):
            return 403, {"message": "Resource not accessible by integration"}
        if method != "GET":
            self.writes.append((method, path))
        if found := re.fullmatch(r"/repos/acme/models/pulls/(\d+)", path):
            there = self.pulls.get(found[1])
            return (200, there) if there else (404, {"message": "Not Found"})
        if re.fullmatch(r"/repos/acme/models/pulls/\d+/reviews", path):
            return 200, self.reviews
        if re.fullmatch(r"/repos/acme/models/issues/\d+/comments", path):
            return (200, self.comments) if method == "GET" else (201, self.said(body["body"]))
        if found := re.fullmatch(r"/repos/acme/models/issues/comments/(\d+)", path):
            comment = self.comments[int(found[1]) - 1]
            comment["body"] = body["body"]
            return 200, comment
        return 403, {"message": "Resource not accessible by integration"}

    def said(self, body: str, user: dict[str, str] = BOT) -> dict[str, Any]:
        """Add a comment."""
        number = len(self.comments) + 1
        comment = {"id": number, "body": body, "user": user, "html_url": f"{self.url}/c/{number}"}
        self.comments.append(comment)
        return comment


@contextmanager
def hub() -> Iterator[Hub]:
    """Run one on loopback."""
    here = Hub()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "").rpartition(" ")[2]
            may = dict(pair.split("=") for pair in token.split(",") if "=" in pair)
            status, answer = here.answer(self.command, self.path, body, may)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PATCH = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    here.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
