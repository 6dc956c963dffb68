"""The workflow that docs/published-index.md shows: it passes what the workflows of this repository pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import pages
from support.actions.runner import load
from support.registry_ci import TOP

PAGE = TOP / "docs" / "published-index.md"


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    (shown,) = (block for block in pages.blocks(PAGE) if block.kind == "yaml")
    path = tmp_path / ".github" / "workflows" / "index.yml"
    path.parent.mkdir(parents=True)
    path.write_text(shown.text)
    return path


def test_an_older_job_does_not_overtake_a_newer_one_and_none_is_stopped_half_way(workflow: Path) -> None:
    document = load(workflow.read_bytes())
    assert document["concurrency"] == {"group": "index", "cancel-in-progress": False}
    assert document["permissions"] == {}
    assert document["jobs"]["publish"]["permissions"] == {"contents": "read"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "tool",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor", "--offline", "--persona=pedantic"],
    ],
    ids=lambda tool: tool[0],
)
def test_the_workflow_passes_the_checks_of_workflows(workflow: Path, tool: list[str]) -> None:
    program = Path(sys.executable).parent / tool[0]
    done = subprocess.run([program, *tool[1:], workflow], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
