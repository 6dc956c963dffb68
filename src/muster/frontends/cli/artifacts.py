"""Files: pull, open, load-check, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import files, report
from .common import at_option, command, json_option, open_registry, say
from .lock import file_option, pull_locked
from .progress import Bar

LINKS = ("copy", "reflink", "hardlink", "symlink", "auto")
BROKEN = 7  # the exit code of bytes that are not what was registered


@command("pull")
@click.argument("reference", required=False)
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="A new or empty directory."
)
@click.option(
    "--include",
    metavar="GLOB",
    multiple=True,
    help="Only files that fit, as in .gitignore: '*.onnx', 'a/**'.",
)
@click.option("--exclude", metavar="GLOB", multiple=True, help="Not the files that fit.")
@click.option(
    "--link",
    type=click.Choice(LINKS),
    default="copy",
    help="How files come out of muster's cache. The linked ones are read-only; auto is the first of hardlink, "
    "reflink and copy that works. [default: copy]",
)
@click.option("--replace", is_flag=True, help="OUTPUT may be a directory with other files: they go.")
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
    **wanted: Any,
) -> None:
    """Bring a version's files here, verified.

    Each file is held against the SHA-256 in the manifest. They appear in OUTPUT all at once, or not at all. If OUTPUT
    has exactly these files already, they are verified and left alone. What an interrupted pull had fetched is not
    fetched again. With --locked the version is the one that was locked, or nothing comes.
    """
    if locked:
        if at is not None:
            raise click.UsageError("what is locked has its commit: leave out --at")
        pull_locked(ctx, file, reference, output, as_json, **wanted)
        return
    if reference is None:
        raise click.UsageError("say which version, or --locked")
    registry = open_registry(ctx, at)
    with Bar() as bar:
        pulled = registry.pulled(reference, output, bar, **wanted)
    document = {"reference": reference, **report.plain(pulled)}
    say(document, lambda said: [said["path"]], as_json)
    if pulled.already:
        click.echo(f"already there: {report.safe(pulled.path)}, every byte as it was registered", err=True)


@command("open")
@click.argument("reference")
@click.argument("path")
@click.option(
    "--output", "-o", metavar="FILE|-", default="-", help="A new file. [default: -, standard output]"
)
@at_option
@click.pass_context
def open_command(ctx: click.Context, /, reference: str, path: str, output: str, at: str | None) -> None:
    """Bring one file of a version, without the others.

    No byte of it is written before all of it was held against the SHA-256 in the manifest.
    """
    target = files.target_of(output)
    with Bar() as bar:
        opened = open_registry(ctx, at).open(reference, path, bar)
    with opened:
        files.write(opened, target)


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
