"""A published index made from a snapshot in one go, the plainest way there is: `core.published` says what it consists of."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from muster.core import names, published
from muster.core.errors import Invalid, MusterError
from muster.core.published import Root
from muster.core.snapshot import Snapshot

BIRTH = "b" * 40
COUNTED: tuple[names.Kind, ...] = ("version", "dvc", "annotations", "tombstone")
PINNED: tuple[names.Kind, ...] = ("version", "dvc", "annotations")


def write_index(
    where: Path,
    snapshot: Snapshot,
    *,
    commit: str = "c" * 40,
    committed: str = "2026-05-01T12:00:00Z",
    at: str = "2026-05-01T12:00:00Z",
    birth: str = BIRTH,
    url: str = "",
    artifacts: str = "",
    keys: Iterable[Path] = (),
    shards: int = 0,
) -> Root:
    """Write the files of an index of snapshot to where, root.json last, and return its root."""
    taken = snapshot.names_taken()
    count = shards or published.shards_for(len(taken))
    entries: list[dict[str, Any]] = [{} for _ in range(count)]
    for model in taken:
        entries[published.shard(model, count)][model] = _model(where, snapshot, model)
    root = Root(
        birth=birth,
        name="my-models",
        url=url,
        commit=commit,
        committed=committed,
        published=at,
        artifacts=artifacts,
        top=put(where, _top(snapshot)),
        shards=tuple(put(where, {"models": dict(sorted(models.items()))}) for models in entries),
    )
    write_root(where, root, keys)
    return root


def write_root(where: Path, root: Root, keys: Iterable[Path] = ()) -> None:
    """Write root.json, signed with these private keys, at once."""
    payload = json.dumps(root.to_document())
    staged = where / "root.json.new"
    staged.write_bytes(published.envelope(payload, [signature(payload, key) for key in keys]))
    staged.replace(where / published.ROOT)


def put(where: Path, document: Any) -> str:
    """Write an object and return its digest."""
    text = published.canonical(document)
    digest = published.digest(text)
    path = where / published.object_path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".new")
    staged.write_bytes(gzip.compress(text, mtime=0))
    staged.replace(path)
    return digest


def new_key(where: Path, kind: str = "ed25519") -> Path:
    """Make a key of `ssh-keygen`'s; the public one is beside it."""
    where.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(where)], check=True)
    return where


def public(key: Path) -> str:
    """Return the line of the public key."""
    return key.with_suffix(".pub").read_text().strip()


def signature(text: str, key: Path, namespace: str = published.NAMESPACE) -> str:
    """Return OpenSSH's signature of text."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()


def _top(snapshot: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if names.REGISTRY in snapshot:
        found[names.REGISTRY] = snapshot.tree.document(names.REGISTRY)
    if names.DVC_CONFIG in snapshot:
        found[names.DVC_CONFIG] = snapshot.files[names.DVC_CONFIG].decode()
    return found


def _model(where: Path, snapshot: Snapshot, model: str) -> dict[str, Any]:
    top = f"{names.model_directory(model)}/"
    places = {path: names.locate(path) for path in snapshot.below(top.rstrip("/"))}
    by_home: dict[str, dict[str, Any]] = {"shard": {}, "model": {}}
    pages: dict[int, dict[str, Any]] = {}
    numbers: dict[str, list[int]] = {kind: [] for kind in COUNTED}
    for path, place in places.items():
        if place is None or place.kind == "ignore":
            continue
        if place.kind in numbers:
            numbers[place.kind].append(place.number)
        home = published.home(place)
        on = pages.setdefault(published.page(place.number), {}) if home == "page" else by_home[home]
        on[path.removeprefix(top)] = _standing(where, snapshot, path)
    for number in _pointed(snapshot, model):
        found = _pinned(pages, number)
        if found and not any(isinstance(v, dict) and v.keys() == {"object"} for v in found.values()):
            by_home["shard"] |= found
    rest = {
        "model": model,
        "files": by_home["model"],
        "numbers": {kind: published.ranges(sorted(found)) for kind, found in numbers.items() if found},
        "pages": {str(n): put(where, {"model": model, "files": files}) for n, files in pages.items()},
    }
    return {"files": by_home["shard"], "rest": put(where, rest)}


def _pointed(snapshot: Snapshot, model: str) -> set[int]:
    """The versions that pointers resolve to, as far as the pointers can be read."""
    found: set[int] = set()
    for alias in snapshot.pointers("alias", model):
        with suppress(MusterError):
            found.add(snapshot.alias(model, alias))
    for stage in snapshot.pointers("stage", model):
        with suppress(MusterError):
            found |= set(snapshot.stage(model, stage)[-1:])
    return found


def _pinned(pages: Mapping[int, Mapping[str, Any]], number: int) -> dict[str, Any]:
    files = pages.get(published.page(number), {})
    wanted = {names.path(kind, "x", number).split("/", 2)[2] for kind in PINNED}
    return {path: value for path, value in files.items() if path in wanted}


def _standing(where: Path, snapshot: Snapshot, path: str) -> Any:
    try:
        document = snapshot.tree.document(path)
    except Invalid as error:
        return {"unreadable": error.findings[0].message}
    large = len(published.canonical(document)) > published.LARGE
    return {"object": put(where, document)} if large else document
