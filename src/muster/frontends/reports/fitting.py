"""A text of many parts made to fit a limit: whole items are left out, and how many is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: items between what opens and what closes them; without items it is nothing.

    `most` is how many items are shown even where there is room for more, and `more` says how many are left out. Parts
    of a lower `rank` are given room first.
    """

    items: Sequence[str]
    opens: str = ""
    closes: str = ""
    more: Callable[[int], str] = lambda _left_out: ""
    most: int | None = None
    rank: int = 0


def fitted(parts: Iterable[Part], room: int) -> str:
    """Return the parts in their order, in at most room bytes of UTF-8, as long as what frames their items has room."""
    every = [part for part in parts if part.items]
    room -= sum(map(_frame, every))
    counts: dict[int, int] = {}
    for at in sorted(range(len(every)), key=lambda at: every[at].rank):
        counts[at] = _how_many(every[at], room)
        room -= sum(map(_size, every[at].items[: counts[at]]))
    return "".join(_shown(part, counts[at]) for at, part in enumerate(every))


def _frame(part: Part) -> int:
    """The bytes that a part takes even if none of its items has room."""
    return _size(part.opens) + _size(part.closes) + _size(part.more(len(part.items)))


def _how_many(part: Part, room: int) -> int:
    for count, item in enumerate(part.items[: part.most]):
        room -= _size(item)
        if room < 0:
            return count
    return len(part.items[: part.most])


def _shown(part: Part, count: int) -> str:
    left_out = len(part.items) - count
    more = part.more(left_out) if left_out else ""
    return f"{part.opens}{''.join(part.items[:count])}{more}{part.closes}"


def _size(text: str) -> int:
    return len(text.encode())
