"""GGUF files (llama.cpp): the key-value header and the tensor list, not the weights.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md , versions 2 and 3, little-endian.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from ...core.models import Described
from .reading import MAX_ENTRIES, MAX_STRING, corrupt, head, present

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Weights and bytes of a block, by ggml_type; of a type that is not here, at least a byte is asked for.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17),
}  # fmt: skip
_MAX_VALUES = 4_000_000  # keys, array items and tensors together: vocabularies have some 300,000 items
_MAX_DIMENSIONS = 8


class _Malformed(Exception):
    pass


class _Cursor:
    """Reads on from a place in a file; each value is counted, and none may lie beyond the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, _MAX_VALUES
        self.size = file.seek(0, os.SEEK_END)
        file.seek(8)

    def number(self, code: str) -> Any:
        """Return one number, coded as struct codes it."""
        self._left -= 1
        if self._left < 0:
            raise _Malformed(f"it lists more than {_MAX_VALUES} values")
        data = self._file.read(struct.calcsize(f"<{code}"))
        try:
            return struct.unpack(f"<{code}", data)[0]
        except struct.error as error:
            raise _Malformed("it ends too early") from error

    def skip(self, size: int) -> None:
        """Pass over size bytes."""
        if size > self.size - self._file.tell():
            raise _Malformed("it ends too early")
        self._file.seek(size, os.SEEK_CUR)

    def string(self) -> str | None:
        """Return a string, None in place of one that is too long to keep."""
        length = self.number("Q")
        if length > MAX_STRING:
            self.skip(length)
            return None
        data = self._file.read(length)
        if len(data) != length:
            raise _Malformed("it ends too early")
        return data.decode("utf-8", "replace")

    def value(self) -> Any:
        """Return a value, None in place of an array."""
        kind = self.number("I")
        if kind == _ARRAY:
            self._skip_array()
            return None
        return self._item(kind)

    def _item(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind not in _SCALARS:
            raise _Malformed(f"a value has the unknown type {kind}")
        return self.number(_SCALARS[kind])

    def _skip_array(self) -> None:
        kind, length = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            self.skip(length * struct.calcsize(f"<{_SCALARS[kind]}"))
            return
        for _ in range(length):
            self._item(kind)

    def tensor(self) -> tuple[int, int]:
        """Return a tensor's number of weights, and where it ends in the data behind the header."""
        self.string()
        dimensions = self.number("I")
        if dimensions > _MAX_DIMENSIONS:
            raise _Malformed(f"a tensor has {dimensions} dimensions")
        weights = math.prod(self.number("Q") for _ in range(dimensions))
        items, size = _BLOCKS.get(self.number("I"), (weights or 1, 1))
        return weights, self.number("Q") + weights // items * size

    def left(self, alignment: int) -> int:
        """Return how many bytes follow the next place that is a multiple of alignment."""
        return self.size - -(-self._file.tell() // alignment) * alignment


def is_gguf(path: Path) -> bool:
    """Tell whether path begins as GGUF 2 and 3 do."""
    return head(path, 8) in (b"GGUF\2\0\0\0", b"GGUF\3\0\0\0")


def describe(path: Path) -> Described:
    """Return what a GGUF file says about itself; Invalid if it is cut short."""
    if not is_gguf(path):
        raise corrupt(path, "it does not begin as GGUF 2 or 3 does")
    try:
        with path.open("rb") as file:
            return _described(_Cursor(file), head(path, 5)[4])
    except _Malformed as error:
        raise corrupt(path, f"it is not a sound GGUF file: {error}") from error


def _described(cursor: _Cursor, version: int) -> Described:
    tensors, keys = cursor.number("Q"), cursor.number("Q")
    metadata: dict[str, Any] = {}
    for _ in range(keys):
        key, value = cursor.string(), cursor.value()
        if key and value is not None and len(metadata) < MAX_ENTRIES and not key.startswith("tokenizer."):
            metadata[key] = value
    parameters = size = 0
    for _ in range(tensors):
        weights, end = cursor.tensor()
        parameters, size = parameters + weights, max(size, end)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise _Malformed("its alignment is no sound number")
    if tensors and size > cursor.left(alignment):
        raise _Malformed("its last tensor ends beyond the file")
    finite = {k: v for k, v in metadata.items() if not isinstance(v, float) or math.isfinite(v)}
    return Described(
        "gguf",
        extra=present(metadata=finite) | {"version": version, "tensors": tensors, "parameters": parameters},
    )
