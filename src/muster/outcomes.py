"""What came of a write: what it did, or where it waits for review."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.events import Event
    from .core.proposals import Proposal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write did. With nothing to do there are no events, and `commit` is the state found.

    `note` says why a clone could not be moved along with the registry it was cloned from; "" where it was.
    """

    commit: str | None
    events: tuple[Event, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change that waits on a branch of its own for review: one commit on `base`.

    `proposal` is what the forge has opened for it; None where there is no forge that could be asked, and `page` is then
    where a person opens it, "" if nowhere. `note` says what else is to be known.
    """

    branch: str
    commit: str
    base: str
    events: tuple[Event, ...]
    proposal: Proposal | None = None
    page: str = ""
    note: str = ""
