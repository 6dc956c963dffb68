"""`muster ci` by itself: what it refuses to post, to write through, and to judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from muster.frontends.cli import run
from support.forges.hub import job_token
from support.forges.server import ForgeServer
from support.forges.state import Comment, Pull
from support.gitcli import git, tip
from support.publishing import committed
from support.pull_requests import pull_request
from support.registry_ci import promotion

pytestmark = pytest.mark.slow

MARKER = "<!-- muster -->\n"


@pytest.fixture
def job(server: Path, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> Pull:
    """The environment of a job on the forge, whose token may write comments, and what they are about."""
    pull = forge.repository.pulls[pull_request(forge, promotion(server)).number]
    said = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "schedule",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_SERVER_URL": forge.base,
        "GITHUB_API_URL": forge.api,
        "GITHUB_REPOSITORY": "acme/models",
        "GITHUB_TOKEN": job_token(forge, {"pull-requests": "write"}),
        "MUSTER_PROPOSAL": str(pull.number),
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    return pull


def test_a_report_is_one_comment_whoever_else_begins_theirs_alike(
    job: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.comments.append(Comment(1000, "mallory", f"{MARKER}I am the report"))
    for words in ("first", "second"):
        monkeypatch.setenv("MUSTER_REPORT", f"{MARKER}{words}: $(touch pwned) `id` ${{{{ secrets.X }}}}")
        assert run(["ci", "comment"]) == 0
    assert [c.body.splitlines()[1].partition(":")[0] for c in job.comments] == [
        "I am the report",
        "second",
    ]
    assert "$(touch pwned) `id` ${{ secrets.X }}" in job.comments[1].body
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "is not set"),
        ("all is well", "does not begin with"),
        (f"all is well\n{MARKER}", "does not begin with"),
        (f"{MARKER}{'x' * 65_000}", "more than 65000 bytes"),
        (f"{MARKER}{'é' * 40_000}", "more than 65000 bytes"),
        (f"{MARKER}\x1b[31mred", "control characters"),
        (f"{MARKER}a\rb", "control characters"),
    ],
)
def test_what_is_no_report_is_not_posted(
    job: Pull,
    forge: ForgeServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    words: str,
) -> None:
    monkeypatch.setenv("MUSTER_REPORT", body)
    assert run(["ci", "comment"]) == 5
    assert words in capsys.readouterr().err
    assert forge.written == []


def test_a_token_that_may_not_write_is_said_to_be(
    job: Pull, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSTER_REPORT", f"{MARKER}x")
    monkeypatch.setenv("GITHUB_TOKEN", job_token(forge, {"pull-requests": "read"}))
    assert run(["ci", "comment"]) == 4
    assert job.comments == []


def on_gitlab(server: Path, clone: Path, head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a merge request out as GitLab's runner does."""
    git(server.parent, "clone", "--quiet", str(server), str(clone))
    git(clone, "fetch", "--quiet", "origin", head)
    git(clone, "checkout", "--quiet", "--detach", head)
    said = {
        "GITLAB_CI": "true",
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_PROJECT_URL": "https://gitlab.example.com/acme/models",
        "CI_COMMIT_SHA": head,
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(clone)


def test_a_report_is_not_written_through_a_link_that_the_proposal_brings(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    on_gitlab(server, tmp_path / "clone", promotion(server), monkeypatch)
    for name in ("muster-report.md", "gl-code-quality-report.json"):
        Path(name).symlink_to(precious)
    assert run(["ci", "check"]) == 0
    assert precious.read_text() == "mine"
    assert json.loads(Path("gl-code-quality-report.json").read_text()) == []


def test_a_checkout_without_the_target_says_what_to_fetch(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_gitlab(server, tmp_path / "clone", str(tip(server)), monkeypatch)
    git(Path.cwd(), "update-ref", "-d", "refs/remotes/origin/main")
    assert run(["ci", "check"]) == 3
    assert "GIT_DEPTH: 0" in capsys.readouterr().err


def test_outside_of_ci_it_says_what_to_run_instead(
    server: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_ACTIONS", "GITEA_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(server)
    assert committed(server, {})
    assert run(["ci", "check"]) == 5
    assert "elsewhere `muster check`" in capsys.readouterr().err
