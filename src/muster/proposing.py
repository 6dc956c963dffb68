"""Proposing: a plan put on a branch of its own, for others to look at and to merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .core import requests
from .core.errors import Conflict, Invalid
from .core.proposals import PREFIX

if TYPE_CHECKING:
    from .core.operations import Operation
    from .core.plans import Plan
    from .registry import Proposed, Registry

_UNBOUNDED = 1 << 40


def propose(
    registry: Registry,
    wanted: tuple[Operation, ...],
    reason: str,
    describe: Callable[[Plan, str], str] | None,
) -> Proposed:
    """Do what `Registry.propose` says."""
    from .registry import Proposed

    plan = registry.plan(*wanted)
    if not plan.change or plan.before.commit is None:
        raise Invalid("there is nothing to propose: the registry is like that already")
    branch = PREFIX + requests.proposal_id(wanted)
    commit = _brought_up_to_date(registry, plan, branch, reason)
    return Proposed(branch, commit, plan.before.commit, plan.events)


def _brought_up_to_date(registry: Registry, plan: Plan, branch: str, reason: str) -> str:
    """Return the branch's commit, which carries out plan: the one that is there, or a new one."""
    git, base = registry._git, str(plan.before.commit)
    there = git.tips(PREFIX).get(branch)
    commit = registry._write(plan, reason)
    if there is not None:
        waiting = git.between(base, there, 2)
        if len(waiting) > 1:
            raise Conflict(
                f"{branch} has commits that would be lost",
                "merge or close that proposal, then propose again",
            )
        if waiting and waiting[0].parent == base and not git.diff(there, commit, _UNBOUNDED, _UNBOUNDED):
            return there
    git.publish(commit, there, branch)
    return commit
