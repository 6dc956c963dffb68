"""A text of many parts made to fit a limit: whole items are left out, and how many is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


def _nothing(_left_out: int) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: items between what opens and what closes them; without items it is nothing.

    `show` makes an item's text, and is asked only as long as there is room. `most` is how many items are shown even
    where there is room for more, and `more` says how many are left out. Parts of a lower `rank` are given room first.
    """

    items: Sequence[Any]
    show: Callable[[Any], str] = str
    opens: str = ""
    closes: str = ""
    more: Callable[[int], str] = _nothing
    most: int | None = None
    rank: int = 0


def fitted(parts: Iterable[Part], room: int) -> str:
    """Return the parts in their order, in at most room bytes of UTF-8, as long as what frames their items has room."""
    every = [part for part in parts if part.items]
    room -= sum(map(_frame, every))
    shown: dict[int, list[str]] = {}
    for at in sorted(range(len(every)), key=lambda at: every[at].rank):
        shown[at] = _first(every[at], room)
        room -= sum(map(_size, shown[at]))
    return "".join(_framed(part, shown[at]) for at, part in enumerate(every))


def _frame(part: Part) -> int:
    """The bytes that a part takes even if none of its items has room."""
    return _size(part.opens) + _size(part.closes) + _size(part.more(len(part.items)))


def _first(part: Part, room: int) -> list[str]:
    shown: list[str] = []
    for item in part.items[: part.most]:
        text = part.show(item)
        room -= _size(text)
        if room < 0:
            break
        shown.append(text)
    return shown


def _framed(part: Part, shown: Sequence[str]) -> str:
    left_out = len(part.items) - len(shown)
    more = part.more(left_out) if left_out else ""
    return f"{part.opens}{''.join(shown)}{more}{part.closes}"


def _size(text: str) -> int:
    return len(text.encode())
