"""Proposals: a plan put on a branch of its own, for others to look at, to approve and to merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from .core import requests
from .core.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from .core.message import message, reason_of
from .core.proposals import PREFIX, Proposal
from .outcomes import Outcome, Proposed

if TYPE_CHECKING:
    from .backends.forges import Forge, Place, Setting
    from .core.events import Event
    from .core.operations import Operation
    from .core.plans import Assessment, Plan
    from .planning import Planner

_UNBOUNDED = 1 << 40
# Where a forge keeps the head of a proposal that comes from a fork.
_HEADS_OF = {
    "github": "refs/pull/{}/head",
    "gitea": "refs/pull/{}/head",
    "gitlab": "refs/merge-requests/{}/head",
}


class Proposals:
    """The proposals of a registry: on the forge it lives on, or, where there is none, in the repository itself.

    A proposal's `id` is its number on the forge, or its branch with or without the prefix `proposals/`.
    """

    def __init__(self, registry: Planner) -> None:
        self._registry, self._git = registry, registry._git

    def list(self) -> Sequence[Proposal]:
        """Return the open proposals, the newest first, without their approvals."""
        return self._forge.proposals()

    def get(self, id: str) -> Proposal:
        """Return one proposal, with its approvals."""
        forge = self._forge
        if id.startswith(PREFIX) and forge.kind != "git":
            found = forge.proposals(id)
            if not found:
                raise NotFound(f"there is no open proposal of {id}", "see `muster proposals list`")
            id = found[0].id
        return forge.proposal(id.removeprefix("#").removeprefix("!"))

    def assess(self, id: str, base: str | None = None, artifacts: bool = False) -> Assessment:
        """Return what merging a proposal would do, its approvals counted: see `Registry.assess`.

        `base` is the state of the registry to merge it into, as it is now unless given.
        """
        return self._assess(self.get(id), base, artifacts)

    def approve(self, id: str, head: str | None = None) -> Proposal:
        """Approve a proposal as it is, or as it is at the commit `head`; Conflict if it has moved on from there."""
        proposal = self.get(id)
        self._forge.approve(proposal.id, head or proposal.head)
        return self.get(proposal.id)

    def merge(self, id: str, head: str | None = None, reason: str = "") -> Outcome:
        """Merge a proposal, if nothing is wrong with what that would make of the registry as it is now.

        Invalid, with every finding, if something is; Conflict if the proposal is not at `head`, or either side moves
        meanwhile. The merge's message says what it means, why, and who approved.
        """
        proposal = self.get(id)
        if head is not None and proposal.head != head:
            raise Conflict(
                f"{proposal.branch} is at {proposal.head[:12]} now, not at {head[:12]}", "look at it again"
            )
        if proposal.state != "open":
            raise Refused(f"proposal {proposal.id} is {proposal.state} already")
        if proposal.target != (target := self._git.target_branch()):
            why = f"proposal {proposal.id} is to be merged into {proposal.target}, and the registry is on {target}"
            raise Refused(why, "open the registry on that branch: --branch")
        assessment = self._assess(proposal)
        assessment.plan.require_sound()
        why = reason or reason_of(self._message_of(proposal.head))
        assessment.plan.require_reason(why)
        words = message(assessment.plan.summary or proposal.title, why, [a.by for a in assessment.approvals])
        commit = self._forge.merge(proposal.id, proposal.head, str(assessment.base), words)
        behind = self._git.head() != self._git.authority()
        note = "your clone does not have it yet: `git pull` brings it" if behind else ""
        return Outcome(commit, assessment.plan.events, note)

    def comment(self, id: str, body: str, marker: str) -> str:
        """Say body in the one comment of a proposal that begins with marker; return where it is to be seen."""
        return self._forge.comment(id, body, marker)

    def close(self, id: str) -> Proposal:
        """Close a proposal without merging it; its branch goes."""
        proposal = self.get(id)
        self._forge.close(proposal.id)
        return proposal

    def settings(self) -> Sequence[Setting]:
        """Return how the forge guards the registry's branch; Refused where there is none to ask."""
        from .backends.forges import connect

        if self._place is None:
            hint = "the server's own gate is `muster hook pre-receive`"
            if self._git.remote_url() is None:
                hint = "its branch follows none of a remote: git push --set-upstream origin BRANCH"
            raise Refused(f"{self._registry.location} is on no forge that is known", hint)
        forge = connect(self._place, credential=self._git.credential)
        return forge.settings(self._git.target_branch())

    def propose(
        self, wanted: tuple[Operation, ...], reason: str, describe: Callable[[Plan, str], str] | None
    ) -> Proposed:
        """Do what `Registry.propose` says."""
        plan = self._registry.plan(*wanted)
        if not plan.change or plan.before.commit is None:
            raise Invalid("there is nothing to propose: the registry is like that already")
        branch, target = PREFIX + requests.proposal_id(wanted), self._git.target_branch()
        forge, note = self._reachable()  # before anything is written
        there = self._git.tips(branch).get(branch)
        reason = reason or (reason_of(self._message_of(there)) if there else "")
        commit = self._brought_up_to_date(plan, branch, there, reason)
        made = Proposed(branch, commit, plan.before.commit, plan.events, note=note)
        if forge is None:
            return replace(made, page=self._place.page(branch, target) if self._place else "")
        body = describe(plan, reason) if describe else _plain_words(plan.events, reason)
        return replace(made, proposal=forge.open(branch, target, plan.summary, body))

    def _assess(self, proposal: Proposal, base: str | None = None, artifacts: bool = False) -> Assessment:
        kind = self._forge.kind
        ref = _HEADS_OF.get(kind, "refs/heads/{}").format(
            proposal.id if kind in _HEADS_OF else proposal.branch
        )
        if not self._git.bring(ref, proposal.head):
            raise NotFound(
                f"commit {proposal.head[:12]} of proposal {proposal.id} cannot be fetched", "try again"
            )
        base = base or self._registry.upstream().commit
        return self._registry.assess(base, proposal.head, artifacts, proposal)

    def _message_of(self, commit: str) -> str:
        return next(iter(self._git.log(commit, limit=1))).message

    def _brought_up_to_date(self, plan: Plan, branch: str, there: str | None, reason: str) -> str:
        """Return the branch's commit, which carries out plan: the one that is there, or a new one."""
        base = str(plan.before.commit)
        commit = self._registry._write(plan, reason)
        if there is not None:
            waiting = self._git.between(base, there, 2)
            if len(waiting) > 1:
                hint = "merge or close that proposal, then propose again"
                raise Conflict(f"{branch} has commits that would be lost", hint)
            same = not self._git.diff(there, commit, _UNBOUNDED, _UNBOUNDED)
            if waiting and waiting[0].parent == base and same:
                return there
        self._git.publish(commit, there, branch)
        return commit

    @cached_property
    def _forge(self) -> Forge:
        """The forge the registry lives on; Refused if it cannot be asked in anybody's name."""
        from .backends.forges import connect
        from .backends.git.proposals import GitProposals

        if self._place is None:
            return GitProposals(self._git, lambda: self._registry.author, self._registry._clock)
        return connect(self._place, credential=self._git.credential)

    def _reachable(self) -> tuple[Forge | None, str]:
        """The forge, or why it cannot be asked."""
        try:
            return self._forge, ""
        except (Refused, Unavailable) as error:
            return None, f"{error}; {error.hint}" if error.hint else str(error)

    @cached_property
    def _place(self) -> Place | None:
        """Where the registry is on a forge; None if it is on none that is known."""
        from .backends.forges import locate

        url = self._git.remote_url()
        place = locate(url) if url is not None else None
        return place if place is not None and place.kind is not None else None


def _plain_words(events: Sequence[Event], reason: str) -> str:
    lines = [f"- {event}" for event in events]
    return "\n".join([*lines, "", reason] if reason else lines)
