"""The .gitlab-ci.yml that `muster init` lays down, and the component: executed by gitlab-ci-local, which is not ours."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.gitcli import git, tip
from support.publishing import committed, publish
from support.pull_requests import pushed
from support.receiver import receiver
from support.registry_ci import PRODUCTION, TOP, promotion

PROGRAM = TOP / ".ci" / "node" / "node_modules" / ".bin" / "gitlab-ci-local"
COMPONENT = b"""\
include:
  - local: component.yml
    inputs:
      stage: test
      install: WHEEL
"""
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Pipeline:
    """What a pipeline has left in a clone."""

    clone: Path
    code: int
    log: str

    @property
    def quality(self) -> list[dict[str, object]]:
        found = json.loads((self.clone / "gl-code-quality-report.json").read_text())
        assert isinstance(found, list)
        return found


@dataclass(frozen=True)
class GitLab:
    """A machine that runs the pipelines of a registry."""

    server: Path
    scratch: Path
    env: dict[str, str]
    wheel: Path

    def run(self, head: str, source: str, **variables: str) -> Pipeline:
        """Run the pipeline at head, in a clone that has every branch, as a runner with GIT_DEPTH 0 makes it."""
        clone = self.scratch / f"clone-{source}-{head[:8]}"
        git(self.scratch, "clone", "--quiet", str(self.server), str(clone))
        git(clone, "fetch", "--quiet", "origin", head)
        git(clone, "checkout", "--quiet", "-B", "main" if source != "merge_request_event" else "change", head)
        git(clone, "remote", "set-url", "origin", "git@gitlab.example.com:acme/models.git")
        said = {"CI_PIPELINE_SOURCE": source, "MUSTER_INSTALL": str(self.wheel), **variables}
        command = [str(PROGRAM), "--force-shell-executor", "--shell-isolation"]
        command += [word for pair in said.items() for word in ("--variable", "=".join(pair))]
        env = {**os.environ, **self.env}
        done = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True)
        return Pipeline(clone, done.returncode, done.stdout + done.stderr)

    def merge_request(self, head: str) -> Pipeline:
        """Run what a merge request into main sets off."""
        base = git(self.server, "merge-base", "main", head)
        said = {"CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
        return self.run(head, "merge_request_event", CI_MERGE_REQUEST_DIFF_BASE_SHA=base, **said)


@pytest.fixture
def gitlab(server: Path, tmp_path: Path, machine: dict[str, str], wheel: Path) -> GitLab:
    assert PROGRAM.exists(), f"{PROGRAM} is missing: .ci/run installs it, with npm"
    return GitLab(server, tmp_path, machine, wheel)


def test_a_sound_merge_request_passes(server: Path, gitlab: GitLab) -> None:
    ran = gitlab.merge_request(promotion(server))
    assert ran.code == 0, ran.log
    assert ran.quality == []
    assert (ran.clone / "muster-report.md").read_text().startswith("<!-- muster -->\n")


def test_a_bad_one_fails_and_the_quality_report_has_the_line(server: Path, gitlab: GitLab) -> None:
    ran = gitlab.merge_request(committed(server, {PRODUCTION: b"schema: 1\nversions: two\n"}))
    assert ran.code != 0, ran.log
    (entry,) = ran.quality
    assert entry["check_name"] == "schema_matches"
    assert entry["location"] == {"path": PRODUCTION, "lines": {"begin": 2}}


def test_the_component_does_the_same(server: Path, gitlab: GitLab, wheel: Path) -> None:
    component = (TOP / "templates" / "registry.yml").read_bytes()
    using = COMPONENT.replace(b"WHEEL", str(wheel).encode())
    publish(server, {".gitlab-ci.yml": using, "component.yml": component})
    bad = gitlab.merge_request(committed(server, {PRODUCTION: b"schema: 1\nversions: two\n"}))
    assert bad.code != 0
    assert [entry["check_name"] for entry in bad.quality] == ["schema_matches"]


def test_a_push_to_main_is_judged_and_told(server: Path, gitlab: GitLab) -> None:
    before = str(tip(server))
    event = pushed(server, promotion(server))
    with receiver() as there:
        ran = gitlab.run(event.sha, "push", CI_COMMIT_BEFORE_SHA=before, MUSTER_WEBHOOK_URL=there.url)
    assert ran.code == 0, ran.log
    assert json.loads(there.requests[0].body)["head"] == event.sha
