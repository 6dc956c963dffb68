"""Owners: who answers for which model, as the forge is told."""

from __future__ import annotations

from typing import Any

import click

from ...core.operations import SyncOwners
from .. import report
from .common import FAILED, RegistryCommand, carry_out, open_registry, say, write_options


@click.group("owners")
def owners_command() -> None:
    """Tell the forge who owns which model."""


@owners_command.command("sync", cls=RegistryCommand)
@click.option(
    "--check", "only_check", is_flag=True, help="Write nothing; exit with 5 if something would change."
)
@write_options
@click.pass_context
def owners_sync_command(ctx: click.Context, /, only_check: bool, **how: Any) -> int:
    """Write into CODEOWNERS who owns which model.

    A block between two marker lines gets a line for each model with an owner named as the forge does: @login or
    @org/team. Once the block is there, whatever changes owners keeps it current. The rest of the file stays as it is.
    """
    registry = open_registry(ctx)
    if not only_check:
        return carry_out(registry, SyncOwners(), **how)
    changed = sorted(registry.plan(SyncOwners()).change.files)
    say({"changed": changed}, lambda _: map(report.safe, changed), how["as_json"])
    return FAILED if changed else 0
