"""The workflow of the recipes that deploys whenever production moves, executed on real commits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from muster import Registry
from muster.core.operations import SetStage
from support.actions.runner import Event, Runner
from support.gitcli import git, tip
from support.publishing import publish

TOP = Path(__file__).parents[2]
WORKFLOW = ".github/workflows/deploy.yml"
EXAMPLE = TOP / "docs" / "examples" / "github" / "deploy.yml"
pytestmark = pytest.mark.slow


def promoted(server: Path, version: int) -> str:
    """Move a version to production as its merged proposal does; return the commit."""
    with Registry(server) as registry:
        made = registry.propose(SetStage("bikes", version, "production"), reason="ready")
    git(server, "update-ref", "refs/heads/main", made.commit)
    return made.commit


def test_what_moved_to_production_goes_out_as_it_was_at_that_commit(
    server: Path, ready: Runner, tmp_path: Path
) -> None:
    out = tmp_path / "deployed"
    script = f'mkdir -p {out}\ncp "$1"/* {out}/\necho "$2" > {out}/version\n'
    publish(server, {WORKFLOW: EXAMPLE.read_bytes(), "deploy.sh": script.encode()})
    commit = promoted(server, 2)
    promoted(server, 1)  # before the job has begun
    run = replace(ready).run(WORKFLOW, Event("push", commit, "refs/heads/main"))
    assert run.jobs["deploy"].result == "success", run.jobs["deploy"]
    assert (out / "version").read_text() == "2\n"
    assert (out / "2.bin").read_bytes() == b"\x02" * 2000
    assert sorted(path.name for path in out.iterdir()) == ["2.bin", "version"]
    assert tip(server) != commit


def test_only_a_move_of_production_sets_it_off() -> None:
    from support.actions.runner import load

    pushed = load(EXAMPLE.read_bytes())["on"]["push"]
    assert pushed == {"branches": ["main"], "paths": ["models/bikes/stages/production.yaml"]}
