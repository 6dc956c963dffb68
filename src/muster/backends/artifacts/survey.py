"""What a file or directory that is to be stored consists of, and everything for which it is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Finding, Invalid, NotFound
from ...core.filelist import MAX_PATH, problems_with_paths

RULE = "artifact_files_can_be_stored"
MAX_ENTRIES = 500_000  # files and directories
MAX_LINKED = 1_000  # directories reached by a link: two links in each of thirty lead to a billion


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to store: its path in the artifact, where its bytes are, and how many there are."""

    path: str
    location: str
    size: int


def survey(source: Path, beside: Mapping[str, Path]) -> tuple[SourceFile, ...]:
    """Return the files of source and those beside it, sorted by path. A single file is a directory of one.

    Links are followed as long as they stay inside. NotFound if source is not there, Invalid with every
    finding if one of its files cannot be stored.
    """
    location = os.path.abspath(source)
    status = _status(source)
    walk = _Walk(location)
    if stat.S_ISDIR(status.st_mode):
        walk.run()
    else:
        walk.take(os.path.basename(location), location, status)
    for path, file in beside.items():
        walk.take(path, os.path.abspath(file), _status(file))
    paths = [file.path for file in walk.files]
    refused = walk.refused + [(path, f"{path!r} {why}") for path, why in problems_with_paths(paths)]
    if not refused and not paths:
        refused = [(str(source), "the directory has no files")]
    if refused:
        findings = [Finding(_printable(path), RULE, _printable(why)) for path, why in sorted(refused)]
        raise Invalid(f"{source} cannot be stored as an artifact.", findings)
    return tuple(sorted(walk.files, key=lambda file: file.path))


def _status(source: Path) -> os.stat_result:
    try:
        return os.stat(source)
    except OSError as error:
        raise NotFound(f"There is no file or directory {source}.", hint="Check the path.") from error


class _Walk:
    """The files met so far below one directory, and what is wrong with them."""

    def __init__(self, location: str) -> None:
        self._root = os.path.realpath(location)
        self._pending: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(location, "", ())]
        self._met = self._linked = 0
        self.files: list[SourceFile] = []
        self.refused: list[tuple[str, str]] = []  # path, and why

    def run(self) -> None:
        """Take every file."""
        while self._pending:
            self._enter(*self._pending.pop())

    def take(self, path: str, location: str, status: os.stat_result) -> None:
        """Take one file, if it is one that can be read."""
        if not stat.S_ISREG(status.st_mode):
            self._refuse(path, "it is neither a file nor a directory")
        elif not os.access(location, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            self._refuse(path, "the file cannot be read: permission denied")
        else:
            self.files.append(SourceFile(path, location, status.st_size))

    def _enter(self, location: str, path: str, above: tuple[tuple[int, int], ...]) -> None:
        """Meet all that is in a directory. `above` are the devices and inodes of those that led here."""
        try:
            status = os.stat(location)
            entries = list(os.scandir(location))
        except OSError as error:
            self._refuse(path or location, f"the directory cannot be read: {error.strerror}")
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            self._refuse(path, "the link leads to a directory that contains it")
            return
        for entry in entries:
            self._meet(entry, f"{path}/{entry.name}" if path else entry.name, (*above, identity))

    def _meet(self, entry: os.DirEntry[str], path: str, above: tuple[tuple[int, int], ...]) -> None:
        self._met += 1
        if self._met > MAX_ENTRIES:
            raise Invalid(f"An artifact has at most {MAX_ENTRIES} files.", hint="Pack them into an archive.")
        try:
            if entry.is_symlink() and not self._stays_inside(entry.path):
                self._refuse(path, "the link leads out of the directory")
                return
            status = entry.stat()
        except OSError as error:
            self._refuse(path, f"it leads nowhere, or cannot be read: {error.strerror}")
            return
        if len(os.fsencode(path)) > MAX_PATH or not stat.S_ISDIR(status.st_mode):
            self.take(path, entry.path, status)
        else:
            self._linked += entry.is_symlink()
            if self._linked > MAX_LINKED:
                raise Invalid(f"An artifact has at most {MAX_LINKED} links to directories.")
            self._pending.append((entry.path, path, above))

    def _stays_inside(self, location: str) -> bool:
        return f"{os.path.realpath(location)}/".startswith(f"{self._root.rstrip('/')}/")

    def _refuse(self, path: str, message: str) -> None:
        self.refused.append((path, message))


def _printable(text: str) -> str:
    """Return text with the bytes of a file name that are not UTF-8 written out."""
    return text.encode(errors="backslashreplace").decode()
