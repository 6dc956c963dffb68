"""Jobs of continuous integration: `muster ci` reads what a job is run for from its environment, and acts on it."""

from __future__ import annotations

import json
import os
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...core.errors import Invalid
from ...jobs import Situation, base_of, judged
from .. import reports
from ..ci import situation
from ..report import safe
from .common import FAILED, RegistryCommand, open_registry
from .events import URL, format_option, news, post

if TYPE_CHECKING:
    from ...core.plans import Assessment

REPORT, PROPOSAL = "MUSTER_REPORT", "MUSTER_PROPOSAL"
_REPORT_FILE, _QUALITY_FILE = "muster-report.md", "gl-code-quality-report.json"


@click.group("ci")
def ci_command() -> None:
    """Judge, report and notify in a CI job.

    It is one of GitHub Actions, Gitea or Forgejo Actions, or GitLab CI. Which commits are judged, and where the report
    goes, is read from the job's environment.
    """


@ci_command.command("check", cls=RegistryCommand)
@click.pass_context
def ci_check_command(ctx: click.Context, /) -> int:
    """Judge what the job is run for, and report it where the forge shows it.

    A pull request is judged as what merging it into its target would do, by the rules and the policy of the target as
    it is now; a merge group in the same way; a push also with the whole registry. On a schedule the whole registry is
    judged, and the artifact store asked for every object. Exits with 5 if there are findings. Nothing of the tree
    being judged is run.

    Approvals are counted where policy demands them: the forge is asked with the job's token, GITHUB_TOKEN or
    GITLAB_TOKEN.
    """
    here = situation(os.environ, _event())
    assessment = judged(open_registry(ctx), here)
    # Gitea shows no marks: words say where a finding is.
    click.echo(reports.report(assessment, "github" if here.host == "github" else "text"), nl=False)
    _hand_over(assessment, here)
    count = len(assessment.plan.findings)
    click.echo(f"{count} finding{'s' * (count != 1)}" if count else "every rule holds", err=True)
    return 0 if assessment.ok else FAILED


@ci_command.command("comment")
def ci_comment_command() -> None:
    """Put the report of another job into the pull request, as one comment that is edited from then on.

    MUSTER_REPORT is the report, MUSTER_PROPOSAL the number of the pull request. The text is taken as it is, and refused
    if it is not a report. It needs no checkout, and a token that may write to pull requests.
    """
    from ...registry import Registry
    from ..reports.markdown import MARKER

    here = situation(os.environ, _event())
    body, number = os.environ.get(REPORT, ""), os.environ.get(PROPOSAL) or here.proposal
    if why := _no_report(body):
        raise Invalid(
            f"{REPORT} {why}", hint="it is the output `report` of the job that ran `muster ci check`"
        )
    if not number:
        raise Invalid(f"{PROPOSAL} is not set", hint="it is the output `number` of that job")
    with Registry(here.url) as registry:  # its address is all there is of it here
        where = registry.proposals.comment(number, body, MARKER)
    click.echo(f"reported{f' at {safe(where)}' if where else ''}", err=True)


@ci_command.command("notify", cls=RegistryCommand)
@format_option
@click.pass_context
def ci_notify_command(ctx: click.Context, /, format: str | None) -> None:
    """Post what a push to the main branch did to the webhook, if there is one: see `muster events --post`."""
    here = situation(os.environ, _event())
    if not os.environ.get(URL):
        click.echo(f"{URL} is not set: nobody is told", err=True)
    elif here.kind != "push" or not here.bases:
        click.echo("nothing was pushed on what was there: there is nothing to tell", err=True)
    else:
        registry = open_registry(ctx)
        post(news(registry, base_of(registry, here), here.head), format)


def _event() -> Mapping[str, Any]:
    """What GitHub and Gitea tell of the event, beside the variables."""
    path = os.environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}
    event = json.loads(Path(path).read_bytes())
    if not isinstance(event, dict):
        raise Invalid(f"{path} holds no event")
    return event


def _no_report(text: str) -> str:
    """Say why text is no report that `muster ci check` wrote; "" if it may be one."""
    from ..reports.markdown import LIMIT, MARKER

    if not text.startswith(f"{MARKER}\n"):
        return "is not set" if not text else f"does not begin with {MARKER}"
    if len(text.encode()) > LIMIT:
        return f"has more than {LIMIT} bytes"
    if any(unicodedata.category(c) in ("Cc", "Cs") and c != "\n" for c in text):
        return "has control characters"
    return ""


def _hand_over(assessment: Assessment, here: Situation) -> None:
    """Write the report where the forge, or a later job, reads it."""
    text = reports.report(assessment, "markdown")
    if here.host == "gitlab":
        _write(Path(_REPORT_FILE), text)
        _write(Path(_QUALITY_FILE), reports.report(assessment, "gitlab"))
        return
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(summary, text)
    if output := os.environ.get("GITHUB_OUTPUT"):
        end = secrets.token_hex(16)  # which nobody who wrote a part of the report knew
        said = f"ok={str(assessment.ok).lower()}\nnumber={here.proposal}\n"
        _append(output, f"{said}report<<{end}\n{text.rstrip()}\n{end}\n")


def _write(path: Path, text: str) -> None:
    """Write a file into the checkout, and not through a link that whoever is judged has put there."""
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
