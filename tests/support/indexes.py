"""A published index read back by itself, without a reader of muster's: what is in it, and targets that fail on purpose."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from muster import Registry
from muster.backends.publication import Target
from muster.backends.publication.directory import DirectoryTarget
from muster.core import manifest, names
from muster.core.errors import Invalid
from muster.publishing import Published, Wanted, publish_to

UNREADABLE = object()


def publish(source: Path | str, target: Target | Path, at: str = "", **wanted: Any) -> Published:
    """Publish the registry at source."""
    place = DirectoryTarget(target) if isinstance(target, Path) else target
    with Registry(source) as registry:
        return publish_to(registry.at(at) if at else registry, place, Wanted(**wanted))


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file of an index, but for the lock and the time at which it was confirmed."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def root_of(files: Mapping[str, bytes]) -> Any:
    """What root.json says."""
    return json.loads(json.loads(files["root.json"])["payload"])


def contents(files: Mapping[str, bytes], root: Any = None) -> dict[str, Any]:
    """Every document that an index holds, by its path in the repository. AssertionError if it is not whole."""
    root = root or root_of(files)

    def fetch(digest: str) -> Any:
        text = gzip.decompress(files[f"objects/{digest[:2]}/{digest}.json.gz"])
        assert hashlib.sha256(text).hexdigest() == digest
        return json.loads(text)

    def whole(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"object"}:
            return fetch(value["object"])
        return UNREADABLE if isinstance(value, dict) and set(value) == {"unreadable"} else value

    found = {path: whole(value) for path, value in fetch(root["top"]).items()}
    for digest in root["shards"]:
        for model, entry in fetch(digest)["models"].items():
            top = names.model_directory(model)
            rest = fetch(entry["rest"])
            pages = [fetch(page) for page in rest["pages"].values()]
            near = {path: whole(value) for path, value in entry["files"].items()}
            far = {path: whole(v) for part in (rest, *pages) for path, v in part["files"].items()}
            assert all(far[path] == near[path] for path in far.keys() & near.keys())
            found |= {f"{top}/{path}": value for path, value in (near | far).items()}
    return found


def in_order(documents: Mapping[str, Any]) -> dict[str, str]:
    """Documents as texts, which differ if their keys are in another order, as those of the stages may not be."""
    return {path: "" if value is UNREADABLE else json.dumps(value) for path, value in documents.items()}


def expected(source: Path | str, commit: str = "") -> dict[str, Any]:
    """Every document of a registry that an index is to hold, by its path."""
    with Registry(source) as registry:
        files = (registry.at(commit) if commit else registry).snapshot().files
        return {path: _parsed(files[path], path) for path in files if _belongs(path)}


def _belongs(path: str) -> bool:
    place = names.locate(path)
    return place is not None and place.kind != "ignore"


def _parsed(data: bytes, path: str) -> Any:
    try:
        return manifest.parse(data, path)
    except Invalid:
        return UNREADABLE


class Killed(BaseException):
    """The publisher is gone: nothing after this is done."""


class Mortal:
    """A target whose publisher is killed when it has made so many changes. A file of a batch is one change."""

    def __init__(self, target: Target, changes: int) -> None:
        self._target, self._left, self.location = target, changes, target.location

    def _live(self) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1

    def read(self, path: str) -> bytes | None:
        return self._target.read(path)

    def write(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            self._live()
            self._target.write({path: data})

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._live()
            self._target.remove([path])

    def paths(self, directory: str) -> Iterator[str]:
        return self._target.paths(directory)

    def locked(self) -> AbstractContextManager[None]:
        return self._target.locked()


class Watched(Mortal):
    """A target that notes which files are read and written, and lets something happen before a file is written."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, -1)
        self.read_paths: list[str] = []
        self.written: list[str] = []
        self.before: dict[str, Any] = {}

    def read(self, path: str) -> bytes | None:
        self.read_paths.append(path)
        return super().read(path)

    def write(self, files: Mapping[str, bytes]) -> None:
        for path in files:
            if path in self.before:
                self.before.pop(path)()
        self.written += files
        super().write(files)
