"""The pickle family: pickle, joblib (compressed or not), PyTorch's zip files. Described without unpickling.

Unpickling is running a program: `load` of any of these is for callers who trust where the file comes from.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ...core.models import Described
from .opcodes import Instance, Malformed, Pickle, begins_pickle, look
from .reading import KIB, MAX_ENTRIES, MIB, corrupt, head, member_names, open_zip, pinned, present

_MAGIC = (
    ("gzip", b"\x1f\x8b"),
    ("bz2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("lzma", b"\x5d\0\0"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("zlib", b"\x78\x01"),
    ("zlib", b"\x78\x5e"),
    ("zlib", b"\x78\x9c"),
    ("zlib", b"\x78\xda"),
)
_WRAPPER = b"NumpyArrayWrapper"
_SEARCHED = (
    64 * MIB
)  # how far to look for joblib's wrapper: all arrays of a model come before this, or none does
_CHUNK = 64 * KIB
_MAX_MEMORY = 256 * MIB  # that a decompressor may take for its window
_FLAVORS = frozenset(["sklearn", "xgboost", "lightgbm"])


class _Zlib:
    """zlib's decompressor with the interface that bz2's and lzma's have."""

    def __init__(self, window: int) -> None:
        self._inflate = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, size)


_Decompressor = _Zlib | bz2.BZ2Decompressor | lzma.LZMADecompressor
_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "zlib": lambda: _Zlib(15),
    "gzip": lambda: _Zlib(31),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_MAX_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(memlimit=_MAX_MEMORY),
}


class _Unpacked(io.RawIOBase):
    """The content of a compressed file, unpacked as far as it is read and no further."""

    def __init__(self, file: BinaryIO, decompressor: _Decompressor) -> None:
        self._file, self._decompressor = file, decompressor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data and not self._decompressor.eof:
            packed = self._file.read(_CHUNK) if self._decompressor.needs_input else b""
            data = self._decompressor.decompress(packed, len(buffer))
            if not packed and not data and not self._decompressor.eof:
                raise EOFError("the compressed stream ends too early")
        buffer[: len(data)] = data
        return len(data)


def _compression(path: Path) -> str:
    start = head(path, 8)
    return next((name for name, magic in _MAGIC if start.startswith(magic)), "")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Give path's content, decompressed, and whether it is as it is on disk."""
    decompressor = _DECOMPRESSORS.get(_compression(path))
    with path.open("rb") as file:
        if decompressor:
            yield io.BufferedReader(_Unpacked(file, decompressor())), False
        else:
            yield file, True


def _look(path: Path, *, joblib: bool) -> Pickle:
    try:
        with _opened(path) as (file, on_disk):
            return look(file, on_disk=on_disk, joblib=joblib)
    except (Malformed, EOFError, zlib.error, lzma.LZMAError) as error:
        raise corrupt(path, f"it is not a sound pickle: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise corrupt(path, f"it is not a sound pickle: {error}") from error


def _packed_pickle(path: Path) -> bool:
    try:
        with _opened(path) as (file, _):
            return begins_pickle(file.read(4))
    except (EOFError, zlib.error, lzma.LZMAError, OSError):
        return False


def _has_wrapper(path: Path) -> bool:
    """Tell whether joblib's array wrapper is named near the beginning of path."""
    with path.open("rb") as file:
        tail = b""
        for _ in range(_SEARCHED // MIB):
            chunk = file.read(MIB)
            if _WRAPPER in tail + chunk:
                return True
            if not chunk:
                return False
            tail = chunk[-len(_WRAPPER) :]
    return False


def is_joblib(path: Path) -> bool:
    """Tell whether path is a compressed pickle, or one that has joblib's arrays in it or its name."""
    if _compression(path) not in ("", "lz4"):
        return _packed_pickle(path)
    return is_pickle(path) and (path.suffix == ".joblib" or _has_wrapper(path))


def is_pickle(path: Path) -> bool:
    """Tell whether path is a pickle of protocol 2 or later."""
    return begins_pickle(head(path, 4))


def is_torch(path: Path) -> bool:
    """Tell whether path is a zip file as torch.save and torch.jit.save write it."""
    return any(name == "data.pkl" or name.endswith("/data.pkl") for name in member_names(path))


def describe_joblib(path: Path) -> Described:
    """Return what a joblib file says about itself."""
    compression = _compression(path)
    if compression == "lz4":
        return Described("joblib", extra={"compression": "lz4"})
    return _described("joblib", _look(path, joblib=True), present(compression=compression))


def describe_pickle(path: Path) -> Described:
    """Return what a pickle says about itself."""
    return _described("pickle", _look(path, joblib=False), {})


def describe_torch(path: Path) -> Described:
    """Return what the pickle inside a PyTorch file says, and whether the file is TorchScript."""
    with open_zip(path) as archive:
        names = archive.namelist()
        inner = next((n for n in names if n == "data.pkl" or n.endswith("/data.pkl")), None)
        if inner is None:
            raise corrupt(path, "it has no data.pkl, which every PyTorch file has")
        script = f"{inner.removesuffix('data.pkl')}constants.pkl" in names
        try:
            with archive.open(inner) as file:
                seen = look(file, on_disk=False, joblib=False)  # type: ignore[arg-type]
        except Malformed as error:
            raise corrupt(path, f"its {inner} is not a sound pickle: {error}") from error
    return _described("torch", seen, {"torchscript": script})


def _described(name: str, seen: Pickle, extra: dict[str, Any]) -> Described:
    """Return the description of a pickle: the class of what it holds, and what loading it would import."""
    root = seen.root if isinstance(seen.root, Instance) else None
    package = root.of.partition(".")[0] if root else ""
    state = root.state if root and isinstance(root.state, dict) else {}
    imports = sorted(seen.names)
    extra |= {"protocol": seen.protocol}
    extra |= present(imports=imports[:MAX_ENTRIES], more_imports=len(imports[MAX_ENTRIES:]) or None)
    if root:
        extra["estimator" if package in _FLAVORS else "object"] = root.of
    if not seen.complete:
        extra["partly_read"] = True
    return Described(
        name,
        flavors=(package,) if package in _FLAVORS else (),
        requirements=pinned("scikit-learn", state.get("_sklearn_version")) if package == "sklearn" else (),
        extra=extra,
    )


def load_joblib(path: Path, trust: bool) -> Any:
    """Return the object in a joblib file. Runs what the file says."""
    import joblib

    return joblib.load(path)


def load_pickle(path: Path, trust: bool) -> Any:
    """Return the object in a pickle. Runs what the file says."""
    import pickle

    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - only for callers who said trust=True
