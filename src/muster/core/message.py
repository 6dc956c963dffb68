"""What a commit of the registry says: one line of events, and machine-readable trailers below.

bikes: production 2 -> 3, archived none -> 2

Muster-Reason: the new data set is in
"""

from __future__ import annotations

import unicodedata

_REASON = "Muster-Reason"
_NO_SUBJECT = "Change the registry"
_BREAKING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control characters, invisible ones, line separators


def message(subject: str, reason: str = "") -> str:
    """Return the commit message for a change; whatever could end a line or hide text becomes a space."""
    first, words = _one_line(subject) or _NO_SUBJECT, _one_line(reason)
    return f"{first}\n\n{_REASON}: {words}\n" if words else f"{first}\n"


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
