"""muster index: the registry as static files, for readers who have no git."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...core.errors import Integrity
from .. import report
from .common import RegistryCommand, at_option, json_option, open_registry, remind, say

if TYPE_CHECKING:
    from ...publishing import Published, Verified

F = TypeVar("F", bound=Callable[..., Any])


@click.group("index")
def index_command() -> None:
    """Publish the registry as static files, and verify them.

    Any web server, bucket or CDN hands them out, and muster -R index+URL reads them, without git and without a server of
    ours. See docs/published-index.md.
    """


def _publishing(command: F) -> F:
    """Add what building and publishing take."""
    for option in reversed(
        (
            click.option(
                "--key",
                "signers",
                metavar="FILE",
                multiple=True,
                allow_from_autoenv=False,
                help="Sign with this SSH key; with a public one, the agent signs. Repeat it while keys change.",
            ),
            click.option(
                "--artifacts-url",
                metavar="URL",
                default="",
                help="Where readers find the artifacts, if not where .dvc/config says.",
            ),
            click.option(
                "--keep",
                metavar="7d",
                default="7d",
                help="How long objects stay that the index names no more. [default: 7d]",
            ),
            click.option("--full", is_flag=True, help="Write everything, and not what differs alone."),
            click.option(
                "--accept",
                is_flag=True,
                help="Replace an index of a commit that is not in the past of this one.",
            ),
            click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing."),
            at_option,
            json_option,
        )
    ):
        command = option(command)
    return command


@index_command.command("build", cls=RegistryCommand)
@click.argument("directory", type=click.Path(file_okay=False))
@_publishing
@click.pass_context
def index_build_command(ctx: click.Context, /, directory: str, **how: Any) -> None:
    """Build the index in DIRECTORY, for you to bring it where it is read.

    Bring the objects there first, and root.json last.
    """
    if "://" in directory:
        raise click.UsageError(f"{directory} is no directory: see muster index publish")
    _publish(ctx, directory, **how)


@index_command.command("publish", cls=RegistryCommand)
@click.argument("target", metavar="PATH|URL")
@_publishing
@click.pass_context
def index_publish_command(ctx: click.Context, /, target: str, **how: Any) -> None:
    """Bring the index at PATH or URL up to date with the registry.

    URL is s3://bucket/path, gs://, az://, sftp:// or whatever else fsspec knows. Only what differs is written, and
    root.json last. An index of a newer commit is not replaced.
    """
    _publish(ctx, target, **how)


@index_command.command("verify", cls=RegistryCommand)
@click.argument("target", metavar="PATH|URL")
@click.option(
    "--key",
    "trusted",
    metavar="KEY|SHA256:...",
    multiple=True,
    allow_from_autoenv=False,
    help="The public key, its file or its fingerprint: one of those must have signed it.",
)
@json_option
@click.pass_context
def index_verify_command(ctx: click.Context, /, target: str, trusted: tuple[str, ...], as_json: bool) -> None:
    """Read all of the index at PATH or URL, and verify digests and signatures.

    With a registry (-R, or MUSTER_REGISTRY) it must also be what the registry holds at that commit.
    """
    from ...publishing import verify

    given = ctx.find_root().obj["registry"]
    registry = open_registry(ctx) if given else None
    found = verify(target, (*ctx.find_root().obj["keys"], *trusted), registry)
    say(found, _verified_lines, as_json)
    if found.problems:
        raise Integrity(f"the index at {found.location} is not whole", hint="muster index publish --full")


def _publish(
    ctx: click.Context, place: str, /, at: str | None, as_json: bool, dry_run: bool, **how: Any
) -> None:
    from ...core.demands import duration
    from ...publishing import Wanted, publish

    try:
        keep = duration(how["keep"])
    except ValueError as error:
        raise click.UsageError(f"--keep: {error}") from error
    keys = tuple(Path(key).expanduser() for key in how["signers"])
    wanted = Wanted(keys, how["artifacts_url"], keep, how["full"], how["accept"])
    done = publish(open_registry(ctx, at), place, wanted, dry_run)
    say(done, _published_lines, as_json)
    for note in done.notes:
        remind(note)


def _published_lines(done: Published) -> Iterator[str]:
    yield f"{report.safe(done.location)} is at {done.commit[:12]}"
    what = f"everything, as {report.safe(done.why_full)}" if done.why_full else "what differs"
    yield f"wrote {what}: {done.files} files, {report.size(done.bytes)}"
    if done.removed:
        yield f"removed {done.removed} objects that nothing names any more"


def _verified_lines(found: Verified) -> Iterator[str]:
    yield f"{report.safe(found.location)} is at {found.commit[:12]}, confirmed {report.safe(found.published)}"
    yield f"{found.models} models, {found.objects} objects"
    yield f"signed by {', '.join(found.signers)}" if found.signers else "not signed"
    yield from (f"wrong: {report.safe(problem)}" for problem in found.problems)
