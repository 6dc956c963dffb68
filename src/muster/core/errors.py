"""What can go wrong, named by what the caller does next.

Something wrong with *data* is a `Finding`: all of them are collected, and raised once as `Invalid`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with the registry or with a change to it.

    `line` and `column` count from 1; 0 means "the file as a whole".
    """

    path: str
    rule: str
    message: str
    line: int = 0
    column: int = 0
    fix: str = ""

    @property
    def place(self) -> str:
        """Where it is, as editors and compilers write it: `file:line:column`."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    def __str__(self) -> str:
        place = f"{self.place}: " if self.path else ""
        fix = f" ({self.fix})" if self.fix else ""
        return f"{place}{self.message}{fix} [{self.rule}]"


def command(*words: str) -> str:
    """Return a `muster` command to type. Names may hold what a shell acts on, so each word is quoted for one."""
    import shlex

    return shlex.join(["muster", *words])


class MusterError(Exception):
    """Any failure muster reports. `hint` says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotFound(MusterError):
    """What was asked for does not exist at this commit."""


class Invalid(MusterError):
    """The request or the data breaks a rule: mend it, then try again."""

    def __init__(self, message: str, findings: Iterable[Finding] = (), hint: str = "") -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join([message, *map(str, self.findings)]) if self.findings else message, hint)


class Refused(MusterError):
    """Policy or a server says this caller may not do it this way: ask for review, or for access."""


class ReviewNeeded(Refused):
    """Policy lets this in by a reviewed proposal only."""


class Conflict(MusterError):
    """Somebody else moved it first: look again, then decide again."""


class Integrity(MusterError):
    """Bytes or history are not what was registered: trust nothing until somebody has looked."""


class Unavailable(MusterError):
    """A server, a disk or an optional library is not there: try again, or put it in reach."""


class Superseded(Unavailable):
    """What was being read has been replaced, and is gone: begin the reading again."""
