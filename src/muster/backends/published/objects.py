"""The objects of an index: each is what its digest says, wherever it comes from, and kept once it was fetched.

<cache>/objects/<ab>/<sha256>      as it came, which may be gzipped
<cache>/incoming/                  what is being written
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ...core import published
from ...core.errors import Integrity, MusterError, Unavailable
from . import disk, keeping
from .files import File, Files, unpacked

AT_ONCE = 8


class VerifiedObjects:
    """Objects out of a cache, and else from `files` (None: nobody is asked).

    `lost` says what is to be raised for an object that is not where its index is.
    """

    def __init__(self, files: Files | None, cache: Path, lost: Callable[[str], MusterError]) -> None:
        self._files, self._cache, self._lost = files, cache, lost

    def read(self, digests: Sequence[str]) -> Sequence[Any]:
        """Return the objects of these digests, parsed, in their order. Integrity if one is not what its digest says."""
        found = {digest: self._kept(digest) for digest in digests}
        lacking = [digest for digest, data in found.items() if data is None]
        if len(lacking) > 1:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(AT_ONCE) as pool:
                found.update(zip(lacking, pool.map(self._fetched, lacking), strict=True))
        elif lacking:
            found[lacking[0]] = self._fetched(lacking[0])
        return [_parsed(found[digest] or b"", digest) for digest in digests]

    def _kept(self, digest: str) -> bytes | None:
        """Return what the cache has, if it is what it should be."""
        place = self._place(digest)
        try:
            data = _verified(disk.read(place, published.MAX_OBJECT), digest)
            keeping.note_use(place)
            return data
        except (OSError, Integrity):  # it is fetched again
            return None

    def _fetched(self, digest: str) -> bytes:
        """Fetch an object; once more past all caches if what came is not what it should be."""
        path = published.object_path(digest)
        if self._files is None:
            raise Unavailable(f"{path} was not read yet, and nobody is to be asked", "leave --offline away")
        for afresh in (False, True):
            file = self._files.get(path, published.MAX_OBJECT, afresh=afresh)
            if file is None:
                raise self._lost(digest)
            try:
                data = _verified(file.data, digest)
            except Integrity as error:
                if afresh:
                    _explain(error, path, file)
                continue
            disk.keep(self._place(digest), file.data, self._cache / "incoming")
            return data
        raise AssertionError("both tries return or raise")

    def _place(self, digest: str) -> Path:
        return self._cache / "objects" / digest[:2] / digest


def _verified(data: bytes, digest: str) -> bytes:
    name = f"the object {digest[:12]}"
    inside = unpacked(data, published.MAX_OBJECT, name)
    if published.digest(inside) != digest:
        raise Integrity(f"{name} is not what its digest says")
    return inside


def _explain(error: Integrity, path: str, file: File) -> NoReturn:
    kind = f" (the server says that it is {file.kind})" if file.kind.startswith("text/") else ""
    raise Integrity(
        f"{path} is not what the index names{kind}: {error}",
        "something between here and the publisher alters files: trust nothing of it until somebody has looked",
    ) from error


def _parsed(data: bytes, digest: str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Integrity(
            f"the object {digest[:12]} is not JSON", "have the index built again: muster index build"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")
