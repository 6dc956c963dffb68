"""The small forges are no invention of ours: clients that others wrote live the same life on them."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.slow
def test_pygithub_lives_the_same_life(github: Any) -> None:
    from github import Auth, Github, GithubException

    def repository(who: str) -> Any:
        auth = Auth.Token(github.server.users[who])
        client = Github(auth=auth, base_url=github.server.api, retry=None, seconds_between_writes=None)
        return client.get_repo(github.repository.path)

    ann, bob = repository("ann"), repository("bob")
    pull = ann.create_pull(base="main", head="proposals/a", title="Promote a", body="because")
    assert [p.number for p in bob.get_pulls(state="open", head="acme:proposals/a")] == [pull.number]
    comment = pull.create_issue_comment("<!-- muster -->\none")
    comment.edit("<!-- muster -->\ntwo")
    assert [c.body for c in pull.get_issue_comments()] == ["<!-- muster -->\ntwo"]
    bob.get_pull(pull.number).create_review(event="APPROVE")
    assert [(r.user.login, r.state, r.commit_id) for r in pull.get_reviews()] == [
        ("bob", "APPROVED", pull.head.sha)
    ]
    (approval,) = github.ask("ann").proposal(str(pull.number)).approvals
    assert (approval.by, approval.head) == ("@bob", pull.head.sha)

    status = f"{github.server.api}/repos/acme/models/statuses/{pull.head.sha}"
    ann.requester.requestJsonAndCheck("POST", status, input={"state": "failure", "context": "muster"})
    with pytest.raises(GithubException) as raised:
        pull.merge(sha=pull.head.sha)
    assert raised.value.status == 405
    ann.requester.requestJsonAndCheck("POST", status, input={"state": "success", "context": "muster"})
    with pytest.raises(GithubException) as raised:
        pull.merge(sha="0" * 40)
    assert raised.value.status == 409
    assert pull.merge(sha=pull.head.sha, merge_method="squash").sha == github.tip()
    assert ann.get_pull(pull.number).merged
    assert github.ask("ann").proposal(str(pull.number)).state == "merged"


@pytest.mark.slow
def test_python_gitlab_lives_the_same_life(gitlab: Any) -> None:
    from gitlab import Gitlab
    from gitlab.exceptions import GitlabError

    def project(who: str) -> Any:
        client = Gitlab(gitlab.server.base, private_token=gitlab.server.users[who])
        return client.projects.get(gitlab.repository.path)

    ann, bob = project("ann"), project("bob")
    wanted = {"source_branch": "proposals/a", "target_branch": "main", "title": "Promote a"}
    request = ann.mergerequests.create(wanted)
    assert [
        m.iid for m in bob.mergerequests.list(state="opened", source_branch="proposals/a", get_all=True)
    ] == [request.iid]
    note = request.notes.create({"body": "<!-- muster -->\none"})
    note.body = "<!-- muster -->\ntwo"
    note.save()
    assert [n.body for n in request.notes.list(get_all=True)] == ["<!-- muster -->\ntwo"]
    bob.mergerequests.get(request.iid).approve(sha=request.sha)
    assert [a["user"]["username"] for a in request.approvals.get().approved_by] == ["bob"]
    (approval,) = gitlab.ask("ann").proposal(str(request.iid)).approvals
    assert (approval.by, approval.head) == ("@bob", request.sha)

    gitlab.repository.statuses[request.sha] = {"muster": "failed"}
    with pytest.raises(GitlabError) as raised:
        request.merge(sha=request.sha)
    assert raised.value.response_code == 405
    gitlab.repository.statuses[request.sha] = {"muster": "success"}
    with pytest.raises(GitlabError) as raised:
        request.merge(sha="0" * 40)
    assert raised.value.response_code == 409
    request.merge(sha=request.sha)
    assert request.merge_commit_sha == gitlab.tip()
    assert gitlab.ask("ann").proposal(str(request.iid)).state == "merged"
