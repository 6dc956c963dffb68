"""Locks: lock, outdated, update, and pull --locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import report
from .common import command, json_option, open_registry, say
from .progress import Bar

if TYPE_CHECKING:
    from ...core.lockfile import Lock
    from ...locking import LockedRegistry, Standing

MOVED = 1  # the exit code of `outdated --exit-code` when something moved


def file_option(command: Any) -> Any:
    """Add --file."""
    return click.option(
        "--file",
        "-f",
        "file",
        default="muster.lock",
        show_default=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="The lock file.",
    )(command)


@command("lock")
@click.argument("references", nargs=-1, metavar="REFERENCE...")
@click.option("--add", multiple=True, metavar="REF", help="Lock this too; repeat for more.")
@click.option("--remove", multiple=True, metavar="REF", help="Lock this no more; repeat for more.")
@file_option
@json_option
@click.pass_context
def lock_command(
    ctx: click.Context,
    /,
    references: tuple[str, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    file: Path,
    as_json: bool,
) -> None:
    """Write down which versions references name, so that the same bytes come again.

    What is locked are exactly the references given, or with --add and --remove those of the file and others. Commit the
    file beside the code that uses the models; `muster pull --locked` reads it.
    """
    from ... import locking

    if bool(references) == bool(add or remove):
        raise click.UsageError(
            "say what to lock: references, or --add and --remove for the file that is there"
        )
    if references:
        lock = locking.lock(open_registry(ctx), references)
    else:
        there = open_locked(ctx, file)
        lock = there.with_added(add).but(without=remove)
    locking.write(file, lock)
    say(lock, _lock_table, as_json)


@command("outdated")
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if something has moved.")
@file_option
@json_option
@click.pass_context
def outdated_command(
    ctx: click.Context, /, references: tuple[str, ...], exit_code: bool, file: Path, as_json: bool
) -> int:
    """Say which locked references name another version now, and who moved them.

    Nothing is printed where everything is as it was locked, and has been neither yanked nor deleted.
    """
    found = open_locked(ctx, file).standings(references)
    if as_json:
        say([_document(standing) for standing in found], lambda _: (), as_json)
    else:
        say(found, _standing_table, as_json)
    return MOVED if exit_code and not all(standing.is_current for standing in found) else 0


@command("update")
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.option("--dry-run", is_flag=True, help="Say what would move, and write nothing.")
@file_option
@json_option
@click.pass_context
def update_command(
    ctx: click.Context, /, references: tuple[str, ...], dry_run: bool, file: Path, as_json: bool
) -> None:
    """Lock what has moved as it is now; what has not stays, line by line.

    With no reference, all of them.
    """
    from ...locking import write

    lock, moved = open_locked(ctx, file).updated(references)
    if moved and not dry_run:
        write(file, lock)
    if as_json:
        say([_document(standing) for standing in moved], lambda _: (), as_json)
    else:
        say(moved, _standing_table, as_json)
    if not moved:
        click.echo("nothing to do: everything is as it was locked", err=True)


def pull_locked(
    ctx: click.Context, file: Path, reference: str | None, output: Path, as_json: bool, **wanted: Any
) -> None:
    """Bring what is locked: one reference into output, or each of them into a directory of its own below it."""
    from ... import locking

    there = open_locked(ctx, file)
    only = None if reference is None else there.lock.get(reference)
    pulled: list[dict[str, str]] = []
    for entry, below in locking.directories(there.lock):
        if only not in (None, entry):
            continue
        target = output / below if reference is None else output
        target.parent.mkdir(parents=True, exist_ok=True)
        with Bar() as bar:
            standing = there.pull(entry.reference, target, bar, **wanted)
        if standing.warning:
            click.echo(f"warning: {report.safe(standing.warning)}", err=True)
        pulled.append({"reference": entry.reference, "version": entry.name, "path": str(target)})
    say(pulled, lambda found: [report.safe(each["path"]) for each in found], as_json)


def open_locked(ctx: click.Context, file: Path) -> LockedRegistry:
    """Return the registry that a lock file is of: the one named by an option, or else where the file says it is."""
    from ...locking import LockedRegistry, read

    lock = read(file)
    options = ctx.find_root().obj
    options["registry"] = options["registry"] or lock.url
    return LockedRegistry(open_registry(ctx), lock)


def _lock_table(lock: Lock) -> Iterator[str]:
    head = ("REFERENCE", "VERSION", "LABEL", "DIGEST")
    rows = [(e.reference, e.name, e.label or "", e.digest[:19]) for e in lock.locked]
    yield from report.table(rows, head)


def _standing_table(found: Sequence[Standing]) -> Iterator[str]:
    shown = [standing for standing in found if not standing.is_current or standing.warning]
    if shown:
        yield from report.table(map(_row, shown), ("REFERENCE", "LOCKED", "NOW", "WHAT HAPPENED"))


def _row(standing: Standing) -> tuple[str, ...]:
    now, entry = standing.now, standing.moved
    words = [standing.warning or standing.problem] if standing.warning or standing.problem else []
    if entry is not None:
        by = entry.author.partition(" <")[0]
        words.append(f"{entry.at[:10]} {by}{f': {entry.reason}' if entry.reason else ''}")
    return (standing.locked.reference, standing.locked.name, now.name if now else "none", "; ".join(words))


def _document(standing: Standing) -> dict[str, Any]:
    now, entry = standing.now, standing.moved
    return {
        "reference": standing.locked.reference,
        "locked": standing.locked,
        "now": now,
        "moved": not standing.is_current,
        "problem": standing.problem,
        "warning": standing.warning,
        "by": entry.author if entry else None,
        "at": entry.at if entry else None,
        "reason": entry.reason if entry else None,
        "commit": entry.commit if entry else None,
    }
