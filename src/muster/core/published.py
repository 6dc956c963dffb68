"""The published index: the registry at one commit as static files. What they are called and what they hold.

    root.json                            the one file that is replaced: signed, small, names all the others
    objects/<ab>/<sha256>.json.gz        everything it names: a file never changes under its name
    models/<model>.json                  for people and curl, no reader of ours: a model ...
    pointers/<model>/<aliases|stages>/<name>.json    ... and what a pointer names, replaced when they change

`root.json` is an envelope, `{"payload": "<JSON>", "signatures": ["-----BEGIN SSH SIGNATURE-----..."]}`, around a `Root`.
An object is canonical JSON, gzipped; its digest is the SHA-256 of what is inside. There are four kinds; `files` are
documents by their path in the model's directory:

    top     {"registry.yaml": document, ".dvc/config": "text"}
    shard   {"models": {"<model>": {"files": {...}, "rest": "<digest>"}}}, of some models: all that resolves a pointer,
            that is the card, aliases, stages and holds, and of each version that an alias or a stage resolves to (the
            highest of a stage) its manifest, DVC file and annotations: all that there are of them, or none if one of
            them is an object of its own
    model   {"model": "<model>", "files": {...}, "numbers": {"version": "1-5,7", "dvc": ..., "annotations": ...,
            "tombstone": ...}, "pages": {"0": "<digest>"}}: what else there is of a model, labels and tombstones, and
            which numbers have which files
    page    {"model": "<model>", "files": {...}}: manifests, DVC files and annotations of PER_PAGE numbers

So a pointer costs the root and one shard, a version a model and a page more, and a change rewrites one of each.
A document that is larger than LARGE is an object of its own, and `{"object": "<digest>"}` stands in its place; so is one
that could be taken for such a stand-in. A file that is not strict YAML is `{"unreadable": "<why>"}`. Readers skip keys
that they do not know. Models and pages name their model, so that none is shared and each can be removed in its time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import names
from .errors import Integrity

FORMAT = 1
ROOT = "root.json"
NAMESPACE = "muster-index"  # what a signature says it is for: one made for another purpose is none
PER_PAGE = 64  # version numbers
LARGE = 16 << 10  # bytes of canonical JSON
MODELS_PER_SHARD = 16
MAX_ROOT = 8 << 20
MAX_OBJECT = 64 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IN_SHARD = ("model", "alias", "stage", "hold")
_IN_PAGE = ("version", "dvc", "annotations")


@dataclass(frozen=True, slots=True)
class Root:
    """What a published index says of itself. Times are UTC, RFC 3339 with seconds and a Z.

    `birth` is the registry's first commit: the registry's identity, whatever it is called and wherever it is. `url` is
    where its repository is, "" where that is nobody's business. `published` is when this was last confirmed, with or
    without a change. `artifacts` overrides the URL of the DVC remote for readers, "" where it does not. `shards` are
    digests; there is a power of two of them.
    """

    birth: str
    name: str
    url: str
    commit: str
    committed: str
    published: str
    artifacts: str
    top: str
    shards: tuple[str, ...]

    def to_document(self) -> dict[str, Any]:
        """Return the payload."""
        return {
            "format": FORMAT,
            "registry": {"birth": self.birth, "name": self.name, "url": self.url},
            "commit": self.commit,
            "committed": self.committed,
            "published": self.published,
            "artifacts": self.artifacts,
            "top": self.top,
            "shards": list(self.shards),
        }

    @classmethod
    def of(cls, document: Any) -> Root:
        """Read a payload; Integrity if it is none, or of a format that this muster does not know."""
        try:
            if document["format"] != FORMAT:
                raise Integrity(
                    f"the index has format {document['format']}; this muster knows {FORMAT}",
                    hint="upgrade muster-registry",
                )
            registry = document["registry"]
            texts = (registry["birth"], registry["name"], registry["url"], document["commit"])
            times = (document["committed"], document["published"], document["artifacts"])
            root = cls(*texts, *times, checked(document["top"]), tuple(map(checked, document["shards"])))
        except (KeyError, TypeError, AttributeError) as error:
            raise Integrity("the index's root is malformed") from error
        if not all(isinstance(text, str) for text in (*texts, *times)):
            raise Integrity("the index's root is malformed")
        if not root.shards or len(root.shards) & (len(root.shards) - 1):
            raise Integrity(f"the index has {len(root.shards)} shards, which is no power of two")
        return root

    def shard_of(self, model: str) -> str:
        """Return the digest of the shard that a model is in, if there is such a model."""
        return self.shards[shard(model, len(self.shards))]


def shard(model: str, shards: int) -> int:
    """Return which of so many shards, a power of two, a model is in."""
    return int.from_bytes(hashlib.sha256(model.encode()).digest()[:4], "big") % shards


def shards_for(models: int) -> int:
    """Return how many shards so many models want: few are large, and many make a large root."""
    wanted = -(-models // MODELS_PER_SHARD)
    return 1 << max(wanted - 1, 0).bit_length()


def page(number: int) -> int:
    """Return the page that a version number is on."""
    return (number - 1) // PER_PAGE


def home(place: names.Place) -> str:
    """Return which kind of object holds a file of a model: shard, model or page."""
    if place.kind in _IN_SHARD:
        return "shard"
    return "page" if place.kind in _IN_PAGE else "model"


def object_path(digest: str) -> str:
    """Return where the object of that digest is."""
    return f"objects/{digest[:2]}/{digest}.json.gz"


def canonical(document: Any) -> bytes:
    """Return the JSON text of a document. Its keys stay in their order, which says something: that of the stages, say.

    Where an object has no order of its own, whoever builds it sorts: models, files and pages by name.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def digest(data: bytes) -> str:
    """Return the digest of an object's canonical JSON."""
    return hashlib.sha256(data).hexdigest()


def envelope(payload: str, signatures: Iterable[str] = ()) -> bytes:
    """Return root.json, around a payload as it was signed."""
    return canonical({"payload": payload, "signatures": list(signatures)}) + b"\n"


def open_envelope(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the payload of root.json, as it was signed, and the signatures; Integrity if it is malformed."""
    try:
        document = json.loads(data)
        payload, signatures = document["payload"], tuple(document.get("signatures", ()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Integrity("the index's root is malformed") from error
    if not all(isinstance(text, str) for text in (payload, *signatures)):
        raise Integrity("the index's root is malformed")
    return payload, signatures


def ranges(numbers: Iterable[int]) -> str:
    """Write ascending numbers as `1-5,7`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)


def numbers(text: str) -> list[int]:
    """Read what `ranges` wrote; Integrity if it is malformed or names more than a model can have."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        if match is None:
            raise Integrity(f"{part!r} is no range of version numbers")
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first > 10_000_000:
            raise Integrity(f"{part!r} is no range of version numbers")
        found.extend(range(first, last + 1))
    return found


def checked(text: Any) -> str:
    """Return a digest, which becomes part of a path; Integrity if it is none."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise Integrity(f"{text!r:.80} is not the digest of an object of the index")
    return text
