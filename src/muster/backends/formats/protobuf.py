"""The wire format of protocol buffers, read field by field without loading what is not asked for.

https://protobuf.dev/programming-guides/encoding/ : a message is a list of (number << 3 | wire type, value);
the types are 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. Groups (3 and 4) do not occur here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 2_000_000  # of one file, some five seconds


class Malformed(Exception):
    """The bytes are not a message of the expected kind, or hold more fields than any model."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a varint's value, or where the bytes of its value begin and end in the file."""

    number: int
    wire: int
    value: int
    start: int
    end: int


class Message:
    """A file read as nested messages. Costs what is looked at; the rest is passed over by seeking."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._left = MAX_FIELDS

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message at start to end; Malformed if one does not fit."""
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise Malformed(f"it has more than {MAX_FIELDS} fields")
            field = self._field(at, end)
            yield field
            at = field.end

    def _field(self, at: int, end: int) -> Field:
        self._file.seek(at)
        window = self._file.read(min(20, end - at))
        key, used = _varint(window, 0)
        number, wire = key >> 3, key & 7
        value, start = 0, at + used
        if wire == VARINT:
            value, used = _varint(window, used)
            stop = at + used
        elif wire == BYTES:
            value, used = _varint(window, used)
            start = at + used
            stop = start + value
        elif wire in (FIXED64, FIXED32):
            stop = start + (8 if wire == FIXED64 else 4)
        else:
            raise Malformed(f"a field has wire type {wire}, which is not used")
        if not number or stop > end:
            raise Malformed("a field is larger than what holds it")
        return Field(number, wire, value, start, stop)

    def text(self, field: Field, limit: int) -> str:
        """Return a field's text, at most limit bytes of it."""
        if field.wire != BYTES:
            raise Malformed("a text field does not hold text")
        self._file.seek(field.start)
        return self._file.read(min(limit, field.end - field.start)).decode("utf-8", "replace")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at data[at:], and the position behind it."""
    value = shift = 0
    for position in range(at, min(len(data), at + 10)):
        value |= (data[position] & 0x7F) << shift
        if data[position] < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + 1
        shift += 7
    raise Malformed("a number does not end")
