"""Jobs of continuous integration: `muster ci` reads what a job is run for from its environment, and acts on it."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...core.errors import Invalid, NotFound
from .. import report
from ..ci import Situation, situation
from .common import FAILED, RegistryCommand, open_registry
from .events import URL, format_option, news, post

if TYPE_CHECKING:
    from ...core.errors import Finding
    from ...core.plans import Assessment
    from ...registry import Registry

MAX_REPORT = 60_000  # bytes: a comment takes 65,536 characters, an environment variable 128 KiB


@click.group("ci")
def ci_command() -> None:
    """Act in a CI job: GitHub Actions, Gitea and Forgejo Actions, GitLab CI.

    Which commits are judged, and where the report goes, is read from the job's environment.
    """


@ci_command.command("check", cls=RegistryCommand)
@click.pass_context
def ci_check_command(ctx: click.Context, /) -> int:
    """Judge what the job is run for, and report it where the forge shows it.

    A pull request is judged as what merging it into its target would do, by the rules and the policy of the target as
    it is now; a merge group in the same way; a push also with the whole registry; on a schedule the whole registry is
    judged, and the artifact store asked for every object. Exits with 5 if there are findings. Nothing of the tree
    being judged is run.
    """
    here = situation(os.environ, _event())
    assessment = _judged(open_registry(ctx), here)
    for line in _annotations(assessment, here):
        click.echo(line)
    _hand_over(assessment, here)
    count = len(assessment.plan.findings)
    click.echo(f"{count} finding{'s' * (count != 1)}" if count else "every rule holds", err=True)
    return FAILED if count else 0


@ci_command.command("notify", cls=RegistryCommand)
@format_option
@click.pass_context
def ci_notify_command(ctx: click.Context, /, format: str) -> None:
    """Post what a push to the main branch did to the webhook, if there is one: see `muster events --post`."""
    here = situation(os.environ, _event())
    if not os.environ.get(URL):
        click.echo(f"{URL} is not set: nobody is told", err=True)
    elif here.kind != "push" or not here.bases:
        click.echo("nothing was pushed: there is nothing to tell", err=True)
    else:
        registry = open_registry(ctx)
        post(news(registry, _base(registry, here), here.head), format)


def _event() -> Mapping[str, Any]:
    """What GitHub and Gitea tell of the event, beside the variables."""
    path = os.environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    event = json.loads(Path(path).read_bytes())
    if not isinstance(event, dict):
        raise Invalid(f"{path} holds no event")
    return event


def _judged(registry: Registry, here: Situation) -> Assessment:
    match here.kind:
        case "schedule":
            return registry.assess(head=here.head, artifacts=True)
        case "push":
            whole = registry.assess(head=here.head)
            if not here.bases:
                return whole
            pushed = registry.assess(_base(registry, here), here.head)
            more = [f for f in whole.plan.findings if f not in pushed.plan.findings]
            return replace(pushed, plan=replace(pushed.plan, findings=(*pushed.plan.findings, *more)))
        case _:
            return registry.assess(_base(registry, here), here.head)


def _base(registry: Registry, here: Situation) -> str:
    """The commit to judge against: the first of those it may be that is there."""
    for revision in here.bases:
        try:
            return str(registry.at(revision).snapshot().commit)
        except NotFound:
            continue
    raise NotFound(
        f"the job has fetched none of {', '.join(here.bases)}",
        "fetch all of the history: fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 on GitLab",
    )


def _annotations(assessment: Assessment, here: Situation) -> Iterator[str]:
    """Yield what the job prints: on GitHub commands that mark lines of the change, elsewhere words."""
    if here.host != "github":
        yield from report.finding_lines(assessment.plan.findings)
        return
    yield from map(_annotation, assessment.plan.findings)


def _annotation(finding: Finding) -> str:
    places = {"file": finding.path, "line": str(finding.line or ""), "col": str(finding.column or "")}
    said = ",".join(f"{k}={_escaped(v, ':,')}" for k, v in places.items() if v)
    return f"::error {said}::{_escaped(str(finding))}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)


def _markdown(assessment: Assessment) -> str:
    lines = [f"- {line}" for line in report.finding_lines(assessment.plan.findings)]
    return "\n".join(["<!-- muster -->", *lines]) + "\n"


def _hand_over(assessment: Assessment, here: Situation) -> None:
    """Write the report where the forge, or a later job, reads it."""
    text = _markdown(assessment)
    if here.host == "gitlab":
        Path("muster-report.md").write_text(text)
        return
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(summary, text)
    if output := os.environ.get("GITHUB_OUTPUT"):
        end = secrets.token_hex(16)  # which the report cannot hold
        said = f"ok={str(assessment.ok).lower()}\nnumber={here.proposal}\n"
        _append(output, f"{said}report<<{end}\n{text}{end}\n")


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
