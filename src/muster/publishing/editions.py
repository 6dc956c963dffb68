"""The objects of a registry's index at one commit: all of them, or those that differ from an index that is there.

Both go the same way, model by model: what changed in it, what the index had of it, what it has of it now. Memory is
bounded by one model and one shard.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core import manifest, names, publication, published
from ..core.errors import Integrity, Invalid
from ..core.publication import Changed, Model
from ..core.published import Root
from ..core.snapshot import Snapshot
from ..core.tree import Tree

if TYPE_CHECKING:
    from ..backends.git import GitRepository

_MAX_PATHS = 20_000  # more differ only where nearly everything does
_FLUSH = 8 << 20  # bytes of objects that are on their way at once

Fetch = Callable[[str], Any]  # the object of a digest, parsed; Integrity if it is not there
Keep = Callable[[Mapping[str, bytes]], None]  # write objects, by digest


@dataclass(slots=True)
class Edition:
    """The objects that a root names. `models` are those that may have changed: digest and pages, None if it is gone.

    `dropped` are objects that the root before it named and it does not, by digest, with the model whose each was.
    """

    top: str = ""
    shards: list[str] = field(default_factory=list)
    models: dict[str, tuple[str, Mapping[int, str]] | None] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)


class _Files:
    """The files of a model at one commit, by path in its directory."""

    def __init__(self, tree: Tree, model: str) -> None:
        self._tree, self._top = tree, names.model_directory(model)
        self._read: dict[str, tuple[Any, publication.Objects]] = {}

    def load(self, paths: Iterable[str]) -> tuple[Changed, publication.Objects]:
        """Read files, named as in the repository: what stands for each, and the objects that some are."""
        wanted = list(paths)
        there = [path for path in wanted if path in self._tree]
        gone = {self._within(path) for path in set(wanted).difference(there)}
        objects: dict[str, bytes] = {}
        for path, data in self._tree.read(there):
            self._read[self._within(path)] = read = publication.read(data, path)
            objects |= read[1]
        return Changed({path: value for path, (value, _) in self._read.items()}, gone), objects

    def value(self, path: str) -> Any:
        """Return what stands for a file in an object; KeyError if there is none."""
        if path not in self._read:
            whole = f"{self._top}/{path}"
            self._read[path] = publication.read(self._tree[whole], whole)
        return self._read[path][0]

    def document(self, path: str) -> Any:
        """Return a file parsed, however large."""
        whole = f"{self._top}/{path}"
        return manifest.parse(self._tree[whole], whole)

    def _within(self, path: str) -> str:
        return path.removeprefix(f"{self._top}/")


class _Buffer:
    """Objects on their way to a target, some at a time."""

    def __init__(self, keep: Keep) -> None:
        self._keep, self._waiting, self._size = keep, dict[str, bytes](), 0

    def add(self, objects: Mapping[str, bytes]) -> None:
        self._waiting |= objects
        self._size += sum(map(len, objects.values()))
        if self._size > _FLUSH:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self._keep(self._waiting)
        self._waiting, self._size = {}, 0


def paths_between(git: GitRepository, base: str, head: str) -> set[str] | None:
    """Return the paths that differ; None if there are too many to go through them one by one."""
    if base == head:
        return set()
    try:
        change = git.diff(base, head, _MAX_PATHS, manifest.MAX_BYTES)
    except Invalid:
        return None
    return {*change.files, *change.special}


def by_model(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return those of the paths that are in an index, by model."""
    found: dict[str, list[str]] = {}
    for path in paths:
        place = names.locate(path)
        if place is not None and publication.belongs(place):
            found.setdefault(place.model, []).append(path)
    return found


def full(git: GitRepository, commit: str, shards: int, keep: Keep) -> Edition:
    """Write every object of the index at a commit."""
    snapshot, edition, buffer = git.snapshot(commit), Edition(), _Buffer(keep)
    edition.top = _top(snapshot, buffer)
    grouped: list[list[str]] = [[] for _ in range(shards)]
    for name in snapshot.names_taken():
        grouped[published.shard(name, shards)].append(name)
    for models in grouped:
        entries = {}
        for name in models:
            tree = git.snapshot(commit).tree  # of its own, for what it remembers to go with it
            paths = (p for p in tree.below(names.model_directory(name)) if by_model([p]))
            new = _updated(Model(name), tree, paths, _nothing, edition, buffer)
            if new is not None:
                entries[name] = new.entry()
        edition.shards.append(_put(publication.shard_object(entries), buffer))
    buffer.flush()
    return edition


def changed(
    git: GitRepository,
    root: Root,
    commit: str,
    paths: Collection[str],
    more: Iterable[str],
    fetch: Fetch,
    keep: Keep,
) -> Edition:
    """Write the objects in which the index at a commit differs from that of root: paths say where.

    `more` are models that are looked at although nothing changed in them. Integrity if an old object is not there.
    """
    snapshot, buffer = git.snapshot(commit), _Buffer(keep)
    edition = Edition(root.top, list(root.shards))
    if not {names.REGISTRY, names.DVC_CONFIG}.isdisjoint(paths):
        edition.top = _top(snapshot, buffer)
    touched: dict[str, list[str]] = {name: [] for name in more} | by_model(paths)
    where = sorted((published.shard(name, len(root.shards)), name) for name in touched)
    for number, group in itertools.groupby(where, key=lambda found: found[0]):
        entries = dict(_models(fetch(root.shards[number])))
        for _, name in group:
            old = _model(name, entries.pop(name, None), fetch)
            new = _updated(old, snapshot.tree, touched[name], fetch, edition, buffer)
            if new is not None:
                entries[name] = new.entry()
        edition.shards[number] = _put(publication.shard_object(entries), buffer, root.shards[number])
    named = {edition.top, *edition.shards}
    edition.dropped |= {digest: "" for digest in (root.top, *root.shards) if digest not in named}
    buffer.flush()
    return edition


def models_in(fetch: Fetch, root: Root) -> Iterator[tuple[str, Model]]:
    """Yield every model of an index."""
    for digest in root.shards:
        for name, entry in _models(fetch(digest)):
            yield name, _model(name, entry, fetch)


def shards_wanted(git: GitRepository, commit: str, now: int) -> int:
    """Return how many shards the index at a commit is to have: `now`, unless that is far from what suits it.

    Near the border a model more and a model less would each write everything anew.
    """
    wanted = published.shards_for(len(git.snapshot(commit).names_taken()))
    return now if wanted <= 2 * now and now <= 4 * wanted else wanted


def _updated(
    old: Model, tree: Tree, paths: Iterable[str], fetch: Fetch, edition: Edition, buffer: _Buffer
) -> Model | None:
    """Bring one model up to date: its objects into the buffer, what it is now into the edition."""
    files = _Files(tree, old.name)
    changed, large = files.load(paths)
    pages = {n: _files(fetch(old.pages[n])) for n in changed.pages() if n in old.pages}
    update = publication.update(old, pages, changed, files)
    known = {old.rest, *old.pages.values()}
    buffer.add(large)
    buffer.add({digest: text for digest, text in update.objects.items() if digest not in known})
    edition.models[old.name] = None if update.model is None else (update.model.rest, update.model.pages)
    edition.dropped |= dict.fromkeys(update.dropped, old.name)
    return update.model


def _model(name: str, entry: Any, fetch: Fetch) -> Model:
    if entry is None:
        return Model(name)
    if not isinstance(entry, dict):
        raise Integrity(f"what the index has of model {name!r} is malformed")
    return Model.of(name, entry, fetch(published.checked(entry.get("rest"))))


def _models(shard: Any) -> Iterator[tuple[str, Any]]:
    models = shard.get("models") if isinstance(shard, dict) else None
    if not isinstance(models, dict):
        raise Integrity("a shard of the index is malformed")
    return iter(models.items())


def _files(page: Any) -> Mapping[str, Any]:
    files = page.get("files") if isinstance(page, dict) else None
    if not isinstance(files, dict):
        raise Integrity("a page of the index is malformed")
    return files


def _top(snapshot: Snapshot, buffer: _Buffer) -> str:
    data, value, own = snapshot.files.get(names.REGISTRY), None, dict[str, bytes]()
    if data is not None:
        value, objects = publication.read(data, names.REGISTRY)
        own |= objects
    buffer.add(own)
    return _put(publication.top_object(value, snapshot.files.get(names.DVC_CONFIG)), buffer)


def _put(text: bytes, buffer: _Buffer, known: str = "") -> str:
    digest = published.digest(text)
    if digest != known:
        buffer.add({digest: text})
    return digest


def _nothing(digest: str) -> Any:
    raise Integrity(f"object {digest} of the index is missing")
