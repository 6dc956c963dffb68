"""muster hook: the gate that git runs on a server without a forge."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from ...core.errors import MusterError
from .. import report
from .common import RegistryCommand, json_option, say

if TYPE_CHECKING:
    from ...receiving import Refusal

SHOWN = 20  # lines about one ref: a person reads no more of `remote:`
REFUSED = 1


@click.group("hook")
def hook_command() -> None:
    """Let a server without a forge judge what is pushed to it."""


@hook_command.command("pre-receive")
@click.option("--branch", metavar="NAME", help="The registry's branch. [default: what HEAD names]")
@click.option(
    "--pusher-from", metavar="VARIABLE", help="Where the server says who pushes. [default: REMOTE_USER, ...]"
)
def pre_receive_command(branch: str | None, pusher_from: str | None) -> int:
    """Judge a push: what git's pre-receive hook runs.

    It reads what git tells that hook, and refuses the push with words to who pushes. The registry's branch only moves
    forward, by what the rules and the policy of the registry as it is let in: a move that wants review enters as the
    merge of a proposal. Other branches and git tags are no part of the registry, and enter as they are.
    """
    try:
        found = _refusals(branch, pusher_from)
    except MusterError as error:
        _tell([str(error), *([f"hint: {error.hint}"] if error.hint else [])])
        return REFUSED
    except Exception as error:  # what cannot be judged does not enter
        _tell([f"this push could not be judged, so it is refused: {type(error).__name__}: {error}"])
        return REFUSED
    for refusal in found:
        _tell(_words(refusal))
    return REFUSED if found else 0


def _refusals(branch: str | None, pusher_from: str | None) -> list[Refusal]:
    from ...receiving import receive

    return receive(sys.stdin, os.environ, branch, pusher_from)


def _words(refusal: Refusal) -> Iterable[str]:
    yield f"{refusal.ref} was not accepted:"
    yield from (f"  {line}" for line in refusal.why[:SHOWN])
    if more := len(refusal.why) - SHOWN:
        yield from [f"  and {more} more"] if more > 0 else []
    if refusal.hint:
        yield f"hint: {refusal.hint}"


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(report.safe(line), err=True)


@hook_command.command("install", cls=RegistryCommand)
@click.option("--pusher-from", metavar="VARIABLE", help="The variable in which the server says who pushes.")
@json_option
@click.pass_context
def install_command(ctx: click.Context, pusher_from: str | None, as_json: bool) -> None:
    """Put the hook into a bare repository, as servers have.

    Every push to it is judged from then on. Another hook that is there is left alone, and so is git's configuration.
    """
    from ...receiving import install

    options = ctx.find_root().obj
    path = install(options["registry"] or ".", options["branch"], pusher_from)
    say({"hook": path}, lambda _: [report.safe(str(path))], as_json)
    if not as_json:
        repository = report.safe(str(path.parent.parent))
        click.echo("every push is judged from now on; what else a server should refuse:", err=True)
        click.echo(f"    git -C {repository} config receive.fsckObjects true", err=True)
