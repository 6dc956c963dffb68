"""The command line of a reader that has nothing installed but this package: `python -m muster.light`.

The words, the JSON and the exit codes are those of `muster`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.errors import MusterError, Unavailable
from ..registry import Registry
from . import files, report
from .exits import EXIT_CODES, INTERRUPTED, exit_code
from .keys import trusted

MISSING = (
    "this needs the package click: pip install muster-registry, or read an index with python -m muster.light"
)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(args)
    try:
        with _opened(options) as registry:
            _COMMANDS[options.command](registry, options)
    except MusterError as error:
        _explain(str(error), error.hint)
        return exit_code(error)
    except KeyboardInterrupt:
        _explain("interrupted")
        return INTERRUPTED
    except OSError as error:
        _explain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return EXIT_CODES[Unavailable]
    return 0


def _opened(options: argparse.Namespace) -> Registry:
    return Registry(
        options.index,
        offline=options.offline,
        max_age=options.max_age,
        accept_history=options.accept_history,
        keys=tuple(trusted(options.keys)),
    )


def _resolve(registry: Registry, options: argparse.Namespace) -> None:
    found = registry.resolve(options.reference)
    _say(options, found, f"{report.safe(found.model)}/{found.version}")


def _pull(registry: Registry, options: argparse.Namespace) -> None:
    pulled = registry.pulled(
        options.reference,
        options.output,
        include=options.include,
        exclude=options.exclude,
        replace=options.replace,
    )
    _say(options, {"reference": options.reference, **report.plain(pulled)}, pulled.path)


def _open(registry: Registry, options: argparse.Namespace) -> None:
    target = files.target_of(options.output)
    with registry.open(options.reference, options.path) as opened:
        files.write(opened, target)


_COMMANDS: Mapping[str, Callable[[Registry, argparse.Namespace], None]] = {
    "resolve": _resolve,
    "pull": _pull,
    "open": _open,
}


def _parser() -> argparse.ArgumentParser:
    words = (
        "Read a published index of a registry. A reference is bikes/3, bikes@champion or bikes/production."
    )
    parser = argparse.ArgumentParser("python -m muster.light", description=words)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    resolve = commands.add_parser("resolve", help="Say which version a reference names.")
    pull = commands.add_parser("pull", help="Bring a version's files here, verified.")
    one = commands.add_parser("open", help="Bring one file of a version, verified, without the others.")
    for command in (resolve, pull, one):
        command.add_argument("index", metavar="INDEX", help="index+https://host/path, or index+/path")
        command.add_argument("reference", metavar="REF", help="Which version.")
        _add_terms(command)
    pull.add_argument("-o", "--output", required=True, metavar="DIR", help="A new or empty directory.")
    fits = "Only files that fit, as in .gitignore; repeat for more."
    pull.add_argument("--include", action="append", default=[], metavar="GLOB", help=fits)
    pull.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="Not the files that fit."
    )
    pull.add_argument("--replace", action="store_true", help="DIR may have other files: they go.")
    one.add_argument("path", metavar="PATH", help="The file, by its path in the artifact.")
    one.add_argument("-o", "--output", default="-", metavar="FILE|-", help="A new file, or standard output.")
    return parser


def _add_terms(command: argparse.ArgumentParser) -> None:
    add: Callable[..., Any] = command.add_argument
    key = "The public key (.pub), or its fingerprint, that must have signed the index; repeat for more."
    add("--key", dest="keys", action="append", default=[], metavar="FILE|SHA256:...", help=key)
    add(
        "--max-age", type=_seconds, metavar="30s|10m|24h", help="An answer that was true so long ago will do."
    )
    add("--offline", action="store_true", help="Ask nobody: answer from what was read last.")
    add("--accept-history", default="", metavar="COMMIT", help="Take this commit, although it looks older.")
    add("--json", action="store_true", help="Print JSON, where words are printed.")


def _seconds(text: str) -> float:
    from ..core.demands import duration

    return duration(text).total_seconds()


def _say(options: argparse.Namespace, value: Any, words: str) -> None:
    print(report.to_json(value) if options.json else words)


def _explain(words: str, hint: str = "") -> None:
    print(f"error: {report.safe(words, lines=True)}", file=sys.stderr)
    if hint:
        print(f"hint: {report.safe(hint)}", file=sys.stderr)
