"""What brings the files of an index from where they are."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

from ...core.errors import Integrity

_GZIP = b"\x1f\x8b"
_LAYERS = 2  # an object is a gzip file, and a server may have compressed it once more


@dataclass(frozen=True, slots=True)
class Known:
    """What a server said of a file when it gave it: with this it can say that nothing has changed."""

    etag: str = ""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it came. `kind` is the media type that the server said, "" if it said none."""

    data: bytes
    known: Known = Known()
    kind: str = ""


class Files(Protocol):
    """The files below one place. Several threads may ask at once."""

    def get(self, path: str, limit: int, known: Known | None = None, afresh: bool = False) -> File | None:
        """Return a file of at most limit bytes; None if it is not there.

        `Unchanged` where it is still as the server said in `known`. `afresh`: no cache between here and there may
        answer. Refused: the server does not let us; Unavailable: it cannot be asked; Integrity: it is too large.
        """

    def close(self) -> None:
        """Let go of connections."""


class Unchanged(Exception):
    """The file is as it was."""


def unpacked(data: bytes, limit: int, name: str) -> bytes:
    """Return what is inside of a gzip file, or data itself if it is none; Integrity if that is more than limit bytes."""
    for _ in range(_LAYERS):
        if not data.startswith(_GZIP):
            break
        reader = zlib.decompressobj(wbits=31)
        try:
            data = reader.decompress(data, limit + 1)
        except zlib.error as error:
            raise Integrity(f"{name} is damaged: {error}") from error
        if not reader.eof and len(data) <= limit:
            raise Integrity(f"{name} is cut short")
    return checked_size(data, limit, name)


def checked_size(data: bytes, limit: int, name: str) -> bytes:
    """Return data; Integrity if it is more than limit bytes."""
    if len(data) > limit:
        raise Integrity(f"{name} has more than {limit} bytes, which no file of an index has")
    return data
