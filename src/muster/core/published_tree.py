"""A published index as a tree of files, so that every rule of reading is the one that reads commits.

Objects are asked for as they are needed: one shard for what a pointer names, the rest of a model and one page for any
other version. Where more will be asked for (`expect`, or a list of all models), so much is fetched ahead, all at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from . import names, published
from .errors import Finding, Integrity, Invalid
from .tree import Tree

AHEAD = 64  # objects that are fetched at once where more of their kind are needed
_PAGES_KEPT = 4 * AHEAD
_ABSENT = object()
_OF_SHARD = frozenset({"aliases", "stages", "holds"})  # directories of which a shard has everything
_VERSIONS = "versions"
_READERS_CONFIG = "[core]\n    remote = artifacts\n['remote \"artifacts\"']\n    url = {}\n"


class Objects(Protocol):
    """Where the objects of an index are."""

    def read(self, digests: Sequence[str]) -> Sequence[Any]:
        """Return the objects of these digests, parsed, in their order; each is what its digest says."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a shard does not say of a model: labels, tombstones, which numbers there are, and the pages' digests."""

    files: Mapping[str, Any]
    numbers: Mapping[str, frozenset[int]]
    pages: Mapping[str, str]

    @classmethod
    def of(cls, document: Any) -> _Rest:
        numbers = _mapping(document, "numbers")
        return cls(
            _mapping(document, "files"),
            {kind: frozenset(published.numbers(str(text))) for kind, text in numbers.items()},
            {page: published.checked(digest) for page, digest in _mapping(document, "pages").items()},
        )

    def has(self, kind: str, number: int) -> bool:
        return number in self.numbers.get(kind, ())


class PublishedTree(Tree):
    """The files of the registry at the commit of one root. Several threads may read it at once.

    A file's bytes are its document as JSON, which is strict YAML, too. Where the root says that artifacts are elsewhere
    for readers, `.dvc/config` says that and nothing else.
    """

    def __init__(self, root: published.Root, objects: Objects) -> None:
        self._root, self._objects = root, objects
        self._top_read: Mapping[str, Any] | None = None
        self._shards: dict[str, Mapping[str, Any]] = {}
        self._shard_of: dict[str, str] = {}  # of the models that were asked for
        self._near: dict[str, Mapping[str, Any]] = {}  # segment -> what the shard has of a model
        self._rests: dict[str, _Rest] = {}
        self._pages: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._order: dict[str, int] = {}  # model -> its place, once all models were listed
        self._expected: set[str] = set()  # segments of models of which all versions will be read
        self._listed: tuple[str, ...] = ()

    def __getitem__(self, path: str) -> bytes:
        found = self._read(path)
        return found.encode() if path == names.DVC_CONFIG else published.canonical(found)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._find(path, whole=False) is not _ABSENT

    def __iter__(self) -> Iterator[str]:
        yield from self._tops
        yield from self.below(names.MODELS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def document(self, path: str) -> Any:
        """Return the document at path: KeyError if there is none, Invalid if the publisher could not read it."""
        return _own(self._read(path))

    def expect(self, directory: str) -> None:
        """Say that all below directory will be read: what is needed for it is fetched many at a time."""
        if directory == names.MODELS:
            self._models()
        elif directory.startswith(f"{names.MODELS}/"):
            self._expected.add(directory.partition("/")[2])

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        if directory == names.MODELS:
            return iter(self._models())
        top, _, rest = directory.partition("/")
        if top == names.MODELS and rest:
            return iter(sorted(self._inside(*rest.partition("/")[::2])))
        prefix = f"{directory}/" if directory else ""
        inside = {p[len(prefix) :].partition("/")[0] for p in self._tops if p.startswith(prefix)}
        return iter(sorted(inside | (set() if directory else {names.MODELS})))

    # --- files ---------------------------------------------------------------------------------------------------

    def _read(self, path: str) -> Any:
        """Return the document at path: KeyError if there is none, Invalid if the publisher could not read it."""
        found = self._find(path)
        if found is _ABSENT:
            raise KeyError(path)
        keys = found.keys() if isinstance(found, dict) else ()
        if keys == {"unreadable"}:
            finding = Finding(path, "yaml_is_strict", str(found["unreadable"]))
            raise Invalid(f"{path} cannot be read", [finding])
        if keys == {"object"}:
            (found,) = self._objects.read([published.checked(found["object"])])
        return found

    def _find(self, path: str, whole: bool = True) -> Any:
        """Return what stands for the file at path, or _ABSENT. Unless `whole`, that may be anything for what is there."""
        if path == names.DVC_CONFIG and self._root.artifacts:
            return _READERS_CONFIG.format(self._root.artifacts)
        if path in (names.REGISTRY, names.DVC_CONFIG):
            return self._top.get(path, _ABSENT)
        _, segment, key = path.split("/", 2) if path.count("/") >= 2 else ("", "", "")
        if segment in self._near and key in self._near[segment]:
            return self._near[segment][key]
        place = names.locate(path)
        return _ABSENT if place is None else self._find_of_model(place, key, whole)

    def _find_of_model(self, place: names.Place, key: str, whole: bool) -> Any:
        entry = self._entry(place.model)
        if entry is None:
            return _ABSENT
        files, home = _mapping(entry, "files"), published.home(place)
        self._near[names.encode(place.model)] = files
        if key in files or home == "shard":
            return files.get(key, _ABSENT)
        if home == "page" and f"{_VERSIONS}/{place.number}.yaml" in files:
            return _ABSENT  # of a version that it has, a shard has everything
        rest = self._rest(place.model)
        if home == "model":
            return rest.files.get(key, _ABSENT)
        if not rest.has(place.kind, place.number):
            return _ABSENT
        if not whole:
            return None
        found = self._page(place.model, rest, place.number).get(key, _ABSENT)
        if found is _ABSENT:
            raise _malformed(f"a page lacks {key}")
        return found

    @property
    def _tops(self) -> tuple[str, ...]:
        """The paths of the files that are no model's."""
        return tuple(p for p in (names.DVC_CONFIG, names.REGISTRY) if self._find(p) is not _ABSENT)

    @property
    def _top(self) -> Mapping[str, Any]:
        if self._top_read is None:
            (top,) = self._objects.read([self._root.top])
            if not isinstance(top, dict) or not isinstance(top.get(names.DVC_CONFIG, ""), (str, dict)):
                raise _malformed("top")
            self._top_read = top
        return self._top_read

    # --- directories ---------------------------------------------------------------------------------------------

    def _models(self) -> tuple[str, ...]:
        """Return the segment of every model, in order. Whoever asks is going to read them in that order."""
        if not self._listed:
            wanted = dict.fromkeys(self._root.shards)
            lacking = [digest for digest in wanted if digest not in self._shards]
            for digest, document in zip(lacking, self._objects.read(lacking), strict=True):
                self._shards[digest] = _mapping(document, "models")
            found = [m for d in wanted for m in self._shards[d] if self._root.shard_of(m) == d]
            self._order = {model: at for at, model in enumerate(sorted(found))}
            self._listed = tuple(sorted(map(names.encode, found)))
        return self._listed

    def _inside(self, segment: str, directory: str) -> set[str]:
        """Return what is inside a directory of a model; "" is the model's own."""
        try:
            model = names.decode(segment)
        except ValueError:
            return set()
        entry = self._entry(model)
        if entry is None:
            return set()
        paths = set(_mapping(entry, "files"))
        if directory not in _OF_SHARD:
            rest = self._rest(model)
            paths |= set(rest.files)
            paths |= _numbered(rest, None if directory == "" else directory)
        prefix = f"{directory}/" if directory else ""
        return {path[len(prefix) :].partition("/")[0] for path in paths if path.startswith(prefix)}

    # --- objects -------------------------------------------------------------------------------------------------

    def _entry(self, model: str) -> Any:
        """Return what the shard says of a model; None if there is none of that name."""
        digest = self._shard_of.get(model) or self._root.shard_of(model)
        if digest not in self._shards:
            (document,) = self._objects.read([digest])
            self._shards[digest] = _mapping(document, "models")
        if model in self._shards[digest]:
            self._shard_of[model] = digest
        return self._shards[digest].get(model)

    def _rest(self, model: str) -> _Rest:
        digest = self._rest_digest(model)
        if digest not in self._rests:
            following = (self._rest_digest(m) for m in self._following(model))
            wanted = [digest, *dict.fromkeys(d for d in following if d not in self._rests and d != digest)]
            for name, document in zip(wanted, self._objects.read(wanted), strict=True):
                self._rests[name] = _Rest.of(document)
        return self._rests[digest]

    def _rest_digest(self, model: str) -> str:
        return published.checked(_mapping({"entry": self._entry(model)}, "entry").get("rest"))

    def _following(self, model: str) -> tuple[str, ...]:
        """Return the models that are going to be read after this one, as far as that shows."""
        if model not in self._order:
            return ()
        at = self._order[model]
        return tuple(list(self._order)[at + 1 : at + AHEAD])

    def _page(self, model: str, rest: _Rest, number: int) -> Mapping[str, Any]:
        page = published.page(number)
        digest = published.checked(rest.pages.get(str(page)))
        if (kept := self._pages.get(digest)) is not None:
            return kept
        near = self._pages_near(model, rest, page)
        wanted = [digest, *dict.fromkeys(d for d in near if d != digest and d not in self._pages)][:AHEAD]
        found = [_mapping(document, "files") for document in self._objects.read(wanted)]
        for name, files in zip(wanted, found, strict=True):
            self._pages[name] = files
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        return found[0]

    def _pages_near(self, model: str, rest: _Rest, page: int) -> Iterator[str]:
        """Yield the pages that are going to be read with this one: of the model, and of those that follow it."""
        if model in self._order or names.encode(model) in self._expected:
            yield from (rest.pages[p] for p in sorted(rest.pages, key=lambda p: abs(int(p) - page)))
        for other in self._following(model):
            if (known := self._rests.get(self._rest_digest(other))) is not None:
                yield from known.pages.values()


def _numbered(rest: _Rest, directory: str | None) -> set[str]:
    """Return the paths of a model's numbered files in a directory, or (None) in all of them."""
    found: set[str] = set()
    kinds: tuple[names.Kind, ...] = ("version", "dvc", "annotations", "tombstone")
    for kind in kinds:
        example = names.path(kind, "x", 1).split("/", 2)[2]
        where, _, last = example.partition("/")
        if directory in (None, where):
            found |= {f"{where}/{number}{last[1:]}" for number in rest.numbers.get(kind, ())}
    return found


def _mapping(document: Any, key: str) -> Mapping[str, Any]:
    """Return the mapping that an object has at key; Integrity if it has none."""
    found = document.get(key) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise _malformed(key)
    return found


def _malformed(what: str) -> Integrity:
    return Integrity(
        f"an object of the index is malformed: {what}",
        "whoever publishes the index has to build it again: muster index build",
    )


def _own(value: Any) -> Any:
    """Return a copy of a document: whoever is given it may change it."""
    if isinstance(value, dict):
        return {key: _own(item) for key, item in value.items()}
    return [_own(item) for item in value] if isinstance(value, list) else value
