"""muster copy."""

from __future__ import annotations

from typing import Any

import click

from .common import command, open_registry, write_options
from .progress import Bar
from .register import carry_out_registration


@command("copy")
@click.argument("reference")
@click.option("--to", "target", required=True, metavar="URL|PATH", help="The registry to copy into.")
@click.option("--as", "model", metavar="NAME", help="What the model is called there. [default: as here]")
@click.option("--alias", multiple=True, metavar="ALIAS", help="Point an alias there at it; repeat for more.")
@click.option("--stage", help="Move it into a stage there.")
@write_options
@click.pass_context
def copy_command(
    ctx: click.Context,
    /,
    reference: str,
    target: str,
    model: str | None,
    alias: tuple[str, ...],
    stage: str | None,
    **how: Any,
) -> int:
    """Register a version in another registry, with the same files.

    The other registry's rules and policy judge it. The same content again is the version that exists there. Aliases,
    stages, evaluations and parents stay behind; lineage says where it was first.
    """
    from ...registry import Registry

    source, other = open_registry(ctx), Registry(target)
    ctx.call_on_close(other.close)
    with Bar() as bar:
        wanted = source.copy_operation(reference, other, model, alias, stage, bar, how["dry_run"])
    return carry_out_registration(other, wanted, **how)
