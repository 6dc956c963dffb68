"""What `muster doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at: whether it is well (None: nobody could tell), in words, and how to mend it if it is not."""

    what: str
    ok: bool | None
    words: str
    fix: str = ""
