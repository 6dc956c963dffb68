"""Rules: check, fmt, policy."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.errors import Conflict
from .. import report, reports
from .common import (
    FAILED,
    RegistryCommand,
    at_option,
    chosen_format,
    command,
    format_option,
    json_option,
    open_registry,
    say,
)

_WRITE = "Write a report to a file, too: --write markdown:report.md. Repeat for more."


@command("check")
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option(
    "--artifacts", is_flag=True, help="Ask the remote named by BASE, too, whether every object is there."
)
@click.option(
    "--proposal",
    metavar="ID",
    help="Judge this proposal, as `muster proposals` names it; its approvals count.",
)
@format_option
@click.option("--write", multiple=True, metavar="FORMAT:PATH", help=_WRITE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the same as --format json.")
@click.pass_context
def check_command(
    ctx: click.Context,
    /,
    base: str | None,
    head: str | None,
    artifacts: bool,
    proposal: str | None,
    format: str | None,
    write: tuple[str, ...],
    as_json: bool,
) -> int:
    """Check a change, or the whole registry, against every rule.

    The change is what HEAD changes over BASE, judged by the rules and the policy of BASE. Exits with 5 if a rule is
    broken. Nothing of the tree being judged is run, and no DVC command either.
    """
    shown = chosen_format(format, as_json)
    files = [_file(text) for text in write]
    registry = open_registry(ctx)
    if proposal is None:
        assessment = registry.assess(base, head, artifacts)
    else:
        assessment = registry.proposals.assess(proposal, base, artifacts)
        if head is not None and registry.commit_of(head) != assessment.head:
            raise Conflict(
                f"proposal {proposal} is at {assessment.head[:12]} and not at {head}", "check it again"
            )
    for kind, path in files:
        path.write_text(reports.report(assessment, kind), encoding="utf-8")
    click.echo(reports.report(assessment, shown), nl=False)
    if shown != "json":
        found = len(assessment.plan.findings)
        words = f"{found} finding{'s' if found != 1 else ''}" if found else "every rule holds"
        click.echo(words, err=True)
    return 0 if assessment.ok else FAILED


def _file(text: str) -> tuple[str, Path]:
    """Read --write."""
    kind, colon, path = text.partition(":")
    if not colon or not path or kind not in reports.FORMATS:
        raise click.UsageError(
            f"--write takes FORMAT:PATH, such as markdown:report.md, not {text!r} "
            f"(formats: {', '.join(reports.FORMATS)})"
        )
    return kind, Path(path)


@command("fmt")
@click.option(
    "--check", "only_check", is_flag=True, help="Change nothing; exit with 5 if something would change."
)
@click.argument("paths", nargs=-1, type=click.Path())
@json_option
@click.pass_context
def fmt_command(ctx: click.Context, /, only_check: bool, paths: tuple[str, ...], as_json: bool) -> int:
    """Write files in their canonical form.

    All of the registry's files in the working tree unless PATHS are given. A registered manifest is left as it is,
    and so is a file with comments of its own.
    """
    from ...upkeep import format_files

    done = format_files(open_registry(ctx), paths, only_check)
    say(done, lambda _: map(report.safe, done.changed), as_json)
    for path, why in () if as_json else done.kept.items():
        click.echo(f"left as it is: {report.safe(path)}: {report.safe(why)}", err=True)
    return FAILED if done.changed and only_check else 0


@click.group("policy")
def policy_command() -> None:
    """Show what guards each stage and alias, and try it on the past."""


@policy_command.command("show", cls=RegistryCommand)
@click.argument("model", required=False)
@at_option
@json_option
@click.pass_context
def policy_show_command(ctx: click.Context, /, model: str | None, at: str | None, as_json: bool) -> None:
    """Show the gate of each stage and alias, with what MODEL adds to it."""
    policy = open_registry(ctx, at).policy(model)
    say(policy, report.policy_lines, as_json)


@policy_command.command("test", cls=RegistryCommand)
@click.option(
    "--policy",
    default="",
    metavar="FILE|REV",
    help="A registry.yaml, or the branch, commit, git tag or date that has one. [default: what is in force]",
)
@click.option("--model", metavar="NAME", help="Only the moves of one model.")
@click.option(
    "--since", default="", metavar="DATE|REV", help="Only the moves since a day, or after a commit."
)
@click.option("--strict", is_flag=True, help="Exit with 5 if it would have blocked anything.")
@json_option
@click.pass_context
def policy_test_command(
    ctx: click.Context, /, policy: str, model: str | None, since: str, strict: bool, as_json: bool
) -> int:
    """Try a policy on the past: which moves it would have blocked, and why.

    Every move of a stage or an alias is judged as it would have been when it was made: by what the version was, what
    was said about it and how long it had been where it was. Approvals are not replayed. With a FILE, each model's own
    policy is the one it had then; with a REV, it is that of REV.
    """
    moves, blocked = 0, []
    for move in open_registry(ctx).replay(policy, model=model, since=since):
        moves += 1
        if move.unmet:
            blocked.append(move)
    say({"moves": moves, "blocked": blocked}, lambda _: report.replay_lines(blocked), as_json)
    if not as_json:
        total = f"{moves} move{'s' if moves != 1 else ''}"
        click.echo(f"of {total} it would have blocked {len(blocked) or 'none'}", err=True)
    return FAILED if strict and blocked else 0
