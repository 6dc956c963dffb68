"""Proposals without a forge: branches of the repository itself, and approvals that are commits.

    refs/heads/proposals/<id>              the proposal
    refs/muster/approvals/<id>/<who>       an approval: see `approvals`

An approval's parent is what was approved, so it can be of nothing else, and a signature of it covers that, too. The
merge takes the approvals as parents: whoever has the registry has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from ...core.errors import Conflict, NotFound, Refused
from ...core.proposals import PREFIX, Approval, Proposal
from ...core.snapshot import Change
from .approvals import place_of, problem_with, ref_of
from .repository import GitRepository

_HEADS = "refs/heads/"
_MANY = 1000  # commits of one proposal that are looked at


class GitProposals:
    """The proposals of one repository. `author` writes approvals and merges, at the time `clock` tells."""

    kind = "git"

    def __init__(
        self, repository: GitRepository, author: Callable[[], str], clock: Callable[[], datetime]
    ) -> None:
        self._git, self._author, self._clock = repository, author, clock

    def proposals(self, branch: str | None = None) -> list[Proposal]:
        """Return what waits to be merged, the newest first. A branch that is merged already waits no more."""
        target = self._target()
        found = [
            self._proposal(name, tip, target)
            for name, tip in self._git.tips(PREFIX).items()
            if branch in (None, name)
        ]
        return sorted((p for p in found if p.state == "open"), key=lambda p: p.opened_at, reverse=True)

    def proposal(self, id: str) -> Proposal:
        """Return one proposal, with its approvals."""
        branch = PREFIX + id.removeprefix(PREFIX)
        tip = self._git.tips(branch).get(branch)
        if tip is None:
            raise NotFound(f"no proposal {id!r}", "see `muster proposals list`")
        return self._proposal(branch, tip, self._target(), with_approvals=True)

    def open(self, branch: str, target: str, title: str, body: str) -> Proposal:
        """Return the proposal that the branch is: there is nothing else to open."""
        return self.proposal(branch)

    def approve(self, id: str, head: str) -> None:
        """Record that the author approves the proposal at head; Conflict if it has moved on."""
        proposal = self.proposal(id)
        _require_head(proposal, head)
        who = self._author()
        text = f"Approve {proposal.branch}\n\nMuster-Approves: {head}\n"
        commit = self._git.commit(head, Change({}, text), who, self._clock())
        ref = ref_of(proposal.id, who)
        there = self._git.refs(place_of(proposal.id)).get(ref)
        self._git.write_ref(ref, commit, there)

    def comment(self, id: str, body: str, marker: str) -> str:
        """Refused: there is no page to say anything on."""
        raise Refused("a repository without a forge has no page for comments", "see `muster proposals show`")

    def merge(self, id: str, head: str, base: str, message: str) -> str:
        """Merge the proposal into base, its approvals too, and delete its branch. Conflict if either has moved."""
        proposal = self.proposal(id)
        _require_head(proposal, head)
        merged, conflicts = self._git.merged(base, head)
        if conflicts:
            raise Conflict(f"{', '.join(conflicts)}: changed on both sides since", "propose it again")
        approvals = [oid for oid, approval in self._approvals(proposal.id).items() if approval.head == head]
        commit = self._git.merge(base, merged, approvals or [head], message, self._author(), self._clock())
        self._git.publish(commit, base)
        self._delete(proposal)
        return commit

    def close(self, id: str) -> None:
        """Delete the proposal's branch and its approvals."""
        self._delete(self.proposal(id))

    def _delete(self, proposal: Proposal) -> None:
        approvals = self._git.refs(place_of(proposal.id))
        self._git.delete({f"{_HEADS}{proposal.branch}": proposal.head, **approvals})

    def _proposal(self, branch: str, tip: str, target: str | None, with_approvals: bool = False) -> Proposal:
        id = branch.removeprefix(PREFIX)
        waiting = self._git.between(target, tip, _MANY) if target else []
        last = waiting[-1] if waiting else next(iter(self._git.log(tip, limit=1)))
        found = tuple(self._approvals(id).values()) if with_approvals else None
        state: Literal["open", "merged"] = "open" if waiting else "merged"
        title = last.message.partition("\n")[0]
        return Proposal(
            id, branch, tip, self._git.target_branch(), title, last.author, "", state, last.at, found
        )

    def _approvals(self, id: str) -> Mapping[str, Approval]:
        """The approvals of a proposal, of whichever of its commits, by their own commits."""
        found: dict[str, Approval] = {}
        for ref, tip in self._git.refs(place_of(id)).items():
            commit = self._git.commit_object(tip)
            if commit is not None and not problem_with(self._git, ref, commit):
                found[tip] = Approval(commit.author, commit.parents[0], commit.at)
        return found

    def _target(self) -> str | None:
        return self._git.authority()


def _require_head(proposal: Proposal, head: str) -> None:
    if proposal.head != head:
        raise Conflict(
            f"{proposal.branch} is at {proposal.head[:12]} now, not at {head[:12]}",
            "look at it again: muster proposals show",
        )
    if proposal.state != "open":
        raise Refused(f"{proposal.branch} is {proposal.state} already")
