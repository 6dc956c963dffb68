"""Files: pull, load-check, verify."""

from __future__ import annotations

from pathlib import Path

import click

from .. import report
from .common import at_option, command, json_option, open_registry, say
from .lock import file_option, pull_locked
from .progress import Bar

BROKEN = 7  # the exit code of bytes that are not what was registered


@command("pull")
@click.argument("reference", required=False)
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="A new or empty directory."
)
@click.option("--locked", is_flag=True, help="Bring what muster.lock says; with no reference, all of it.")
@file_option
@at_option
@json_option
@click.pass_context
def pull_command(
    ctx: click.Context,
    /,
    reference: str | None,
    output: Path,
    locked: bool,
    file: Path,
    at: str | None,
    as_json: bool,
) -> None:
    """Bring a version's files here, verified.

    Each file is held against the SHA-256 in the manifest. They appear in OUTPUT all at once, or not at all. With
    --locked they are what was locked, or nothing comes.
    """
    if locked:
        if at is not None:
            raise click.UsageError("what is locked has its commit: leave out --at")
        pull_locked(ctx, file, reference, output, as_json)
        return
    if reference is None:
        raise click.UsageError("say which version, or --locked")
    registry = open_registry(ctx, at)
    with Bar() as bar:
        registry.pull(reference, output, bar)
    say({"reference": reference, "path": str(output)}, lambda pulled: [pulled["path"]], as_json)


@command("load-check")
@click.argument("reference")
@click.option(
    "--trust", is_flag=True, help="Load formats that can run code: you trust whoever wrote the model."
)
@at_option
@json_option
@click.pass_context
def load_check_command(
    ctx: click.Context, /, reference: str, trust: bool, at: str | None, as_json: bool
) -> None:
    """Load a version by its format, and say what came of it.

    It does what muster.load does in Python.
    """
    with Bar() as bar:
        loaded = open_registry(ctx, at).load(reference, trust=trust, progress=bar)
    kind = f"{type(loaded).__module__}.{type(loaded).__qualname__}"
    say({"reference": reference, "type": kind}, lambda found: [found["type"]], as_json)


@command("verify")
@click.argument("reference")
@at_option
@json_option
@click.pass_context
def verify_command(ctx: click.Context, /, reference: str, at: str | None, as_json: bool) -> int:
    """Read a version's files in the artifact store, and verify each.

    Every byte is read, and none is kept. Exits with 7 if one is not as it was registered.
    """
    with Bar() as bar:
        findings = open_registry(ctx, at).verify(reference, bar)
    say({"reference": reference, "findings": findings}, lambda _: report.finding_lines(findings), as_json)
    if not findings and not as_json:
        click.echo(f"{report.safe(reference)}: every byte is as it was registered", err=True)
    return BROKEN if findings else 0
