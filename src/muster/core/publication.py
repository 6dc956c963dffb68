"""From a registry's files to the objects of a published index, and what a change makes of them.

A `Model` is a model's part of the index, taken apart; `update` applies changed files to one and returns the objects
that are new. A model that is built from nothing is one to which every file is a change: there is no second way. What
the objects are is said in `published`.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import dvcconfig, manifest, names, published
from .errors import Integrity, Invalid
from .names import Place

Objects = Mapping[str, bytes]  # canonical JSON by its digest
Documents = Mapping[str, Any]  # as they stand in objects, by path in the model's directory

_Home = tuple[str, int]  # the kind of object, and of pages which one
_SHARD, _MODEL = ("shard", 0), ("model", 0)
_COUNTED = ("version", "dvc", "annotations", "tombstone")
_OF_A_VERSION: tuple[names.Kind, ...] = ("version", "dvc", "annotations")
_STANDING_IN = ({"object"}, {"unreadable"})


@dataclass(frozen=True, slots=True)
class Model:
    """What an index has of one model: documents in its shard, documents in its own object, numbers by kind of file,
    and the digest of each page. `rest` is the digest of its own object, "" of a model that is not there yet.
    """

    name: str
    near: Documents = field(default_factory=dict)
    far: Documents = field(default_factory=dict)
    numbers: Mapping[str, frozenset[int]] = field(default_factory=dict)
    pages: Mapping[int, str] = field(default_factory=dict)
    rest: str = ""

    @classmethod
    def of(cls, name: str, entry: Any, rest: Any) -> Model:
        """Read a model's entry in its shard and its own object; Integrity if they are malformed."""
        try:
            numbers = {kind: frozenset(published.numbers(text)) for kind, text in rest["numbers"].items()}
            pages = {int(number): published.checked(digest) for number, digest in rest["pages"].items()}
            near, far = dict(entry["files"]), dict(rest["files"])
            return cls(name, near, far, numbers, pages, published.checked(entry["rest"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Integrity(f"what the index has of model {name!r} is malformed") from error

    def entry(self) -> dict[str, Any]:
        """Return what stands in the model's shard."""
        return {"files": _sorted(self.near), "rest": self.rest}


@dataclass(frozen=True, slots=True)
class Changed:
    """Files of a model that changed: as they stand in objects now, and those that are gone."""

    files: Documents
    gone: Collection[str] = ()

    def applied_to(self, files: Documents, home: _Home) -> dict[str, Any]:
        """Return the files of an object with those changes that belong into it."""
        kept = {path: value for path, value in files.items() if path not in self.gone}
        return kept | {path: value for path, value in self.files.items() if _home(path) == home}

    def pages(self) -> set[int]:
        """Return the pages on which something changed."""
        return {number for kind, number in map(_home, (*self.files, *self.gone)) if kind == "page"}


class Now(Protocol):
    """The files of a model as they are now, by path in its directory."""

    def value(self, path: str) -> Any:
        """Return what stands for a file in an object; KeyError if there is none."""

    def document(self, path: str) -> Any:
        """Return a file parsed, however large; Invalid if it cannot be."""


@dataclass(frozen=True, slots=True)
class Update:
    """What became of a model: None where nothing is left of it. `dropped` were its own, and are no more."""

    model: Model | None
    objects: Objects
    dropped: frozenset[str]


def within(place: Place) -> str:
    """Return the path of a file in its model's directory."""
    return names.path_of(place).removeprefix(f"{names.model_directory(place.model)}/")


def belongs(place: Place | None) -> bool:
    """Tell whether the file of a model at place is in the index."""
    return place is not None and place.kind not in ("registry", "ignore")


def read(data: bytes, path: str) -> tuple[Any, Objects]:
    """Return what stands for the file at path in an object, and the object that it is if it is one of its own."""
    try:
        document = manifest.parse(data, path)
        text = published.canonical(document)
    except Invalid as error:
        return {"unreadable": error.findings[0].message if error.findings else str(error)}, {}
    except ValueError as error:  # half a surrogate pair, which YAML can spell and UTF-8 cannot
        return {"unreadable": f"it cannot be written as JSON: {type(error).__name__}"}, {}
    ambiguous = isinstance(document, dict) and set(document) in _STANDING_IN
    if len(text) <= published.LARGE and not ambiguous:
        return document, {}
    digest = published.digest(text)
    return {"object": digest}, {digest: text}


def elsewhere(value: Any) -> str:
    """Return the digest of the object that a value stands for, "" of one that stands for itself."""
    if isinstance(value, dict) and set(value) == {"object"}:
        return published.checked(value["object"])
    return ""


def update(old: Model, pages: Mapping[int, Documents], changed: Changed, now: Now) -> Update:
    """Return what changed files make of a model. `pages` are its pages on which something changed, as they were."""
    made = {n: _page(old.name, changed.applied_to(pages.get(n, {}), ("page", n))) for n in changed.pages()}
    kept = {n: digest for n, digest in old.pages.items() if n not in made}
    new = {n: published.digest(text) for n, text in made.items() if text}
    numbers = _numbers(old.numbers, changed)
    far = changed.applied_to(old.far, _MODEL)
    rest = published.canonical(_rest(old.name, far, numbers, kept | new))
    near = _near(changed.applied_to(old.near, _SHARD), now)
    digest = published.digest(rest)
    was = {old.rest, *old.pages.values()} - {""}
    if not (near or far or any(numbers.values())):
        return Update(None, {}, frozenset(was))
    objects = {digest: rest, **{new[n]: made[n] for n in new}}
    model = Model(old.name, near, far, numbers, kept | new, digest)
    return Update(model, objects, frozenset(was - {digest, *model.pages.values()}))


def resolved(name: str, document: Any) -> int | None:
    """Return the version number that the document of an alias or a stage resolves to, if it can be read."""
    try:
        if name.startswith("aliases/"):
            return int(document["version"])
        return max((int(n) for n in document["versions"]), default=None)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def shard_object(entries: Mapping[str, Any]) -> bytes:
    """Return the shard of these models, by name."""
    return published.canonical({"models": _sorted(entries)})


def top_object(registry: Any, config: bytes | None) -> bytes:
    """Return the top of a registry with this registry.yaml, as it stands in objects, and this .dvc/config."""
    files = {} if registry is None else {names.REGISTRY: registry}
    return published.canonical(
        files if config is None else {**files, names.DVC_CONFIG: configuration(config)}
    )


def configuration(data: bytes) -> Any:
    """Return what DVC's configuration says, and nothing of what stands beside it, such as comments.

    One that the rules refuse is unreadable, and none of it is quoted: it may hold a password.
    """
    lines = sorted({found.line for found in dvcconfig.problems_with_config(names.DVC_CONFIG, data)})
    if lines:
        return {"unreadable": f"it says what a registry may not say, on line {', '.join(map(str, lines))}"}
    config = dvcconfig.parse_config(data)
    sections = {"core": config.core, "cache": config.cache}
    text = "".join(_section(name, items) for name, items in sections.items() if items)
    remotes = (_section(f"'remote \"{name}\"'", items) for name, items in sorted(config.remotes.items()))
    return text + "".join(remotes)


def pack(text: bytes) -> bytes:
    """Return an object as it is stored: gzip, always the same for the same text."""
    if len(text) > published.MAX_OBJECT:
        raise Invalid(f"an object of the index would have {len(text)} bytes", hint="split the model in two")
    made = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: gzip's own header, with no time in it
    return made.compress(text) + made.flush()


def unpack(data: bytes, digest: str) -> bytes:
    """Return the text of a stored object; Integrity if it is not the one of that digest."""
    opened = zlib.decompressobj(31)
    try:
        text = opened.decompress(data, published.MAX_OBJECT + 1)
    except zlib.error as error:
        raise Integrity(f"object {digest} of the index is damaged", _REBUILD) from error
    if published.digest(text) != digest or not opened.eof or opened.unused_data:
        raise Integrity(f"object {digest} of the index is damaged", _REBUILD)
    return text


_REBUILD = "publish it again with --full"


def _numbered(kind: names.Kind, number: int) -> str:
    return within(Place(kind, "x", str(number)))


def _home(path: str) -> _Home:
    """The object that a file of a model is in."""
    place = _place(path)
    kind = published.home(place)
    return kind, published.page(place.number) if kind == "page" else 0


def _place(path: str) -> Place:
    """What lives at a path in a model's directory; every path here has been located before."""
    place = names.locate(f"{names.MODELS}/x/{path}")
    if place is None:
        raise Integrity(f"the index has a file {path!r}, which is none of a model")
    return place


def _sorted(documents: Mapping[str, Any]) -> dict[str, Any]:
    """What has no order of its own in the one order of its names."""
    return dict(sorted(documents.items()))


def _page(name: str, files: Documents) -> bytes:
    """The page that has these files; nothing if there are none."""
    return published.canonical({"model": name, "files": _sorted(files)}) if files else b""


def _rest(
    name: str, far: Documents, numbers: Mapping[str, Iterable[int]], pages: Mapping[int, str]
) -> dict[str, Any]:
    return {
        "model": name,
        "files": _sorted(far),
        "numbers": {
            kind: published.ranges(sorted(found)) for kind, found in _sorted(numbers).items() if found
        },
        "pages": {str(number): pages[number] for number in sorted(pages)},
    }


def _numbers(old: Mapping[str, frozenset[int]], changed: Changed) -> dict[str, frozenset[int]]:
    found = {kind: set(old.get(kind, ())) for kind in _COUNTED}
    for place in map(_place, changed.gone):
        if place.kind in found:
            found[place.kind].discard(place.number)
    for place in map(_place, changed.files):
        if place.kind in found:
            found[place.kind].add(place.number)
    return {kind: frozenset(numbers) for kind, numbers in found.items()}


def _near(files: Documents, now: Now) -> dict[str, Any]:
    """What stands in the shard: its own files, and those of the versions that its pointers resolve to."""
    near = {path: value for path, value in files.items() if _home(path) == _SHARD}
    pointers = {path: value for path, value in near.items() if path.startswith(("aliases/", "stages/"))}
    whole = {path: now.document(path) if elsewhere(value) else value for path, value in pointers.items()}
    numbers = {resolved(path, document) for path, document in whole.items()}
    for number in sorted(n for n in numbers if n is not None and 0 < n < 10**9):
        found = dict(_version(number, now))
        if _numbered("version", number) in found and not any(map(elsewhere, found.values())):
            near |= found
    return near


def _version(number: int, now: Now) -> Iterator[tuple[str, Any]]:
    """The files that there are of a version."""
    for kind in _OF_A_VERSION:
        with contextlib.suppress(KeyError):
            path = _numbered(kind, number)
            yield path, now.value(path)


def _section(name: str, items: Mapping[str, str]) -> str:
    """A section of DVC's configuration. A value that may stand in one never has quotes of both kinds."""
    quoted = {key: f"'{value}'" if '"' in value else f'"{value}"' for key, value in items.items()}
    return f"[{name}]\n" + "".join(f"    {key} = {value}\n" for key, value in quoted.items())
