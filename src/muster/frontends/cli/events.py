"""News: events, and the webhook they are posted to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ...core.errors import Invalid
from .. import feeds
from .common import command, open_registry

if TYPE_CHECKING:
    from ...registry import Registry

URL, SECRET, FORMAT = "MUSTER_WEBHOOK_URL", "MUSTER_WEBHOOK_SECRET", "MUSTER_WEBHOOK_FORMAT"

format_option = click.option(
    "--format",
    type=click.Choice(list(feeds.FORMATS)),
    help="What it is written as. [default: text; to a webhook MUSTER_WEBHOOK_FORMAT, or else json]",
)


@command("events")
@click.argument("range", metavar="A..B")
@format_option
@click.option(
    "--post", "posted", is_flag=True, help=f"Send it to the webhook at {URL} instead of printing it."
)
@click.pass_context
def events_command(ctx: click.Context, /, range: str, format: str | None, posted: bool) -> None:
    """Say what happened from commit A to commit B, newest first.

    B is the newest commit unless given. The webhook's URL is read from MUSTER_WEBHOOK_URL alone, as it is a secret.
    With MUSTER_WEBHOOK_SECRET the header X-Muster-Signature-256 has `sha256=` and the HMAC-SHA256 of the body. The
    header X-Muster-Delivery is the same whenever the same range is sent.
    """
    base, dots, head = range.partition("..")
    if not dots or not base or head.startswith("."):
        raise click.UsageError(f"A..B are two commits, such as HEAD~3..HEAD, not {range!r}")
    told = news(open_registry(ctx), base, head or "HEAD")
    if posted:
        post(told, format)
    else:
        click.echo(feeds.FORMATS[format or "text"][1](told))


def news(registry: Registry, base: str, head: str) -> feeds.News:
    """Return what happened from one revision to another."""
    before, after = registry.at(base).snapshot(), registry.at(head).snapshot()
    entries = tuple(registry.happened(str(before.commit), str(after.commit)))
    name = str(after.registry.get("name", "registry"))
    ends = (str(before.commit), str(after.commit))
    return feeds.News(name, registry.at(ends[1]).birth(), *ends, registry.now, entries)


def post(told: feeds.News, format: str | None) -> None:
    """Send news to the webhook that the environment names; nothing where nothing happened."""
    from ...announcing import announce

    url = os.environ.get(URL)
    if not url:
        raise Invalid(
            "there is no webhook to post to", hint=f"set {URL}; it is a secret, and no option therefore"
        )
    if not told.entries:
        click.echo("nothing happened: nobody is told", err=True)
        return
    wanted = format or os.environ.get(FORMAT) or "json"
    if wanted not in feeds.FORMATS:
        raise Invalid(f"{FORMAT} is {wanted!r}", hint=f"it is one of {', '.join(feeds.FORMATS)}")
    kind, write = feeds.FORMATS[wanted]
    announce(url, os.environ.get(SECRET, ""), told.id, kind, write(told))
    count = len(told.entries)
    click.echo(f"told of {count} change{'s' * (count != 1)}", err=True)
