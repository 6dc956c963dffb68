"""Where a branch is, told without asking git as long as nothing has touched the files that say so.

The files are those of gitrepository-layout(5): HEAD, and what it names, or packed-refs where no file of its own has it.
Git is asked first, and again whenever one of them differs. Where they are laid out in another way (reftable, a symbolic
ref to a symbolic ref) it is asked each time.
"""

from __future__ import annotations

import os
from functools import cached_property

from .objects import ObjectPipe
from .process import Git

_HEADS = b"refs/heads/"
_LONGEST = 4096  # bytes of a file that holds a ref
_State = tuple[bytes, "bytes | tuple[int, int, int]"]  # of HEAD, and of the file that has the ref


class Tip:
    """The commit that one name, "HEAD" or a branch's, stands for. Safe to share between threads."""

    def __init__(self, git: Git, pipe: ObjectPipe, name: str) -> None:
        self._git, self._pipe, self._name = git, pipe, name
        self._asked = False
        self._seen: tuple[_State, str] | None = None

    def read(self) -> str | None:
        """Return the commit; None before the first one."""
        before, seen = self._state(), self._seen
        if before is not None and seen is not None and before == seen[0]:
            return seen[1]
        found = self._pipe.read(self._name)
        if found is not None and before is not None and before == self._state() and _says(before, found.oid):
            self._seen = (before, found.oid)
        return found.oid if found else None

    def _state(self) -> _State | None:
        """What the files say; None where git has to be asked. Whoever asks once only need not find them."""
        if not self._asked:
            self._asked = True
            return None
        if self._directories is None:
            return None
        own, common = self._directories
        ref = head = self._name.encode(errors="surrogateescape")
        try:
            if self._name == "HEAD":
                head = _content(own + b"/HEAD")
                ref = head.removeprefix(b"ref: ").rstrip(b"\n")
                if not head.startswith(b"ref: "):
                    return head, head
            return (head, _loose_or_packed(common, ref)) if ref.startswith(_HEADS) else None
        except OSError:
            return None

    @cached_property
    def _directories(self) -> tuple[bytes, bytes] | None:
        """The git directory of this work tree, and what all work trees share."""
        done = self._git.ask("rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir")
        lines = done.stdout.splitlines()
        return (lines[0], lines[1]) if done.returncode == 0 and len(lines) == 2 else None


def _loose_or_packed(common: bytes, ref: bytes) -> bytes | tuple[int, int, int]:
    try:
        return _content(common + b"/" + ref)
    except FileNotFoundError:
        found = os.stat(common + b"/packed-refs")  # noqa: PTH116  (git, too, tells by these whether to read it)
        return found.st_ino, found.st_mtime_ns, found.st_size


def _says(state: _State, oid: str) -> bool:
    """Tell whether files in this state can be taken to mean oid: one that holds it, or packed-refs."""
    return not isinstance(state[1], bytes) or state[1].strip() == oid.encode()


def _content(path: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST)
    finally:
        os.close(descriptor)
