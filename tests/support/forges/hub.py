"""GitHub, as small as a test needs it. Its answers are GitHub's own examples with what is different put in."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from support.forges.contracts import GitHubContract
from support.forges.server import Asked, ForgeServer
from support.forges.state import Problem, Pull, Repository, Review

BOT = "github-actions[bot]"  # in whose name jobs speak
_Route = Callable[[Repository, Asked], tuple[int, Any]]
# The scopes of which one is enough for a job's token: docs.github.com, "Permissions required for GitHub Apps".
_METADATA, _CONTENTS, _PULLS, _TALK = (
    ("metadata",),
    ("contents",),
    ("pull-requests",),
    ("pull-requests", "issues"),
)
_REPO = "/repos/{owner}/{repo}"
_PULL = f"{_REPO}/pulls/{{pull_number}}"
_STATES = {"approved": "APPROVED", "rejected": "CHANGES_REQUESTED", "said": "COMMENTED"}
_EVENTS = {"APPROVE": "approved", "REQUEST_CHANGES": "rejected", "COMMENT": "said"}


@functools.cache
def contract() -> GitHubContract:
    return GitHubContract()


def problem(status: int, message: str, *errors: Any) -> Problem:
    said = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return Problem(status, {**said, "errors": list(errors)} if errors else said)


def job_token(server: ForgeServer, permissions: Mapping[str, str]) -> str:
    """Issue the token of a job of Actions that has these permissions, and no others."""
    token = f"token-of-job-{len(server.jobs) + 1}"
    server.jobs[token] = (BOT, {"metadata": "read", **permissions})
    return token


def _within(scopes: tuple[str, ...], route: _Route) -> _Route:
    """Return the route as it is for a job's token, which must have one of the scopes: to write, unless it is a GET."""

    def judged(it: Repository, asked: Asked) -> tuple[int, Any]:
        enough = ("read", "write") if asked.method == "GET" else ("write",)
        if asked.may is not None and not any(asked.may.get(scope) in enough for scope in scopes):
            raise problem(403, "Resource not accessible by integration")
        return route(it, asked)

    return judged


class Hub:
    prefix = "/api/v3"
    page = ("per_page", 30)
    whole: tuple[str, ...] = ()
    public: tuple[str, ...] = ()

    def __init__(self) -> None:
        every = {
            "GET /user": ((), _user),
            f"GET {_REPO}": (_METADATA, _repository),
            f"GET {_REPO}/pulls": (_PULLS, _pulls),
            f"POST {_REPO}/pulls": (_PULLS, _open),
            f"GET {_PULL}": (_PULLS, lambda it, asked: (200, _shown(it, asked, _pull(it, asked)))),
            f"PATCH {_PULL}": (_PULLS, _edit),
            f"PUT {_PULL}/merge": (_CONTENTS, _merge),
            f"GET {_PULL}/reviews": (_PULLS, _reviews),
            f"POST {_PULL}/reviews": (_PULLS, _review),
            f"PUT {_PULL}/reviews/{{review_id}}/dismissals": (_PULLS, _dismiss),
            f"GET {_REPO}/issues/{{issue_number}}/comments": (_TALK, _comments),
            f"POST {_REPO}/issues/{{issue_number}}/comments": (_TALK, _comment),
            f"PATCH {_REPO}/issues/comments/{{comment_id}}": (_TALK, _edit_comment),
            f"POST {_REPO}/statuses/{{sha}}": (("statuses",), _status),
            f"GET {_REPO}/branches/{{branch}}": (_CONTENTS, _branch),
            f"GET {_REPO}/branches/{{branch}}/protection": (("administration",), _setting),
            f"GET {_REPO}/rules/branches/{{branch}}": (_METADATA, _setting),
            f"GET {_REPO}/collaborators/{{username}}/permission": (_METADATA, _permission),
            f"DELETE {_REPO}/git/refs/{{ref}}": (_CONTENTS, _delete),
        }
        self.routes = {key: _within(scopes, route) for key, (scopes, route) in every.items()}

    def token(self, headers: Mapping[str, str]) -> str:
        return headers.get("Authorization", "").partition(" ")[2]

    def unauthorized(self) -> Problem:
        return problem(401, "Bad credentials")

    def lost(self) -> Problem:
        return problem(404, "Not Found")

    def repository(self, params: Mapping[str, str]) -> str | None:
        return f"{params['owner']}/{params['repo']}" if "owner" in params else None


def _there(it: Repository, asked: Asked, node: Any, number: int = 0) -> Any:
    """Return an example with the addresses of this server."""
    text = (
        json.dumps(node)
        .replace("octocat/Hello-World", it.path)
        .replace("https://api.github.com", f"{asked.base}/api/v3")
    )
    text = text.replace("https://github.com", asked.base)
    for kind in ("pulls", "issues", "pull"):
        text = text.replace(f"/{kind}/1347", f"/{kind}/{number}")
    return json.loads(text)


def _by(user: dict[str, Any], login: str) -> dict[str, Any]:
    return {**user, "login": login, "type": "Bot" if login.endswith("[bot]") else "User"}


def _writes(it: Repository, asked: Asked) -> None:
    if asked.user not in it.writers:
        raise problem(403, "Resource not accessible by personal access token")


def _pull(it: Repository, asked: Asked, name: str = "pull_number") -> Pull:
    pull = it.pulls.get(int(asked.params[name]))
    if pull is None:
        raise problem(404, "Not Found")
    return pull


def _shown(it: Repository, asked: Asked, pull: Pull) -> Any:
    found = contract().example("GET", _PULL, 200)
    ended = None if pull.state == "open" else pull.created
    found.update(
        number=pull.number, title=pull.title, body=pull.body, state="open" if pull.state == "open" else "closed",
        created_at=pull.created, merged=pull.state == "merged", merged_at=ended if pull.state == "merged" else None,
        closed_at=ended, merge_commit_sha=pull.made or None, requested_teams=[], labels=[], milestone=None,
        user=_by(found["user"], pull.author),
    )  # fmt: skip
    found = _there(it, asked, found, pull.number)
    owner = pull.fork or it.path.partition("/")[0]
    found["head"].update(ref=pull.source, sha=pull.head, label=f"{owner}:{pull.source}")
    found["base"].update(ref=pull.target, sha=it.tip(pull.target))
    found["base"]["repo"]["full_name"] = it.path
    found["head"]["repo"]["full_name"] = f"{owner}/{it.path.partition('/')[2]}"
    return found


def _user(it: Repository, asked: Asked) -> tuple[int, Any]:
    if asked.user.endswith("[bot]"):
        raise problem(403, "Resource not accessible by integration")
    found = contract().example("GET", "/user", 200)
    return 200, {**found, "login": asked.user, "user_view_type": "private"}


def _repository(it: Repository, asked: Asked) -> tuple[int, Any]:
    found = _there(it, asked, contract().example("GET", _REPO, 200))
    allowed = {"merge": "allow_merge_commit", "squash": "allow_squash_merge", "rebase": "allow_rebase_merge"}
    found.update({key: method in it.methods for method, key in allowed.items()}, full_name=it.path)
    for name in ("source", "parent"):  # a fork's only; in the example they lack what the schema demands
        del found[name]
    found["language"] = None
    return 200, found


def _pulls(it: Repository, asked: Asked) -> tuple[int, Any]:
    state, head = asked.query.get("state", "open"), asked.query.get("head", "")
    simple = contract().example("GET", f"{_REPO}/pulls", 200)[0]
    found = []
    for pull in sorted(it.pulls.values(), key=lambda each: -each.number):
        owner = pull.fork or it.path.partition("/")[0]
        shown = _shown(it, asked, pull)
        if state in ("all", shown["state"]) and head in ("", f"{owner}:{pull.source}"):
            found.append({**_there(it, asked, simple), **{key: shown[key] for key in simple if key in shown}})
    return 200, found


def _open(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    head, base = asked.body["head"].rpartition(":")[2], asked.body["base"]
    for name, branch in (("head", head), ("base", base)):
        if it.tip(branch) is None:
            raise problem(
                422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": "invalid"}
            )
    refused = {"resource": "PullRequest", "code": "custom"}
    if it.git("rev-list", "--count", f"{base}..{head}") == "0":
        raise problem(
            422, "Validation Failed", {**refused, "message": f"No commits between {base} and {head}"}
        )
    if any(
        p.state == "open" and not p.fork and (p.source, p.target) == (head, base) for p in it.pulls.values()
    ):
        raise problem(422, "Validation Failed", {**refused, "message": "A pull request already exists"})
    pull = it.open(asked.user, head, base, asked.body["title"], asked.body.get("body", ""))
    return 201, _shown(it, asked, pull)


def _edit(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    pull = _pull(it, asked)
    pull.title, pull.body = asked.body.get("title", pull.title), asked.body.get("body", pull.body)
    pull.state = asked.body.get("state", pull.state)
    return 200, _shown(it, asked, pull)


def _merge(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    pull, body = _pull(it, asked), asked.body
    if body.get("sha", pull.head) != pull.head:
        raise problem(409, "Head branch was modified. Review and try the merge again.")
    method, why = body.get("merge_method", "merge"), it.ready(pull)
    if why or method not in it.methods:
        raise problem(405, f"Pull Request is not mergeable: {why or method}")
    message = "\n\n".join(filter(None, (body.get("commit_title", "Merge"), body.get("commit_message", ""))))
    return 200, {
        "sha": it.merge(pull, method, message),
        "merged": True,
        "message": "Pull Request successfully merged",
    }


def _reviewed(it: Repository, asked: Asked, review: Review) -> Any:
    found = contract().example("POST", f"{_PULL}/reviews", 200)
    association = "COLLABORATOR" if review.author in it.writers else "NONE"
    state = "DISMISSED" if review.dismissed else _STATES[review.state]
    found.update(
        id=review.id, state=state, commit_id=review.commit, submitted_at=review.at,
        user=_by(found["user"], review.author), author_association=association,
    )  # fmt: skip
    return _there(it, asked, found)


def _reviews(it: Repository, asked: Asked) -> tuple[int, Any]:
    return 200, [_reviewed(it, asked, review) for review in _pull(it, asked).reviews]


def _review(it: Repository, asked: Asked) -> tuple[int, Any]:
    pull = _pull(it, asked)
    if asked.user == pull.author and asked.body["event"] == "APPROVE":
        raise problem(422, "Unprocessable Entity", "Can not approve your own pull request")
    commit = asked.body.get("commit_id", pull.head)
    review = Review(it.next(), asked.user, _EVENTS[asked.body["event"]], commit, it.now())
    pull.reviews.append(review)
    return 200, _reviewed(it, asked, review)


def _dismiss(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    review = next(r for r in _pull(it, asked).reviews if r.id == int(asked.params["review_id"]))
    review.dismissed = True
    return 200, _reviewed(it, asked, review)


def _commented(it: Repository, asked: Asked, number: int, comment: Any) -> Any:
    found = contract().example("POST", f"{_REPO}/issues/{{issue_number}}/comments", 201)
    url = f"{asked.base}/{it.path}/pull/{number}#issuecomment-{comment.id}"
    api = f"{asked.base}/api/v3/repos/{it.path}/issues/comments/{comment.id}"
    found.update(
        id=comment.id, body=comment.body, user=_by(found["user"], comment.author), html_url=url, url=api
    )
    return _there(it, asked, found, number)


def _comments(it: Repository, asked: Asked) -> tuple[int, Any]:
    pull = _pull(it, asked, "issue_number")
    return 200, [_commented(it, asked, pull.number, comment) for comment in pull.comments]


def _comment(it: Repository, asked: Asked) -> tuple[int, Any]:
    from support.forges.state import Comment

    pull = _pull(it, asked, "issue_number")
    pull.comments.append(Comment(it.next(), asked.user, asked.body["body"]))
    return 201, _commented(it, asked, pull.number, pull.comments[-1])


def _edit_comment(it: Repository, asked: Asked) -> tuple[int, Any]:
    comment = it.comment(int(asked.params["comment_id"]))
    if comment is None:
        raise problem(404, "Not Found")
    if asked.user not in (comment.author, *it.writers):
        raise problem(403, "Must have admin rights to Repository.")
    comment.body = asked.body["body"]
    return 200, _commented(it, asked, 1, comment)


def _status(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    context = asked.body.get("context", "default")
    it.statuses.setdefault(asked.params["sha"], {})[context] = asked.body["state"]
    found = contract().example("POST", f"{_REPO}/statuses/{{sha}}", 201)
    return 201, {**_there(it, asked, found), "state": asked.body["state"], "context": context}


def _branch(it: Repository, asked: Asked) -> tuple[int, Any]:
    name = asked.params["branch"]
    tip = it.tip(name)
    if tip is None:
        raise problem(404, "Branch not found")
    found = _there(it, asked, contract().example("GET", f"{_REPO}/branches/{{branch}}", 200))
    found.update(name=name, protected=bool(it.settings.get("protection")))
    found["commit"]["sha"] = tip
    return 200, found


def _setting(it: Repository, asked: Asked) -> tuple[int, Any]:
    if asked.template.endswith("/protection"):
        if asked.user not in it.admins:
            raise problem(403, "Resource not accessible by personal access token")
        if "protection" not in it.settings:
            raise problem(404, "Branch not protected")
        return 200, it.settings["protection"]
    return 200, it.settings.get("rules", [])


def _permission(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    login = asked.params["username"]
    found = contract().example("GET", f"{_REPO}/collaborators/{{username}}/permission", 200)
    permission = "write" if login in it.writers else "read"
    found.update(permission=permission, role_name=permission)
    found["user"] = {**_by(found["user"], login), "role_name": permission}
    return 200, _there(it, asked, found)


def _delete(it: Repository, asked: Asked) -> tuple[int, Any]:
    _writes(it, asked)
    ref = f"refs/{asked.params['ref']}"
    if it.ask("rev-parse", "-q", "--verify", ref).returncode:
        raise problem(422, "Reference does not exist")
    it.git("update-ref", "-d", ref)
    return 204, None
