"""What a commit of the registry says: one line of events, and machine-readable trailers below.

bikes: production 2 -> 3, archived none -> 2

Muster-Reason: the new data set is in
"""

from __future__ import annotations

_REASON = "Muster-Reason"


def message(subject: str, reason: str = "") -> str:
    """Return the commit message for a change; line breaks in reason become spaces, as a trailer needs."""
    words = " ".join(reason.split())
    return f"{subject}\n\n{_REASON}: {words}\n" if words else f"{subject}\n"


def reason_of(text: str) -> str:
    """Return the reason that a commit message records, "" for none. The inverse of `message`."""
    for line in reversed(text.strip().splitlines()):
        key, colon, value = line.partition(": ")
        if colon and key == _REASON:
            return value.strip()
    return ""
