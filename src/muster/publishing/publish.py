"""Publishing a registry as static files that any web server or bucket hands out.

One straight line: read the root that is there -> write the objects that differ -> look whether the root is still that
one -> write the new root -> write the files for people -> remove what has not been named for long. Whoever is killed on
the way leaves the old index or the new one, whole, and the next publisher finishes what was left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends import sshsig
from ..backends.git.address import is_url, redact
from ..backends.publication import Rehearsal, Tally, Target, open_target
from ..core import names, pointerfiles, publication, published, trust
from ..core.dvcconfig import parse_config
from ..core.errors import Conflict, Integrity, Invalid, MusterError, NotFound
from ..core.pointerfiles import Moment
from ..core.published import ROOT, Root
from ..core.snapshot import Snapshot
from . import editions, retiring

if TYPE_CHECKING:
    from ..registry import Registry

ATTEMPTS = 5  # how often it begins anew after losing a race
KEEP = timedelta(days=7)
_AT_ONCE = 256  # files for people that are on their way at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to publish. `keys` sign, each; `artifacts` is where readers find artifacts, "" for where the registry says.

    `keep` is how long objects stay that no root names. `full` writes everything; `accept` replaces an index of a
    commit that is not in the past of ours.
    """

    keys: tuple[Path, ...] = ()
    artifacts: str = ""
    keep: timedelta = KEEP
    full: bool = False
    accept: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What was published where. `why_full` says why everything was written, "" where only what differs was."""

    location: str
    commit: str
    why_full: str
    files: int
    bytes: int
    removed: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Basis:
    """The root that is there, as it was read; None where there is none to build on, and why."""

    data: bytes | None
    root: Root | None
    record: retiring.Record
    why_full: str = ""


def publish(registry: Registry, place: str, wanted: Wanted, dry_run: bool = False) -> Published:
    """Bring the index at a path or a URL up to date, or (`dry_run`) only say what that would write."""
    target = open_target(place)
    return publish_to(registry, Rehearsal(target) if dry_run else target, wanted)


def publish_to(registry: Registry, target: Target, wanted: Wanted) -> Published:
    """Make the index at target that of the registry's commit; see `Wanted`.

    Conflict if the index that is there is of a commit that ours does not have in its past.
    """
    commit = registry.snapshot().commit
    if commit is None:
        raise NotFound(f"{registry.location} has no commit yet", "run `muster init`")
    signers = [sshsig.public_key(key) for key in wanted.keys]
    counted = Tally(target)
    with target.locked():
        for _ in range(ATTEMPTS):
            basis = _basis(registry, counted, commit, wanted, signers)
            done = _try(registry, counted, basis, commit, wanted)
            if done is not None:
                why, removed = done
                return Published(
                    target.location,
                    commit,
                    why,
                    counted.files,
                    counted.bytes,
                    removed,
                    (
                        *_notes_on_keys(signers),
                        *(_notes_on_artifacts(registry.snapshot(), wanted) if why else ()),
                    ),
                )
    raise Conflict(f"others kept publishing to {target.location}", hint="try again")


def fetcher(target: Target) -> editions.Fetch:
    """Return what reads and verifies the objects of an index at target."""

    def fetch(digest: str) -> Any:
        data = target.read(published.object_path(digest))
        if data is None:
            raise Integrity(f"object {digest} of the index is missing", hint="publish it again with --full")
        try:
            return json.loads(publication.unpack(data, digest))
        except (ValueError, RecursionError) as error:
            raise Integrity(f"object {digest} of the index is no JSON") from error

    return fetch


def read_root(data: bytes) -> tuple[Root, str, tuple[str, ...]]:
    """Return what a root says, its payload and its signatures; Integrity if it is none that this muster knows."""
    payload, signatures = published.open_envelope(data)
    try:
        return Root.of(json.loads(payload)), payload, signatures
    except (ValueError, RecursionError) as error:
        raise Integrity("the index's root is malformed") from error


def _basis(
    registry: Registry, target: Target, commit: str, wanted: Wanted, signers: list[sshsig.PublicKey]
) -> _Basis:
    """Decide on what to build: the index that is there, or nothing."""
    data, record = target.read(ROOT), retiring.read_record(target.read(retiring.RECORD))
    if data is None:
        return _Basis(None, None, record, "there is no index yet")
    try:
        root, payload, signatures = read_root(data)
    except Integrity as error:
        if not (wanted.accept or wanted.full):
            raise Conflict(f"{target.location}: {error}", error.hint or "replace it with --full") from error
        return _Basis(data, None, record, str(error))
    if root.commit != commit and not _is_past(registry, root.commit, commit):
        if not wanted.accept:
            raise _not_ours(registry, target, root, commit)
        return _Basis(data, None, record, f"the index was of {root.commit[:12]}, which is not in the past")
    if wanted.full:
        return _Basis(data, None, record, "it was asked for")
    if signers and not _is_signed(payload, signatures, signers):
        return _Basis(data, None, record, "none of these keys has signed what is there")
    if record.people == "" or (
        record.people != root.commit and not _is_past(registry, record.people, commit)
    ):
        return _Basis(data, None, record, "the last publication did not end")
    if editions.shards_wanted(registry._git, commit, len(root.shards)) != len(root.shards):
        return _Basis(data, None, record, "the number of models has changed much")
    return _Basis(data, root, record)


def _not_ours(registry: Registry, target: Target, root: Root, commit: str) -> Conflict:
    whose = f"of commit {root.commit[:12]}, which is not in the past of {commit[:12]}"
    if root.birth != registry._git.first(commit):
        whose = "of another registry"
    return Conflict(
        f"the index at {target.location} is {whose}",
        hint="bring the registry up to date; or, to replace that index, add --accept",
    )


def _is_past(registry: Registry, old: str, commit: str) -> bool:
    git = registry._git
    return git.commit_object(old) is not None and git.fork(old, commit) == old


def _is_signed(payload: str, signatures: Iterable[str], signers: list[sshsig.PublicKey]) -> bool:
    """Tell whether one of the signers signed what is there: what somebody else put there must not be signed over."""
    trusted = [str(key) for key in signers]
    return any(
        sshsig.is_of(sshsig.key_of(signature), trusted)
        and sshsig.is_good(signature, payload.encode(), published.NAMESPACE)
        for signature in signatures
    )


def _try(
    registry: Registry, target: Tally, basis: _Basis, commit: str, wanted: Wanted
) -> tuple[str, int] | None:
    """Publish on a basis: why everything was written, and how many files were removed. None if the root has moved."""
    edition, touched, why, named = _write_objects(registry, target, basis, commit)
    root = _root(registry, basis, edition, commit, wanted)
    data = _signed(root, wanted.keys)
    if target.read(ROOT) != basis.data:
        return None
    target.write({ROOT: data})
    _write_for_people(registry, target, edition, commit, touched, basis.record.people)
    return why, _clear(target, basis.record, edition, root, data, wanted.keep, named)


def _write_objects(
    registry: Registry, target: Target, basis: _Basis, commit: str
) -> tuple[editions.Edition, set[str] | None, str, set[str] | None]:
    """Write what differs: the edition, the paths that changed (None: all), and where everything was written, why, and
    all that the edition names.
    """
    git, why, named = registry._git, basis.why_full, set[str]()

    def keep(objects: Mapping[str, bytes]) -> None:
        named.update(objects)
        target.write({published.object_path(d): publication.pack(text) for d, text in objects.items()})

    if basis.root is not None:
        paths = editions.paths_between(git, basis.root.commit, commit)
        late = paths
        if basis.record.people != basis.root.commit:
            late = editions.paths_between(git, basis.record.people, commit)
        if paths is not None and late is not None:
            try:
                more = editions.by_model(late)
                edition = editions.changed(git, basis.root, commit, paths, more, fetcher(target), keep)
                return edition, late, "", None
            except Integrity as error:
                why = str(error)
        else:
            why = "nearly everything has changed"
    shards = published.shards_for(len(git.snapshot(commit).names_taken()))
    named.clear()
    return editions.full(git, commit, shards, keep), None, why, named


def _root(registry: Registry, basis: _Basis, edition: editions.Edition, commit: str, wanted: Wanted) -> Root:
    git, snapshot = registry._git, registry._git.snapshot(commit)
    try:
        name = str(snapshot.registry.get("name", ""))
    except MusterError:
        name = ""
    origin = redact(git.origin())
    return Root(
        birth=basis.root.birth if basis.root is not None else git.first(commit),
        name=name,
        url=origin if is_url(origin) and not origin.startswith("file:") else "",
        commit=commit,
        committed=_moment_of(registry, commit).at,
        published=_time_of(commit, basis.data, registry.now),
        artifacts=wanted.artifacts,
        top=edition.top,
        shards=tuple(edition.shards),
    )


def _time_of(commit: str, data: bytes | None, now: str) -> str:
    """Return when the root of commit is published, in place of data: now, and after that one, as readers make sure.

    That one may be of the same second, or by a clock that is a little ahead. What is further ahead no reader believes.
    """
    if data is None:
        return now
    try:
        old = read_root(data)[0]
        before = trust.moment(old.published)
    except Integrity:
        return now
    ahead = before - trust.moment(now)
    if not timedelta() <= ahead <= trust.SKEW:
        return now
    if old.commit == commit:
        return old.published
    return f"{before + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"


def _signed(root: Root, keys: Iterable[Path]) -> bytes:
    payload = published.canonical(root.to_document()).decode()
    made = [sshsig.sign(payload.encode(), published.NAMESPACE, key) for key in keys]
    return published.envelope(payload, made)


def _moment_of(registry: Registry, commit: str) -> Moment:
    return Moment(commit, next(registry._git.log(commit, limit=1)).at)


def _notes_on_artifacts(snapshot: Snapshot, wanted: Wanted) -> Iterator[str]:
    """Say so if artifacts are where readers on other machines cannot reach them."""
    try:
        config = parse_config(snapshot.files.get(names.DVC_CONFIG, b""))
    except Invalid:  # whoever pulls is told what is wrong with it
        return
    url = config.remotes.get(config.remote or "", {}).get("url", "")
    if url and "://" not in url and not wanted.artifacts:
        yield f"the artifacts are at the path {url}, which readers elsewhere do not have: see --artifacts-url"


def _notes_on_keys(signers: Iterable[sshsig.PublicKey]) -> Iterator[str]:
    for key in signers:
        if key.kind != sshsig.ED25519:
            yield (
                f"the key {key.fingerprint} is of kind {key.kind}: readers without OpenSSH verify {sshsig.ED25519} alone"
            )


# --- the files for people ----------------------------------------------------------------------------------------


def _write_for_people(
    registry: Registry,
    target: Target,
    edition: editions.Edition,
    commit: str,
    touched: set[str] | None,
    since: str,
) -> None:
    """Write the files of models that changed and of their pointers; `touched` None: of all."""
    git, everything = registry._git, touched is None
    if touched is None:
        paths = {path for model in edition.models for path in _pointers(git.snapshot(commit), model)}
    else:
        paths = {*_concerned(git.snapshot(commit), touched)}
    moments = _moments(registry, commit, "" if everything else since, paths, edition)
    waiting: dict[str, bytes] = {}
    written: set[str] = set()
    for path, data in _people(lambda: git.snapshot(commit), edition, paths, moments):
        waiting[path] = data
        written.add(path)
        if len(waiting) >= _AT_ONCE:
            target.write(waiting)
            waiting = {}
    if waiting:
        target.write(waiting)
    if everything:
        old = {path for directory in pointerfiles.DIRECTORIES for path in target.paths(directory)}
        target.remove(sorted(old - written))
    else:
        gone = [
            pointerfiles.pointer_path(p) for p in sorted(touched or ()) if _is_pointer(p) and p not in paths
        ]
        models = [
            pointerfiles.model_path(m) for m, objects in sorted(edition.models.items()) if objects is None
        ]
        target.remove([*gone, *models])


def _people(
    fresh: Callable[[], Snapshot],
    edition: editions.Edition,
    pointers: Iterable[str],
    moments: Mapping[str, Moment],
) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files of models and of pointers, each model from a snapshot of its own, with which
    goes what it remembers.
    """
    by_model = editions.by_model(sorted(pointers))
    for model, objects in edition.models.items():
        snapshot = fresh()
        if objects is not None:
            text = pointerfiles.model_file(snapshot, model, moments[model], *objects)
            yield pointerfiles.model_path(model), text
        for path in by_model.get(model, ()):
            yield pointerfiles.pointer_path(path), pointerfiles.pointer_file(snapshot, path, moments[path])


def _pointers(snapshot: Snapshot, model: str) -> Iterator[str]:
    """The paths of all aliases and stages of a model."""
    kinds: tuple[names.Kind, ...] = ("alias", "stage")
    for kind in kinds:
        for name in snapshot.pointers(kind, model):
            yield names.path(kind, model, name)


def _concerned(snapshot: Snapshot, touched: Iterable[str]) -> Iterator[str]:
    """The paths of pointers that are there and say something else now: they moved, or what they name was touched."""
    for model, paths in editions.by_model(touched).items():
        for path in _pointers(snapshot, model):
            if path in paths or not _named_by(snapshot, path).isdisjoint(paths):
                yield path


def _is_pointer(path: str) -> bool:
    place = names.locate(path)
    return place is not None and place.kind in ("alias", "stage")


def _named_by(snapshot: Snapshot, path: str) -> set[str]:
    """The files of the version that the pointer at path resolves to, of which its file tells."""
    place = names.locate(path)
    try:
        number = publication.resolved(path.split("/", 2)[2], snapshot.document(path))
    except MusterError:
        return set()
    return (
        {names.path(kind, place.model, number) for kind in ("version", "dvc")} if place and number else set()
    )


def _moments(
    registry: Registry, commit: str, since: str, pointers: set[str], edition: editions.Edition
) -> Mapping[str, Moment]:
    """When each pointer, by its path, and each model, by its name, changed last."""
    found: dict[str, Moment] = {}
    wanted = {*pointers, *edition.models}
    for entry in registry._git.log(commit, since=since or None):
        for path in entry.paths:
            place = names.locate(path)
            for key in (path, place.model if place is not None else ""):
                if key in wanted:
                    wanted.discard(key)
                    found[key] = Moment(entry.commit, entry.at)
        if not wanted:
            break
    return {**dict.fromkeys(wanted, _moment_of(registry, commit)), **found}


# --- what may go -------------------------------------------------------------------------------------------------


def _clear(
    target: Target,
    record: retiring.Record,
    edition: editions.Edition,
    root: Root,
    data: bytes,
    keep: timedelta,
    named: set[str] | None,
) -> int:
    """Say in the record what is named no more, and remove what has not been for long: how many files that are.

    `named` is all that the edition names where that is known. Nothing goes if somebody has published since.
    """
    if target.read(ROOT) != data:
        return 0
    now = root.published
    record = retiring.retire(replace(record, people=root.commit), edition.dropped, now)
    if named is not None:
        there = (Path(path).name.partition(".")[0] for path in target.paths("objects"))
        record = retiring.sweep(record, there, named, now)
    record, gone = retiring.expired(record, root, fetcher(target), keep, now, named is not None)
    target.remove(map(published.object_path, gone))
    if target.read(retiring.RECORD) != record.to_bytes():
        target.write({retiring.RECORD: record.to_bytes()})
    return len(gone)
