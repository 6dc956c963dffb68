"""The workflow that `muster init` lays down, and the one that is shipped to be called: executed, on real commits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from muster import Registry
from support.actions.runner import Event, Runner
from support.forges.hub import BOT
from support.forges.server import ForgeServer
from support.gitcli import git, tip
from support.publishing import committed, guard, publish
from support.pull_requests import approve, mergeable, pull_request, pushed, queued
from support.receiver import receiver
from support.registry_ci import PRODUCTION, promotion

LAID_DOWN = ".github/workflows/muster.yml"
CALLING = ".github/workflows/calling.yml"
CALLER = """\
name: registry
on: [pull_request, pull_request_review, merge_group, push, schedule]
permissions: {}
jobs:
  registry:
    uses: muster-registry/muster/.github/workflows/registry.yml@v0.1.0
    permissions:
      contents: read
      pull-requests: write
    with:
      install: WHEEL
    secrets:
      MUSTER_WEBHOOK_URL: ${{ secrets.MUSTER_WEBHOOK_URL }}
"""
BAD = {PRODUCTION: b"schema: 1\nversions: two\n"}
pytestmark = pytest.mark.slow


@pytest.fixture(params=[LAID_DOWN, CALLING], ids=["laid down", "called"])
def workflow(request: pytest.FixtureRequest, server: Path, wheel: Path) -> str:
    """Each of the two ways to have the same jobs."""
    if request.param == CALLING:
        publish(server, {CALLING: CALLER.replace("WHEEL", str(wheel)).encode(), LAID_DOWN: None})
    return str(request.param)


def demand_approval(server: Path) -> None:
    """Have production wait for an approval; bikes are @bob's."""
    with Registry(server) as registry:
        registry.annotate("bikes", owners=["@bob"])
    guard(server, "approvals: 1")


def test_a_sound_pull_request_passes_and_is_told_so_in_one_comment(
    server: Path, runner: Runner, ready: Runner, forge: ForgeServer, workflow: str
) -> None:
    request = pull_request(forge, promotion(server))
    run = runner.run(workflow, request.event())
    assert run.jobs["check"].result == run.jobs["comment"].result == "success", run.log
    assert run.jobs["check"].outputs["ok"] == "true"
    assert run.annotations == []
    (comment,) = forge.repository.pulls[request.number].comments
    assert comment.author == BOT
    assert comment.body.startswith("<!-- muster -->\n")
    assert comment.body.strip() == run.summary.strip()
    assert {run.jobs[name].result for name in ("main", "nightly")} == {"skipped"}

    again = ready.run(workflow, request.event(action="synchronize"))
    assert again.jobs["comment"].result == "success", again.log
    assert [seen.method for seen in forge.written] == ["POST", "PATCH"]


def test_a_bad_pull_request_fails_with_a_mark_on_the_line_and_the_comment_says_why(
    server: Path, ready: Runner, forge: ForgeServer, workflow: str
) -> None:
    request = pull_request(forge, committed(server, BAD))
    run = ready.run(workflow, request.event())
    assert run.jobs["check"].result == "failure", run.log
    assert run.jobs["check"].outputs["ok"] == "false"
    assert [(mark.level, mark.file, mark.line) for mark in run.annotations] == [("error", PRODUCTION, "2")]
    assert run.jobs["comment"].result == "success"
    (comment,) = forge.repository.pulls[request.number].comments
    assert "schema_matches" in comment.body


def test_a_fork_is_judged_alike_and_nobody_writes_for_it(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    request = pull_request(forge, committed(server, BAD), fork="mallory")
    run = ready.run(LAID_DOWN, request.event())
    assert run.jobs["check"].result == "failure"
    assert run.jobs["comment"].result == "skipped"
    assert forge.written == []


def test_gitea_runs_the_same_file_and_the_log_says_where(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    request = pull_request(forge, committed(server, BAD), fork="mallory")
    event = replace(request.event(), sha=request.head, ref=f"refs/pull/{request.number}/head")
    run = replace(ready, env={**ready.env, "GITEA_ACTIONS": "true"}).run(LAID_DOWN, event)
    assert run.jobs["check"].result == "failure", run.log
    assert run.annotations == []
    assert f"{PRODUCTION}:2:" in run.log
    assert "schema_matches" in run.summary


def test_what_the_target_has_become_since_counts(server: Path, ready: Runner, forge: ForgeServer) -> None:
    head = promotion(server)
    with Registry(server) as registry:
        registry.demote("bikes/2", reason="trained on the wrong data")
    run = ready.run(LAID_DOWN, pull_request(forge, head).event())
    assert run.jobs["check"].result == "failure", run.log
    assert {mark.title for mark in run.annotations} & {"merges_cleanly", "gates_pass"}


def test_a_change_of_the_workflow_or_the_policy_beside_models_is_refused(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    text = git(server, "show", f"main:{LAID_DOWN}")
    harmless = {LAID_DOWN: f"# mine\n{text}\n".encode(), PRODUCTION: b"schema: 1\nversions: [2]\n"}
    run = ready.run(LAID_DOWN, pull_request(forge, committed(server, harmless)).event())
    assert run.jobs["check"].result == "failure", run.log
    assert "policy_and_data_are_apart" in {mark.title for mark in run.annotations}


def test_nothing_of_a_pull_request_is_run(
    server: Path, ready: Runner, forge: ForgeServer, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'a').write(__file__)\n".encode()
    modules = (
        "venv",
        "ensurepip",
        "pip",
        "sitecustomize",
        "usercustomize",
        "muster/__init__",
        "click/__init__",
    )
    planted: dict[str, bytes | None] = {f"{module}.py": code for module in modules}
    planted |= {"setup.py": code, "conftest.py": code, ".dvc/config.local": b"[core]\n    x = y\n"}
    planted |= {".gitmodules": b'[submodule "x"]\n    path = x\n    url = ../x\n'}
    run = ready.run(LAID_DOWN, pull_request(forge, committed(server, planted)).event())
    assert run.jobs["check"].result == "failure", run.log
    assert "Traceback" not in run.log
    assert not ran.exists()


def test_what_somebody_wrote_gives_the_runner_no_orders(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    wrong = {
        "models/bikes/annotations/2.yaml": b"schema: 1\ndescription: x\n'::error file=README.md::pwned': 1\n"
    }
    evil = "models/bikes/a%0A::warning::pwned\n::set-output name=ok::true"
    run = ready.run(LAID_DOWN, pull_request(forge, committed(server, {**wrong, evil: b"x"})).event())
    assert run.jobs["check"].result == "failure", run.log
    assert run.jobs["check"].outputs["ok"] == "false"
    assert {mark.level for mark in run.annotations} == {"error"}
    assert "README.md" not in {mark.file for mark in run.annotations}


def test_approvals_are_counted_where_policy_demands_them(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    demand_approval(server)
    request = pull_request(forge, promotion(server))
    run = ready.run(LAID_DOWN, request.event())
    assert run.jobs["check"].result == "failure"
    assert "it needs 1 approval of @bob, and has 0" in run.annotations[0].message, run.log

    approve(forge, request, "bob")
    run = ready.run(LAID_DOWN, request.event("pull_request_review", action="submitted"))
    assert run.jobs["check"].result == "success", run.log


def test_an_approval_of_an_earlier_commit_does_not_count_though_the_forge_is_there_again(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    demand_approval(server)
    approved = promotion(server)
    later = committed(server, {"models/bikes/annotations/2.yaml": b"schema: 1\ndescription: x\n"}, approved)
    request = pull_request(forge, approved)  # it was pushed back while the job for the later commit ran
    approve(forge, request, "bob")
    run = ready.run(LAID_DOWN, mergeable(server, request.number, later).event())
    assert run.jobs["check"].result == "failure", run.log
    assert "has 0" in run.annotations[0].message


def test_approvals_that_cannot_be_counted_are_said_to_be(
    server: Path, ready: Runner, forge: ForgeServer
) -> None:
    demand_approval(server)
    text = git(server, "show", f"main:{LAID_DOWN}").replace("pull-requests: read", "issues: read")
    publish(server, {LAID_DOWN: text.encode()})
    run = ready.run(LAID_DOWN, pull_request(forge, promotion(server)).event())
    assert run.jobs["check"].result == "failure", run.log
    assert "cannot be counted" in run.annotations[0].message
    assert "pull-requests: read" in run.annotations[0].message


def test_a_merge_group_is_judged_as_what_it_makes_of_main(
    server: Path, ready: Runner, forge: ForgeServer, workflow: str
) -> None:
    good = ready.run(workflow, queued(server, pull_request(forge, promotion(server))))
    assert good.jobs["check"].result == "success", good.log
    bad = ready.run(workflow, queued(server, pull_request(forge, committed(server, BAD))))
    assert bad.jobs["check"].result == "failure", bad.log
    assert {run.jobs["comment"].result for run in (good, bad)} == {"skipped"}


def test_a_push_to_main_is_judged_and_told_to_the_webhook(server: Path, ready: Runner, workflow: str) -> None:
    event = pushed(server, promotion(server))
    with receiver(503) as there:
        run = replace(ready, secrets={"MUSTER_WEBHOOK_URL": there.url}).run(workflow, event)
    assert run.jobs["main"].result == "success", run.log
    assert len(there.requests) == 2
    told = json.loads(there.requests[-1].body)
    assert (told["base"], told["head"]) == (event.payload["before"], event.sha)
    assert told["entries"][0]["events"][0]["text"] == "bikes: production none -> 2"


def test_a_push_of_something_wrong_is_found_and_told_nonetheless(server: Path, ready: Runner) -> None:
    event = pushed(server, committed(server, BAD))
    with receiver() as there:
        run = replace(ready, secrets={"MUSTER_WEBHOOK_URL": there.url}).run(LAID_DOWN, event)
    assert run.jobs["main"].result == "failure", run.log
    assert run.annotations[0].file == PRODUCTION
    assert len(there.requests) == 1


def test_the_first_push_is_judged_as_a_whole(server: Path, ready: Runner) -> None:
    event = Event("push", str(tip(server)), "refs/heads/main", {"before": "0" * 40, "after": tip(server)})
    run = ready.run(LAID_DOWN, event)
    assert run.jobs["main"].result == "success", run.log
    assert "MUSTER_WEBHOOK_URL is not set" in run.log


def test_a_main_that_was_moved_back_is_found(server: Path, ready: Runner) -> None:
    event = pushed(server, git(server, "rev-parse", "main~1"))
    run = ready.run(LAID_DOWN, event)
    assert run.jobs["main"].result == "failure", run.log
    assert [mark.title for mark in run.annotations] == ["history_only_grows"]


def test_at_night_every_object_is_asked_for(server: Path, ready: Runner, workflow: str) -> None:
    event = Event("schedule", str(tip(server)), "refs/heads/main", {"schedule": "17 3 * * *"})
    run = ready.run(workflow, event)
    assert run.jobs["nightly"].result == "success", run.log
    store = server.with_name("models.git.artifacts") / "files" / "md5"
    next(path for path in sorted(store.rglob("*")) if path.is_file()).unlink()
    run = ready.run(workflow, event)
    assert run.jobs["nightly"].result == "failure", run.log
    assert {mark.title for mark in run.annotations} == {"artifact_is_stored"}


def test_a_push_to_another_branch_is_nothing_to_the_registry(server: Path, ready: Runner) -> None:
    event = Event("push", str(tip(server)), "refs/heads/other", {"before": "0" * 40})
    assert ready.run(LAID_DOWN, event).jobs == {}
