"""Gitea and Forgejo: pull requests by the REST API that both have, version 1.

Its addresses need not be confirmed, so that nobody is known by one. Of bots it knows its own alone: users whose number
is below zero.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote

from ...core.errors import MusterError, NotFound, Refused
from ...core.proposals import PREFIX, Approval, Proposal
from .address import Place
from .demands import number, still, titled, unmoved, with_marker
from .http import Api
from .settings import Setting, at_least_one, flag, shown

_PAGE: Mapping[str, str | int] = {"limit": 50}  # the most that it gives unless told otherwise
_STYLES = (("merge", "allow_merge_commits"), ("squash", "allow_squash_merge"), ("rebase", "allow_rebase"))
_Json = Mapping[str, Any]


class Gitea:
    """One repository on a Gitea or a Forgejo. Implements `Forge`."""

    kind = "gitea"

    def __init__(self, place: Place, api: Api) -> None:
        self._api, self._repository = api, f"/repos/{quote(place.path)}"

    def proposals(self, branch: str | None = None) -> list[Proposal]:
        """See `Forge`. Every open pull request is one: an editor's button makes them too."""
        found = [
            _proposal(each) for each in self._api.all(f"{self._repository}/pulls", state="open", **_PAGE)
        ]
        found.sort(key=lambda each: -int(each.id))
        return [each for each in found if branch in (None, each.branch)]

    def proposal(self, id: str) -> Proposal:
        """See `Forge`. An approval is its author's latest review, of the commit it was written for."""
        return _proposal(self._api.get(self._pull(id)), tuple(self._approvals(id)))

    def open(self, branch: str, target: str, title: str, body: str) -> Proposal:
        """See `Forge`."""
        words = {"title": titled(title), "body": body}
        for there in self.proposals(branch):
            if there.target == target:
                return _proposal(self._api.ask("PATCH", self._pull(there.id), words).body)
        new = {"head": branch, "base": target, **words}
        return _proposal(self._api.ask("POST", f"{self._repository}/pulls", new).body)

    def approve(self, id: str, head: str) -> None:
        """See `Forge`. One's own pull request is refused, by Gitea."""
        there = still(_proposal(self._api.get(self._pull(id))), head)
        review = {"event": "APPROVED", "commit_id": head}
        answer = self._api.ask("POST", f"{self._pull(id)}/reviews", review, expect=(422,))
        if answer.status == 422:
            raise Refused(f"{self._api.host} does not take your approval of {there.url}: {answer.words}")

    def comment(self, id: str, body: str, marker: str) -> str:
        """See `Forge`."""
        text = {"body": with_marker(body, marker)}
        here = f"{self._repository}/issues/{number(id)}/comments"
        me = self._login()
        for each in self._api.all(here):
            if str(each.get("body") or "").startswith(marker) and _is_mine(each.get("user"), me):
                path = f"{self._repository}/issues/comments/{each['id']}"
                return str(self._api.ask("PATCH", path, text).body["html_url"])
        return str(self._api.ask("POST", here, text).body["html_url"])

    def merge(self, id: str, head: str, base: str, message: str) -> str:
        """See `Forge`. By a merge commit where the repository allows it, else squashed or rebased."""
        there = still(_proposal(self._api.get(self._pull(id))), head)
        self._based(there.target, base)
        subject, _, rest = message.partition("\n")
        merge = {
            "Do": self._style(),
            "head_commit_id": head,
            "MergeTitleField": subject,
            "MergeMessageField": rest.strip(),
        }
        answer = self._api.ask("POST", f"{self._pull(id)}/merge", merge, expect=(405, 409))
        if answer.status >= 400:
            still(_proposal(self._api.get(self._pull(id))), head)
            self._based(there.target, base)
            raise Refused(
                f"{self._api.host} does not merge {there.url}: {answer.words}",
                hint="see what it waits for: a check, an approval, or a branch that is up to date",
            )
        made = str(self._api.get(self._pull(id))["merge_commit_sha"])
        with contextlib.suppress(MusterError):  # it is merged, whatever becomes of its branch
            self._drop(there.branch)
        return made

    def close(self, id: str) -> None:
        """See `Forge`."""
        there = _proposal(self._api.ask("PATCH", self._pull(id), {"state": "closed"}).body)
        with contextlib.suppress(NotFound):  # it is gone
            self._drop(there.branch)

    def settings(self, branch: str) -> tuple[Setting, ...]:
        """Return what protects branch; most of it is shown to administrators of the repository only."""
        there = shown(self._api, f"{self._repository}/branches/{quote(branch)}")
        name = (there or {}).get("effective_branch_protection_name") or branch
        rule = shown(self._api, f"{self._repository}/branch_protections/{quote(str(name), safe='')}")
        return tuple(_settings(there, rule))

    def _pull(self, id: str) -> str:
        return f"{self._repository}/pulls/{number(id)}"

    def _based(self, branch: str, base: str) -> None:
        there = self._api.get(f"{self._repository}/branches/{quote(branch)}")
        unmoved(branch, str(there["commit"]["id"]), base)

    def _style(self) -> str:
        found = self._api.get(self._repository)
        return next((style for style, setting in _STYLES if found.get(setting, True)), "merge")

    def _drop(self, branch: str) -> None:
        if branch.startswith(PREFIX):  # a fork's begins with its owner
            self._api.ask("DELETE", f"{self._repository}/branches/{quote(branch)}")

    def _login(self) -> str | None:
        """Return one's own login; None for the tokens of Actions, and those that may not ask."""
        try:
            return str(self._api.get("/user")["login"])
        except (Refused, NotFound):
            return None

    def _approvals(self, id: str) -> Iterator[Approval]:
        """Yield each reviewer's latest word if it is a yes that counts for Gitea: of somebody who may write."""
        latest: dict[str, _Json] = {}
        reviews = self._api.all(f"{self._pull(id)}/reviews", **_PAGE)
        for review in sorted(reviews, key=lambda each: int(each["id"])):
            if review["state"] in ("APPROVED", "REQUEST_CHANGES"):
                latest[_name(review.get("user"))] = review
        for by, review in latest.items():
            if review["state"] == "APPROVED" and review.get("official") and not review.get("dismissed"):
                at = str(review.get("submitted_at") or "")
                yield Approval(by, str(review.get("commit_id") or ""), at, _is_bot(review.get("user")))


def _proposal(pull: _Json, approvals: tuple[Approval, ...] | None = None) -> Proposal:
    head, base = pull["head"], pull["base"]
    ours = head["repo_id"] == base["repo_id"]
    owner = ((head.get("repo") or {}).get("owner") or {}).get("login", "?")
    state: Literal["open", "closed"] = "open" if pull["state"] == "open" else "closed"
    return Proposal(
        id=str(pull["number"]),
        branch=str(head["ref"]) if ours else f"{owner}:{head['ref']}",
        head=str(head["sha"]),
        target=str(base["ref"]),
        title=str(pull["title"]),
        author=_name(pull.get("user")),
        url=str(pull["html_url"]),
        state="merged" if pull.get("merged") else state,
        opened_at=str(pull.get("created_at") or ""),
        approvals=approvals,
    )


def _name(user: _Json | None) -> str:
    return f"@{user['login']}" if user else "@ghost"


def _is_bot(user: _Json | None) -> bool:
    return user is not None and int(user.get("id") or 0) < 0


def _is_mine(user: _Json | None, me: str | None) -> bool:
    return _is_bot(user) if me is None else user is not None and user.get("login") == me


def _settings(there: _Json | None, rule: _Json | None) -> Iterator[Setting]:
    def ruled(name: str) -> bool | None:
        if there is not None and not there.get("protected"):
            return False
        return None if rule is None else bool(rule.get(name))

    seen = there or {}
    yield flag("the branch is protected", None if there is None else bool(there.get("protected")), True)
    forced = ruled("enable_force_push")
    yield flag(
        "force pushes are forbidden",
        None if forced is None else bool(seen.get("protected")) and not forced,
        True,
    )
    yield at_least_one(
        "approvals that are required", None if there is None else int(seen.get("required_approvals") or 0)
    )
    yield flag("a push dismisses approvals", ruled("dismiss_stale_approvals"), True)
    checks = len(seen.get("status_check_contexts") or ()) if seen.get("enable_status_check") else 0
    yield at_least_one("status checks that are required", None if there is None else checks)
    yield flag("a branch must be up to date to be merged", ruled("block_on_outdated_branch"), True)
