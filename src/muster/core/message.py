"""What a commit of the registry says: one line of events, and machine-readable trailers below.

bikes: production 2 -> 3, archived none -> 2

Muster-Reason: the new data set is in
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_REASON = "Muster-Reason"
_APPROVED = "Approved-by"
_NO_SUBJECT = "Change the registry"
_BREAKING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control characters, invisible ones, line separators


def message(subject: str, reason: str = "", approved_by: Iterable[str] = ()) -> str:
    """Return the commit message for a change; whatever could end a line or hide text becomes a space."""
    trailers = [(_REASON, reason), *((_APPROVED, who) for who in approved_by)]
    lines = [f"{key}: {words}" for key, text in trailers if (words := _one_line(text))]
    first = _one_line(subject) or _NO_SUBJECT
    return "\n".join([first, "", *lines, ""]) if lines else f"{first}\n"


def reason_of(text: str) -> str:
    """Return the reason that a commit message records, "" for none. The inverse of `message`."""
    _, gap, trailers = text.strip().rpartition("\n\n")
    for line in reversed(trailers.split("\n") if gap else []):
        key, colon, value = line.partition(": ")
        if colon and key == _REASON:
            return value.strip()
    return ""


def _one_line(text: str) -> str:
    visible = (" " if unicodedata.category(c) in _BREAKING else c for c in text)
    return " ".join("".join(visible).split())
