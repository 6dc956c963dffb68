"""Where the versions of a watched reference are put: muster's own cache, or a directory with a link to the current one.

<output>/3-b07b39c3a467/    the files of version 3, by the beginning of its digest; they appear at once
<output>/current            a symbolic link to one of these, moved in one step
<output>/.watched.json      what was handed over last
<output>/.incoming-...      what is on its way; what a killed process left there goes with the next arrival
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .backends.artifacts import disk
from .backends.artifacts.hashing import read_sha256
from .backends.artifacts.progress import Progress
from .backends.artifacts.store import ArtifactStore
from .core.errors import Conflict, Integrity
from .core.models import ArtifactFile
from .resolved import Resolved

STATE = ".watched.json"
_INCOMING = ".incoming-"
_OURS = re.compile(r"[0-9]+-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version, and where its files come from: `oid` is their address in the store."""

    resolved: Resolved
    store: ArtifactStore
    oid: str
    files: tuple[ArtifactFile, ...]


class Place(Protocol):
    """Where versions are put."""

    def bring(self, candidate: Candidate, progress: Progress) -> Path:
        """Return the directory of a version's files, which were verified now."""

    def switch(self, path: Path | None) -> None:
        """Make one that was brought the current one; None for none. Nothing if it is so already."""

    def prune(self) -> None:
        """Remove what is no longer kept."""


class Cache:
    """muster's own cache, which has each version by its digest and no current one."""

    def bring(self, candidate: Candidate, progress: Progress) -> Path:
        """Return the directory of the cache."""
        return candidate.store.tree(candidate.oid, candidate.files, candidate.resolved.digest, progress)

    def switch(self, path: Path | None) -> None:
        """Do nothing."""

    def prune(self) -> None:
        """Do nothing."""


class Directory:
    """A directory with each version in one of its own. `keep` is how many stay beside the current one."""

    def __init__(self, root: Path, keep: int) -> None:
        self._root, self._keep = root.absolute(), keep
        self._current = self._root / "current"

    def bring(self, candidate: Candidate, progress: Progress) -> Path:
        """Return the version's directory, made if it is not there or not as it was registered."""
        target = self._root / _name(candidate.resolved)
        with disk.disk_errors(), disk.scratch(self._root, _INCOMING) as scratch:
            if not _is_intact(target, candidate.files):
                incoming = Path(scratch, "files")
                candidate.store.pull(candidate.oid, candidate.files, incoming, progress, "auto")
                if os.path.lexists(target):
                    target.rename(Path(scratch, "refused"))
                incoming.rename(target)
        return target

    def switch(self, path: Path | None) -> None:
        """Point `current` at path, in one step. Conflict if something else is in its place."""
        with disk.disk_errors():
            if os.path.lexists(self._current) and not self._current.is_symlink():
                raise Conflict(f"{self._current} is not a link of muster's", "name another directory")
            if path is None:
                self._current.unlink(missing_ok=True)
            elif self._target() != path.name:
                with disk.scratch(self._root, _INCOMING) as scratch:
                    link = Path(scratch, "current")
                    link.symlink_to(path.name)
                    link.replace(self._current)
                os.utime(path)

    def prune(self) -> None:
        """Remove the versions that are neither current nor among the last ones that were."""
        with disk.disk_errors():
            others = [entry for entry in os.scandir(self._root) if self._is_old(entry)]
            for entry in sorted(others, key=lambda e: e.stat().st_mtime_ns, reverse=True)[self._keep :]:
                disk.remove_tree(entry.path)

    def _is_old(self, entry: os.DirEntry[str]) -> bool:
        ours = _OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        return bool(ours) and entry.name != self._target()

    def _target(self) -> str | None:
        return str(self._current.readlink()) if self._current.is_symlink() else None


def _name(resolved: Resolved) -> str:
    """Return what a version's directory is called; Integrity if what its manifest says cannot be a name of ours."""
    digest = str(resolved.digest)
    name = f"{resolved.version}-{digest.removeprefix('sha256:')[:12]}"
    if not _OURS.fullmatch(name):
        raise Integrity(f"the manifest of {resolved.model} names version {name!r}", "run `muster check`")
    return name


def _is_intact(place: Path, files: tuple[ArtifactFile, ...]) -> bool:
    """Tell whether a directory has exactly these files, byte for byte, and no link among them."""
    below = {path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()}
    if place.is_symlink() or below != {place / file.path for file in files}:
        return False
    try:
        return all(read_sha256(f"{place}/{f.path}", _uncounted) == (f.size, f.sha256) for f in files)
    except OSError:
        return False


def _uncounted(_bytes: int) -> None:
    """Keep no count."""
