"""The workflows as files: they agree with each other, and promise what docs/ci.md says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from muster import Registry, resources
from muster.core.snapshot import EMPTY
from muster.core.template import CI, lay_down, likely_ci
from muster.frontends.cli import run
from support.actions.runner import CHECKOUT, Event, Runner, Unsupported, load
from support.gitcli import git, tip
from support.publishing import publish
from support.registry_ci import TOP

LAID_DOWN = TOP / "registry-template" / ".github" / "workflows" / "muster.yml"
CALLED = TOP / ".github" / "workflows" / "registry.yml"
ACTION = TOP / ".github" / "actions" / "check" / "action.yml"
GITLAB, COMPONENT = TOP / "registry-template" / ".gitlab-ci.yml", TOP / "templates" / "registry.yml"
VERSION = re.search(r'(?m)^version = "(.+)"$', (TOP / "pyproject.toml").read_text())


def said(step: dict[str, Any]) -> dict[str, Any] | None:
    """A step as it is in both workflows: the one that installs is left out, and what muster does is named."""
    if step.get("name") == "Install muster":
        return None
    if step.get("uses", "").startswith("$/"):
        step = {**step, "does": step["with"].get("command", "check")}
    elif "run" in step:
        step = {**step, "does": step["run"].rpartition(" ")[2]}
    return {
        k: v for k, v in step.items() if k not in ("uses", "run", "with") or CHECKOUT in step.get("uses", "")
    }


def test_the_workflow_laid_down_and_the_one_to_call_have_the_same_jobs() -> None:
    jobs = [load(path.read_bytes())["jobs"] for path in (LAID_DOWN, CALLED)]
    both = [
        {name: {**job, "steps": [s for s in map(said, job["steps"]) if s]} for name, job in one.items()}
        for one in jobs
    ]
    assert both[0] == both[1]


def test_gitlabs_file_and_component_have_the_same_jobs() -> None:
    laid_down = yaml.safe_load(GITLAB.read_text())
    spec, component = yaml.safe_load_all(COMPONENT.read_text())
    text = yaml.safe_dump(component)
    for name, given in spec["spec"]["inputs"].items():
        text = text.replace(f"$[[ inputs.{name} ]]", given["default"])
    assert yaml.safe_load(text) == laid_down


@pytest.mark.parametrize("path", [LAID_DOWN, CALLED, ACTION, GITLAB, COMPONENT], ids=lambda path: path.name)
def test_what_is_installed_is_this_version(path: Path) -> None:
    assert VERSION is not None
    found = re.findall(r"muster-registry(?:\[\w+\])?==([\w.]+)|default: \"(\d[\w.]+)\"", path.read_text())
    assert {a or b for a, b in found} == {VERSION[1]}


@pytest.mark.parametrize("path", [LAID_DOWN, CALLED], ids=["laid down", "called"])
def test_no_job_may_more_than_it_must(path: Path) -> None:
    document = load(path.read_bytes())
    assert document["permissions"] == {}
    may = {name: job["permissions"] for name, job in document["jobs"].items()}
    read = {"contents": "read"}
    assert may["check"] == {**read, "pull-requests": "read"}
    assert may["main"] == may["nightly"] == read
    assert may["comment"] == {"pull-requests": "write"}
    steps = document["jobs"]["comment"]["steps"]
    assert not any(CHECKOUT in step.get("uses", "") for step in steps)
    assert all(job["timeout-minutes"] <= 60 for job in document["jobs"].values())


def test_what_it_uses_of_others_is_pinned_and_no_trigger_runs_strangers_code_with_rights() -> None:
    for path in (LAID_DOWN, CALLED, ACTION):
        text = path.read_text()
        for uses in re.findall(r"uses: (\S+)", text):
            assert uses.startswith("$/") or re.search(r"@[0-9a-f]{40}$", uses)
        assert not re.search(r"pull_request_target|workflow_run", text)
        for job in load(text).get("jobs", {}).values():
            checkouts = [s["with"] for s in job["steps"] if CHECKOUT in s.get("uses", "")]
            assert all(w == {"fetch-depth": 0, "persist-credentials": False} for w in checkouts)


def test_only_what_a_newer_push_has_overtaken_is_cancelled() -> None:
    concurrency = load(LAID_DOWN.read_bytes())["concurrency"]
    assert concurrency["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    assert concurrency["group"].endswith("github.event.pull_request.number || github.run_id }}")


# --- what `muster init` lays down ---


@pytest.mark.parametrize(
    ("url", "kinds"),
    [
        ("https://github.com/acme/models.git", ("github",)),
        ("git@github.com:acme/models.git", ("github",)),
        ("https://github.example.com/acme/models", ("github",)),
        ("ssh://git@gitlab.example.com:2222/acme/gitea.git", ("gitlab",)),
        ("https://codeberg.org/acme/models", ("gitea",)),
        ("git@forgejo.example.com:acme/models", ("gitea",)),
        ("https://git.example.com/github/models", ("github", "gitlab")),
        ("/srv/git/gitlab.git", ("github", "gitlab")),
        ("", ("github", "gitlab")),
    ],
)
def test_the_host_tells_which_ci_there_is(url: str, kinds: tuple[str, ...]) -> None:
    assert likely_ci(url) == kinds


@pytest.mark.parametrize(
    ("kinds", "files"),
    [
        ((), set()),
        (("github",), {CI["github"]}),
        (("gitea",), {CI["github"]}),
        (("gitlab",), {CI["gitlab"]}),
        (("github", "gitlab"), set(CI.values())),
    ],
)
def test_a_registry_gets_the_files_of_its_ci(kinds: tuple[str, ...], files: set[str]) -> None:
    change = lay_down(EMPTY, resources.template(), "x", "y", kinds)
    assert set(CI.values()) & set(change.files) == files
    assert "registry.yaml" in change.files


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository that is no registry yet."""
    path = tmp_path / "there"
    git(tmp_path, "init", "--quiet", str(path))
    (path / "README.md").write_text("ours\n")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=first")
    return path


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ([], {CI["gitlab"]}),
        (["--ci", "none"], set()),
        (["--ci", "gitea"], {CI["gitea"]}),
        (["--ci", "github", "--ci", "gitlab"], set(CI.values())),
        (["--ci", "all"], set(CI.values())),
    ],
)
def test_init_goes_by_the_origin_unless_it_is_told(
    work: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], files: set[str]
) -> None:
    git(work, "remote", "add", "origin", "https://token@gitlab.com/acme/models.git")
    monkeypatch.chdir(work)
    assert run(["init", *options]) == 0
    there = git(work, "ls-tree", "-r", "--name-only", "HEAD").split()
    assert set(CI.values()) & set(there) == files


def test_none_goes_with_no_other(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "r"), "--ci", "none", "--ci", "gitlab"]) == 2
    assert not (tmp_path / "r").exists()


def test_a_pipeline_that_is_there_stays(work: Path) -> None:
    (work / ".gitlab-ci.yml").write_text("mine: {script: [make]}\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message=mine")
    with Registry.create(work) as registry:
        assert registry.check() == []
    assert (work / ".gitlab-ci.yml").read_text() == "mine: {script: [make]}\n"


# --- the runner of tests refuses what it does not do ---


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("{runs-on: x, steps: [{uses: someone/else@v1}]}", "there is no action someone/else@v1"),
        ("{runs-on: x, steps: [{run: x, continue-on-error: true}]}", "continue-on-error"),
        ("{runs-on: x, strategy: {matrix: {a: [1]}}, steps: []}", "strategy"),
        ("{runs-on: x, needs: [b], steps: []}", "jobs need each other"),
        ("{runs-on: x, steps: [{run: 'echo ::add-mask::x'}]}", "the command add-mask"),
        ("{runs-on: x, steps: [{run: x, shell: pwsh}]}", "only bash"),
        ("{runs-on: x, steps: [{run: 'echo nothing >> $GITHUB_OUTPUT'}]}", "sets nothing"),
        ("{runs-on: x, steps: [{uses: actions/checkout@v1, with: {ref: main}}]}", "checkout with ref"),
        ("{uses: someone/else/.github/workflows/x.yml@v1}", "there is no workflow"),
        (
            "{uses: muster-registry/muster/.github/workflows/registry.yml@v1, permissions: {contents: read}}",
            "pull-requests: read",
        ),
    ],
)
def test_a_workflow_that_asks_for_more_is_refused(server: Path, tmp_path: Path, job: str, words: str) -> None:
    publish(server, {"w.yml": f"on: push\njobs: {{a: {job}}}\n".encode()})
    runner = Runner(server, tmp_path / "runs", published={"muster-registry/muster": TOP})
    with pytest.raises(Unsupported, match=re.escape(words)):
        runner.run("w.yml", Event("push", str(tip(server)), "refs/heads/main"))
