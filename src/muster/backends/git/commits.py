"""Commit objects as git stores them: `tree`, `parent`, `author` lines, an empty line, the message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says. `author` is "Name <email>"."""

    tree: str
    parents: tuple[str, ...]
    author: str
    message: str


def parse_commit(content: bytes) -> Commit:
    """Read a commit object; what it does not say is empty."""
    head, _, message = content.partition(b"\n\n")
    lines = [line.split(b" ", 1) for line in head.split(b"\n") if not line.startswith(b" ")]
    fields = [(line[0], line[1].decode(errors="replace")) for line in lines if len(line) == 2]
    tree = next((value for key, value in fields if key == b"tree"), "")
    author = next((value for key, value in fields if key == b"author"), "")
    parents = tuple(value for key, value in fields if key == b"parent")
    return Commit(tree, parents, _without_date(author), message.decode(errors="replace"))


def _without_date(author: str) -> str:
    """`Name <email> 1767225600 +0000` without its last two words."""
    name, end, _ = author.rpartition(">")
    return name + end
