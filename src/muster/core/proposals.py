"""Proposals: changes that wait for review, and whose approval counts.

An approval is of one exact commit. It counts if an owner gave it, who is neither the author nor a bot; whatever was
pushed since makes it void.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

PREFIX = "proposals/"  # of the branches that hold them
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>]*)>\s*")
_BOT = "[bot]"


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to one commit. `by` is a forge's login such as @ann, or "Name <email>"; `also` are other names.

    `at` is when: UTC, RFC 3339, "" where the forge does not tell.
    """

    by: str
    head: str
    at: str = ""
    bot: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A branch that waits to be merged, and where people look at it.

    `id` is what a command line names it by: its number on a forge, or its branch without the prefix. `head` is the
    branch's commit, `target` the branch it shall be merged into. `approvals` is None where nobody has asked for them.
    """

    id: str
    branch: str
    head: str
    target: str
    title: str
    author: str
    url: str = ""
    state: Literal["open", "merged", "closed"] = "open"
    opened_at: str = ""
    approvals: tuple[Approval, ...] | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What is known of the review of a change whose last commit is `head`. `authors` are all who wrote or opened it."""

    head: str
    authors: tuple[str, ...]
    approvals: tuple[Approval, ...]

    def tally(self, owners: Iterable[str]) -> Tally:
        """Return which approvals count, and why the others do not. With no owners everybody is one.

        Names that one approval gives for one person are one person's in all others, too, and among the authors.
        """
        entitled = frozenset[str]().union(*map(identities, owners))
        named = [identities(approval.by, *approval.also) for approval in self.approvals]
        people = _people([*named, *map(identities, self.authors)])
        mine = frozenset[str]().union(*people[len(named) :])
        counted: list[Approval] = []
        void: list[tuple[Approval, str]] = []
        seen: set[str] = set()
        for approval, names, who in zip(self.approvals, named, people, strict=False):
            if not who:
                void.append((approval, "it does not say whose it is"))
            elif approval.head != self.head:
                void.append((approval, f"it was of {approval.head[:12]}, before the last push"))
            elif approval.bot or is_bot(approval.by):
                void.append((approval, "a bot's does not count"))
            elif who & mine:
                void.append((approval, "the author's does not count"))
            elif entitled and not (names | who) & entitled:
                void.append((approval, "it is not an owner's"))
            elif not who & seen:
                counted.append(approval)
                seen |= who
        return Tally(tuple(counted), tuple(void))


@dataclass(frozen=True, slots=True)
class Tally:
    """Approvals that count, and those that do not, each with the reason."""

    counted: tuple[Approval, ...] = ()
    void: tuple[tuple[Approval, str], ...] = field(default=())


def identities(*names: str) -> frozenset[str]:
    """Return what people are told apart by: an address without regard to case, a login with its @, else the name.

    A name beside an address tells nothing: anybody may write any name there.
    """
    return frozenset(_identity(name) for name in names if name.strip())


def is_team(identity: str) -> bool:
    """Tell whether an identity is that of a forge's team, such as @org/team: it tells nobody apart."""
    return identity.startswith("@") and "/" in identity


def _people(named: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """For each set of names, all names of that person: sets that share a name are of one. A team's is nobody's own."""
    own = [frozenset(name for name in names if not is_team(name)) for names in named]
    people: list[frozenset[str]] = []
    for names in own:
        same = [person for person in people if person & names]
        people = [person for person in people if not person & names] + [names.union(*same)]
    return [next((person for person in people if person & names), names) for names in own]


def is_bot(name: str) -> bool:
    """Tell whether a forge marks name as that of a bot."""
    match = _NAMED.fullmatch(name)
    return (match["name"] if match else name).strip().casefold().endswith(_BOT)


def _identity(text: str) -> str:
    match = _NAMED.fullmatch(text)
    if match is not None and match["email"].strip():
        return match["email"].strip().casefold()
    name = text.strip().casefold()
    return name if "@" in name or " " in name else f"@{name}"
