"""Whether the root of a published index is to be believed: no older than what was seen, of the same registry, not of the
future, and young enough. Rules without input or output; the clock is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from . import published
from .errors import Integrity, Unavailable
from .published import Root

SKEW = timedelta(minutes=5)  # by which clocks may differ
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_LEAST = 7  # characters of a commit that say which


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of the last root that was believed. `content` is a digest of all that it names."""

    birth: str
    commit: str
    committed: str
    published: str
    content: str

    @classmethod
    def of(cls, root: Root) -> Seen:
        """Return what is to be remembered of a root."""
        content = published.digest(published.canonical([root.top, *root.shards]))
        return cls(root.birth, root.commit, root.committed, root.published, content)

    @classmethod
    def from_document(cls, document: Any) -> Seen | None:
        """Read what `to_document` wrote; None if it is nothing of the kind."""
        try:
            seen = cls(*(document[name] for name in cls.__slots__))
        except (KeyError, TypeError):
            return None
        return seen if all(isinstance(getattr(seen, name), str) for name in cls.__slots__) else None

    def to_document(self) -> dict[str, str]:
        """Return what a file keeps of it."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        return f"{self.commit[:12]} (committed {self.committed}, published {self.published})"


def require_successor(seen: Seen | None, now: Seen, accept: str = "") -> None:
    """Raise Integrity, with both, if now may not come after what was seen. `accept` is a commit that may nevertheless."""
    if seen is None or (len(accept) >= _LEAST and now.commit.startswith(accept)):
        return
    if why := _why_not(seen, now):
        raise Integrity(
            f"the index {why}: seen before: {seen}; now: {now}",
            f"ask whoever publishes it; if it is right, take it with --accept-history {now.commit}",
        )


def _why_not(seen: Seen, now: Seen) -> str:
    before = moment(seen.published), moment(seen.committed)
    after = moment(now.published), moment(now.committed)
    if seen.birth != now.birth:
        return f"is of another registry (whose first commit is {now.birth[:12]}, not {seen.birth[:12]})"
    if seen.commit == now.commit and seen.content != now.content:
        return "has other content for the same commit"
    if after[0] < before[0] or after[1] < before[1] - SKEW:
        return "is older than it was"
    if seen.commit != now.commit and after[0] == before[0] and after[1] <= before[1]:
        return "was published twice at the same time, with different commits"
    return ""


def require_present(root: Root, now: datetime) -> None:
    """Raise Integrity if root claims to have been published in the future, or at no time at all."""
    moment(root.committed)
    if moment(root.published) > now + SKEW:
        raise Integrity(
            f"the index says that it was published at {root.published}, and it is {now:%Y-%m-%dT%H:%M:%SZ} here",
            "set this machine's clock; if it is right, the publisher's is not",
        )


def confirmed(root: Root, signed: bool, asked: datetime | None) -> datetime:
    """Return when root was last known to be true.

    That is what its signer says. Where the server's word is taken, it is also when the server was `asked` last.
    """
    at = moment(root.published)
    return at if signed or asked is None else max(at, asked)


def is_young(confirmed_at: datetime, now: datetime, max_age: float) -> bool:
    """Tell whether what was confirmed then will do."""
    return (now - confirmed_at).total_seconds() <= max_age


def require_young(root: Root, confirmed_at: datetime, now: datetime, max_age: float) -> None:
    """Raise Unavailable, which says how old it is, if that is more than max_age (seconds)."""
    if is_young(confirmed_at, now, max_age):
        return
    age = str(timedelta(seconds=int((now - confirmed_at).total_seconds())))
    raise Unavailable(
        f"the index at commit {root.commit[:12]} was last confirmed {age} ago (published {root.published}),"
        f" and at most {timedelta(seconds=max_age)} are allowed",
        "see why it is no longer published, or allow more with --max-age",
    )


def moment(text: str) -> datetime:
    """Read a time of a root; Integrity if it is none."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)
    except ValueError:
        raise Integrity(f"{text!r:.40} is not a time that an index may have") from None
