"""Gitea, which is Forgejo too, as small as a test needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.forges.server import Asked
from support.forges.state import Comment, Problem, Pull, Repository, Review

_REPO = "/repos/{owner}/{repo}"
_PULL = f"{_REPO}/pulls/{{index}}"
_STATES = {"approved": "APPROVED", "rejected": "REQUEST_CHANGES", "said": "COMMENT"}
_RUNNER = "gitea-actions"


def problem(status: int, message: str) -> Problem:
    return Problem(status, {"message": message, "url": "/api/swagger"})


class Tea:
    prefix = "/api/v1"
    page = ("limit", 30)
    whole = ("/issues/{index}/comments",)
    public: tuple[str, ...] = ("/version",)

    def __init__(self) -> None:
        self.routes = {
            "GET /version": lambda it, asked: (200, {"version": "1.23.0"}),
            "GET /user": _user,
            f"GET {_REPO}": _repository,
            f"GET {_REPO}/pulls": _pulls,
            f"POST {_REPO}/pulls": _open,
            f"GET {_PULL}": lambda it, asked: (200, _shown(it, asked, _pull(it, asked))),
            f"PATCH {_PULL}": _edit,
            f"POST {_PULL}/merge": _merge,
            f"GET {_PULL}/reviews": _reviews,
            f"POST {_PULL}/reviews": _review,
            f"POST {_PULL}/reviews/{{id}}/dismissals": _dismiss,
            f"GET {_REPO}/issues/{{index}}/comments": _comments,
            f"POST {_REPO}/issues/{{index}}/comments": _comment,
            f"PATCH {_REPO}/issues/comments/{{id}}": _edit_comment,
            f"POST {_REPO}/statuses/{{sha}}": _status,
            f"GET {_REPO}/branches/{{branch}}": _branch,
            f"DELETE {_REPO}/branches/{{branch}}": _delete,
            f"GET {_REPO}/branch_protections/{{name}}": _protection,
        }

    def token(self, headers: Mapping[str, str]) -> str:
        return headers.get("Authorization", "").partition(" ")[2]

    def unauthorized(self) -> Problem:
        return problem(401, "user does not exist [uid: 0, name: ]")

    def lost(self) -> Problem:
        return problem(404, "The target couldn't be found.")

    def repository(self, params: Mapping[str, str]) -> str | None:
        return f"{params['owner']}/{params['repo']}" if "owner" in params else None


def _person(login: str) -> dict[str, Any]:
    number = -2 if login == _RUNNER else sum(login.encode())
    return {"id": number, "login": login, "full_name": login.title(), "email": "ann@example.com"}


def _writes(it: Repository, asked: Asked) -> None:
    if asked.user not in it.writers:
        raise problem(403, "user should have permission to write to this repository")


def _user(it: Repository, asked: Asked) -> tuple[int, Any]:
    if asked.user == _RUNNER:
        raise problem(403, "token does not have at least one of required scope(s): [read:user]")
    return 200, _person(asked.user)


def _repository(it: Repository, asked: Asked) -> tuple[int, Any]:
    allowed = {"merge": "allow_merge_commits", "squash": "allow_squash_merge", "rebase": "allow_rebase"}
    methods = {key: method in it.methods for method, key in allowed.items()}
    return 200, {"id": 7, "full_name": it.path, "default_branch": "main", **methods}


def _pull(it: Repository, asked: Asked) -> Pull:
    pull = it.pulls.get(int(asked.params["index"]))
    if pull is None:
        raise asked_for_nothing()
    return pull


def asked_for_nothing() -> Problem:
    return problem(404, "The target couldn't be found.")


def _shown(it: Repository, asked: Asked, pull: Pull) -> dict[str, Any]:
    owner, _, name = it.path.partition("/")

    def side(ref: str, sha: str | None, fork: str) -> dict[str, Any]:
        repository = {
            "id": 8 if fork else 7,
            "full_name": f"{fork or owner}/{name}",
            "owner": _person(fork or owner),
        }
        return {"label": ref, "ref": ref, "sha": sha, "repo_id": repository["id"], "repo": repository}

    return {
        "id": 1000 + pull.number,
        "number": pull.number,
        "title": pull.title,
        "body": pull.body,
        "state": "open" if pull.state == "open" else "closed",
        "merged": pull.state == "merged",
        "merge_commit_sha": pull.made or None,
        "created_at": pull.created,
        "user": _person(pull.author),
        "head": side(pull.source, pull.head, pull.fork),
        "base": side(pull.target, it.tip(pull.target), ""),
        "html_url": f"{asked.base}/{it.path}/pulls/{pull.number}",
    }


def _pulls(it: Repository, asked: Asked) -> tuple[int, Any]:
    found = [_shown(it, asked, pull) for pull in it.pulls.values()]
    return 200, [each for each in found if asked.query.get("state", "open") in ("all", each["state"])]


def _open(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    head, base = asked.body["head"], asked.body["base"]
    if it.tip(head) is None or it.tip(base) is None:
        raise asked_for_nothing()
    if any(
        p.state == "open" and not p.fork and (p.source, p.target) == (head, base) for p in it.pulls.values()
    ):
        raise problem(409, "pull request already exists for these targets")
    pull = it.open(asked.user, head, base, asked.body["title"], asked.body.get("body", ""))
    return 201, _shown(it, asked, pull)


def _edit(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    pull = _pull(it, asked)
    pull.title, pull.body = asked.body.get("title", pull.title), asked.body.get("body", pull.body)
    pull.state = asked.body.get("state", pull.state)
    return 201, _shown(it, asked, pull)


def _merge(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    pull, body = _pull(it, asked), asked.body
    if body.get("head_commit_id", pull.head) != pull.head:
        raise problem(409, "head out of date")
    if it.ready(pull) or body["Do"] not in it.methods:
        raise problem(405, "Please try again later")
    it.merge(
        pull, body["Do"], f"{body.get('MergeTitleField', 'Merge')}\n\n{body.get('MergeMessageField', '')}"
    )
    return 200, None


def _reviewed(it: Repository, pull: Pull, review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "user": _person(review.author),
        "state": _STATES[review.state],
        "commit_id": review.commit,
        "submitted_at": review.at,
        "official": review.author in it.writers,
        "stale": review.commit != pull.head,
        "dismissed": review.dismissed,
    }


def _reviews(it: Repository, asked: Asked) -> tuple[int, Any]:
    pull = _pull(it, asked)
    return 200, [_reviewed(it, pull, review) for review in pull.reviews]


def _review(it: Repository, asked: Asked) -> tuple[int, Any]:
    pull, event = _pull(it, asked), asked.body["event"]
    if asked.user == pull.author and event == "APPROVED":
        raise problem(422, "approve your own pull is not allowed")
    state = {value: key for key, value in _STATES.items()}[event]
    review = Review(it.next(), asked.user, state, asked.body.get("commit_id", pull.head), it.now())
    pull.reviews.append(review)
    return 200, _reviewed(it, pull, review)


def _dismiss(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    pull = _pull(it, asked)
    review = next(r for r in pull.reviews if r.id == int(asked.params["id"]))
    review.dismissed = True
    return 200, _reviewed(it, pull, review)


def _commented(it: Repository, asked: Asked, comment: Comment) -> dict[str, Any]:
    url = f"{asked.base}/{it.path}/pulls/1#issuecomment-{comment.id}"
    return {"id": comment.id, "body": comment.body, "user": _person(comment.author), "html_url": url}


def _comments(it: Repository, asked: Asked) -> tuple[int, Any]:
    return 200, [_commented(it, asked, comment) for comment in _pull(it, asked).comments]


def _comment(it: Repository, asked: Asked) -> tuple[int, Any]:
    comments = _pull(it, asked).comments
    comments.append(Comment(it.next(), asked.user, asked.body["body"]))
    return 201, _commented(it, asked, comments[-1])


def _edit_comment(it: Repository, asked: Asked) -> tuple[int, Any]:
    comment = it.comment(int(asked.params["id"]))
    if comment is None:
        raise asked_for_nothing()
    if comment.author != asked.user and asked.user not in it.admins:
        raise problem(403, "you may not edit it")
    comment.body = asked.body["body"]
    return 200, _commented(it, asked, comment)


def _status(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    context = asked.body.get("context", "default")
    it.statuses.setdefault(asked.params["sha"], {})[context] = asked.body["state"]
    return 201, {"id": it.next(), "status": asked.body["state"], "context": context}


def _branch(it: Repository, asked: Asked) -> tuple[int, Any]:
    tip = it.tip(asked.params["branch"])
    if tip is None:
        raise asked_for_nothing()
    rule = it.settings.get("protection")
    shown = {"name": asked.params["branch"], "commit": {"id": tip}, "protected": rule is not None}
    if rule is not None:
        shown.update(
            {key: rule[key] for key in ("required_approvals", "enable_status_check", "status_check_contexts")}
        )
        shown["effective_branch_protection_name"] = rule["rule_name"]
    return 200, shown


def _delete(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    if it.tip(asked.params["branch"]) is None:
        raise asked_for_nothing()
    it.git("update-ref", "-d", f"refs/heads/{asked.params['branch']}")
    return 204, None


def _protection(it: Repository, asked: Asked) -> tuple[int, Any]:
    if asked.user not in it.admins:
        raise problem(403, "user should be an owner or a collaborator with admin write of a repository")
    rule = it.settings.get("protection")
    if rule is None or rule["rule_name"] != asked.params["name"]:
        raise asked_for_nothing()
    return 200, rule
