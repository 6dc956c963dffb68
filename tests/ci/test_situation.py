"""What a job is run for, as each forge's documentation says it tells."""

from __future__ import annotations

from typing import Any

import pytest

from muster import Invalid
from muster.frontends.ci import situation
from muster.jobs import Situation

A, B, C = "a" * 40, "b" * 40, "c" * 40
ZEROS = "0" * 40
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/models",
    "GITHUB_SHA": C,
}
GITLAB = {"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/acme/models", "CI_COMMIT_SHA": C}
URL, HERE = "https://github.com/acme/models", "https://gitlab.com/acme/models"
REQUEST = {"pull_request": {"number": 7, "head": {"sha": B}, "base": {"ref": "main", "sha": A}}}
MERGE = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": A,
}
MERGED = {"CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": B, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "d" * 40}
TARGET = "refs/remotes/origin/main"


@pytest.mark.parametrize("name", ["pull_request", "pull_request_review"])
def test_a_pull_request_is_judged_against_its_target_as_it_is_now(name: str) -> None:
    told = situation({**GITHUB, "GITHUB_EVENT_NAME": name}, REQUEST)
    assert told == Situation("proposal", "github", B, (TARGET, f"{C}^1", A), "7", URL)


def test_gitea_checks_out_the_head_itself_whose_parent_is_no_target() -> None:
    env = {**GITHUB, "GITEA_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_SHA": B}
    assert situation(env, REQUEST) == Situation("proposal", "gitea", B, (TARGET, A), "7", URL)


@pytest.mark.parametrize(
    ("name", "event", "expected"),
    [
        (
            "merge_group",
            {"merge_group": {"base_sha": A, "head_sha": B}},
            Situation("queue", "github", B, (A,), "", URL),
        ),
        ("push", {"before": A, "after": C}, Situation("push", "github", C, (A,), "", URL)),
        ("push", {"before": ZEROS, "after": C}, Situation("push", "github", C, (), "", URL)),
        ("push", {"before": "0" * 64, "after": C}, Situation("push", "github", C, (), "", URL)),
        ("schedule", {}, Situation("schedule", "github", C, (), "", URL)),
        ("workflow_dispatch", {}, Situation("schedule", "github", C, (), "", URL)),
    ],
)
def test_other_events_of_github(name: str, event: dict[str, Any], expected: Situation) -> None:
    assert situation({**GITHUB, "GITHUB_EVENT_NAME": name}, event) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (MERGE, Situation("proposal", "gitlab", C, (TARGET, A), "7", HERE)),
        ({**MERGE, **MERGED}, Situation("proposal", "gitlab", B, (TARGET, "d" * 40, A), "7", HERE)),
        (
            {**MERGE, **MERGED, "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"},
            Situation("queue", "gitlab", C, (f"{C}^1", "d" * 40), "7", HERE),
        ),
        (
            {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BEFORE_SHA": A},
            Situation("push", "gitlab", C, (A,), "", HERE),
        ),
        (
            {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BEFORE_SHA": ZEROS},
            Situation("push", "gitlab", C, (), "", HERE),
        ),
        ({"CI_PIPELINE_SOURCE": "schedule"}, Situation("schedule", "gitlab", C, (), "", HERE)),
        ({"CI_PIPELINE_SOURCE": "web"}, Situation("schedule", "gitlab", C, (), "", HERE)),
    ],
)
def test_pipelines_of_gitlab(variables: dict[str, str], expected: Situation) -> None:
    assert situation({**GITLAB, **variables}, {}) == expected


@pytest.mark.parametrize(
    ("env", "event", "words"),
    [
        ({}, {}, "no CI job"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "pull_request_target"}, REQUEST, "pull_request_target"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "issues"}, {}, "issues"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "pull_request"}, {}, "pull_request"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "push"}, {"before": None}, "before"),
        ({"GITHUB_ACTIONS": "true"}, {}, "GITHUB_SERVER_URL is not set"),
        ({**GITLAB, **MERGE, "CI_MERGE_REQUEST_IID": ""}, {}, "CI_MERGE_REQUEST_IID"),
    ],
)
def test_what_cannot_be_judged_is_refused(env: dict[str, str], event: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        situation(env, event)
