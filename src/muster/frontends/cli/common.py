"""What commands share: opening the registry, the options most of them take, and how a write is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...core.errors import Invalid, ReviewNeeded
from .. import report, reports
from ..keys import trusted

if TYPE_CHECKING:
    from ...core.operations import Expect, Operation
    from ...core.plans import Plan
    from ...registry import Registry

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
FAILED = 5  # the exit code of a check or a policy that failed


class RegistryCommand(click.Command):
    """A command on a registry, which may be named after the command, too: where most people type it."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        rest = super().get_params(ctx)[len(self.params) :]
        return [*self.params, *_WHICH, *rest]


def _which(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().obj[option.name] = value


_HERE: dict[str, Any] = {"expose_value": False, "callback": _which, "allow_from_autoenv": False}
_WHICH = (
    click.Option(["-R", "--registry"], metavar="URL|PATH", help="The registry. [default: here]", **_HERE),
    click.Option(["--branch"], metavar="NAME", help="Its branch. [default: what HEAD names]", **_HERE),
    click.Option(["--offline"], is_flag=True, default=None, help="Ask nobody: see muster --help.", **_HERE),
    click.Option(["--max-age"], metavar="30s|10m|24h", help="How old an answer may be.", **_HERE),
)
command = partial(click.command, cls=RegistryCommand)


def open_registry(ctx: click.Context, at: str | None = None) -> Registry:
    """Return the registry that the options name, closed when the command ends."""
    from ...registry import Registry

    options = ctx.find_root().obj
    registry = Registry(
        options["registry"] or Path.cwd(),
        options["branch"],
        offline=options["offline"],
        max_age=_seconds(options["max_age"]),
        accept_history=options["accept_history"],
        keys=tuple(trusted(options["keys"])),
    )
    ctx.call_on_close(registry.close)
    return registry.at(at) if at else registry


def _seconds(duration: str | None) -> float | None:
    """Read --max-age."""
    return None if duration is None else seconds(duration, "--max-age")


def seconds(duration: str, option: str) -> float:
    """Read a duration that an option gives."""
    from ...core.demands import duration as read

    try:
        return read(duration).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error


def json_option(command: F) -> F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def format_option(command: F) -> F:
    """Add --format, of a report on a change."""
    text = "How to print the report. [default: text]"
    return click.option("--format", type=click.Choice(list(reports.FORMATS)), help=text)(command)


def chosen_format(format: str | None, as_json: bool) -> str:
    """Return the format that --format and --json name together."""
    if as_json and format not in (None, "json"):
        raise click.UsageError("--json is --format json: name one format, and write others with --write")
    return "json" if as_json else format or "text"


def at_option(command: F) -> F:
    """Add --at."""
    text = "As it was at a commit, a git tag or a date (the end of that day, UTC)."
    return click.option("--at", metavar="COMMIT|TAG|DATE", help=text)(command)


def write_options(command: F) -> F:
    """Add what every write takes."""
    for option in reversed(
        (
            click.option("--reason", default="", metavar="TEXT", help="Why: it is kept in the history."),
            click.option("--dry-run", is_flag=True, help="Print the plan, and write nothing."),
            click.option(
                "--propose/--direct",
                "propose",
                default=None,
                help="Put it up for review on a branch of its own, or never do. "
                "[default: where policy asks for review]",
            ),
            json_option,
        )
    ):
        command = option(command)
    return command


def expect_option(command: F) -> F:
    """Add --expect."""
    text = "Refuse unless it points at this version now (none: at nothing)."
    return click.option("--expect", metavar="N|none", help=text)(command)


def expectation(text: str | None) -> Expect:
    """Read --expect."""
    if text is None or text == "none":
        return text  # type: ignore[return-value]
    if text.isdecimal():
        return int(text)
    raise click.UsageError(f"--expect takes a version number or none, not {text!r}")


def pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """Read repeated key=value options."""
    found: dict[str, str] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option} takes key=value, not {value!r}")
        if key in found:
            raise click.UsageError(f"{option} gives {key!r} twice")
        found[key] = text
    return found


def numbers(values: Iterable[str], option: str) -> dict[str, float]:
    """Read repeated key=number options; a number that is not finite is refused."""
    found: dict[str, float] = {}
    for key, text in pairs(values, option).items():
        number = _number(text)
        if number is None:
            raise Invalid(
                f"{option} {key}={text}: not a finite number", hint="leave out what could not be measured"
            )
        found[key] = number
    return found


def scalars(values: Iterable[str], option: str) -> dict[str, Any]:
    """Read repeated key=value options whose values may be numbers, true or false."""
    words = {"true": True, "false": False}
    found: dict[str, Any] = {}
    for key, text in pairs(values, option).items():
        number = _number(text)
        found[key] = words.get(text, text) if number is None else number
    return found


def _number(text: str) -> int | float | None:
    import math

    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def carry_out(
    registry: Registry,
    wanted: Operation | Sequence[Operation],
    reason: str,
    dry_run: bool,
    propose: bool | None,
    as_json: bool,
) -> int:
    """Plan, propose or submit operations as one change, say what came of it, and return the exit code.

    `propose` None: where policy asks for review.
    """
    operations = tuple(wanted) if isinstance(wanted, Sequence) else (wanted,)
    if dry_run:
        plan = registry.plan(*operations)
        say(report.plan_document(plan) if as_json else plan, lambda _: report.plan_lines(plan), as_json)
        return FAILED if plan.findings else 0
    outcome = or_propose(propose, lambda: registry.submit(*operations, reason=reason))
    if outcome is None:
        return _propose(registry, operations, reason, as_json)
    say(outcome, lambda done: report.event_lines(done.events), as_json)
    if not outcome.events:
        click.echo("nothing to do: it is so already", err=True)
    remind(outcome.note)
    return 0


def or_propose(propose: bool | None, write: Callable[[], T]) -> T | None:
    """Return what write did; None where it shall be proposed instead: `propose`, or where it is None, policy says so."""
    if propose:
        return None
    try:
        return write()
    except ReviewNeeded as error:
        if propose is False:
            raise
        click.echo(f"{report.safe(str(error))}: proposing it", err=True)
        return None


def _propose(registry: Registry, operations: Sequence[Operation], reason: str, as_json: bool) -> int:
    from ...core.proposals import PREFIX

    made = registry.propose(*operations, reason=reason, describe=_text_of_proposal)
    page = made.proposal.url if made.proposal is not None else ""
    say(
        made,
        lambda _: [*report.event_lines(made.events), *([page] if page else [])],
        as_json,
    )
    if as_json:
        return 0
    if made.proposal is not None and page:
        click.echo(f"proposed as {made.proposal.id}, on branch {made.branch}", err=True)
    elif made.page:
        click.echo(f"pushed to branch {made.branch}; open the proposal here:\n    {made.page}", err=True)
        remind(made.note)
    else:
        id = made.branch.removeprefix(PREFIX)
        click.echo(f"proposed on branch {made.branch}: look at it, and merge it, with", err=True)
        click.echo(f"    muster proposals show {id}\n    muster proposals merge {id}", err=True)
    return 0


def _text_of_proposal(plan: Plan, reason: str) -> str:
    from ..reports.markdown import proposed_body

    return proposed_body(plan, reason)


def remind(note: str) -> None:
    """Say what an outcome notes."""
    if note:
        click.echo(f"note: {report.safe(note)}", err=True)


def say(value: T, words: Callable[[T], Iterable[str]], as_json: bool) -> None:
    """Print a value: as JSON, or in words, a line at a time."""
    for line in [report.to_json(value)] if as_json else words(value):
        click.echo(line)
