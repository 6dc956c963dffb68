"""What a CI job is run for, told by its environment: which commit is to be judged, against which, in which place.

GitHub Actions, Gitea and Forgejo (which set GitHub's variables) and GitLab CI. Nobody is asked anything here: the
environment and the event are passed in. Sources: docs.github.com "Events that trigger workflows", docs.gitea.com
"Compared to GitHub Actions", docs.gitlab.com "Predefined CI/CD variables".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import Invalid
from ..jobs import Host, Situation

_NOTHING = re.compile(r"0*")  # a branch that was not there before: forty zeros, or sixty-four
_REMOTE = "refs/remotes/origin/"  # where each of them fetches the branches to
_OUTSIDE = (
    "run it in a job of GitHub Actions, Gitea or Forgejo Actions, or GitLab CI; elsewhere `muster check`"
)


def situation(env: Mapping[str, str], event: Mapping[str, Any]) -> Situation:
    """Return what the job is run for. `event` is what GITHUB_EVENT_PATH holds. Invalid outside a CI job."""
    if env.get("GITLAB_CI"):
        return _on_gitlab(env)
    if env.get("GITHUB_ACTIONS") or env.get("GITEA_ACTIONS"):
        return _on_github(env, event)
    raise Invalid("this is no CI job that muster knows", hint=_OUTSIDE)


def _on_github(env: Mapping[str, str], event: Mapping[str, Any]) -> Situation:
    host: Host = "gitea" if env.get("GITEA_ACTIONS") or env.get("FORGEJO_ACTIONS") else "github"
    url = f"{_said(env, 'GITHUB_SERVER_URL')}/{_said(env, 'GITHUB_REPOSITORY')}"
    sha = _said(env, "GITHUB_SHA")
    match name := _said(env, "GITHUB_EVENT_NAME"):
        case "pull_request" | "pull_request_review":
            request = _of(event, "pull_request")
            head, target = _of(request, "head", "sha"), _of(request, "base", "ref")
            # The commit that is checked out merges head into the target, which came first; Gitea's is head itself.
            merged_into = (f"{sha}^1",) if sha != head else ()
            bases = (f"{_REMOTE}{target}", *merged_into, _of(request, "base", "sha"))
            return Situation("proposal", host, head, bases, str(_of(request, "number")), url)
        case "merge_group":
            group = _of(event, "merge_group")
            return Situation("queue", host, _of(group, "head_sha"), (_of(group, "base_sha"),), "", url)
        case "push":
            return Situation("push", host, sha, _before(_of(event, "before")), "", url)
        case "schedule" | "workflow_dispatch":
            return Situation("schedule", host, sha, (), "", url)
    raise Invalid(
        f"the event {name} tells of no change that could be judged",
        hint="run it on pull_request, pull_request_review, merge_group, push, schedule or workflow_dispatch",
    )


def _on_gitlab(env: Mapping[str, str]) -> Situation:
    url, sha = _said(env, "CI_PROJECT_URL"), _said(env, "CI_COMMIT_SHA")
    match _said(env, "CI_PIPELINE_SOURCE"):
        case "merge_request_event":
            number, target = (
                _said(env, "CI_MERGE_REQUEST_IID"),
                _said(env, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
            )
            tip = env.get(
                "CI_MERGE_REQUEST_TARGET_BRANCH_SHA", ""
            )  # set where the merged result is checked out
            if env.get("CI_MERGE_REQUEST_EVENT_TYPE") == "merge_train":  # on what the train carries before it
                return Situation("queue", "gitlab", sha, (f"{sha}^1", *filter(None, [tip])), number, url)
            head = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or sha
            bases = (f"{_REMOTE}{target}", tip, env.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""))
            return Situation("proposal", "gitlab", head, tuple(filter(None, bases)), number, url)
        case "push":
            return Situation("push", "gitlab", sha, _before(env.get("CI_COMMIT_BEFORE_SHA", "")), "", url)
    return Situation("schedule", "gitlab", sha, (), "", url)


def _before(commit: str) -> tuple[str, ...]:
    return () if _NOTHING.fullmatch(commit) else (commit,)


def _said(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise Invalid(f"{name} is not set, as it is in a CI job", hint=_OUTSIDE)
    return value


def _of(event: Any, *keys: str) -> Any:
    """What lies under keys of an event, of which some fields are always there."""
    for key in keys:
        if not isinstance(event, Mapping) or event.get(key) is None:
            raise Invalid(f"the event has no {'.'.join(keys)}", hint=_OUTSIDE)
        event = event[key]
    return event
