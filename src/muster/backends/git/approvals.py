"""What an approval is where no forge keeps it, and where it is: whoever reads, counts or lets them in asks here.

refs/muster/approvals/<proposal>/<who>    a commit by the approver on what is approved, with the same files
"""

from __future__ import annotations

from ...core import names
from ...core.proposals import identities
from .commits import Commit
from .repository import GitRepository

APPROVALS = "refs/muster/approvals/"


def place_of(proposal: str) -> str:
    """Return what the refs of a proposal's approvals begin with."""
    return f"{APPROVALS}{proposal}/"


def ref_of(proposal: str, author: str) -> str:
    """Return the ref of the approval that author ("Name <email>") gives a proposal."""
    (who,) = identities(author)
    return f"{place_of(proposal)}{names.encode(who)}"


def problem_with(git: GitRepository, ref: str, commit: Commit) -> str | None:
    """Say why the commit at ref approves nothing; None if it is an approval of its parent by whom ref names."""
    approved = git.commit_object(commit.parents[0]) if len(commit.parents) == 1 else None
    if approved is None or approved.tree != commit.tree:
        return "it must be one commit on what it approves, and change nothing"
    if ref.rpartition("/")[2] not in {names.encode(identity) for identity in identities(commit.author)}:
        return f"its author is {commit.author}, and its ref says somebody else"
    return None
