"""What each forge has of its own, and what protects a registry's branch there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from muster.backends import forges
from muster.core.errors import Invalid, Refused
from support.forges.hub import job_token
from support.forges.server import Canned
from support.forges.state import Review

pytestmark = pytest.mark.slow


def wanted(settings: tuple[forges.Setting, ...]) -> dict[str, bool | None]:
    assert all(s.found and s.wanted for s in settings)
    return {setting.name: setting.ok for setting in settings}


# Approvals


@pytest.mark.parametrize("kind", ["github", "gitea"])
@pytest.mark.parametrize(
    ("states", "counts"),
    [
        (["approved"], True),
        (["approved", "said"], True),
        (["approved", "rejected"], False),
        (["rejected", "approved"], True),
        (["approved", "dismissed"], False),
        (["dismissed", "approved"], True),
    ],
)
def test_the_latest_word_of_a_reviewer_counts(
    start: Callable[..., Any], kind: str, states: list[str], counts: bool
) -> None:
    world = start(kind)
    ann = world.ask("ann")
    opened = ann.open("proposals/a", "main", "a", "")
    it = world.repository
    for state in states:
        given = "approved" if state == "dismissed" else state
        review = Review(it.next(), "bob", given, opened.head, it.now(), state == "dismissed")
        it.pulls[int(opened.id)].reviews.append(review)
    assert bool(ann.proposal(opened.id).approvals) is counts


def test_whose_permission_github_does_not_tell_is_known_by_the_review(github: Any) -> None:
    opened = github.ask("ann").open("proposals/a", "main", "a", "")
    for who in ("bob", "eve"):
        github.ask(who).approve(opened.id, opened.head)
    assert [a.by for a in github.ask("eve").proposal(opened.id).approvals] == ["@bob"]


def test_a_jobs_token_on_github_does_what_its_permissions_say_and_no_more(github: Any) -> None:
    def job(**may: str) -> Any:
        token = job_token(github.server, {scope.replace("_", "-"): level for scope, level in may.items()})
        return forges.connect(github.place(), token, env={})

    opened = github.ask("ann").open("proposals/a", "main", "a", "")
    github.ask("bob").approve(opened.id, opened.head)
    reading, writing = job(contents="read", pull_requests="read"), job(pull_requests="write")
    assert [a.by for a in reading.proposal(opened.id).approvals] == ["@bob"]
    assert writing.comment(opened.id, "one", "<!-- x -->") == writing.comment(opened.id, "two", "<!-- x -->")
    for asked in (
        lambda: job(contents="read", issues="write").proposal(opened.id),
        lambda: reading.comment(opened.id, "three", "<!-- x -->"),
        lambda: reading.approve(opened.id, opened.head),
        lambda: reading.merge(opened.id, opened.head, github.tip(), "a"),
        lambda: writing.merge(opened.id, opened.head, github.tip(), "a"),
    ):
        with pytest.raises(Refused, match="not accessible by integration"):
            asked()


@pytest.mark.parametrize("timed", [True, False])
def test_gitlabs_approvals_are_of_the_version_they_were_given_for(
    start: Callable[..., Any], timed: bool
) -> None:
    world = start("gitlab", timed)
    ann, bob = world.ask("ann"), world.ask("bob")
    opened = ann.open("proposals/a", "main", "a", "")
    bob.approve(opened.id, opened.head)
    bob.approve(opened.id, opened.head)  # once more does no harm
    (approval,) = ann.proposal(opened.id).approvals
    assert (approval.by, approval.head, approval.also) == ("@bob", opened.head, ("bob@example.com",))
    head = world.push("proposals/a", content="more")
    (approval,) = ann.proposal(opened.id).approvals
    assert approval.head == opened.head != head


def test_gitlabs_bots_are_known_by_the_users_page_or_the_name(gitlab: Any) -> None:
    it = gitlab.repository
    it.settings["people"] = ("robot",)
    opened = gitlab.ask("ann").open("proposals/a", "main", "a", "")
    for login in ("robot", "group_3_bot", "bob"):
        it.pulls[int(opened.id)].reviews.append(Review(it.next(), login, "approved", opened.head, it.now()))
    approvals = gitlab.ask("ann").proposal(opened.id).approvals
    assert {a.by: a.bot for a in approvals} == {"@robot": True, "@group_3_bot": True, "@bob": False}


def test_giteas_addresses_speak_for_nobody(gitea: Any) -> None:
    opened = gitea.ask("ann").open("proposals/a", "main", "a", "")
    gitea.ask("bob").approve(opened.id, opened.head)  # whose address, says this Gitea, is ann's
    assert gitea.ask("ann").proposal(opened.id).approvals[0].also == ()


# Sizes, places and limits


def test_long_titles_and_bodies_are_cut_and_say_so(github: Any) -> None:
    ann = github.ask("ann")
    opened = ann.open("proposals/a", "main", "a title\n" * 60, "a line\n" * 20_000)
    ann.comment(opened.id, "a line\n" * 20_000, "<!-- muster -->")
    pull = github.repository.pulls[int(opened.id)]
    assert len(opened.title) == 255 and opened.title.endswith("...")
    for text in (pull.body, pull.comments[0].body):
        assert len(text) <= 65_536 and text.endswith(
            "a line\n\n(cut here: no more than 65536 characters are taken)"
        )


def test_an_address_beside_the_remote_is_asked_and_the_remote_is_not(world: Any) -> None:
    place = forges.locate(
        f"ssh://git@ssh.example:2222/{world.repository.path}.git", f"{world.kind}+{world.server.base}", {}
    )
    assert place is not None
    opened = forges.connect(place, world.server.users["ann"], env={}).open("proposals/a", "main", "a", "")
    assert opened.url.startswith(f"{world.server.base}/")


def test_a_forge_that_stumbles_and_limits_is_waited_for(world: Any) -> None:
    world.server.canned += [Canned(502, "<html>"), Canned(429, "{}", {"Retry-After": "1"}), Canned(0)]
    assert world.ask("ann").proposals() == []
    assert len(world.server.seen) == 4


def test_what_adds_nothing_cannot_be_proposed(github: Any) -> None:
    with pytest.raises(Invalid, match="No commits between main and main"):
        github.ask("ann").open("main", "main", "a", "")


# Who else breaks the contract is found out


@pytest.mark.parametrize(
    ("kind", "path", "body", "breach"),
    [
        ("github", "repos/acme/models/pulls", {"title": "a", "head": "proposals/a", "base": "main", "labels": []}, "unknown key labels"),
        ("github", "repos/acme/models/pulls", {"title": "a", "head": "proposals/a", "base": "main", "draft": "yes"}, "draft"),
        ("gitlab", "projects/acme%2Fml%2Fmodels/merge_requests", {"source_branch": "proposals/a", "target_branch": "main"}, "title is missing"),
        ("gitea", "repos/acme/models/pulls", {"head": "proposals/a", "base": "main", "title": "a", "labels": ["a"]}, "labels/0"),
        ("gitea", "repos/acme/models/pulls", {"head": "proposals/a", "base": "main", "title": "a", "draft": True}, "draft"),
    ],
)  # fmt: skip
def test_the_contract_is_kept_by_being_enforced(
    start: Callable[..., Any], kind: str, path: str, body: dict[str, Any], breach: str
) -> None:
    world = start(kind)
    token = {"Authorization": f"Bearer {world.server.users['ann']}"}
    requests.post(f"{world.server.api}/{path}", json=body, headers=token, timeout=10)
    assert breach in str(world.server.violations)
    world.server.violations.clear()


# What protects the branch

PROTECTION = {
    "required_pull_request_reviews": {
        "dismiss_stale_reviews": True,
        "require_code_owner_reviews": True,
        "required_approving_review_count": 1,
    },
    "required_status_checks": {
        "strict": True,
        "contexts": ["muster"],
        "checks": [{"context": "muster", "app_id": 15368}],
        "enforcement_level": "everyone",
    },
    "allow_force_pushes": {"enabled": False},
    "allow_deletions": {"enabled": False},
}
SOURCE = {"ruleset_source_type": "Repository", "ruleset_source": "acme/models", "ruleset_id": 42}
RULES = [
    {"type": "deletion", **SOURCE},
    {"type": "non_fast_forward", **SOURCE},
    {
        "type": "pull_request",
        "parameters": {
            "dismiss_stale_reviews_on_push": True,
            "require_code_owner_review": True,
            "require_last_push_approval": False,
            "required_approving_review_count": 1,
            "required_review_thread_resolution": False,
        },
        **SOURCE,
    },
    {
        "type": "required_status_checks",
        "parameters": {
            "required_status_checks": [{"context": "muster", "integration_id": 15368}],
            "strict_required_status_checks_policy": True,
        },
        **SOURCE,
    },
]


@pytest.mark.parametrize(
    ("name", "value", "who"), [("protection", PROTECTION, "ann"), ("rules", RULES, "bob")]
)
def test_github_is_well_set_by_protection_or_by_rules(github: Any, name: str, value: Any, who: str) -> None:
    github.repository.settings[name] = value
    settings = github.ask(who).settings("main")
    assert set(wanted(settings).values()) == {True}
    assert len(settings) == 9


def test_what_github_shows_to_administrators_only_is_not_guessed(github: Any) -> None:
    github.repository.settings["protection"] = PROTECTION
    found = wanted(github.ask("bob").settings("main"))
    assert found.pop("the branch is protected") is True
    assert set(found.values()) == {None}


def test_a_github_without_protection_is_found_to_be(github: Any) -> None:
    assert set(wanted(github.ask("ann").settings("main")).values()) == {False}


def test_a_check_that_anybody_may_set_is_found(github: Any) -> None:
    for checks in (
        {"contexts": ["muster"], "checks": []},
        {"contexts": [], "checks": [{"context": "muster", "app_id": None}]},
    ):
        status = {**PROTECTION["required_status_checks"], **checks}
        github.repository.settings["protection"] = {**PROTECTION, "required_status_checks": status}
        found = wanted(github.ask("ann").settings("main"))
        assert found["status checks that are required"] is True
        assert found["required checks are bound to an app"] is False


def test_a_branch_of_github_that_is_not_there_cannot_be_asked(github: Any) -> None:
    assert set(wanted(github.ask("ann").settings("none")).values()) == {None}


def test_gitlabs_settings_are_read_from_four_places(gitlab: Any) -> None:
    it = gitlab.repository
    levels = [{"access_level": 0}]
    it.settings |= {
        "protected_branches": {
            "main": {
                "name": "main",
                "push_access_levels": levels,
                "allow_force_push": False,
                "code_owner_approval_required": True,
            }
        },
        "project": {
            "only_allow_merge_if_pipeline_succeeds": True,
            "allow_merge_on_skipped_pipeline": False,
            "merge_method": "rebase_merge",
        },
        "approvals": {
            "reset_approvals_on_push": True,
            "merge_requests_author_approval": False,
            "merge_requests_disable_committers_approval": True,
        },
        "approval_rules": [{"approvals_required": 1}],
    }
    assert set(wanted(gitlab.ask("ann").settings("main")).values()) == {True}
    levels.append({"access_level": 40})
    assert wanted(gitlab.ask("ann").settings("main"))["nobody pushes to it directly"] is False
    assert wanted(gitlab.ask("ann").settings("other"))["the branch is protected"] is False
    assert wanted(gitlab.ask("eve").settings("main"))["the branch is protected"] is None


def test_what_a_gitlab_edition_does_not_have_is_not_guessed(gitlab: Any) -> None:
    found = wanted(gitlab.ask("ann").settings("main"))
    assert found["a push dismisses approvals"] is None
    assert found["approvals that are required"] is None
    assert found["force pushes are forbidden"] is False


RULE = {
    "rule_name": "main",
    "required_approvals": 1,
    "enable_status_check": True,
    "status_check_contexts": ["muster"],
    "dismiss_stale_approvals": True,
    "block_on_outdated_branch": True,
    "enable_force_push": False,
}


def test_giteas_settings_are_those_of_the_rule_that_holds(gitea: Any) -> None:
    for name in ("main", "ma*"):
        gitea.repository.settings["protection"] = {**RULE, "rule_name": name}
        assert set(wanted(gitea.ask("ann").settings("main")).values()) == {True}
    found = wanted(gitea.ask("bob").settings("main"))
    assert found["approvals that are required"] is True
    assert found["a push dismisses approvals"] is None


def test_a_gitea_without_protection_is_found_to_be(gitea: Any) -> None:
    assert set(wanted(gitea.ask("bob").settings("main")).values()) == {False}
