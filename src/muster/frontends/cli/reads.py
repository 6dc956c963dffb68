"""Reading: list, show, search, compare, history, resolve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from .. import report
from .common import at_option, chosen_format, command, json_option, open_registry, say

if TYPE_CHECKING:
    from ...core.paging import Page
    from ...resolved import Resolved


@command("list")
@click.argument("model", required=False)
@at_option
@json_option
@click.pass_context
def list_command(ctx: click.Context, /, model: str | None, at: str | None, as_json: bool) -> None:
    """List models, or the versions of one.

    Versions come with the newest first, and with the first few metrics they have.
    """
    registry = open_registry(ctx, at)
    if model is None:
        say(registry.models(), report.model_table, as_json)
    else:
        say(registry.versions(model), report.version_table, as_json)


@command("search")
@click.argument("filter", default="")
@click.option("--models", is_flag=True, help="Find models, not versions.")
@click.option(
    "--order-by", multiple=True, metavar="KEY [ASC|DESC]", help="Such as 'metrics.rmse'; repeat for more."
)
@click.option("--max-results", metavar="N", type=click.IntRange(1), help="At most so many: a page.")
@click.option(
    "--page-token", default="", metavar="TOKEN", help="The page after the one that gave this token."
)
@at_option
@json_option
@click.pass_context
def search_command(
    ctx: click.Context,
    /,
    filter: str,
    models: bool,
    order_by: tuple[str, ...],
    max_results: int | None,
    page_token: str,
    at: str | None,
    as_json: bool,
) -> None:
    """Find versions, or models, by a filter.

    MLflow's grammar, and more: name = 'bikes' AND (alias = 'champion' OR metrics.rmse < 60) AND NOT tags.risk = 'high'.
    Keys: name, version_number, label, stage, alias, description, created_at, created_by, format, run_id, tags.KEY,
    metrics.KEY, params.KEY and others. Operators: = != < <= > >= LIKE ILIKE IN, IS NULL.

    With --max-results or --page-token, --json prints a page: rows, next_page_token, commit.
    """
    registry = open_registry(ctx, at)
    from .progress import Bar

    find: Callable[..., Page[Any]] = registry.search_models_page if models else registry.search_page
    with Bar() as bar:
        page = find(filter, order_by, max_results, page_token, bar)
    if as_json:
        say(page if max_results or page_token else page.rows, lambda _: (), as_json)
        return
    say(page.rows, report.model_table if models else report.version_table, as_json)
    if page.next_page_token:
        click.echo(f"there are more: --page-token {page.next_page_token}", err=True)


@command("show")
@click.argument("reference")
@at_option
@json_option
@click.pass_context
def show_command(ctx: click.Context, /, reference: str, at: str | None, as_json: bool) -> None:
    """Show a model or a version.

    A model: muster show bikes. A version: bikes/3, bikes@champion, bikes/production.
    """
    from ...core.snapshot import parse_reference

    registry = open_registry(ctx, at)
    if parse_reference(reference).kind == "model":
        say(registry.model(reference), report.model_lines, as_json)
    else:
        say(registry.get(reference), report.version_lines, as_json)


@command("compare")
@click.argument("a")
@click.argument("b")
@at_option
@json_option
@click.pass_context
def compare_command(ctx: click.Context, /, a: str, b: str, at: str | None, as_json: bool) -> None:
    """Compare two versions.

    How B differs from A: metrics, parameters, tags, signature, files.
    """
    say(open_registry(ctx, at).compare(a, b), report.comparison_lines, as_json)


@command("history")
@click.argument("subject", default="")
@click.option("--limit", "-n", metavar="N", type=click.IntRange(1), help="At most so many entries.")
@at_option
@json_option
@click.pass_context
def history_command(
    ctx: click.Context, /, subject: str, limit: int | None, at: str | None, as_json: bool
) -> None:
    """Say who changed what, when and why.

    The newest comes first. SUBJECT is a model, a version, an alias or a stage (bikes/production); nothing is the
    whole registry.
    """
    entries = open_registry(ctx, at).history(subject, limit)
    say(list(entries) if as_json else entries, report.history_lines, as_json)


@command("resolve")
@click.argument("references", metavar="REFERENCE...", nargs=-1, required=True)
@click.option(
    "--format",
    type=click.Choice(["text", "json", "env", "yaml"]),
    help="How to print it: env for a shell to eval, yaml as values for a deployment. [default: text]",
)
@at_option
@json_option
@click.pass_context
def resolve_command(
    ctx: click.Context, /, references: tuple[str, ...], format: str | None, at: str | None, as_json: bool
) -> None:
    """Say which version each reference names.

    All are read at one commit. --json says at which, too, the digest of its files and where they are. What --format yaml
    prints changes only when a version does: it is made to be committed.
    """
    chosen = chosen_format(format, as_json)
    if chosen == "env" and len(references) > 1:
        raise click.UsageError("--format env names one version: give one reference")
    found = open_registry(ctx, at).resolve_all(references)
    if chosen == "yaml":
        click.echo(_values(references, found), nl=False)
        return
    say(found[0] if len(found) == 1 else found, lambda _: _lines(found, chosen), chosen == "json")


def _lines(found: list[Resolved], format: str) -> list[str]:
    if format == "text":
        return [f"{report.safe(one.model)}/{one.version}" for one in found]
    import shlex

    fields = ("model", "version", "label", "stage", "digest", "commit", "uri")
    values = ((name, getattr(found[0], name)) for name in fields)
    return [f"MUSTER_{name.upper()}={shlex.quote('' if v is None else str(v))}" for name, v in values]


def _values(references: tuple[str, ...], found: list[Resolved]) -> str:
    """Values for a deployment, by reference: nothing in them changes before a version does."""
    from ...core import manifest

    stable = ("model", "version", "digest", "uri")
    named = dict(zip(references, found, strict=True))
    values = {ref: {name: getattr(one, name) for name in stable} for ref, one in named.items()}
    return manifest.dump({"models": values}).decode()
