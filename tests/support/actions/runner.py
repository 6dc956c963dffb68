"""A runner of GitHub workflows, for the ones shipped here: no network, no container, one job after the other.

Real are: expressions, the order and the conditions of jobs and steps, the layers of the environment, the files that
steps write to (GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH, GITHUB_STEP_SUMMARY), `bash -eo pipefail`, composite actions,
reusable workflows, commands such as `::error file=...::`, and actions/checkout, which fetches from the repository as
the real one does. Whatever else a workflow asks for is refused.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .expressions import Function, evaluate, expand, to_text, truthy

CHECKOUT = "actions/checkout"
_STATUS = re.compile(r"\b(success|failure|always|cancelled)\s*\(")
_COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?: (?P<places>.*?))?::(?P<text>.*)")
_HEREDOC = re.compile(r"(?P<key>[^=<]+)<<(?P<end>.+)")
_WORKFLOW_KEYS = {"name", "on", "permissions", "concurrency", "env", "jobs", "run-name"}
_JOB_KEYS = {
    *("name", "if", "needs", "runs-on", "timeout-minutes", "permissions", "outputs", "steps", "env"),
    *("uses", "with", "secrets"),
}
_STEP_KEYS = {"name", "id", "if", "run", "uses", "with", "env", "shell", "working-directory"}


class Unsupported(Exception):
    """The workflow asks for something this runner does not do, or that GitHub would refuse."""


class _Loader(yaml.SafeLoader):
    """YAML as GitHub reads it: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))


def load(text: bytes | str) -> Any:
    """Return a workflow or an action as GitHub reads it."""
    return yaml.load(text, _Loader)


@dataclass(frozen=True)
class Event:
    """What sets a workflow off: `sha` is what GITHUB_SHA will be, `ref` the ref that is checked out."""

    name: str
    sha: str
    ref: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """A mark on a line of the change."""

    level: str
    message: str
    file: str = ""
    line: str = ""
    title: str = ""


@dataclass
class Job:
    """What became of a job. `permissions` are those of the token that its steps had."""

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    permissions: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """What a run has left behind."""

    jobs: dict[str, Job] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    summary: str = ""
    log: str = ""


@dataclass(frozen=True)
class Runner:
    """A machine, and the forge as it sees it.

    `repository` is a git repository; `published` are other repositories' working trees, by name, whose actions and
    workflows may be used. `env` is the machine's own environment. Steps called one of the names in `done` are not run:
    the directory that each has there is what such a step left in RUNNER_TEMP when it was. `issue` has the forge
    make the token of a job that has permissions.
    """

    repository: Path
    scratch: Path
    env: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Path] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    done: Mapping[str, Path] = field(default_factory=dict)
    server: str = "https://github.com"
    api: str = "https://api.github.com"
    issue: Callable[[Mapping[str, str]], str] = lambda _: ""
    name: str = "acme/models"

    def run(self, workflow: str, event: Event) -> Run:
        """Run the workflow of the repository as it is at the event's commit."""
        shown = subprocess.run(
            ["git", "-C", str(self.repository), "show", f"{event.sha}:{workflow}"], capture_output=True
        )
        if shown.returncode:
            raise Unsupported(f"there is no {workflow} at {event.sha}")
        document = load(shown.stdout)
        triggers = document["on"]
        triggers = (
            {triggers: None}
            if isinstance(triggers, str)
            else dict.fromkeys(triggers) | (triggers if isinstance(triggers, dict) else {})
        )
        run = Run()
        if _sets_off(triggers, event):
            top = self.scratch / uuid.uuid4().hex
            top.mkdir(parents=True)
            _WorkflowRun(self, event, run, top, None).whole(document, {}, self.secrets)
        return run


def _sets_off(triggers: Mapping[str, Any], event: Event) -> bool:
    if event.name not in triggers:
        return False
    limits = triggers[event.name] or {}
    if "types" in limits and event.payload.get("action") not in limits["types"]:
        return False
    return "branches" not in limits or event.ref.removeprefix("refs/heads/") in limits["branches"]


@dataclass
class _WorkflowRun:
    """One workflow being run; `home` is the working tree it was published in, None for the repository's own."""

    runner: Runner
    event: Event
    run: Run
    top: Path
    home: Path | None

    def whole(self, document: Any, inputs: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
        """Run the jobs, each after those it needs, and return the outputs of a reusable workflow."""
        _only(document, _WORKFLOW_KEYS, "a workflow")
        jobs, waiting = document["jobs"], list(document["jobs"])
        done: dict[str, Job] = {}
        contexts = {"github": self.github(), "inputs": dict(inputs), "vars": dict(self.runner.variables)}
        contexts["secrets"] = dict(secrets)
        while waiting:
            ready = next((name for name in waiting if set(_needs(jobs[name])) <= set(done)), None)
            if ready is None:
                raise Unsupported(f"jobs need each other, or one there is not: {waiting}")
            waiting.remove(ready)
            needed = {name: done[name] for name in _needs(jobs[ready])}
            done[ready] = self.job(ready, document, jobs[ready], needed, contexts)
            self.run.jobs[ready] = done[ready]
        call = (document["on"].get("workflow_call") or {}) if isinstance(document["on"], dict) else {}
        outputs = {k: v["value"] for k, v in (call.get("outputs") or {}).items()}
        ended = {name: {"result": job.result, "outputs": job.outputs} for name, job in done.items()}
        return {k: to_text(v) for k, v in expand(outputs, {**contexts, "jobs": ended}).items()}

    def job(
        self, name: str, document: Any, job: Any, needed: Mapping[str, Job], contexts: Mapping[str, Any]
    ) -> Job:
        _only(job, _JOB_KEYS, f"job {name}")
        needs = {k: {"result": j.result, "outputs": j.outputs} for k, j in needed.items()}
        permissions = job.get("permissions", document.get("permissions", {}))
        own = {"job": name, "token": self.runner.issue(permissions)}
        known = {**contexts, "needs": needs, "github": {**contexts["github"], **own}}
        before = "success" if all(j.result == "success" for j in needed.values()) else "failure"
        if not _condition(job.get("if"), known, _status(lambda: before)):
            return Job("skipped")
        self.say(f"== {name}")
        if "uses" in job:
            return self.called(job, known, permissions)
        place = self.top / name
        (place / "work").mkdir(parents=True)
        (place / "temp").mkdir()
        for left in self.runner.done.values():
            (place / "temp" / left.name).symlink_to(left)
        steps = _Steps(self, place, {**known, "steps": {}, "runner": {"temp": str(place / "temp")}})
        env: dict[str, str] = {}
        for layer in (document.get("env"), job.get("env")):
            env |= {k: to_text(v) for k, v in expand(layer or {}, steps.contexts).items()}
        steps.all(job["steps"], env)
        outputs = expand(job.get("outputs") or {}, steps.contexts)
        return Job(steps.status, {k: to_text(v) for k, v in outputs.items()}, permissions)

    def called(self, job: Any, known: Mapping[str, Any], permissions: Mapping[str, str]) -> Job:
        """Run a reusable workflow as a job."""
        document, home = self.workflow(job["uses"])
        call = document["on"]["workflow_call"] or {}
        spec, given = call.get("inputs") or {}, expand(job.get("with") or {}, known)
        if unknown := set(given) - set(spec):
            raise Unsupported(f"{job['uses']} has no input {', '.join(sorted(unknown))}")
        inputs = {k: given.get(k, s.get("default", "")) for k, s in spec.items()}
        handed = job.get("secrets") or {}
        secrets = self.runner.secrets if handed == "inherit" else expand(handed, known)
        _no_more_than(permissions, document)
        inner = Run()
        top = self.top / uuid.uuid4().hex
        outputs = _WorkflowRun(self.runner, self.event, inner, top, home).whole(document, inputs, secrets)
        self.run.annotations += inner.annotations
        self.run.summary += inner.summary
        self.run.log += inner.log
        self.run.jobs |= inner.jobs
        failed = any(j.result == "failure" for j in inner.jobs.values())
        return Job("failure" if failed else "success", outputs)

    def workflow(self, uses: str) -> tuple[Any, Path | None]:
        match = re.fullmatch(r"([^/]+/[^/]+)/(\.github/workflows/[^/@]+)@(.+)", uses)
        if match is None or match[1] not in self.runner.published:
            raise Unsupported(f"there is no workflow {uses}")
        home = self.runner.published[match[1]]
        return load((home / match[2]).read_bytes()), home

    def github(self) -> dict[str, Any]:
        event, runner = self.event, self.runner
        request = event.payload.get("pull_request") or {}
        return {
            "event_name": event.name,
            "event": dict(event.payload),
            "sha": event.sha,
            "ref": event.ref,
            "ref_name": re.sub("^refs/(heads|tags|pull)/", "", event.ref),
            "base_ref": request.get("base", {}).get("ref", ""),
            "head_ref": request.get("head", {}).get("ref", ""),
            "repository": runner.name,
            "repository_owner": runner.name.partition("/")[0],
            "server_url": runner.server,
            "api_url": runner.api,
            "run_id": "1",
            "workflow": "muster",
        }

    def say(self, words: str) -> None:
        self.run.log += words + "\n"


class _Steps:
    """The steps of one job, or of one composite action within it."""

    def __init__(
        self, workflow: _WorkflowRun, place: Path, contexts: dict[str, Any], action: Path | None = None
    ) -> None:
        self.workflow, self.place, self.contexts, self.action = workflow, place, contexts, action
        self.status = "success"
        self.path: list[str] = []

    @property
    def work(self) -> Path:
        return self.place / "work"

    def all(self, steps: list[Any], env: dict[str, str]) -> None:
        """Run steps; env is added to by what they write to GITHUB_ENV."""
        for index, step in enumerate(steps):
            _only(step, _STEP_KEYS, f"step {index + 1}")
            self.contexts["env"] = dict(env)
            outcome, outputs = "skipped", {}
            if _condition(step.get("if"), self.contexts, _status(lambda: self.status)):
                own = expand(step.get("env") or {}, self.contexts)
                ok, outputs = self.one(step, {**env, **{k: to_text(v) for k, v in own.items()}}, env)
                outcome = "success" if ok else "failure"
            if outcome == "failure":
                self.status = "failure"
            found = {"outcome": outcome, "conclusion": outcome, "outputs": outputs}
            self.contexts["steps"][step.get("id", f"__{index}")] = found

    def one(self, step: Any, env: dict[str, str], kept: dict[str, str]) -> tuple[bool, dict[str, str]]:
        self.workflow.say(f"-- {step.get('name') or step.get('uses') or step['run'].splitlines()[0]}")
        known = {**self.contexts, "env": env}
        if step.get("name") in self.workflow.runner.done:
            return True, {}
        if "run" in step:
            return self.shell(step, known, env, kept)
        given = expand(step.get("with") or {}, known)
        if step["uses"].partition("@")[0] == CHECKOUT:
            self.checkout(given)
            return True, {}
        return self.composite(step["uses"], given, env)

    def shell(
        self, step: Any, known: Mapping[str, Any], env: dict[str, str], kept: dict[str, str]
    ) -> tuple[bool, dict[str, str]]:
        if step.get("shell", "bash") != "bash" or (self.action and "shell" not in step):
            raise Unsupported("only bash, which an action has to name")
        directory = self.place / uuid.uuid4().hex
        directory.mkdir()
        script = directory / "script.sh"
        script.write_text(to_text(expand(step["run"], known)))
        files = {
            n: directory / n for n in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in files.values():
            file.touch()
        where = self.work / to_text(expand(step.get("working-directory", "."), known))
        # Without `shell: bash`, GitHub leaves out pipefail: the stricter of the two is no difference a test misses.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(
            command,
            cwd=where,
            env={**self.machine(directory), **{k: str(v) for k, v in files.items()}, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.heard(done.stdout)
        kept |= dict(_settings(files["GITHUB_ENV"].read_text()))
        self.path[:0] = files["GITHUB_PATH"].read_text().split()
        self.workflow.run.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return done.returncode == 0, dict(_settings(files["GITHUB_OUTPUT"].read_text()))

    def machine(self, directory: Path) -> dict[str, str]:
        """The environment that GitHub gives every step."""
        github = self.contexts["github"]
        told = ("event_name", "sha", "ref", "ref_name", "base_ref", "head_ref", "repository", "run_id", "job")
        event = directory / "event.json"
        event.write_text(json.dumps(github["event"]))
        return {
            "PATH": os.pathsep.join([*self.path, os.environ["PATH"]]),
            **self.workflow.runner.env,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_WORKSPACE": str(self.work),
            "GITHUB_SERVER_URL": github["server_url"],
            "GITHUB_API_URL": github["api_url"],
            "RUNNER_TEMP": str(self.place / "temp"),
            **({"GITHUB_ACTION_PATH": str(self.action)} if self.action else {}),
            **{f"GITHUB_{name.upper()}": github[name] for name in told if name in github},
        }

    def heard(self, output: str) -> None:
        """Take commands from what a step printed."""
        for line in output.splitlines():
            self.workflow.say(f"   | {line}")
            match = _COMMAND.match(line.lstrip())
            if match is None:
                continue
            if match["name"] not in ("error", "warning", "notice"):
                raise Unsupported(f"a step printed the command {match['name']}")
            said = dict(pair.split("=", 1) for pair in (match["places"] or "").split(",") if pair)
            places = {k: _unescaped(said.get(k, "")) for k in ("file", "line", "title")}
            self.workflow.run.annotations.append(
                Annotation(match["name"], _unescaped(match["text"]), **places)
            )

    def checkout(self, given: Mapping[str, Any]) -> None:
        """Do what actions/checkout does: fetch the event's commit, with every branch if all of history is asked for."""
        if extra := set(given) - {"fetch-depth", "persist-credentials"}:
            raise Unsupported(f"{CHECKOUT} with {', '.join(sorted(extra))}")
        event, depth = self.workflow.event, int(given.get("fetch-depth", 1))
        branch = event.ref.startswith("refs/heads/")
        ref = event.ref.replace("refs/heads/", "refs/remotes/origin/", 1)
        what = [f"+{event.sha}:{ref if branch else event.ref.replace('refs/', 'refs/remotes/', 1)}"]
        if depth == 0:
            every = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
            what = every if branch else [*every, *what]
        for command in (
            ["init", "--quiet"],
            ["remote", "add", "origin", self.workflow.runner.repository.as_uri()],
            ["config", "gc.auto", "0"],
            ["fetch", "--quiet", "--no-tags", *([f"--depth={depth}"] if depth else []), "origin", *what],
            ["checkout", "--quiet", "--force", "--detach", event.sha],
        ):
            subprocess.run(["git", "-C", str(self.work), *command], check=True, capture_output=True)

    def composite(
        self, uses: str, given: Mapping[str, Any], env: dict[str, str]
    ) -> tuple[bool, dict[str, str]]:
        directory = self.directory(uses)
        action = load((directory / "action.yml").read_bytes())
        if action["runs"]["using"] != "composite":
            raise Unsupported(f"{uses} is no composite action")
        spec = action.get("inputs") or {}
        if unknown := set(given) - set(spec):
            raise Unsupported(f"{uses} has no input {', '.join(sorted(unknown))}")
        inputs = {k: to_text(given.get(k, s.get("default", ""))) for k, s in spec.items()}
        known = {k: v for k, v in self.contexts.items() if k != "secrets"} | {"inputs": inputs, "steps": {}}
        inner = _Steps(self.workflow, self.place, known, directory)
        inner.path = self.path
        inner.all(action["runs"]["steps"], dict(env))
        outputs = {k: v["value"] for k, v in (action.get("outputs") or {}).items()}
        return inner.status == "success", {k: to_text(v) for k, v in expand(outputs, known).items()}

    def directory(self, uses: str) -> Path:
        """Where an action is: `./` in the checkout, `$/` beside the workflow that uses it, else published."""
        if uses.startswith("./"):
            return self.work / uses
        if uses.startswith("$/") and self.workflow.home:
            return self.workflow.home / uses[2:]
        match = re.fullmatch(r"([^/]+/[^/]+)/([^@]+)@(.+)", uses)
        if match is None or match[1] not in self.workflow.runner.published:
            raise Unsupported(f"there is no action {uses}")
        return self.workflow.runner.published[match[1]] / match[2]


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """Read `key=value` lines, and `key<<END` ... `END`."""
    lines = iter(text.splitlines())
    for line in lines:
        if match := _HEREDOC.fullmatch(line):
            value: list[str] = []
            for inner in lines:
                if inner == match["end"]:
                    break
                value.append(inner)
            else:
                raise Unsupported(f"{match['key']} has no end {match['end']}")
            yield match["key"], "\n".join(value)
        elif line:
            key, equals, rest = line.partition("=")
            if not equals:
                raise Unsupported(f"{line!r} sets nothing")
            yield key, rest


def _condition(text: Any, contexts: Mapping[str, Any], status: Mapping[str, Function]) -> bool:
    """Tell whether a job or step runs: one that does not ask for a status runs after successes alone."""
    if text is None:
        return truthy(status["success"]())
    words = re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", to_text(text), flags=re.DOTALL)
    value = truthy(evaluate(words, contexts, status))
    return value and (bool(_STATUS.search(words)) or truthy(status["success"]()))


def _status(now: Callable[[], str]) -> dict[str, Function]:
    return {
        "success": lambda: now() == "success",
        "failure": lambda: now() == "failure",
        "always": lambda: True,
        "cancelled": lambda: False,
    }


def _needs(job: Any) -> list[str]:
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else needs


def _only(given: Any, known: set[str], where: str) -> None:
    if unknown := set(given) - known:
        raise Unsupported(f"{where} asks for {', '.join(sorted(unknown))}")


def _no_more_than(granted: Mapping[str, str], document: Any) -> None:
    """Refuse, as GitHub does, a reusable workflow whose jobs ask for more than the job that calls it has."""
    ranks = {"none": 0, "read": 1, "write": 2}
    for name, job in document["jobs"].items():
        for scope, wanted in job.get("permissions", {}).items():
            if ranks[wanted] > ranks[granted.get(scope, "none")]:
                raise Unsupported(f"{name} asks for {scope}: {wanted}, and its caller has less")


def _unescaped(text: str) -> str:
    return re.sub("%(0D|0A|3A|2C|25)", lambda m: chr(int(m[1], 16)), text)
