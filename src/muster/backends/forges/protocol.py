"""What muster asks of a forge: the same few questions, whoever answers them."""

from __future__ import annotations

from typing import Protocol

from ...core.proposals import Proposal


class Forge(Protocol):
    """One repository on one forge, asked in one person's name.

    Every method raises NotFound for a proposal or a repository that is not there (or not to be seen), Refused where
    the forge says that this person may not, and Unavailable where it cannot be asked.
    """

    @property
    def kind(self) -> str:
        """What it is: github, gitlab, gitea, or git for a repository without a forge."""
        ...

    def proposals(self, branch: str | None = None) -> list[Proposal]:
        """Return the open proposals, the newest first, without their approvals; only those of branch if one is given.

        All that are open: an editor's button makes them from branches of any name. The branch of one from a fork has
        the fork and a colon before it, and is never one of ours.
        """
        ...

    def proposal(self, id: str) -> Proposal:
        """Return one proposal in any state, with its approvals: each person's last word, if the forge lets them write.

        Each is of the commit it was given for, which need not be the head.
        """
        ...

    def open(self, branch: str, target: str, title: str, body: str) -> Proposal:
        """Return the open proposal to merge branch into target; one that is there already gets the title and the body."""
        ...

    def approve(self, id: str, head: str) -> None:
        """Approve the proposal at head; Conflict if it has moved on."""
        ...

    def comment(self, id: str, body: str, marker: str) -> str:
        """Say body in the one comment that begins with marker, a line; return where it is to be seen, "" if nowhere."""
        ...

    def merge(self, id: str, head: str, base: str, message: str) -> str:
        """Merge the proposal as it is at head; return the merge's commit. Conflict if it has moved on.

        `base` is the commit of the target for which it was judged; a forge that cannot compare it has a setting
        for that. The first line of message is the merge's subject. The branch goes if it is below `proposals/`.
        """
        ...

    def close(self, id: str) -> None:
        """Close the proposal without merging it, and delete its branch if it is below `proposals/`."""
        ...
