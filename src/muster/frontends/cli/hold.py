"""muster hold: what waits for a person after a rollback."""

from __future__ import annotations

from typing import Any

import click

from ...core.errors import Invalid
from .. import report
from .common import RegistryCommand, at_option, carry_out, json_option, open_registry, say, write_options


@click.group("hold")
def hold_command() -> None:
    """See and lift what a rollback holds back.

    A stage or an alias that was rolled back waits for a person: automation does not move it on.
    """


@hold_command.command("list", cls=RegistryCommand)
@click.argument("model", required=False)
@at_option
@json_option
@click.pass_context
def hold_list_command(ctx: click.Context, /, model: str | None, at: str | None, as_json: bool) -> None:
    """List the holds, of MODEL or of every model."""
    say(open_registry(ctx, at).holds(model), report.hold_lines, as_json)


@hold_command.command("lift", cls=RegistryCommand)
@click.argument("pointer")
@write_options
@click.pass_context
def hold_lift_command(ctx: click.Context, /, pointer: str, **how: Any) -> int:
    """Let automation move POINTER again: bikes/production or bikes@champion. A reason is required.

    A person's own promotion lifts the hold, too.
    """
    from ...holding import lifting

    if not how["reason"].strip() and not how["dry_run"]:
        raise Invalid("to lift a hold a reason is required", hint="say why with --reason")
    registry = open_registry(ctx)
    return carry_out(registry, lifting(registry.upstream(), pointer), **how)
