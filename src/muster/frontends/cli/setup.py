"""Setting up: init, doctor, completion."""

from __future__ import annotations

import click

from .. import report
from .common import command, json_option, open_registry, say


@command("init")
@click.argument("location", required=False)
@click.option("--name", help="The registry's name. [default: the directory's]")
@click.option(
    "--remote", metavar="URL|PATH", help="Where DVC keeps the artifacts, such as s3://bucket/models."
)
@click.option("--bare", is_flag=True, help="Make a bare repository, as servers have.")
@json_option
@click.pass_context
def init_command(
    ctx: click.Context,
    /,
    location: str | None,
    name: str | None,
    remote: str | None,
    bare: bool,
    as_json: bool,
) -> None:
    """Lay down a registry in a git repository.

    LOCATION is a new directory, an existing repository (bare or not), or the URL of one; here unless given. What is
    there stays.
    Artifacts go to LOCATION.artifacts unless --remote names another place.
    """
    from ...registry import Registry

    options = ctx.find_root().obj
    target = location or options["registry"] or "."
    with Registry.create(target, name, remote, bare=bare, branch=options["branch"]) as registry:
        made = {"location": registry.location, "commit": registry.snapshot().commit}
    say(made, lambda _: (), as_json)
    if not as_json:
        click.echo(f"a registry is at {report.safe(registry.location)}", err=True)
        click.echo("next: muster register NAME PATH", err=True)


@command("doctor")
@click.option("--forge", is_flag=True, help="Ask the forge, too, how it protects the registry's branch.")
@json_option
@click.pass_context
def doctor_command(ctx: click.Context, /, forge: bool, as_json: bool) -> int:
    """Say what is missing or wrong, and how to mend it.

    What only an administrator's token is shown is marked with a question mark.
    """
    from ...upkeep import diagnose, diagnose_forge

    with open_registry(ctx) as registry:
        diagnoses = [*diagnose(registry), *(diagnose_forge(registry) if forge else ())]
    say(diagnoses, lambda found: map(report.diagnosis_line, found), as_json)
    return 1 if any(d.ok is False for d in diagnoses) else 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the script that completes commands in your shell.

    For bash: eval "$(muster completion bash)"
    """
    from click.shell_completion import get_completion_class

    from . import group

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  (the choices above are those click has)
    click.echo(kind(group, {}, "muster", "_MUSTER_COMPLETE").source())
