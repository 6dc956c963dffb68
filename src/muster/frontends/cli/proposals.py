"""Proposals: put changes up for review, look at what waits, approve, merge and close."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .. import report, reports
from .common import (
    FAILED,
    RegistryCommand,
    carry_out,
    chosen_format,
    command,
    format_option,
    json_option,
    open_registry,
    remind,
    say,
    write_options,
)


@command("propose")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A YAML file of changes; - is standard input.",
)
@write_options
@click.pass_context
def propose_command(ctx: click.Context, /, source: Path, **how: Any) -> int:
    """Put several changes into one proposal: one commit, for any number of models.

    FILE lists changes such as `promote: bikes/3` with `to: production`; all of them are carried out, or none. With
    --direct they enter directly, where policy lets them.
    """
    from ...core import planfile

    registry = open_registry(ctx)
    data = sys.stdin.buffer.read() if str(source) == "-" else source.read_bytes()
    wanted, reason = planfile.read(
        data,
        str(source),
        registry.upstream(),
        registry.author,
        registry.now,
        how["reason"],
        registry.rollback_operations,
    )
    propose = True if how["propose"] is None else how["propose"]
    return carry_out(registry, wanted, **{**how, "propose": propose, "reason": reason})


@click.group("proposals")
def proposals_command() -> None:
    """List, show, approve, merge or close proposals.

    They are on the forge the registry lives on (GitHub, GitLab, Gitea, Forgejo), or, where there is none, branches of
    the repository itself. ID is a number on the forge, or a branch with or without its prefix proposals/.
    """


def _head_option(command: Any) -> Any:
    text = "Refuse unless it is at this commit. [default: where it is]"
    return click.option("--head", metavar="COMMIT", help=text)(command)


@proposals_command.command("list", cls=RegistryCommand)
@json_option
@click.pass_context
def list_command(ctx: click.Context, /, as_json: bool) -> None:
    """List the proposals that wait, the newest first."""
    say(open_registry(ctx).proposals.list(), report.proposal_table, as_json)


@proposals_command.command("show", cls=RegistryCommand)
@click.argument("id")
@format_option
@json_option
@click.pass_context
def show_command(ctx: click.Context, /, id: str, format: str | None, as_json: bool) -> int:
    """Show what merging a proposal would do now, and whose move it is.

    Exits with 5 if something stands in its way.
    """
    assessment = open_registry(ctx).proposals.assess(id)
    click.echo(reports.report(assessment, chosen_format(format, as_json)), nl=False)
    return 0 if assessment.ok else FAILED


@proposals_command.command("approve", cls=RegistryCommand)
@click.argument("id")
@_head_option
@json_option
@click.pass_context
def approve_command(ctx: click.Context, /, id: str, head: str | None, as_json: bool) -> None:
    """Approve a proposal at the commit it is at.

    Whatever is pushed later makes the approval void.
    """
    registry = open_registry(ctx)
    proposal = registry.proposals.approve(id, registry.commit_of(head) if head else None)
    say(proposal, lambda made: report.approval_lines(made), as_json)


@proposals_command.command("merge", cls=RegistryCommand)
@click.argument("id")
@_head_option
@click.option("--reason", default="", metavar="TEXT", help="Why. [default: the reason it was proposed with]")
@json_option
@click.pass_context
def merge_command(ctx: click.Context, /, id: str, head: str | None, reason: str, as_json: bool) -> None:
    """Merge a proposal, if nothing is wrong with what that makes of the registry as it is now."""
    registry = open_registry(ctx)
    outcome = registry.proposals.merge(id, registry.commit_of(head) if head else None, reason)
    say(outcome, lambda done: report.event_lines(done.events), as_json)
    remind(outcome.note)


@proposals_command.command("close", cls=RegistryCommand)
@click.argument("id")
@json_option
@click.pass_context
def close_command(ctx: click.Context, /, id: str, as_json: bool) -> None:
    """Close a proposal without merging it; its branch is deleted."""
    proposal = open_registry(ctx).proposals.close(id)
    say(proposal, lambda done: [f"closed {report.safe(done.branch)}"], as_json)
