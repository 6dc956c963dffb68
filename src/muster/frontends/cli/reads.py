"""Reading: list, show, search, compare, history, resolve."""

from __future__ import annotations

import click

from .. import report
from .common import at_option, json_option, open_registry, say


@click.command("list")
@click.argument("model", required=False)
@at_option
@json_option
@click.pass_context
def list_command(ctx: click.Context, model: str | None, at: str | None, as_json: bool) -> None:
    """List models, or the versions of MODEL, the newest first."""
    registry = open_registry(ctx, at)
    if model is None:
        models = registry.models()
        if as_json:
            say(report.plain(models))
            return
        rows = (
            (
                m.name,
                m.latest,
                ", ".join(f"{s}: {', '.join(map(str, v))}" for s, v in m.stages.items()),
                ", ".join(f"@{a}: {v}" for a, v in m.aliases.items()),
                m.description.partition("\n")[0],
            )
            for m in models
        )
        say(report.table(rows, ("MODEL", "LATEST", "STAGES", "ALIASES", "DESCRIPTION")))
        return
    say(_version_list(registry.versions(model), as_json))


@click.command("search")
@click.argument("filter", default="")
@click.option("--models", is_flag=True, help="Find models, not versions.")
@click.option(
    "--order-by", multiple=True, metavar="KEY [ASC|DESC]", help="Such as 'metrics.rmse'; repeat for more."
)
@click.option("--max-results", type=click.IntRange(1), help="At most so many.")
@at_option
@json_option
@click.pass_context
def search_command(
    ctx: click.Context,
    filter: str,
    models: bool,
    order_by: tuple[str, ...],
    max_results: int | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Find versions, or models, by a filter.

    MLflow's grammar, and more: name = 'bikes' AND (alias = 'champion' OR metrics.rmse < 60) AND NOT tags.risk = 'high'.
    Keys: name, version_number, label, stage, alias, description, created_at, created_by, format, run_id, tags.KEY,
    metrics.KEY, params.KEY and others. Operators: = != < <= > >= LIKE ILIKE IN, IS NULL.
    """
    registry = open_registry(ctx, at)
    if models:
        found = registry.search_models(filter, order_by, max_results)
        if as_json:
            say(report.plain(found))
        else:
            rows = ((m.name, m.latest, m.description.partition("\n")[0]) for m in found)
            say(report.table(rows, ("MODEL", "LATEST", "DESCRIPTION")))
        return
    say(_version_list(registry.search(filter, order_by, max_results), as_json))


@click.command("show")
@click.argument("reference")
@at_option
@json_option
@click.pass_context
def show_command(ctx: click.Context, reference: str, at: str | None, as_json: bool) -> None:
    """Show a model (bikes) or a version (bikes/3, bikes@champion)."""
    from ...core.snapshot import parse_reference

    registry = open_registry(ctx, at)
    if parse_reference(reference).kind == "model":
        model = registry.model(reference)
        say(report.plain(model) if as_json else report.model_lines(model))
    else:
        version = registry.get(reference)
        say(report.version_document(version) if as_json else report.version_lines(version))


@click.command("compare")
@click.argument("a")
@click.argument("b")
@at_option
@json_option
@click.pass_context
def compare_command(ctx: click.Context, a: str, b: str, at: str | None, as_json: bool) -> None:
    """Compare versions A and B: metrics, parameters, signature, files."""
    difference = open_registry(ctx, at).compare(a, b)
    say(report.plain(difference) if as_json else report.comparison_lines(difference))


@click.command("history")
@click.argument("subject", default="")
@click.option("--limit", "-n", type=click.IntRange(1), help="At most so many entries.")
@at_option
@json_option
@click.pass_context
def history_command(
    ctx: click.Context, subject: str, limit: int | None, at: str | None, as_json: bool
) -> None:
    """Say who changed what, when and why, the newest first.

    SUBJECT is a model, a version, an alias or a stage (bikes/production); nothing is the whole registry.
    """
    entries = open_registry(ctx, at).history(subject, limit)
    if as_json:
        say(report.plain(list(entries)))
    else:
        say(line for entry in entries for line in report.entry_lines(entry))


@click.command("resolve")
@click.argument("reference")
@at_option
@json_option
@click.pass_context
def resolve_command(ctx: click.Context, reference: str, at: str | None, as_json: bool) -> None:
    """Say which version a reference names, at which commit, and where its files are."""
    resolved = open_registry(ctx, at).resolve(reference)
    say(report.plain(resolved) if as_json else [] or iter([f"{resolved.model}/{resolved.version}"]))


def _version_list(found: list[report.ModelVersion], as_json: bool) -> list[object] | object:
    if as_json:
        return report.plain(found)
    metrics = sorted({key for v in found for key in v.metrics})[:4]
    rows = (
        (
            str(v),
            v.label,
            "yanked" if v.yanked is not None else v.stage,
            ", ".join(f"@{a}" for a in v.aliases),
            *(f"{v.metrics[k]:.6g}" if k in v.metrics else "" for k in metrics),
            v.manifest.created_at[:10],
            v.description.partition("\n")[0],
        )
        for v in found
    )
    head = ("VERSION", "LABEL", "STAGE", "ALIASES", *(k.upper() for k in metrics), "CREATED", "DESCRIPTION")
    return report.table(rows, head)
