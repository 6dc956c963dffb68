"""GitHub, in its cloud or in a house of its own: pull requests by its REST API, version 2022-11-28."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import quote

from ...core.errors import Invalid, MusterError, NotFound, Refused
from ...core.proposals import PREFIX, Approval, Proposal
from .address import Place
from .demands import cut, number, still, titled, unmoved, with_marker
from .github_settings import branch_settings
from .http import Api
from .settings import Setting

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
MAX_BODY = 65_536  # characters of a description or a comment
_PAGE: Mapping[str, str | int] = {"per_page": 100}
_WRITERS = ("OWNER", "MEMBER", "COLLABORATOR")
_Json = Mapping[str, Any]


class GitHub:
    """One repository on GitHub. Implements `Forge`."""

    kind = "github"

    def __init__(self, place: Place, api: Api) -> None:
        self._api, self._path = api, place.path
        self._owner = place.path.partition("/")[0]
        self._repository = f"/repos/{quote(place.path)}"

    def proposals(self, branch: str | None = None) -> list[Proposal]:
        """See `Forge`. Every open pull request is one: an editor's button makes them too."""
        query: dict[str, str | int] = {"state": "open", "sort": "created", "direction": "desc", **_PAGE}
        if branch is not None:
            query["head"] = f"{self._owner}:{branch}"
        found = (_proposal(each) for each in self._api.all(f"{self._repository}/pulls", **query))
        return [each for each in found if branch in (None, each.branch)]

    def proposal(self, id: str) -> Proposal:
        """See `Forge`. An approval is its author's latest review, of the commit it was written for."""
        pull = self._api.get(self._pull(id))
        return _proposal(pull, tuple(self._approvals(id)))

    def open(self, branch: str, target: str, title: str, body: str) -> Proposal:
        """See `Forge`."""
        for there in self.proposals(branch):
            if there.target == target:
                change = {"title": titled(title), "body": cut(body, MAX_BODY)}
                return _proposal(self._api.ask("PATCH", self._pull(there.id), change).body)
        new = {"title": titled(title), "body": cut(body, MAX_BODY), "head": branch, "base": target}
        return _proposal(self._api.ask("POST", f"{self._repository}/pulls", new).body)

    def approve(self, id: str, head: str) -> None:
        """See `Forge`. One's own pull request is refused, by GitHub."""
        self._at(id, head)
        review = {"event": "APPROVE", "commit_id": head}
        answer = self._api.ask("POST", f"{self._pull(id)}/reviews", review, expect=(422,))
        if answer.status == 422:
            raise Refused(f"{self._api.host} does not take the approval: {answer.words}")

    def comment(self, id: str, body: str, marker: str) -> str:
        """See `Forge`."""
        text = cut(with_marker(body, marker), MAX_BODY)
        here = f"{self._repository}/issues/{number(id)}/comments"
        me = self._login()
        for each in self._api.all(here, **_PAGE):
            if str(each.get("body") or "").startswith(marker) and _is_mine(each.get("user"), me):
                path = f"{self._repository}/issues/comments/{each['id']}"
                return str(self._api.ask("PATCH", path, {"body": text}).body["html_url"])
        return str(self._api.ask("POST", here, {"body": text}).body["html_url"])

    def merge(self, id: str, head: str, base: str, message: str) -> str:
        """See `Forge`. By a merge commit where the repository allows it, else squashed."""
        there = self._at(id, head)
        self._based(there.target, base)
        subject, _, rest = message.partition("\n")
        merge = {
            "sha": head,
            "merge_method": self._method(),
            "commit_title": subject,
            "commit_message": rest.strip(),
        }
        answer = self._api.ask("PUT", f"{self._pull(id)}/merge", merge, expect=(405, 409))
        if answer.status >= 400:
            self._at(id, head)
            self._based(there.target, base)
            raise Refused(
                f"{self._api.host} does not merge {there.url}: {answer.words}",
                hint="see what it waits for: a check, an approval, or a branch that is up to date",
            )
        with contextlib.suppress(MusterError):  # it is merged, whatever becomes of its branch
            self._drop(there.branch)
        return str(answer.body["sha"])

    def close(self, id: str) -> None:
        """See `Forge`."""
        pull = _proposal(self._api.ask("PATCH", self._pull(id), {"state": "closed"}).body)
        with contextlib.suppress(NotFound, Invalid):  # it is gone
            self._drop(pull.branch)

    def settings(self, branch: str) -> tuple[Setting, ...]:
        """Return what protects branch: by its protection, which administrators see, or by rules, which all see."""
        return branch_settings(self._api, self._repository, branch)

    def _pull(self, id: str) -> str:
        return f"{self._repository}/pulls/{number(id)}"

    def _at(self, id: str, head: str) -> Proposal:
        return still(_proposal(self._api.get(self._pull(id))), head)

    def _based(self, branch: str, base: str) -> None:
        there = self._api.get(f"{self._repository}/branches/{quote(branch, safe='')}")
        unmoved(branch, str(there["commit"]["sha"]), base)

    def _method(self) -> Literal["merge", "squash", "rebase"]:
        found = self._api.get(self._repository)
        if found.get("allow_merge_commit", True):
            return "merge"
        return "squash" if found.get("allow_squash_merge", True) else "rebase"

    def _drop(self, branch: str) -> None:
        if branch.startswith(PREFIX):  # a fork's begins with its owner
            self._api.ask("DELETE", f"{self._repository}/git/refs/heads/{quote(branch)}")

    def _login(self) -> str | None:
        """Return one's own login; None for the tokens of apps and of Actions, which may not ask."""
        try:
            return str(self._api.get("/user")["login"])
        except (Refused, NotFound):
            return None

    def _approvals(self, id: str) -> Iterable[Approval]:
        """Yield each reviewer's latest word if it is a yes, and if the reviewer may write to the repository."""
        latest: dict[str, _Json] = {}
        for review in self._api.all(f"{self._pull(id)}/reviews", **_PAGE):
            if review["state"] in ("APPROVED", "CHANGES_REQUESTED", "DISMISSED"):
                latest[_name(review.get("user"))] = review
        for by, review in latest.items():
            if review["state"] == "APPROVED" and self._may_write(review):
                user = review.get("user") or {}
                also = tuple(str(user[key]) for key in ("email",) if user.get(key))
                at = str(review.get("submitted_at") or "")
                yield Approval(by, str(review.get("commit_id") or ""), at, user.get("type") == "Bot", also)

    def _may_write(self, review: _Json) -> bool:
        """Tell whether a review counts for GitHub: anybody may approve a public repository's pull request."""
        login = _name(review.get("user"))[1:]
        try:
            found = self._api.get(f"{self._repository}/collaborators/{quote(login)}/permission")
        except (NotFound, Refused):  # an app has none, and not every token may ask
            return review.get("author_association") in _WRITERS
        return found.get("permission") in ("admin", "write")


def _proposal(pull: _Json, approvals: tuple[Approval, ...] | None = None) -> Proposal:
    head, base = pull["head"], pull["base"]
    ours = (head.get("repo") or {}).get("full_name") == base["repo"]["full_name"]
    state: Literal["open", "merged", "closed"] = "open" if pull["state"] == "open" else "closed"
    return Proposal(
        id=str(pull["number"]),
        branch=str(head["ref"] if ours else head.get("label") or f"?:{head['ref']}"),
        head=str(head["sha"]),
        target=str(base["ref"]),
        title=str(pull["title"]),
        author=_name(pull.get("user")),
        url=str(pull["html_url"]),
        state="merged" if pull.get("merged_at") else state,
        opened_at=str(pull["created_at"]),
        approvals=approvals,
    )


def _name(user: _Json | None) -> str:
    return f"@{user['login']}" if user else "@ghost"


def _is_mine(user: _Json | None, me: str | None) -> bool:
    if user is None:
        return False
    return user.get("type") == "Bot" if me is None else user.get("login") == me
