"""The block of CODEOWNERS in which each model's owners stand, so that a forge asks them to review what changes there.

It is derived from the models, between two marker lines; a file without markers is left alone and judged by nobody.
A model has a line if it has an owner named as a forge does, @login or @org/team; then the addresses of its other owners
stand there, too. An address alone makes no line: whoever registers a model first is its owner by address, and forges
often do not know it. So registering a model leaves CODEOWNERS alone, which the platform's team guards, and two
registrations of new models never conflict in it.

One line of a model: `/models/bikes/  @ann bea@example.com`, sorted, in the syntax of GitHub and GitLab. A directory
of models/ needs no escaping there: `names.encode` leaves letters, digits, `.`, `_`, `-` and `%`, none of which means
anything in a pattern. As the last pattern that matches wins, what guards a stage stands below the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from . import names
from .errors import Finding, Invalid, MusterError
from .snapshot import Change, Snapshot

PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
BEGIN = "# Owners of models: written by `muster owners sync`, from here"
END = "# to here. What stands below goes before it."
RULE = "codeowners_are_current"

_HANDLE = re.compile(r"@[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*")
_ADDRESS = re.compile(r"(?:[^<>]*<)?(?P<address>[A-Za-z0-9.!$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)>?\s*")
_FOR_MODELS = re.compile(rf"/?{names.MODELS}(?:/|\s|$)")


@dataclass(frozen=True, slots=True)
class Codeowners:
    """A CODEOWNERS file, as lines: up to the block with its first marker, the block, and the rest with the second."""

    above: tuple[str, ...]
    block: tuple[str, ...]
    below: tuple[str, ...]

    def dump(self) -> bytes:
        """Return the file's content; what is outside the block is byte for byte as it was."""
        return "\n".join((*self.above, *self.block, *self.below)).encode("utf-8", "surrogateescape")

    def with_lines(self, lines: Mapping[str, str | None]) -> Codeowners:
        """Return the file with the lines of some models, by their patterns, as given; None takes one out."""
        kept = [line for line in self.block if _pattern_in(line) not in lines]
        return replace(self, block=tuple(sorted([*kept, *filter(None, lines.values())])))


def parse(data: bytes) -> Codeowners | None:
    """Return the file with its block; None if it has no markers, ValueError if they do not make one block."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    marks = [(n, line.strip()) for n, line in enumerate(lines) if line.strip() in (BEGIN, END)]
    if not marks:
        return None
    if [mark for _, mark in marks] != [BEGIN, END]:
        raise ValueError(
            "the two lines that mark the block of owners must be there once each, in their order"
        )
    (begin, _), (end, _) = marks
    return Codeowners(tuple(lines[: begin + 1]), tuple(lines[begin + 1 : end]), tuple(lines[end:]))


def only_block_differs(before: bytes | None, after: bytes | None) -> bool:
    """Tell whether two contents of a file have a block and differ nowhere else."""
    try:
        old, new = parse(before or b""), parse(after or b"")
    except ValueError:
        return False
    return old is not None and new is not None and (old.above, old.below) == (new.above, new.below)


def line_of(snapshot: Snapshot, model: str) -> str | None:
    """Return the line of a model; None if it is not there, or has no owner that a forge knows by name."""
    if not snapshot.has_model(model):
        return None
    owners = [str(owner).strip() for owner in snapshot.model_document(model).get("owners", [])]
    if not any(_HANDLE.fullmatch(owner) for owner in owners):
        return None
    known = (_as_forges_write(owner) for owner in owners)
    return f"{pattern(model)}  {' '.join(dict.fromkeys(filter(None, known)))}"


def pattern(model: str) -> str:
    """Return what stands for a model's files."""
    return f"/{names.model_directory(model)}/"


def following(snapshot: Snapshot, files: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """Return the CODEOWNERS files that must change with these files, whose models' owners they list."""
    places = (names.locate(path) for path in files)
    models = [place.model for place in places if place is not None and place.kind == "model"]
    if not models:
        return {}
    return _written(snapshot.apply(Change(files)), models)


def synced(snapshot: Snapshot) -> dict[str, bytes | None]:
    """Return the CODEOWNERS files that say something else than the models do, as they should be.

    Where no file has a block, the one there is gets it, before its first rule for models; without one, a new one.
    """
    there = [path for path in PATHS if path in snapshot]
    if not any(_parsed(snapshot, path) for path in there):
        if len(there) > 1:
            markers = f"put these two lines into the one that your forge reads:\n{BEGIN}\n{END}"
            raise Invalid(f"there are several CODEOWNERS: {', '.join(there)}", hint=markers)
        path = there[0] if there else "CODEOWNERS"
        prepared = {path: _with_markers(snapshot.files.get(path, b""))}
        return prepared | _written(snapshot.apply(Change(prepared)), None)
    return _written(snapshot, None)


def stale(before: Snapshot, after: Snapshot, change: Change) -> Iterator[Finding]:
    """Yield what a block says that the models do not, as far as the change could be the cause.

    What is compared are the models whose model.yaml changed and those whose line did; a block that is new, whole.
    """
    places = [names.locate(path) for path in change.files]
    models = [place.model for place in places if place is not None and place.kind == "model"]
    for path in PATHS:
        touched = path in change.files
        if (not models and not touched) or path not in after:
            continue
        try:
            found = parse(after.files[path])
        except ValueError as error:
            yield Finding(path, RULE, str(error))
            continue
        if found is not None:
            known = _block_of(before, path) if touched else found.block
            yield from _stale_lines(path, found, known, after, models)


def _stale_lines(
    path: str, found: Codeowners, known: tuple[str, ...] | None, after: Snapshot, changed: Iterable[str]
) -> Iterator[Finding]:
    if list(found.block) != sorted(set(found.block)):
        yield _finding(path, found, "", "its lines are not sorted, each once")
    differing = set(found.block) ^ set(known or ())
    patterns = {pattern(model): model for model in (after.models() if known is None else changed)}
    for line in sorted(differing):
        model = _model_in(line)
        if model is None and line in found.block:
            yield _finding(path, found, line, f"{line[:80]!r} is no model's line")
        elif model is not None:
            patterns[pattern(model)] = model
    said: dict[str, list[str]] = {}
    for line in found.block:
        said.setdefault(_pattern_in(line), []).append(line)
    for where, model in sorted(patterns.items()):
        try:
            wanted = line_of(after, model)
        except MusterError:
            continue  # a model.yaml that cannot be read has its own finding
        if said.get(where, []) != [line for line in (wanted,) if line]:
            here = next(iter(said.get(where, [])), "")
            must = f"must be {wanted!r}" if wanted else "must not be there: no owner is named as forges do"
            yield _finding(path, found, here, f"the line of {model} {must}")


def _finding(path: str, found: Codeowners, line: str, message: str) -> Finding:
    number = len(found.above) + (found.block.index(line) + 1 if line in found.block else 0)
    return Finding(path, RULE, message, number, 1, "run `muster owners sync`")


def _written(snapshot: Snapshot, models: Iterable[str] | None) -> dict[str, bytes | None]:
    """The CODEOWNERS files with a block in which these models' lines (None: all lines) are others now."""
    files: dict[str, bytes | None] = {}
    for path in PATHS:
        found = _parsed(snapshot, path)
        if found is None:
            continue
        start = replace(found, block=()) if models is None else found
        wanted = snapshot.models() if models is None else models
        new = start.with_lines({pattern(model): line_of(snapshot, model) for model in wanted})
        if new != found:
            files[path] = new.dump()
    return files


def _parsed(snapshot: Snapshot, path: str) -> Codeowners | None:
    if path not in snapshot:
        return None
    try:
        return parse(snapshot.files[path])
    except ValueError as error:
        raise Invalid(f"{path}: {error}", hint=f"mend them by hand:\n{BEGIN}\n{END}") from error


def _block_of(before: Snapshot, path: str) -> tuple[str, ...] | None:
    try:
        found = parse(before.files.get(path, b""))
    except ValueError:
        return None
    return None if found is None else found.block


def _with_markers(data: bytes) -> bytes:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    end = len(lines) - (not lines[-1])  # before the empty text that follows the last line's end
    at = next((n for n, line in enumerate(lines) if _FOR_MODELS.match(line)), end)
    rest = lines[at:] or [""]
    return "\n".join((*lines[:at], BEGIN, END, *rest)).encode("utf-8", "surrogateescape")


def _pattern_in(line: str) -> str:
    return line.partition(" ")[0]


def _model_in(line: str) -> str | None:
    """The model that a line of the block is about; None if it is no line that this module writes."""
    segment = _pattern_in(line).removeprefix(f"/{names.MODELS}/").removesuffix("/")
    try:
        model = names.decode(segment) if segment else None
    except ValueError:
        return None
    return model if model is not None and pattern(model) == _pattern_in(line) else None


def _as_forges_write(owner: str) -> str | None:
    if _HANDLE.fullmatch(owner):
        return owner
    match = _ADDRESS.fullmatch(owner)
    return match["address"] if match else None
