"""Changing what is said about models and versions, and what points at them."""

from __future__ import annotations

import sys
from typing import Any

import click

from ...core import operations as ops
from ...core import requests
from ...core.errors import Invalid
from ...core.models import Evaluation
from .. import report
from .common import (
    RegistryCommand,
    carry_out,
    command,
    expect_option,
    expectation,
    numbers,
    open_registry,
    pairs,
    write_options,
)


@command("promote")
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.argument("stage")
@expect_option
@write_options
@click.pass_context
def promote_command(
    ctx: click.Context, /, references: tuple[str, ...], stage: str, expect: str | None, **how: Any
) -> int:
    """Move a version, or versions of several models, into a stage.

    An exclusive stage lets go of the version it holds, which moves to archived, in the same commit.
    """
    if expect is not None and len(references) > 1:
        raise click.UsageError("--expect speaks of one version: promote them one by one")
    registry = open_registry(ctx)
    now = registry.upstream()
    moves = [ops.SetStage(*now.resolve(reference), stage, expectation(expect)) for reference in references]
    return carry_out(registry, moves, **how)


@command("demote")
@click.argument("reference")
@expect_option
@write_options
@click.pass_context
def demote_command(ctx: click.Context, /, reference: str, expect: str | None, **how: Any) -> int:
    """Take a version out of its stage."""
    registry = open_registry(ctx)
    model, version = registry.upstream().resolve(reference)
    return carry_out(registry, ops.SetStage(model, version, None, expectation(expect)), **how)


@command("rollback")
@click.argument("pointer")
@click.option(
    "--to", type=click.IntRange(1), metavar="N", help="An earlier holder. [default: the one before]"
)
@write_options
@click.pass_context
def rollback_command(ctx: click.Context, /, pointer: str, to: int | None, **how: Any) -> int:
    """Move a stage or an alias back to what it held before.

    POINTER is bikes/production or bikes@champion. A reason is required. Policy may let a rollback in where it asks
    review for every other move.
    """
    if not how["reason"].strip() and not how["dry_run"]:
        raise Invalid("to roll back a reason is required", hint="say why with --reason")
    registry = open_registry(ctx)
    return carry_out(registry, registry.rollback_operations(pointer, to), **how)


@click.group("alias")
def alias_command() -> None:
    """Set or remove aliases."""


@alias_command.command("set", cls=RegistryCommand)
@click.argument("reference")
@click.argument("alias")
@expect_option
@write_options
@click.pass_context
def alias_set_command(
    ctx: click.Context, /, reference: str, alias: str, expect: str | None, **how: Any
) -> int:
    """Point ALIAS at the version REFERENCE names: muster alias set bikes/3 champion."""
    registry = open_registry(ctx)
    model, version = registry.upstream().resolve(reference)
    return carry_out(
        registry, ops.SetAlias(model, alias.removeprefix("@"), version, expectation(expect)), **how
    )


@alias_command.command("rm", cls=RegistryCommand)
@click.argument("model")
@click.argument("alias", required=False)
@expect_option
@write_options
@click.pass_context
def alias_rm_command(
    ctx: click.Context, /, model: str, alias: str | None, expect: str | None, **how: Any
) -> int:
    """Remove an alias: muster alias rm bikes champion, or bikes@champion."""
    if alias is None:
        model, at, alias = model.rpartition("@")
        if not at:
            raise click.UsageError("say which alias: muster alias rm MODEL ALIAS, or MODEL@ALIAS")
    registry = open_registry(ctx)
    return carry_out(registry, ops.DeleteAlias(model, alias.removeprefix("@"), expectation(expect)), **how)


@command("tag")
@click.argument("reference")
@click.argument("tags", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", "-r", multiple=True, metavar="KEY", help="Remove a tag; repeat for more.")
@write_options
@click.pass_context
def tag_command(
    ctx: click.Context, /, reference: str, tags: tuple[str, ...], remove: tuple[str, ...], **how: Any
) -> int:
    """Set or remove tags of a version or a model."""
    if not tags and not remove:
        raise click.UsageError("say which tags: KEY=VALUE, or --remove KEY")
    registry = open_registry(ctx)
    said = pairs(tags, "a tag")
    wanted = requests.annotation(registry.upstream(), reference, tags=said, remove_tags=remove)
    return carry_out(registry, wanted, **how)


@command("annotate")
@click.argument("reference")
@click.option("--description", "-d", help="What it is, in words.")
@click.option("--owner", multiple=True, help="Who answers for the model; replaces who did. Repeat for more.")
@click.option("--evaluation", metavar="NAME", help="Record the verdict of an evaluation of a version.")
@click.option("--passed/--failed", default=None, help="The verdict.")
@click.option("--metric", "-m", multiple=True, metavar="KEY=VALUE", help="A metric the evaluation found.")
@click.option("--url", default="", help="The evaluation's report.")
@write_options
@click.pass_context
def annotate_command(
    ctx: click.Context,
    /,
    reference: str,
    description: str | None,
    owner: tuple[str, ...],
    evaluation: str | None,
    passed: bool | None,
    metric: tuple[str, ...],
    url: str,
    **how: Any,
) -> int:
    """Describe a version or a model, or record an evaluation."""
    if (evaluation is None) != (passed is None):
        raise click.UsageError("an evaluation needs --evaluation NAME and --passed or --failed")
    if description is None and not owner and evaluation is None:
        raise click.UsageError("say what: --description, --owner or --evaluation")
    registry = open_registry(ctx)
    verdicts: tuple[Evaluation, ...] = ()
    if evaluation is not None and passed is not None:
        found = numbers(metric, "--metric")
        verdicts = (Evaluation(evaluation, passed, registry.now, registry.author, found, url),)
    wanted = requests.annotation(
        registry.upstream(), reference, description=description, evaluations=verdicts, owners=owner or None
    )
    return carry_out(registry, wanted, **how)


@command("yank")
@click.argument("reference")
@click.option("--undo", is_flag=True, help="It may be used again.")
@write_options
@click.pass_context
def yank_command(ctx: click.Context, /, reference: str, undo: bool, **how: Any) -> int:
    """Mark a version as not to be used.

    It stays where it is, and nothing may point at it. A reason is required.
    """
    registry = open_registry(ctx)
    model, version = registry.upstream().resolve(reference)
    return carry_out(
        registry, ops.Yank(model, version, registry.author, registry.now, how["reason"], undo), **how
    )


@command("rename")
@click.argument("model")
@click.argument("new_name")
@write_options
@click.pass_context
def rename_command(ctx: click.Context, /, model: str, new_name: str, **how: Any) -> int:
    """Give a model another name.

    Its versions stay as they are, and the old name says where they went.
    """
    return carry_out(open_registry(ctx), ops.RenameModel(model, new_name), **how)


@command("delete")
@click.argument("reference")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@write_options
@click.pass_context
def delete_command(ctx: click.Context, /, reference: str, yes: bool, **how: Any) -> int:
    """Delete a version or a model, leaving tombstones.

    A model goes with all its versions. Numbers are never used again, and the files stay in the artifact store. A
    reason is required.
    """
    registry = open_registry(ctx)
    wanted = requests.deletion(registry.upstream(), reference, registry.author, registry.now, how["reason"])
    if not yes and not how["dry_run"] and not how["propose"]:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on: say --yes")
        if not click.confirm(f"delete {report.safe(reference)}?", err=True):
            click.echo("nothing was deleted", err=True)
            return 1
    return carry_out(registry, wanted, **how)
