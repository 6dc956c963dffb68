"""safetensors files: eight bytes of length, a JSON header, the tensors' bytes.

https://github.com/huggingface/safetensors#format : offsets leave no gap and do not overlap, and the header is
at most 100 MB long.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from ...core.models import Described
from .reading import brief, corrupt, mapping, parse_json, present

_MAX_HEADER = 100_000_000
_BITS = {
    dtype: bits
    for bits, dtypes in {
        4: "F4",
        6: "F6_E2M3 F6_E3M2",
        8: "BOOL U8 I8 F8_E5M2 F8_E4M3 F8_E8M0",
        16: "I16 U16 F16 BF16",
        32: "I32 U32 F32",
        64: "I64 U64 F64 C64",
    }.items()
    for dtype in dtypes.split()
}


def _header_length(path: Path) -> int | None:
    """Return the length the header claims, None if the file cannot be safetensors."""
    with path.open("rb") as file:
        start = file.read(9)
    if len(start) < 9 or start[8:] != b"{":
        return None
    length = int(struct.unpack("<Q", start[:8])[0])
    return length if length <= _MAX_HEADER else None


def is_safetensors(path: Path) -> bool:
    """Tell whether path begins as a safetensors file does, and is at least as long as its header."""
    length = _header_length(path)
    return length is not None and 8 + length <= path.stat().st_size


def describe(path: Path) -> Described:
    """Return what a safetensors file says of itself; Invalid if its tensors do not lie in it side by side."""
    tensors, metadata = header(path)
    counted: Counter[str] = Counter()
    for tensor in tensors.values():
        counted[tensor["dtype"]] += 1
    return Described(
        "safetensors",
        extra=present(metadata=brief(metadata))
        | {
            "tensors": len(tensors),
            "parameters": parameters(tensors),
            "dtypes": dict(sorted(counted.items())),
        },
    )


def parameters(tensors: Mapping[str, Any]) -> int:
    """Return how many numbers tensors hold together."""
    return sum(math.prod(tensor["shape"]) for tensor in tensors.values())


def header(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a checked header's tensors by name, and its metadata."""
    length = _header_length(path)
    size = path.stat().st_size
    if length is None or 8 + length > size:
        raise corrupt(path, "its header is missing, too long for the file, or over 100 MB")
    with path.open("rb") as file:
        file.seek(8)
        entries = dict(mapping(path, parse_json(path, file.read(length), "its header"), "its header"))
    metadata = mapping(path, entries.pop("__metadata__", None), "__metadata__")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise corrupt(path, "its __metadata__ holds something else than strings")
    for name, tensor in entries.items():
        _check_tensor(path, name, tensor)
    _check_layout(path, entries, size - 8 - length)
    return entries, dict(metadata)


def _check_tensor(path: Path, name: str, tensor: Any) -> None:
    entry: dict[str, Any] = dict(mapping(path, tensor, f"tensor {name!r}"))
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if (
        not isinstance(dtype, str)
        or not _naturals(shape)
        or not _naturals(offsets)
        or len(offsets or ()) != 2
    ):
        raise corrupt(path, f"tensor {name!r} has no sound dtype, shape and data_offsets")
    if dtype in _BITS and math.prod(shape) * _BITS[dtype] != (offsets[1] - offsets[0]) * 8:
        raise corrupt(path, f"tensor {name!r} has another size than its dtype and shape make")


def _naturals(value: Any) -> TypeGuard[list[int]]:
    """Tell whether value is a list of at most 64 numbers that 64 bits hold."""
    return (
        isinstance(value, list)
        and len(value) <= 64
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 63 for n in value)
    )


def _check_layout(path: Path, tensors: Mapping[str, Any], size: int) -> None:
    """Refuse gaps, overlaps, and an end that is not the file's."""
    at = 0
    for begin, end in sorted(tuple(tensor["data_offsets"]) for tensor in tensors.values()):
        if begin != at or end < begin:
            raise corrupt(path, f"its tensors overlap or leave a gap at byte {min(at, begin)}")
        at = end
    if at != size:
        raise corrupt(path, f"its tensors take {at} bytes, and the file has {size} for them")


def load(path: Path, trust: bool) -> Any:
    """Return the tensors as numpy arrays, by name."""
    from safetensors.numpy import load_file

    header(path)
    return load_file(path)
