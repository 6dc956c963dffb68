"""Watching: bring each new version that a reference names, and run a command on it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...core.errors import MusterError
from .. import report
from .common import RegistryCommand, command, json_option, open_registry, seconds
from .progress import Bar

if TYPE_CHECKING:
    from ...resolved import Update

_EXEC = "--exec"
_STDERR = 2
_GRACE = 10  # seconds that a command has to end when the watch does


class _TakesCommand(RegistryCommand):
    """A command after whose --exec everything is the words of another command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if _EXEC in args:
            at = args.index(_EXEC)
            words = args[at + 1 :]
            if not words:
                raise click.UsageError(f"{_EXEC} takes a command, and comes last", ctx)
            args = [*args[:at], *(f"{_EXEC}={word}" for word in words)]
        return super().parse_args(ctx, args)


@command("watch", cls=_TakesCommand)
@click.argument("reference")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Put each version into DIR/<version>-<digest>, and point the link DIR/current at it. "
    "[default: muster's cache]",
    metavar="DIR",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(0),
    default=2,
    help="How many old versions stay in DIR. [default: 2]",
)
@click.option(
    "--interval", metavar="30s|10m|24h", default="30s", help="How long to wait between looks. [default: 30s]"
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@click.option(
    _EXEC, "words", metavar="COMMAND...", multiple=True, help="Run this on each version. It comes last."
)
@json_option
@click.pass_context
def watch_command(
    ctx: click.Context,
    /,
    reference: str,
    output: Path | None,
    keep: int,
    interval: str,
    once: bool,
    words: tuple[str, ...],
    as_json: bool,
) -> None:
    """Bring each new version that a reference names, and run a command on it.

    The version it names now comes first. The command is run without a shell, with MUSTER_MODEL, MUSTER_VERSION,
    MUSTER_DIGEST, MUSTER_COMMIT, MUSTER_PATH and MUSTER_PREVIOUS_VERSION in its environment. Where it fails, DIR/current
    goes back to the version before, and it is run again, later each time. What cannot be reached or is not what was
    registered changes nothing, and is tried again, too. SIGTERM and SIGINT end it, with 0.
    """
    told = _Told(reference, as_json)

    def on_change(update: Update) -> None:
        if words:
            _run(words, update, as_json)
        told.of_update(update)

    watch = open_registry(ctx).watch(
        reference,
        on_change,
        interval=seconds(interval, "--interval"),
        on_error=told.of_error,
        output=output,
        keep=keep,
    )
    if once:
        with Bar() as bar:
            watch.poll(bar)
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        watch.run()
    except KeyboardInterrupt:
        click.echo("the watch has ended", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


class _Told:
    """What is said of a watch: a line for each thing that happens."""

    def __init__(self, reference: str, as_json: bool) -> None:
        self._reference, self._as_json = reference, as_json

    def of_update(self, update: Update) -> None:
        """Say which version is current now, and where."""
        named = _named(update)
        if self._as_json:
            _line({"event": "updated", "reference": self._reference, **named})
        else:
            after = update.after
            click.echo(f"{report.safe(after.resolved.model)}/{after.resolved.version}  {after.path}")

    def of_error(self, error: Exception, delay: float) -> None:
        """Say what went wrong, and when it is tried again."""
        kind, hint = type(error).__name__, getattr(error, "hint", "")
        if self._as_json:
            failed = {"error": kind, "message": str(error), "hint": hint, "retry_in": round(delay, 1)}
            _line({"event": "failed", "reference": self._reference, **failed})
        else:
            words = str(error) if isinstance(error, (MusterError, OSError)) else f"{kind}: {error}"
            click.echo(f"{report.safe(words, lines=True)} (next try in {delay:.0f} s)", err=True)


def _line(event: dict[str, Any]) -> None:
    """Print one JSON object as one line."""
    click.echo(json.dumps(json.loads(report.to_json(event))))


def _named(update: Update) -> dict[str, Any]:
    """What is known of an update, by the names that a command's environment and a JSON line have for it."""
    resolved = update.after.resolved
    return {
        "model": resolved.model,
        "version": resolved.version,
        "digest": resolved.digest,
        "commit": resolved.commit,
        "path": str(update.after.path),
        "previous_version": update.before.resolved.version if update.before else None,
    }


def _run(words: Sequence[str], update: Update, as_json: bool) -> None:
    """Run a command on an update to its end; MusterError if it does not end with 0.

    With --json what it prints goes to stderr: stdout has nothing but JSON.
    """
    named = {f"MUSTER_{k.upper()}": "" if v is None else str(v) for k, v in _named(update).items()}
    process = subprocess.Popen(words, env={**os.environ, **named}, stdout=_STDERR if as_json else None)
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    if code:
        how = f"ended with {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        after = update.after.resolved
        raise MusterError(f"{shlex.join(words)} {how} on {after.model}/{after.version}")
