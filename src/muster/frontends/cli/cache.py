"""muster cache: what is kept on this machine, and taking it away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .. import report
from .common import json_option, say

if TYPE_CHECKING:
    from ...caching import Cache


@click.group("cache")
def cache_command() -> None:
    """See what muster keeps on this machine, and take it away.

    It keeps what it read of registries behind URLs, databases for searches, and the files of versions, verified. All of
    it can be had again.
    """


@cache_command.command("info")
@json_option
def cache_info_command(as_json: bool) -> None:
    """Say what is kept, and how much room it takes."""
    from ...caching import inspect

    say(inspect(), _lines, as_json)


@cache_command.command("clear")
@click.option("--registry", metavar="URL", help="What was read of this registry alone.")
@click.option("--older-than", metavar="30d|12h", help="What was not used for so long alone.")
@click.option("--artifacts", is_flag=True, help="The files of versions alone.")
def cache_clear_command(registry: str | None, older_than: str | None, artifacts: bool) -> None:
    """Take away what is kept: everything, unless an option says less. Others may be reading meanwhile.

    Which commit each branch was at is remembered elsewhere, and stays: a history that is rewritten is noticed still.
    """
    from ...caching import clear
    from ...core.demands import duration

    if registry is not None and artifacts:
        raise click.UsageError("the files of versions belong to no registry: give --registry or --artifacts")
    try:
        age = duration(older_than) if older_than is not None else None
    except ValueError as error:
        raise click.UsageError(f"--older-than: {error}") from error
    freed = clear(registry=registry, older_than=age, artifacts=artifacts)
    click.echo(f"{report.size(freed)} freed", err=True)


def _lines(cache: Cache) -> Iterator[str]:
    yield f"{report.safe(cache.path)}: {report.size(cache.size)}"
    for kept in (*cache.mirrors, *cache.indexes):
        what = "" if kept in cache.indexes else ", with its history" if kept.complete else ", in part"
        at = f", at {kept.commit[:12]}" if kept.commit else ""
        yield f"    {report.safe(kept.url)}  {report.size(kept.size)}{what}{at}, read {kept.used}"
    for said, files in (
        ("objects of published indexes", cache.objects),
        ("databases for searches", cache.searches),
        ("files of versions", cache.files),
        ("directories of versions", cache.trees),
    ):
        yield f"    {said}: {files.count}, {report.size(files.size)}"
