"""GitLab, as small as a test needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.forges.server import Asked
from support.forges.state import Comment, Problem, Pull, Repository, Review

_PROJECT = "/projects/{id}"
_ONE = f"{_PROJECT}/merge_requests/{{iid}}"
_STATES = {"open": "opened", "merged": "merged", "closed": "closed"}


def problem(status: int, message: Any) -> Problem:
    return Problem(status, {"message": message})


class Lab:
    """`timed` tells whether it says when an approval was given: older ones say it among the project's events only."""

    prefix = "/api/v4"
    page = ("per_page", 20)
    whole: tuple[str, ...] = ()
    public: tuple[str, ...] = ()

    def __init__(self, timed: bool = True) -> None:
        self.timed = timed
        self.routes = {
            "GET /user": lambda it, asked: (200, _person(asked.user)),
            "GET /users/{user}": _public,
            f"GET {_PROJECT}": _project,
            f"GET {_PROJECT}/merge_requests": _requests,
            f"POST {_PROJECT}/merge_requests": _open,
            f"GET {_ONE}": lambda it, asked: (200, _shown(it, asked, _request(it, asked))),
            f"PUT {_ONE}": _edit,
            f"PUT {_ONE}/merge": _merge,
            f"GET {_ONE}/approvals": self._approvals,
            f"POST {_ONE}/approve": self._approve,
            f"POST {_ONE}/unapprove": _unapprove,
            f"GET {_ONE}/versions": _versions,
            f"GET {_ONE}/notes": _notes,
            f"POST {_ONE}/notes": _note,
            f"PUT {_ONE}/notes/{{note}}": _edit_note,
            f"GET {_PROJECT}/events": _events,
            f"POST {_PROJECT}/statuses/{{sha}}": _status,
            f"GET {_PROJECT}/repository/branches/{{branch}}": _branch,
            f"DELETE {_PROJECT}/repository/branches/{{branch}}": _delete,
            f"GET {_PROJECT}/protected_branches": _protections,
            f"GET {_PROJECT}/protected_branches/{{name}}": _protection,
            f"GET {_PROJECT}/approvals": _setting,
            f"GET {_PROJECT}/approval_rules": _setting,
        }

    def token(self, headers: Mapping[str, str]) -> str:
        return headers.get("PRIVATE-TOKEN") or headers.get("Authorization", "").removeprefix("Bearer ")

    def unauthorized(self) -> Problem:
        return problem(401, "401 Unauthorized")

    def lost(self) -> Problem:
        return problem(404, "404 Project Not Found")

    def repository(self, params: Mapping[str, str]) -> str | None:
        return None if params.get("id") == "7" else params.get("id")  # its number will do as well

    def _approvals(self, it: Repository, asked: Asked) -> tuple[int, Any]:
        request = _request(it, asked)
        given = [
            {"user": _person(r.author), **({"approved_at": r.at} if self.timed else {})}
            for r in request.reviews
        ]
        mine = any(review.author == asked.user for review in request.reviews)
        return 200, {"iid": request.number, "approved_by": given, "user_has_approved": mine}

    def _approve(self, it: Repository, asked: Asked) -> tuple[int, Any]:
        request = _request(it, asked)
        if asked.body.get("sha", request.head) != request.head:
            raise problem(409, f"SHA does not match HEAD of source branch: {request.head}")
        approved = any(review.author == asked.user for review in request.reviews)
        if asked.user not in it.writers or asked.user == request.author or approved:
            raise problem(401, "401 Unauthorized")
        request.reviews.append(Review(it.next(), asked.user, "approved", request.head, it.now()))
        return 201, self._approvals(it, asked)[1]


def _person(login: str) -> dict[str, Any]:
    return {
        "id": sum(login.encode()),
        "username": login,
        "name": login.title(),
        "state": "active",
        "locked": False,
    }


def _public(it: Repository, asked: Asked) -> tuple[int, Any]:
    people = {
        str(_person(login)["id"]): login for login in ("ann", "bob", "eve", *it.settings.get("people", ()))
    }
    if asked.params["user"] not in people:
        raise problem(404, "404 User Not Found")
    login = people[asked.params["user"]]
    return 200, {**_person(login), "bot": login == "robot", "public_email": f"{login}@example.com"}


def _writes(it: Repository, asked: Asked) -> None:
    if asked.user not in it.writers:
        raise problem(403, "403 Forbidden")


def _project(it: Repository, asked: Asked) -> tuple[int, Any]:
    name = it.path.rpartition("/")[2]
    return 200, {"id": 7, "name": name, "path_with_namespace": it.path, **it.settings.get("project", {})}


def _request(it: Repository, asked: Asked) -> Pull:
    request = it.pulls.get(int(asked.params["iid"]))
    if request is None:
        raise problem(404, "404 Not found")
    return request


def _shown(it: Repository, asked: Asked, request: Pull) -> dict[str, Any]:
    return {
        "id": 1000 + request.number,
        "iid": request.number,
        "project_id": 7,
        "title": request.title,
        "description": request.body,
        "state": _STATES[request.state],
        "created_at": request.created,
        "source_branch": request.source,
        "target_branch": request.target,
        "source_project_id": 8 if request.fork else 7,
        "target_project_id": 7,
        "author": _person(request.author),
        "sha": request.head,
        "merge_commit_sha": request.made or None,
        "squash_commit_sha": None,
        "web_url": f"{asked.base}/{it.path}/-/merge_requests/{request.number}",
    }


def _requests(it: Repository, asked: Asked) -> tuple[int, Any]:
    state, source = asked.query.get("state", "all"), asked.query.get("source_branch")
    found = [_shown(it, asked, request) for request in sorted(it.pulls.values(), key=lambda p: -p.number)]
    return 200, [f for f in found if state in ("all", f["state"]) and source in (None, f["source_branch"])]


def _open(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    source, target = asked.body["source_branch"], asked.body["target_branch"]
    for name, branch in (("Source branch", source), ("Target branch", target)):
        if it.tip(branch) is None:
            raise problem(422, {"base": [f'{name} "{branch}" does not exist']})
    if any(
        p.state == "open" and not p.fork and (p.source, p.target) == (source, target)
        for p in it.pulls.values()
    ):
        raise problem(409, ["Another open merge request already exists for this source branch"])
    made = it.open(asked.user, source, target, asked.body["title"], asked.body.get("description", ""))
    return 201, _shown(it, asked, made)


def _edit(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    request = _request(it, asked)
    request.title = asked.body.get("title", request.title)
    request.body = asked.body.get("description", request.body)
    request.state = {"close": "closed", "reopen": "open"}.get(
        asked.body.get("state_event", ""), request.state
    )
    return 200, _shown(it, asked, request)


def _merge(it: Repository, asked: Asked) -> tuple[int, Any]:
    request, given = (
        _request(it, asked),
        {**asked.query, **asked.body},
    )  # python-gitlab puts the sha in the query
    if asked.user not in it.writers:
        raise problem(401, "401 Unauthorized")
    if given.get("sha", request.head) != request.head:
        raise problem(409, f"SHA does not match HEAD of source branch: {request.head}")
    if it.ready(request):
        raise problem(405, "405 Method Not Allowed")
    it.merge(request, it.methods[0], given.get("merge_commit_message", "Merge"))
    return 200, _shown(it, asked, request)


def _unapprove(it: Repository, asked: Asked) -> tuple[int, Any]:
    request = _request(it, asked)
    if all(review.author != asked.user for review in request.reviews):
        raise problem(404, "404 Not Found")
    request.reviews = [review for review in request.reviews if review.author != asked.user]
    return 201, {}


def _versions(it: Repository, asked: Asked) -> tuple[int, Any]:
    versions = _request(it, asked).versions
    found = [{"id": n, "head_commit_sha": head, "created_at": at} for n, (at, head) in enumerate(versions, 1)]
    return 200, found[::-1]


def _noted(comment: Comment) -> dict[str, Any]:
    author = _person(comment.author)
    return {"id": comment.id, "body": comment.body, "author": author, "system": comment.system}


def _notes(it: Repository, asked: Asked) -> tuple[int, Any]:
    return 200, [_noted(comment) for comment in _request(it, asked).comments]


def _note(it: Repository, asked: Asked) -> tuple[int, Any]:
    comments = _request(it, asked).comments
    comments.append(Comment(it.next(), asked.user, asked.body["body"]))
    return 201, _noted(comments[-1])


def _edit_note(it: Repository, asked: Asked) -> tuple[int, Any]:
    comment = it.comment(int(asked.params["note"]))
    if comment is None:
        raise problem(404, "404 Not found")
    if comment.author != asked.user:
        raise problem(403, "403 Forbidden")
    comment.body = asked.body["body"]
    return 200, _noted(comment)


def _events(it: Repository, asked: Asked) -> tuple[int, Any]:
    assert (asked.query["action"], asked.query["target_type"]) == ("approved", "merge_request")
    return 200, [
        {"action_name": "approved", "target_iid": p.number, "created_at": r.at, "author": _person(r.author)}
        for p in it.pulls.values()
        for r in p.reviews
    ]


def _status(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    name = asked.body.get("name") or asked.body.get("context") or "default"
    it.statuses.setdefault(asked.params["sha"], {})[name] = asked.body["state"]
    return 201, {"id": it.next(), "sha": asked.params["sha"], "status": asked.body["state"], "name": name}


def _branch(it: Repository, asked: Asked) -> tuple[int, Any]:
    tip = it.tip(asked.params["branch"])
    if tip is None:
        raise problem(404, "404 Branch Not Found")
    return 200, {"name": asked.params["branch"], "commit": {"id": tip}}


def _delete(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    if it.tip(asked.params["branch"]) is None:
        raise problem(404, "404 Branch Not Found")
    it.git("update-ref", "-d", f"refs/heads/{asked.params['branch']}")
    return 204, None


def _protections(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    return 200, list(it.settings.get("protected_branches", {}).values())


def _protection(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    found = it.settings.get("protected_branches", {}).get(asked.params["name"])
    if found is None:
        raise problem(404, "404 Not found")
    return 200, found


def _setting(it: Repository, asked: Asked) -> tuple[int, Any]:
    name = asked.template.rpartition("/")[2]
    if name not in it.settings:
        raise problem(404, "404 Not found")
    return 200, it.settings[name]
