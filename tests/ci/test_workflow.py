"""The workflow that `muster init` lays down, executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster import Registry
from muster.core.operations import SetStage
from support.actions.runner import Runner
from support.pull_requests import committed, pull_request

WORKFLOW = ".github/workflows/muster.yml"
pytestmark = pytest.mark.slow


def promotion(server: Path) -> str:
    """A proposal to put bikes/2 into production."""
    with Registry(server) as registry:
        return registry.propose(SetStage("bikes", 2, "production")).commit


def test_a_sound_pull_request_passes(server: Path, runner: Runner) -> None:
    run = runner.run(WORKFLOW, pull_request(server, promotion(server)).event())
    assert run.jobs["check"].result == "success", run.log
    assert run.jobs["check"].outputs["ok"] == "true"
    assert run.annotations == []


def test_a_bad_one_fails_with_a_mark_on_the_line(server: Path, runner: Runner) -> None:
    wrong = {"models/bikes/stages/production.yaml": b"schema: 1\nversions: two\n"}
    run = runner.run(WORKFLOW, pull_request(server, committed(server, wrong)).event())
    assert run.jobs["check"].result == "failure", run.log
    (mark,) = run.annotations
    assert (mark.file, mark.line) == ("models/bikes/stages/production.yaml", "2")
