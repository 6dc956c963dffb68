"""What holds on every forge, asked of what it answered: the proposal is open, and nothing has moved. Pure."""

from __future__ import annotations

from ...core.errors import Conflict, NotFound
from ...core.proposals import Proposal

_MAX_TITLE = 255  # characters: GitLab's, the least


def number(id: str) -> str:
    """Return the number that a forge knows a proposal by; NotFound if id is none."""
    found = id.lstrip("#!")
    if not found.isascii() or not found.isdecimal():
        raise NotFound(f"there is no proposal {id!r}", hint="proposals have numbers here")
    return found


def still(proposal: Proposal, head: str) -> Proposal:
    """Return the proposal if it is open and at head; Conflict otherwise."""
    if proposal.state != "open":
        raise Conflict(f"{proposal.url} is {proposal.state}", hint="there is nothing left to decide")
    if proposal.head != head:
        moved = f"{proposal.url} has moved on to {proposal.head[:12]}"
        raise Conflict(moved, hint="look again, then decide again")
    return proposal


def unmoved(branch: str, tip: str, base: str) -> None:
    """Conflict unless the tip of branch is base. What is pushed after this only the forge's own settings keep out."""
    if tip != base:
        moved = f"{branch} has moved on to {tip[:12]}"
        raise Conflict(moved, hint="bring the proposal up to date, then judge it again")


def with_marker(body: str, marker: str) -> str:
    """Return a comment's text: its marker is the first line."""
    return body if body.startswith(marker) else f"{marker}\n{body}"


def titled(title: str) -> str:
    """Return a title as every forge takes one: a line of at most 255 characters."""
    line = " ".join(title.split())
    return line if len(line) <= _MAX_TITLE else f"{line[: _MAX_TITLE - 3]}..."


def cut(text: str, limit: int) -> str:
    """Return text, its end left out at a line if it has more characters than a forge takes."""
    if len(text) <= limit:
        return text
    note = f"\n\n(cut here: no more than {limit} characters are taken)"
    return text[: limit - len(note)].rpartition("\n")[0] + note
