"""muster import: versions by the thousand, one source a subcommand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import report
from .common import FAILED, RegistryCommand, json_option, open_registry, or_propose, say
from .progress import Bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...importing import Imported


@click.group("import")
def import_command() -> None:
    """Register what is elsewhere: many versions as one commit."""


@import_command.command("file", cls=RegistryCommand)
@click.argument(
    "source",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option("--batch", metavar="N", type=click.IntRange(1), help="A commit for every N. [default: one]")
@click.option("--keep-going", is_flag=True, help="Leave out what cannot come, and bring the others.")
@click.option("--reason", default="", metavar="TEXT", help="Why: it is kept in the history.")
@click.option("--dry-run", is_flag=True, help="Judge it all, and write nothing.")
@click.option(
    "--propose/--direct",
    "propose",
    default=None,
    help="Put it up for review as one proposal, or never do. [default: where policy asks for review]",
)
@json_option
@click.pass_context
def file_command(
    ctx: click.Context,
    /,
    source: Path,
    batch: int | None,
    keep_going: bool,
    reason: str,
    dry_run: bool,
    propose: bool | None,
    as_json: bool,
) -> int:
    """Register the versions that FILE lists: JSON Lines, or a list as JSON or YAML; - is standard input.

    Each has a model, and the path of its file or directory, or else the oid and the files of what the artifact store has
    already. All of them come in, or none; the same file again changes nothing. Exits with 5 if some could not come.
    """
    from ...core import importfile
    from ...importing import import_versions

    if propose and batch:
        raise click.UsageError("a proposal is one commit: leave out --batch")
    registry = open_registry(ctx)
    is_standard_input = str(source) == "-"
    data = sys.stdin.buffer.read() if is_standard_input else source.read_bytes()
    entries = importfile.read(data, str(source), Path.cwd() if is_standard_input else source.parent)

    def bring(review: bool) -> Imported:
        with Bar() as bar:
            return import_versions(
                registry,
                entries,
                reason=reason,
                batch=batch or 0,
                keep_going=keep_going,
                propose=review,
                dry_run=dry_run,
                progress=bar,
            )

    done = or_propose(propose and not batch, lambda: bring(False)) or bring(True)
    say(done, lambda found: _lines(found, dry_run), as_json)
    for finding in done.failed:
        click.echo(report.safe(str(finding)), err=True)
    return FAILED if done.failed else 0


def _lines(done: Imported, dry_run: bool) -> Iterator[str]:
    verb = "would be registered" if dry_run else "proposed" if done.proposed else "registered"
    there = f", {done.existing} there already" if done.existing else ""
    yield f"{done.registered} {verb}{there}{f', {len(done.failed)} left out' if done.failed else ''}"
    if done.proposed:
        yield f"on branch {report.safe(done.proposed)}"
    elif done.commits:
        shown = ", ".join(commit[:12] for commit in done.commits[:3])
        yield f"in commit {shown}{f' and {len(done.commits) - 3} more' if len(done.commits) > 3 else ''}"
