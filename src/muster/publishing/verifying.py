"""Verifying a published index: all that its root names is there and is what it says, and whose word it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import sshsig
from ..backends.publication import open_target
from ..core import publication, published
from ..core.errors import Invalid, MusterError, NotFound
from ..core.published import ROOT, Root
from . import editions
from .publish import fetcher, read_root

if TYPE_CHECKING:
    from ..registry import Registry


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found at a place: `signers` are fingerprints of good signatures, `problems` all that is wrong."""

    location: str
    commit: str
    published: str
    models: int
    objects: int
    signers: tuple[str, ...]
    problems: tuple[str, ...]


class _Counting:
    """Reads objects, each once, and notes what is wrong with one instead of stopping at it."""

    def __init__(self, fetch: editions.Fetch) -> None:
        self._fetch, self.seen, self.problems = fetch, set[str](), list[str]()

    def __call__(self, digest: str) -> Any:
        self.seen.add(digest)
        return self._fetch(digest)

    def parts(self, name: str, model: publication.Model) -> None:
        """Read all that a model is made of."""
        self.values(model.near)
        self.values(model.far)
        for digest in model.pages.values():
            with self.noting():
                page = self(digest)
                self.values(page["files"])
                if page.get("model") != name:
                    self.problems.append(f"page {digest} is not of model {name!r}")

    def values(self, files: Mapping[str, Any]) -> None:
        for value in files.values():
            with self.noting():
                if (digest := publication.elsewhere(value)) and digest not in self.seen:
                    self(digest)

    def noting(self) -> AbstractContextManager[None]:
        """Note what goes wrong in a block."""
        return _noted(self.problems)


@contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    """Note what goes wrong in a block, and go on after it."""
    try:
        yield
    except MusterError as error:
        problems.append(str(error))
    except (KeyError, TypeError, AttributeError, ValueError):
        problems.append("an object of the index is malformed")


def verify(place: str, keys: Sequence[str] = (), registry: Registry | None = None) -> Verified:
    """Read the whole index at a path or a URL. `keys` are public keys, files of such, or fingerprints: one must have
    signed. With a registry, the index must be what the registry makes of its commit.

    NotFound if there is no index, Integrity if its root cannot be read.
    """
    target = open_target(place, writable=False)
    data = target.read(ROOT)
    if data is None:
        raise NotFound(f"there is no index at {target.location}: it has no {ROOT}", "muster index publish")
    root, payload, signatures = read_root(data)
    fetch = _Counting(fetcher(target))
    signers = tuple(_signers(payload, signatures, fetch.problems))
    wanted = [_key(key) for key in keys]
    if wanted and not any(sshsig.is_of(key, wanted) for key in signers):
        fetch.problems.append("none of the keys given has signed it")
    models = _walk(root, fetch)
    if registry is not None:
        fetch.problems.extend(_differences(registry, fetch, root))
    prints = tuple(key.fingerprint for key in signers)
    return Verified(
        target.location, root.commit, root.published, models, len(fetch.seen), prints, tuple(fetch.problems)
    )


def _walk(root: Root, fetch: _Counting) -> int:
    """Read every object; the number of models."""
    count = 0
    with fetch.noting():
        top = fetch(root.top)
        fetch.values(top)
    for digest in root.shards:
        with fetch.noting():
            for name, entry in fetch(digest)["models"].items():
                count += 1
                with fetch.noting():
                    if root.shard_of(name) != digest:
                        fetch.problems.append(f"model {name!r} is in a shard that is not its own")
                    fetch.parts(name, publication.Model.of(name, entry, fetch(entry["rest"])))
    return count


def _signers(payload: str, signatures: Sequence[str], problems: list[str]) -> Iterator[sshsig.PublicKey]:
    for signature in signatures:
        with _noted(problems):
            key = sshsig.key_of(signature)
            if sshsig.is_good(signature, payload.encode(), published.NAMESPACE):
                yield key
            else:
                problems.append(f"the signature by {key.fingerprint} is not one of this root")


def _key(text: str) -> str:
    """Read a key as it is given: a fingerprint, a public key, or the file of one."""
    if text.startswith("SHA256:"):
        return text
    try:
        return str(sshsig.parse_key(text))
    except (ValueError, IndexError):
        if not Path(text).expanduser().is_file():
            raise Invalid(f"{text!r} is no public key, no file of one and no fingerprint") from None
        return str(sshsig.public_key(Path(text).expanduser()))


def _differences(registry: Registry, fetch: _Counting, root: Root) -> Iterator[str]:
    """Say in which models an index differs from what the registry makes of its commit, by building it."""
    git = registry._git
    if git.commit_object(root.commit) is None:
        yield f"{registry.location} has no commit {root.commit}"
        return
    if git.first(root.commit) != root.birth:
        yield f"the registry at {registry.location} began with another commit than {root.birth[:12]}"
    shards: dict[str, bytes] = {}

    def keep(objects: Mapping[str, bytes]) -> None:
        shards.update((digest, text) for digest, text in objects.items() if text.startswith(b'{"models":'))

    edition = editions.full(git, root.commit, len(root.shards), keep)
    if edition.top != root.top:
        yield "registry.yaml or .dvc/config is not that of the registry"
    for old, new in zip(root.shards, edition.shards, strict=True):
        if old != new:
            yield from _differing(fetch, old, json.loads(shards[new])["models"])


def _differing(fetch: _Counting, shard: str, wanted: Mapping[str, Any]) -> Iterator[str]:
    with fetch.noting():
        found = fetch(shard)["models"]
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                yield f"model {name!r} is not what the registry has"
