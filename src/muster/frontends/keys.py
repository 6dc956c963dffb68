"""The keys that a user trusts: as they are, or in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_FINGERPRINT = "SHA256:"
_LIMIT = 1 << 20  # bytes


def trusted(given: Iterable[str]) -> Iterator[str]:
    """Yield the public keys and fingerprints that are given, or stand in the files that are named, a line each."""
    for text in given:
        if text.startswith(_FINGERPRINT) or " " in text.strip():
            yield text
        else:
            with Path(text).expanduser().open(encoding="utf-8", errors="replace") as file:
                lines = map(str.strip, file.read(_LIMIT).splitlines())
            yield from (line for line in lines if line and not line.startswith("#"))
