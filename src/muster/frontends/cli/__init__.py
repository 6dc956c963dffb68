"""The command line: what is typed becomes a call to the registry, what comes back becomes words or JSON.

Data goes to stdout, words to stderr. `COMMANDS` is the whole command line; a command's module is imported when it runs.
This is the one place where errors become exit codes.
"""

from __future__ import annotations

import gc
import os
import shlex
import sys
from importlib import import_module
from typing import Any

import click

from ...core.errors import MusterError, ReviewNeeded, Unavailable
from ..exits import EXIT_CODES, INTERRUPTED, exit_code

# name -> (module, one line for --help), in the order in which they are listed
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("setup", "Lay down a registry in a git repository."),
    "doctor": ("setup", "Say what is missing or wrong, and how to mend it."),
    "demo": ("demo", "Play the whole story in a scratch folder."),
    "register": ("register", "Register a file or directory as a new version of a model."),
    "copy": ("copy", "Register a version in another registry, with the same files."),
    "import": ("importing", "Register what is elsewhere: many versions as one commit."),
    "list": ("reads", "List models, or the versions of one."),
    "show": ("reads", "Show a model or a version."),
    "search": ("reads", "Find versions, or models, by a filter."),
    "compare": ("reads", "Compare two versions."),
    "history": ("reads", "Say who changed what, when and why."),
    "resolve": ("reads", "Say which version each reference names."),
    "watch": ("watch", "Bring each new version that a reference names, and run a command on it."),
    "pull": ("artifacts", "Bring a version's files here, verified."),
    "open": ("artifacts", "Bring one file of a version, without the others."),
    "lock": ("lock", "Write down which versions references name, so that the same bytes come again."),
    "outdated": ("lock", "Say which locked references name another version now, and who moved them."),
    "update": ("lock", "Lock what has moved as it is now; what has not stays, line by line."),
    "load-check": ("artifacts", "Load a version by its format, and say what came of it."),
    "verify": ("artifacts", "Read a version's files in the artifact store, and verify each."),
    "promote": ("writes", "Move a version, or versions of several models, into a stage."),
    "demote": ("writes", "Take a version out of its stage."),
    "rollback": ("writes", "Move a stage or an alias back to what it held before."),
    "hold": ("hold", "See and lift what a rollback holds back."),
    "alias": ("writes", "Set or remove aliases."),
    "tag": ("writes", "Set or remove tags of a version or a model."),
    "annotate": ("writes", "Describe a version or a model, or record an evaluation."),
    "yank": ("writes", "Mark a version as not to be used."),
    "rename": ("writes", "Give a model another name."),
    "delete": ("writes", "Delete a version or a model, leaving tombstones."),
    "propose": ("proposals", "Put several changes into one proposal: one commit, for any number of models."),
    "proposals": ("proposals", "List, show, approve, merge or close proposals."),
    "check": ("checking", "Check a change, or the whole registry, against every rule."),
    "hook": ("hook", "Let a server without a forge judge what is pushed to it."),
    "events": ("events", "Say what happened from commit A to commit B, newest first."),
    "ci": ("ci", "Judge, report and notify in a CI job."),
    "fmt": ("checking", "Write files in their canonical form."),
    "policy": ("checking", "Show what guards each stage and alias, and try it on the past."),
    "index": ("index", "Publish the registry as static files, and verify them."),
    "owners": ("owners", "Tell the forge who owns which model."),
    "cache": ("cache", "See what muster keeps on this machine, and take it away."),
    "completion": ("setup", "Print the script that completes commands in your shell."),
}


class _Commands(click.Group):
    """The commands of the table, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name.replace("-", "_") + "_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"there is no command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "auto_envvar_prefix": "MUSTER",
    },
)
@click.option("-R", "--registry", metavar="URL|PATH", help="The registry: a path or a URL. [default: here]")
@click.option("--branch", metavar="NAME", help="The branch it is on. [default: what HEAD names]")
@click.option("--offline", is_flag=True, help="Of a URL: ask nobody, answer from what was read last.")
@click.option(
    "--max-age", metavar="30s|10m|24h", help="Of a URL: an answer that was true so long ago will do."
)
@click.option(
    "--accept-history",
    metavar="COMMIT",
    default="",
    help="Of a URL: take this commit, although the one read before is not in its past.",
)
@click.option(
    "--key",
    "keys",
    metavar="FILE|SHA256:...",
    multiple=True,
    help="Of a published index: the public key (.pub), or its fingerprint, that must have signed it.",
)
@click.version_option(package_name="muster-registry", message="muster %(version)s")
@click.pass_context
def group(ctx: click.Context, /, **options: Any) -> None:
    """A machine-learning model registry that lives in a git repository.

    A reference names a version: bikes/3, bikes@champion (an alias), bikes/production (a stage), bikes/latest,
    bikes/1.4.0 (a label).
    """
    ctx.obj = options
    ctx.color = _colour()


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit."""
    code = run(sys.argv[1:] if args is None else args)
    gc.freeze()  # the process ends here: to look through all of it for garbage once more takes as long as a read
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = group.main(args=args, prog_name="muster", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except MusterError as error:
        hint = error.hint
        if isinstance(error, ReviewNeeded):
            again = [arg for arg in args if arg != "--direct"]
            hint = f"propose it: {shlex.join(['muster', *again, '--propose'])}"
        _explain(str(error), hint)
        return exit_code(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "muster"
        _explain(error.format_message(), f"see {path} --help")
        return error.exit_code
    except OSError as error:
        _explain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return EXIT_CODES[Unavailable]


def _explain(words: str, hint: str = "") -> None:
    from ..report import safe

    error, colour = click.style("error:", fg="red", bold=True), _colour()
    click.echo(f"{error} {safe(words, lines=True)}", err=True, color=colour)
    if hint:
        click.echo(f"{click.style('hint:', fg='cyan')} {safe(hint)}", err=True, color=colour)


def _colour() -> bool | None:
    """None: colours on a terminal alone. See https://no-color.org."""
    return False if os.environ.get("NO_COLOR") else None
