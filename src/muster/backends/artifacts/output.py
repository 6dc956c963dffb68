"""Where files are pulled to: a new or empty directory, or one that may be replaced, as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...core.errors import Conflict, Refused
from ...core.models import ArtifactFile
from . import disk
from .hashing import read_sha256
from .progress import Meter, Progress
from .verified import VerifiedCache


def holds(place: Path, files: Sequence[ArtifactFile], cache: VerifiedCache, progress: Progress) -> bool:
    """Tell whether a directory has exactly these files, reading every byte. They may be links into the cache."""
    if not place.is_dir() or place.is_symlink():
        return False
    if {file.path for file in files} != set(paths_below(str(place))):
        return False
    meter = Meter(progress, "verify", sum(file.size for file in files))
    if not all(_is_intact(f"{place}/{file.path}", file, cache, meter) for file in files):
        return False
    meter.close()
    return True


def require_free(place: Path, replace: bool, cache: VerifiedCache) -> None:
    """Raise Conflict if something is at place that is not an empty directory, or a directory to `replace`.

    Refused if more would go with that directory than files that were pulled.
    """
    if not os.path.lexists(place):
        return
    if place.is_symlink() or not place.is_dir():
        raise _occupied(place, can_be_replaced=False)
    if os.path.ismount(place):
        raise Conflict(
            f"{place} is the root of a file system, which cannot be put there all at once.",
            hint="Name a directory in it.",
        )
    if any(place.iterdir()):
        if not replace:
            raise _occupied(place, can_be_replaced=True)
        _require_replaceable(place, cache)


def put(built: str, place: Path, replace: bool) -> None:
    """Give a complete directory its name. What is replaced is where the complete directory was, then."""
    try:
        os.rename(built, place)
    except OSError as error:
        if not place.is_dir() or place.is_symlink() or not any(place.iterdir()):
            raise error
        if not replace:
            raise _occupied(place, can_be_replaced=True) from error
        disk.exchange(built, str(place))


def _require_replaceable(place: Path, cache: VerifiedCache) -> None:
    real = os.path.realpath(place)
    for inside in (os.getcwd(), os.path.expanduser("~"), str(cache.root)):
        if os.path.commonpath((real, os.path.realpath(inside))) == real:
            raise Refused(f"{place} contains {inside}, and is not replaced.", hint="Choose another place.")
    if os.path.lexists(f"{place}/.git"):
        raise Refused(f"{place} is a git repository, and is not replaced.", hint="Choose another place.")


def paths_below(root: str) -> Iterator[str]:
    """Yield everything below root other than directories, links to directories too."""
    for directory, subdirectories, names in os.walk(root):
        links = [name for name in subdirectories if os.path.islink(f"{directory}/{name}")]
        yield from (f"{directory}/{name}"[len(root) + 1 :] for name in names + links)


def _is_intact(path: str, file: ArtifactFile, cache: VerifiedCache, meter: Meter) -> bool:
    try:
        cached = cache.path(file.sha256)
        place = cached if os.path.islink(path) and os.readlink(path) == cached else path
        return os.stat(place).st_size == file.size and read_sha256(place, meter.add) == (
            file.size,
            file.sha256,
        )
    except OSError:
        return False


def _occupied(place: Path, can_be_replaced: bool) -> Conflict:
    hint = "Choose another place, or remove it first."
    if can_be_replaced:
        hint = "Choose another place, or say that it is to be replaced (--replace)."
    return Conflict(f"{place} is already there.", hint=hint)
