"""Writes the generated parts of the documentation: what the code, the schemas and the command line say of themselves.

    python docs/generate.py            write them
    python docs/generate.py --check    write nothing; fail with a diff where one is stale

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; `PARTS` says how each is made. All other words on
a page are written by hand.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import inspect
import json
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

import muster
from muster.backends.formats import FORMATS
from muster.core import checks, dvcconfig, filters, query
from muster.frontends.cli import COMMANDS, EXIT_CODES, INTERRUPTED, group

TOP = Path(__file__).resolve().parent.parent
PAGES = (TOP / "README.md", *sorted((TOP / "docs").rglob("*.md")))
_PART = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL)

# Rules that are not of the table, as they guard what is read or stored and not a change: name -> (when, what holds)
OTHER_RULES = {
    "yaml_is_strict": ("reading", "A file is YAML that every reader of YAML 1.1 and 1.2 understands alike."),
    "schema_is_known": ("reading", "A file's schema version is one that this muster knows."),
    "merges_cleanly": ("check BASE HEAD", "What HEAD changes did not change in BASE since."),
    "every_commit_is_sound": ("check BASE HEAD", "There are few enough commits for each to be judged."),
    "plan_is_clear": ("propose --from", "Each change of a plan file says one thing to do."),
    "lock_is_clear": (
        "pull --locked, outdated, update",
        "A lock names each reference once, and its registry without a password.",
    ),
    "import_is_clear": ("import file", "Each version of a file to import says where its content is."),
    "version_can_be_imported": (
        "import file",
        "Each version's content is stored and its operation can be planned.",
    ),
    "artifact_is_stored": ("check --artifacts", "The artifact store has every object that a version names."),
    "history_only_grows": (
        "ci check, on a push",
        "What the branch was at is in the history of what it is at now.",
    ),
    "artifact_is_intact": ("verify", "The artifact store's bytes are those that were registered."),
    "artifact_files_can_be_stored": (
        "register",
        "The files to register are plain files whose names every file system can hold.",
    ),
}
_END = r"(?![\s\S])"  # how the schemas say that a text ends
_CODES = {
    0: "it worked",
    1: "another failure; `doctor` found something wrong",
    2: "the command line was not understood",
    3: "`NotFound`",
    4: "`Refused`",
    5: "`Invalid`; `check`, `fmt --check` or a `--dry-run` found something",
    6: "`Conflict`",
    7: "`Integrity`; `verify` found something",
    8: "`Unavailable`",
    INTERRUPTED: "it was interrupted",
}


# --- the command line ------------------------------------------------------------------------------------------------


def command_names() -> Iterator[str]:
    """Yield every command and subcommand, such as `alias set`."""
    for name in COMMANDS:
        command = find_command(name)
        if isinstance(command, click.Group):
            yield from (f"{name} {sub}" for sub in command.commands)
        else:
            yield name


def find_command(name: str) -> click.Command:
    """Return the command called name."""
    found: click.Command = group
    for word in name.split():
        inner = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
        if inner is None:
            raise KeyError(f"there is no command {name!r}")
        found = inner
    return found


def command(name: str) -> str:
    """Return what a command says of itself: usage, help and options."""
    found = find_command(name)
    context = click.Context(found, info_name=f"muster {name}")
    usage = " ".join([f"muster {name}", *found.collect_usage_pieces(context)])
    return f"```text\n{usage}\n```\n\n{_paragraphs(found.help or '')}\n\n{_options(found, context)}"


def global_options() -> str:
    """Return the options that stand before the command."""
    return _options(group, click.Context(group, info_name="muster"))


def _options(found: click.Command, context: click.Context) -> str:
    """Return the options of a command, without those that every command has."""
    common = {p.name for p in group.params} if found is not group else set()
    options = (p for p in found.get_params(context) if isinstance(p, click.Option) and p.name not in common)
    rows = [record for record in (p.get_help_record(context) for p in options) if record]
    return "".join(f"- `{names}`: {words}\n" for names, words in rows if not words.startswith("Show this"))


def command_list() -> str:
    """Return the table of commands."""
    rows = []
    for name in command_names():
        words = (find_command(name).help or "").partition("\n")[0] if " " in name else COMMANDS[name][1]
        rows.append((f"[{name}](#muster-{name.replace(' ', '-')})", words))
    return _table(("Command", "What it does"), rows)


def exit_codes() -> str:
    """Return the table of exit codes."""
    docs = {code: _first(error.__doc__) for error, code in EXIT_CODES.items()}
    rows = [(str(code), words, docs.get(code, "")) for code, words in _CODES.items()]
    return _table(("Code", "When", "That is"), rows)


# --- rules and schemas -----------------------------------------------------------------------------------------------


def rules() -> str:
    """Return every rule of the tables, with what is true when it holds."""
    return "".join(f"### {rule.__name__}\n\n{_paragraphs(rule.__doc__)}\n\n" for rule in checks.CHECKS)


def change_rules() -> str:
    """Return the rules over a whole change."""
    return "".join(f"### {rule.__name__}\n\n{_paragraphs(rule.__doc__)}\n\n" for rule in checks.CHANGE_CHECKS)


def other_rules() -> str:
    """Return the rules that guard what is read or stored."""
    return "".join(
        f"### {name}\n\n{words} Asked when: {when}.\n\n" for name, (when, words) in OTHER_RULES.items()
    )


def schema_fields(kind: str) -> str:
    """Return the table of a schema's fields."""
    document = load_schema(kind)
    rows = [
        (f"`{path}`", _type(spec), "yes" if required else "", _meaning(spec))
        for path, spec, required in fields_of(document)
    ]
    path, _, words = document["description"].partition(": ")
    return f"`{path}`: {words}\n\n" + _table(("Field", "Type", "Required", "Meaning"), rows)


def gate_fields() -> str:
    """Return the table of a gate's fields."""
    rows = [(f"`{path}`", _type(spec), _meaning(spec)) for path, spec, _ in fields_of(_gate())]
    return _table(("Field", "Type", "Meaning"), rows)


def load_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file."""
    document: dict[str, Any] = json.loads((TOP / "schemas" / f"{kind}.schema.json").read_text())
    return document


def fields_of(spec: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield (path, schema, whether required) of every field below an object; a gate's own fields are left out."""
    for name, field in spec.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field, name in spec.get("required", ())
        yield from _below(path, field)


def _below(path: str, field: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    field, items = _as_object(field), _as_object(field.get("items", {}))
    if field.get("properties"):
        yield from fields_of(field, f"{path}.")
    elif items.get("properties"):
        yield from fields_of(items, f"{path}[].")
    elif isinstance(inner := field.get("additionalProperties"), Mapping):
        inner = _as_object(inner)
        if "review" not in inner.get("properties", {}):
            yield from fields_of(inner, f"{path}.<name>.")


def _as_object(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one of a schema's choices that has fields, or the schema itself."""
    return next((choice for choice in spec.get("anyOf", ()) if "properties" in choice), spec)


def _gate() -> Mapping[str, Any]:
    return _as_object(load_schema("registry")["properties"]["stages"]["additionalProperties"])


def _type(spec: Mapping[str, Any]) -> str:
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return " or ".join(f"`{json.dumps(value)}`" for value in spec["enum"])
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(_type(choice) for choice in spec["anyOf"]))
    kinds = spec.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds == ["array"]:
        items = spec.get("items", {})
        kind = items.get("type", "value")
        return "list of " + " or ".join(f"{c.get('type', kind)}s" for c in items.get("anyOf", (items,)))
    if kinds == ["object"] and "properties" not in spec:
        inner = spec.get("additionalProperties")
        if not isinstance(inner, Mapping):
            return "mapping"
        inner = next((s for s in inner.get("anyOf", ()) if "properties" in s), inner)
        if "review" in inner.get("properties", {}):
            return "mapping of name to [gate](#gates)"
        return f"mapping to {_type(inner)}"
    return " or ".join(kinds)


def _meaning(spec: Mapping[str, Any]) -> str:
    words = [spec.get("description", "")]
    low, high = spec.get("minimum"), spec.get("maximum")
    if low is not None or high is not None:
        words.append(f"From {low} to {high}." if None not in (low, high) else f"At least {low}.")
    if "maxLength" in spec:
        words.append(f"At most {spec['maxLength']} characters.")
    if "maxItems" in spec or "maxProperties" in spec:
        words.append(f"At most {spec.get('maxItems', spec.get('maxProperties'))}.")
    if "pattern" in spec:
        pattern = spec["pattern"].removesuffix(_END).removeprefix("^")
        words.append(f"Matches `{pattern}`.")
    return " ".join(filter(None, words))


def dvc_keys() -> str:
    """Return the table of what the committed DVC configuration may hold."""
    rows = []
    for section, keys in dvcconfig.KEYS.items():
        for key, (schemes, _) in keys.items():
            kinds = ", ".join(sorted(scheme or "a directory" for scheme in schemes))
            rows.append((f"`{section}`", f"`{key}`", kinds if section == "remote" else ""))
    return _table(("Section", "Key", "For"), rows)


# --- searching, formats ----------------------------------------------------------------------------------------------


def search_fields(subject: str) -> str:
    """Return the table of what can be asked of versions or of models."""
    table: Mapping[str, filters.Field[Any]] = {
        "versions": filters.VERSION_FIELDS,
        "models": filters.MODEL_FIELDS,
    }[subject]
    rows = [
        (
            f"`{name}{'.KEY' if field.keyed else ''}`",
            field.type,
            field.meaning,
            ", ".join(f"`{synonym}`" for synonym in field.synonyms),
        )
        for name, field in table.items()
    ]
    return _table(("Attribute", "Type", "What it is", "Also written"), rows)


def search_operators() -> str:
    """Return the table of operators by type."""
    rows = [(kind, ", ".join(f"`{o}`" for o in operators)) for kind, operators in query.OPERATORS.items()]
    return _table(("Type", "Operators"), rows)


def formats() -> str:
    """Return the table of formats."""
    rows = [
        (
            f"`{row.name}`",
            "a directory" if row.is_directory else "a file",
            f"`{row.library}`"
            if row.library
            else "the path itself"
            if row.load.__name__ == "_path_itself"
            else "Python",
            f"`{row.extra}`" if row.extra else "",
            "yes" if row.runs_code else "",
        )
        for row in FORMATS
    ]
    return _table(("Format", "Is", "Loaded by", "Extra", "Needs `trust`"), rows)


# --- the library and the house ---------------------------------------------------------------------------------------


def api(name: str) -> str:
    """Return the reference of one public class or function: its signature, its words, and those of what it has."""
    thing = _public(name)
    if not isinstance(thing, type):
        return f"**`muster.{name}{_signature(thing)}`**\n\n{_paragraphs(thing.__doc__)}\n\n"
    text = [f"{_paragraphs(thing.__doc__)}\n"]
    if dataclasses.is_dataclass(thing):
        text.append("Fields: " + ", ".join(f"`{f.name}`" for f in dataclasses.fields(thing)) + ".\n")
    elif "__init__" in vars(thing) and not issubclass(thing, BaseException):
        text.insert(0, f"**`{name}{_signature(thing.__init__)}`**\n")
    for key, member in _members(thing).items():
        if isinstance(member, property):
            text.append(f"- `{key}`: {_paragraphs(member.fget.__doc__ if member.fget else '')}")
        elif isinstance(member, (types.FunctionType, classmethod)):
            function = member.__func__ if isinstance(member, classmethod) else member
            text.append(f"\n**`{key}{_signature(function)}`**\n\n{_paragraphs(function.__doc__)}\n")
    return "\n".join(text) + "\n"


def _members(thing: type) -> Mapping[str, Any]:
    """Return what a class has of its own and of muster's classes that it builds on, those first."""
    ours = [c for c in reversed(thing.__mro__) if c.__module__.startswith("muster.")]
    return {key: member for c in ours for key, member in vars(c).items() if not key.startswith("_")}


def _public(name: str) -> Any:
    if hasattr(muster, name):
        return getattr(muster, name)
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(f"muster.{module}"), attribute)


def _signature(function: Callable[..., Any]) -> str:
    """Return a function's parameters with their defaults, and what it returns."""
    signature = inspect.signature(function)
    shown = [_plain(p) for name, p in signature.parameters.items() if name not in ("self", "cls")]
    text = str(signature.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    returns = signature.return_annotation
    return text if returns in (inspect.Signature.empty, "None") else f"{text} -> {returns}"


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if callable(default) and default is not parameter.empty:
        default = _Shown("now")
    return parameter.replace(annotation=inspect.Parameter.empty, default=default)


class _Shown(str):
    """A default that is shown as a word and not as a value."""

    def __repr__(self) -> str:
        return str(self)


def modules() -> str:
    """Return the tree of modules, each with the first sentence of its docstring."""
    lines = []
    for path in sorted((TOP / "src" / "muster").rglob("*.py"), key=_depth_first):
        parts = path.relative_to(TOP / "src").with_suffix("").parts
        indent = "    " * (len(parts) - (2 if parts[-1] == "__init__" else 1))
        name = f"{parts[-2]}/" if parts[-1] == "__init__" else f"{parts[-1]}.py"
        words = _sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        lines.append(f"{indent + name:<32}{words}")
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"


def _depth_first(path: Path) -> tuple[tuple[int, str], ...]:
    """A package's own module first, then its modules, then its packages."""
    *folders, name = path.relative_to(TOP / "src").parts
    return (*((1, folder) for folder in folders), (0, "" if name == "__init__.py" else name))


def example(path_and_name: str) -> str:
    """Return the block of an example that begins with a function, a key or an item of that name."""
    path, name = path_and_name.split()
    lines = (TOP / "docs" / "examples" / path).read_text(encoding="utf-8").splitlines()
    begins = re.compile(rf"\s*(?:(?:async )?def {name}\(|{name}:|- name: {name}\b)")
    first = next(number for number, line in enumerate(lines) if begins.match(line))
    depth = _depth(lines[first])
    inside = (number for number, line in enumerate(lines) if number > first and line.strip())
    end = next((number for number in inside if _depth(lines[number]) <= depth), len(lines))
    block = "\n".join(line[depth:] for line in lines[first:end]).rstrip()
    return f"```{'yaml' if path.endswith('.yaml') else 'py'}\n{block}\n```\n"


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


# --- words and tables ------------------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(map(_cell, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n".replace("  |", " |") for line in lines)


def _cell(text: str) -> str:
    """Return text as a table's cell shows it."""
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return text with no HTML in it: code stays as it is."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"<(?=[A-Za-z/!])", "&lt;", part) for part in parts[::2]]
    return "`".join(parts)


def _paragraphs(text: str | None) -> str:
    """Return a docstring with each paragraph on a line of its own; indented text stays as it is."""
    parts = _escaped(inspect.cleandoc(text or "")).split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else " ".join(part.split("\n")) for part in parts)


def _first(text: str | None) -> str:
    return _paragraphs(text).partition("\n")[0]


def _sentence(text: str) -> str:
    first = _first(text)
    return re.split(r"(?<=\.) ", first, maxsplit=1)[0].rstrip(".")


# name -> the part; a name of two words has its argument after the first
PARTS: Mapping[str, Callable[..., str]] = {
    "command": command,
    "commands": command_list,
    "options": global_options,
    "exit-codes": exit_codes,
    "rules": rules,
    "change-rules": change_rules,
    "other-rules": other_rules,
    "schema": schema_fields,
    "gate": gate_fields,
    "dvc-keys": dvc_keys,
    "search-fields": search_fields,
    "search-operators": search_operators,
    "formats": formats,
    "api": api,
    "modules": modules,
    "example": example,
}


def generated(text: str) -> str:
    """Return a page with its generated parts made anew."""

    def part(match: re.Match[str]) -> str:
        kind, _, argument = match["name"].partition(" ")
        made = PARTS[kind](argument) if argument else PARTS[kind]()
        return f"{match[1]}\n{made.rstrip()}\n\n{match[4]}"

    return _PART.sub(part, text)


def stale() -> dict[Path, str]:
    """Return the pages that would change, and their text as it should be."""
    found = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (fresh := generated(text)) != text:
            found[page] = fresh
    return found


def main(arguments: list[str]) -> int:
    """Write what is stale, or with --check say what is."""
    changed = stale()
    for page, fresh in changed.items():
        name = page.relative_to(TOP).as_posix()
        if "--check" in arguments:
            old = page.read_text(encoding="utf-8").splitlines(keepends=True)
            sys.stdout.writelines(
                difflib.unified_diff(old, fresh.splitlines(keepends=True), name, f"{name} (fresh)")
            )
        else:
            page.write_text(fresh, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if changed and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
