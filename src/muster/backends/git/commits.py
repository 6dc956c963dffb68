"""Commit objects as git stores them: `tree`, `parent`, `author` lines, an empty line, the message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says. `author` is "Name <email>", `at` the committer's time (UTC, RFC 3339), "" for none."""

    tree: str
    parents: tuple[str, ...]
    author: str
    at: str
    message: str


def parse_commit(content: bytes) -> Commit:
    """Read a commit object; what it does not say is empty."""
    head, _, message = content.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n") if not line.startswith(b" ")]
    fields = [(line[0], line[1].decode(errors="replace")) for line in lines if len(line) == 2]
    tree = next((value for key, value in fields if key == b"tree"), "")
    author = next((value for key, value in fields if key == b"author"), "")
    committer = next((value for key, value in fields if key == b"committer"), "")
    parents = tuple(value for key, value in fields if key == b"parent")
    return Commit(tree, parents, _without_date(author), _date(committer), message.decode(errors="replace"))


def _without_date(author: str) -> str:
    """`Name <email> 1767225600 +0000` without its last two words."""
    name, end, _ = author.rpartition(">")
    return name + end


def _date(committer: str) -> str:
    seconds = committer.rpartition(">")[2].split(" ")[1:2]
    try:
        return f"{datetime.fromtimestamp(int(seconds[0]), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    except (IndexError, ValueError, OverflowError, OSError):
        return ""
