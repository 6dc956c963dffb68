"""GitLab: merge requests by its REST API, version 4."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from ...core.errors import Conflict, MusterError, NotFound, Refused
from ...core.proposals import PREFIX, Approval, Proposal
from .address import Place
from .demands import cut, number, still, titled, unmoved, with_marker
from .gitlab_approvals import approvals_of, is_bot
from .gitlab_settings import branch_settings
from .http import Api
from .settings import Setting

MAX_BODY = 1_000_000  # characters of a description or a note
_PAGE: Mapping[str, str | int] = {"per_page": 100}
_STATES: Mapping[str, Literal["open", "merged", "closed"]] = {"merged": "merged", "closed": "closed"}
_Json = Mapping[str, Any]


class GitLab:
    """One project on a GitLab. Implements `Forge`."""

    kind = "gitlab"

    def __init__(self, place: Place, api: Api) -> None:
        self._api, self._project = api, f"/projects/{quote(place.path, safe='')}"

    def proposals(self, branch: str | None = None) -> list[Proposal]:
        """See `Forge`. Every open merge request is one: an editor's button makes them too."""
        query: dict[str, str | int] = {"state": "opened", "order_by": "created_at", "sort": "desc", **_PAGE}
        if branch is not None:
            query["source_branch"] = branch
        found = (_proposal(each) for each in self._api.all(f"{self._project}/merge_requests", **query))
        return [each for each in found if branch in (None, each.branch)]

    def proposal(self, id: str) -> Proposal:
        """See `Forge`."""
        return _proposal(
            self._api.get(self._request(id)), tuple(approvals_of(self._api, self._project, number(id)))
        )

    def open(self, branch: str, target: str, title: str, body: str) -> Proposal:
        """See `Forge`."""
        words = {"title": titled(title), "description": cut(body, MAX_BODY)}
        for there in self.proposals(branch):
            if there.target == target:
                return _proposal(self._api.ask("PUT", self._request(there.id), words).body)
        new = {"source_branch": branch, "target_branch": target, **words}
        return _proposal(self._api.ask("POST", f"{self._project}/merge_requests", new).body)

    def approve(self, id: str, head: str) -> None:
        """See `Forge`. One's approval of an older version is given anew: GitLab keeps one for each person."""
        there = still(self.proposal(id), head)
        given = self._api.get(f"{self._request(id)}/approvals")
        if given.get("user_has_approved"):
            me = self._login()
            if any(each.by == f"@{me}" and each.head == head for each in there.approvals or ()):
                return
            self._api.ask("POST", f"{self._request(id)}/unapprove")
        answer = self._api.ask("POST", f"{self._request(id)}/approve", {"sha": head}, expect=(401, 409))
        if answer.status == 409:
            raise Conflict(f"{there.url} has moved on", hint="look again, then decide again")
        if answer.status == 401:  # it says so of people whom it knows, and who may not approve
            raise Refused(f"{self._api.host} does not take your approval of {there.url}")

    def comment(self, id: str, body: str, marker: str) -> str:
        """See `Forge`."""
        text = {"body": cut(with_marker(body, marker), MAX_BODY)}
        notes = f"{self._request(id)}/notes"
        url = str(self._api.get(self._request(id))["web_url"])
        me = self._login()
        for each in self._api.all(notes, sort="asc", order_by="created_at", **_PAGE):
            if str(each.get("body") or "").startswith(marker) and _is_mine(each, me):
                self._api.ask("PUT", f"{notes}/{each['id']}", text)
                return f"{url}#note_{each['id']}"
        return f"{url}#note_{self._api.ask('POST', notes, text).body['id']}"

    def merge(self, id: str, head: str, base: str, message: str) -> str:
        """See `Forge`. As the project is set: by a merge commit, squashed, or as a fast-forward."""
        there = still(_proposal(self._api.get(self._request(id))), head)
        self._based(there.target, base)
        merge = {"sha": head, "merge_commit_message": message, "squash_commit_message": message}
        answer = self._api.ask("PUT", f"{self._request(id)}/merge", merge, expect=(401, 405, 406, 409, 422))
        if answer.status >= 400:
            still(_proposal(self._api.get(self._request(id))), head)
            self._based(there.target, base)
            raise Refused(
                f"{self._api.host} does not merge {there.url}: {answer.words}",
                hint="see what it waits for: a pipeline, an approval, a rebase, or somebody who may merge",
            )
        with contextlib.suppress(MusterError):  # it is merged, whatever becomes of its branch
            self._drop(there.branch)
        made = answer.body
        return str(made.get("merge_commit_sha") or made.get("squash_commit_sha") or made["sha"])

    def close(self, id: str) -> None:
        """See `Forge`."""
        there = _proposal(self._api.ask("PUT", self._request(id), {"state_event": "close"}).body)
        with contextlib.suppress(NotFound):  # it is gone
            self._drop(there.branch)

    def settings(self, branch: str) -> tuple[Setting, ...]:
        """Return what protects branch, and what the project demands of merge requests."""
        return branch_settings(self._api, self._project, branch)

    def _request(self, id: str) -> str:
        return f"{self._project}/merge_requests/{number(id)}"

    def _based(self, branch: str, base: str) -> None:
        there = self._api.get(f"{self._project}/repository/branches/{quote(branch, safe='')}")
        unmoved(branch, str(there["commit"]["id"]), base)

    def _drop(self, branch: str) -> None:
        if branch.startswith(PREFIX):  # a fork's begins with its project
            self._api.ask("DELETE", f"{self._project}/repository/branches/{quote(branch, safe='')}")

    def _login(self) -> str | None:
        try:
            return str(self._api.get("/user")["username"])
        except (Refused, NotFound):
            return None


def _proposal(request: _Json, approvals: tuple[Approval, ...] | None = None) -> Proposal:
    ours = request["source_project_id"] == request["target_project_id"]
    branch = str(request["source_branch"])
    return Proposal(
        id=str(request["iid"]),
        branch=branch if ours else f"{request['source_project_id']}:{branch}",
        head=str(request["sha"] or ""),
        target=str(request["target_branch"]),
        title=str(request["title"]),
        author=f"@{(request.get('author') or {}).get('username', 'ghost')}",
        url=str(request["web_url"]),
        state=_STATES.get(str(request["state"]), "open"),
        opened_at=str(request["created_at"]),
        approvals=approvals,
    )


def _is_mine(note: _Json, me: str | None) -> bool:
    author = note.get("author") or {}
    if note.get("system"):
        return False
    return is_bot(author) if me is None else author.get("username") == me
