"""Pull requests as GitHub makes them: a branch, refs/pull/N/head, and refs/pull/N/merge, which merges it into its target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muster.backends import forges
from support.actions.runner import Event
from support.forges.server import ForgeServer
from support.gitcli import git, tip


@dataclass(frozen=True)
class PullRequest:
    """One that is open. `merge` is the commit that GitHub would make of it; `fork` is whose fork it comes from."""

    number: int
    base: str
    head: str
    merge: str
    fork: str = ""

    def event(self, name: str = "pull_request", **more: Any) -> Event:
        """What it sets off."""
        source = f"{self.fork}/models" if self.fork else "acme/models"
        request = {
            "number": self.number,
            "base": {"ref": "main", "sha": self.base, "repo": {"full_name": "acme/models"}},
            "head": {"ref": "change", "sha": self.head, "repo": {"full_name": source}},
        }
        payload = {"action": "opened", "pull_request": request, **more}
        return Event(name, self.merge, f"refs/pull/{self.number}/merge", payload)


def pull_request(forge: ForgeServer, head: str, fork: str = "") -> PullRequest:
    """Have ann open a pull request to merge head into main."""
    there = forge.repository.open("ann", "change", "main", "A change", "", fork, head)
    return mergeable(forge.repository.directory, there.number, head, fork)


def mergeable(server: Path, number: int, head: str, fork: str = "") -> PullRequest:
    """Make a pull request's refs, now that it is at head."""
    base = tip(server)
    assert base is not None
    tree = git(server, "merge-tree", "--write-tree", base, head)
    identity = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
    merge = git(server, *identity, "commit-tree", tree, "-p", base, "-p", head, "-m", "Merge")
    git(server, "update-ref", f"refs/pull/{number}/head", head)
    git(server, "update-ref", f"refs/pull/{number}/merge", merge)
    return PullRequest(number, base, head, merge, fork)


def approve(forge: ForgeServer, request: PullRequest, who: str) -> None:
    """Have somebody approve what is proposed."""
    place = forges.locate(f"{forge.base}/{forge.repository.path}", "github", {})
    assert place is not None
    forges.connect(place, forge.users[who], env={}).approve(str(request.number), request.head)


def pushed(server: Path, head: str) -> Event:
    """Move main to head, as somebody with the right to would, and return what that sets off."""
    before = tip(server)
    git(server, "update-ref", "refs/heads/main", head)
    return Event("push", head, "refs/heads/main", {"before": before, "after": head})


def queued(server: Path, request: PullRequest) -> Event:
    """Put a pull request into the merge queue."""
    ref = f"refs/heads/gh-readonly-queue/main/pr-{request.number}-{request.base}"
    git(server, "update-ref", ref, request.merge)
    group = {"base_sha": request.base, "head_sha": request.merge, "head_ref": ref, "base_ref": "main"}
    return Event("merge_group", request.merge, ref, {"action": "checks_requested", "merge_group": group})
