"""Which files of an artifact are meant: patterns over their paths, as `.gitignore` has them.

`*`, `?` and `[...]` stay inside one part of a path, `**` stands for any number of parts. A pattern without a slash is
looked for at every depth, one with a slash from the top. One that fits a directory means all that is below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from .errors import NotFound
from .models import ArtifactFile

_SHOWN = 10  # paths in a hint


def select(
    files: Sequence[ArtifactFile], include: Sequence[str] | str = (), exclude: Sequence[str] | str = ()
) -> tuple[ArtifactFile, ...]:
    """Return the files that a pattern of include fits (any, if there is none) and none of exclude does.

    NotFound if a pattern fits no file at all, or if nothing is left.
    """
    wanted = _fitting(include, files) if include else {file.path for file in files}
    if exclude:
        wanted -= _fitting(exclude, files)
    selected = tuple(file for file in files if file.path in wanted)
    if not selected:
        raise NotFound("No file is left once those that are excluded are taken away.", _what_there_is(files))
    return selected


def only(files: Sequence[ArtifactFile], path: str) -> ArtifactFile:
    """Return the file of that path; NotFound if there is none."""
    for file in files:
        if file.path == path:
            return file
    raise NotFound(f"There is no file {path!r}.", _what_there_is(files))


def fits(pattern: str, path: str) -> bool:
    """Tell whether a pattern means the file at path."""
    inside = pattern.rstrip("/")
    steps = inside.lstrip("/").split("/")
    if "/" not in inside:
        steps.insert(0, "**")
    reached = _beyond(steps, {0})
    for part in path.split("/"):
        reached = _beyond(steps, {after for at in reached for after in _after(steps, at, part)})
        if len(steps) in reached:
            return True
    return False


def _after(steps: Sequence[str], at: int, part: str) -> tuple[int, ...]:
    """Return the steps at which a pattern may stand once a part of the path was met."""
    if steps[at] == "**":
        return (at, at + 1) if at + 1 == len(steps) else (at,)
    return (at + 1,) if fnmatchcase(part, steps[at]) else ()


def _beyond(steps: Sequence[str], reached: set[int]) -> set[int]:
    """Add the steps behind each `**`, which may stand for no part at all, unless it ends the pattern."""
    for at in sorted(reached):
        while at + 1 < len(steps) and steps[at] == "**":
            at += 1
            reached.add(at)
    return reached


def _fitting(patterns: Sequence[str] | str, files: Sequence[ArtifactFile]) -> set[str]:
    """Return the paths that any of the patterns fits; each must fit one."""
    found: set[str] = set()
    for pattern in (patterns,) if isinstance(patterns, str) else patterns:
        fitting = {file.path for file in files if fits(pattern, file.path)}
        if not fitting:
            raise NotFound(f"No file fits {pattern!r}.", _what_there_is(files))
        found |= fitting
    return found


def _what_there_is(files: Sequence[ArtifactFile]) -> str:
    shown = ", ".join(file.path for file in files[:_SHOWN])
    return f"there are {shown}{f' and {len(files) - _SHOWN} more' if len(files) > _SHOWN else ''}"
