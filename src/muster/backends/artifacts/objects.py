"""What a place with objects must be able to do for files to be fetched from it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .hashing import Count


class Objects(Protocol):
    """Objects by their md5, somewhere. None is trusted to be what its name says."""

    def uri(self, oid: str) -> str:
        """Return where an object is: a path or a URL, without credentials."""

    def fetch(self, oid: str, target: str, limit: int) -> None:
        """Copy an object to a new file; Integrity if it is larger than limit, NotFound if there is none."""


@runtime_checkable
class Resumable(Objects, Protocol):
    """A place that can go on from where an interrupted transfer stopped."""

    def append(self, oid: str, descriptor: int, limit: int, wrote: Count) -> None:
        """Add to an open file what it lacks of an object, of which it has the beginning.

        wrote is told how many bytes came, time and again. Integrity if the object is larger than limit,
        NotFound if there is none. If less came than there is, the file has the beginning of it all the same.
        """
