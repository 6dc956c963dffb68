"""Locks: what some references named, brought again bit for bit, held against what they name now, and moved on.

What is locked is read at the commit it was locked at, where that can still be read, and at the registry's head where not;
either way it must be what the lock says, or nothing is delivered.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import pulling
from .backends.artifacts.progress import Progress, silent
from .core import lockfile, names
from .core.errors import Integrity, NotFound, Refused, Unavailable
from .core.lockfile import Lock, Locked
from .core.version_rules import present_name

if TYPE_CHECKING:
    from .core.history import Entry
    from .core.snapshot import Snapshot
    from .reader import Reader


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a locked reference stands: `now` is what it names, None if nothing, and `problem` says why.

    `warning` is what has become of the version that is locked ("yanked: ..."). `moved` is what moved it, where history
    can be asked.
    """

    locked: Locked
    now: Locked | None
    problem: str = ""
    warning: str = ""
    moved: Entry | None = None

    @property
    def is_current(self) -> bool:
        """Whether the reference names what is locked."""
        return self.now is not None and (self.now.name, self.now.digest) == (
            self.locked.name,
            self.locked.digest,
        )


def lock(registry: Reader, references: Iterable[str]) -> Lock:
    """Return what references name now, all of them at one commit."""
    now = registry.snapshot()
    if now.commit is None:
        raise NotFound(f"{registry.location} has no commit yet", "run `muster init`")
    return Lock(_url(registry), registry.birth()).but(
        lockfile.pin(now, reference) for reference in references
    )


def read(path: str | os.PathLike[str]) -> Lock:
    """Read a lock file; NotFound if there is none."""
    try:
        return lockfile.read(Path(path).read_bytes(), os.fspath(path))
    except FileNotFoundError as error:
        raise NotFound(f"there is no {os.fspath(path)}", "write it with `muster lock REF...`") from error


def write(path: Path, lock: Lock) -> None:
    """Write a lock file, so that nobody sees half of it."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(lockfile.dump(lock))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


class LockedRegistry:
    """A registry as a lock file has it. Integrity where it is another registry than the one that was locked."""

    def __init__(self, registry: Reader, lock: Lock) -> None:
        self._registry, self.lock = registry, lock

    def pull(
        self,
        reference: str,
        output: str | os.PathLike[str],
        progress: Progress | None = None,
        **said: Any,
    ) -> Standing:
        """Put the locked version's files into output, each verified; `said` is as for `Registry.pull`.

        Integrity if the registry has another version than the lock says; NotFound if it has been deleted. The answer's
        `warning` says what else is to be known: that it was yanked, or that nobody could be asked.
        """
        entry = self.lock.get(reference)
        state, now = self._found(entry)
        warning = _warning(now, entry)
        model, version = _at(state, entry)
        store, named = self._registry._store(now or state), f"{model}/{version}"
        pulling.pull(state, store, named, Path(output), progress or silent, pulling.Wanted(**said))
        return Standing(entry, entry, "", warning)

    def load(self, reference: str, *, trust: bool = False, progress: Progress | None = None) -> Any:
        """Return the locked model itself: see `Registry.load`."""
        entry = self.lock.get(reference)
        state, now = self._found(entry)
        _warning(now, entry)
        model, version = _at(state, entry)
        return self._registry.at(str(state.commit)).load(f"{model}/{version}", trust=trust, progress=progress)

    def standings(self, references: Iterable[str] = ()) -> list[Standing]:
        """Return where each reference stands, or some of them: what it names now, and what moved it there."""
        asked = [self.lock.get(reference) for reference in references] or self.lock.locked
        self._require_same(None)
        now = self._registry.snapshot()
        return [self._standing(entry, now) for entry in asked]

    def with_added(self, references: Iterable[str]) -> Lock:
        """Return the lock with what more references name now."""
        self._require_same(None)
        now = self._registry.snapshot()
        return self.lock.but(lockfile.pin(now, reference) for reference in references)

    def updated(self, references: Iterable[str] = ()) -> tuple[Lock, list[Standing]]:
        """Return the lock with what has moved as it is now, and what that is; NotFound if something is gone."""
        moved = [standing for standing in self.standings(references) if not standing.is_current]
        if gone := [standing for standing in moved if standing.now is None]:
            words = "; ".join(f"{standing.locked.reference}: {standing.problem}" for standing in gone)
            raise NotFound(words, f"take it out: muster lock --remove {gone[0].locked.reference}")
        return self.lock.but(standing.now for standing in moved if standing.now is not None), moved

    def _standing(self, entry: Locked, now: Snapshot) -> Standing:
        warning = ""
        try:
            warning = _warning(now, entry)
        except NotFound as error:
            warning = str(error)
        try:
            here = lockfile.pin(now, entry.reference)
        except NotFound as error:
            return Standing(entry, None, str(error), warning)
        standing = Standing(entry, here, "", warning)
        return standing if standing.is_current else Standing(entry, here, "", warning, self._mover(here))

    def _mover(self, here: Locked) -> Entry | None:
        """What made the reference name what it names, where history is at hand and tells of it."""
        at = names.parse_reference(here.reference)
        if at.kind in ("alias", "name"):
            with suppress(Refused, NotFound, Unavailable):
                for entry in self._registry.history(here.reference):
                    if any(here.version in event.gained for event in entry.events):
                        return entry
        return None

    def _found(self, entry: Locked) -> tuple[Snapshot, Snapshot | None]:
        """The state in which the locked version is as it was locked, and the current one, if anybody can be asked."""
        past = self._at_commit(entry)
        try:
            now = self._registry.snapshot()
        except Unavailable:
            if past is None:
                raise
            now = None
        self._require_same(past)
        state = past or now
        assert state is not None  # noqa: S101  (else it was raised above)
        _require_as_locked(state, entry)
        return state, now

    def _at_commit(self, entry: Locked) -> Snapshot | None:
        """The state at the locked commit; None if that cannot be read any more."""
        try:
            return self._registry.at(entry.commit).snapshot()
        except (NotFound, Refused):
            return None

    def _require_same(self, past: Snapshot | None) -> None:
        """Raise Integrity if this is another registry than the one that was locked."""
        registry = self._registry if past is None else self._registry.at(str(past.commit))
        if (birth := registry.birth()) != self.lock.birth:
            raise Integrity(
                f"{registry.location} began with commit {birth[:12]}, and the registry that was locked "
                f"with {self.lock.birth[:12]}: it is another registry",
                "name the right one with -R; or if it has moved on purpose, lock again",
            )


def _require_as_locked(state: Snapshot, entry: Locked) -> None:
    model, version = _at(state, entry)
    found = state.manifest(model, version)  # NotFound says who deleted it
    pairs = (
        ("its files are", found.digest, entry.digest),
        ("its files are at", state.artifact_oid(model, version), entry.oid),
        ("its manifest is", lockfile.manifest_digest(state, model, version), entry.manifest),
    )
    for words, there, locked in pairs:
        if there != locked:
            raise Integrity(
                f"{entry.name} is not what was locked: {words} {there}, and {locked} in the lock",
                "trust neither until somebody has looked",
            )


def _warning(now: Snapshot | None, entry: Locked) -> str:
    """What has become of a locked version, "" if nothing has; NotFound if it has been deleted."""
    if now is None:
        return f"nobody could be asked whether {entry.name} has been deleted or yanked"
    model, version = _at(now, entry)
    now.manifest(model, version)
    reason = now.annotations(model, version).yanked
    return "" if reason is None else f"{entry.name} is yanked: {reason}"


def _at(state: Snapshot, entry: Locked) -> tuple[str, int]:
    """The locked version by the name that its model has at a state."""
    return present_name(state, entry.model), entry.version


def _url(registry: Reader) -> str:
    """Where others find a registry: the URL it is pushed to, or where it is; without credentials."""
    with suppress(Refused):
        if (url := registry._git.remote_url()) is not None:
            return url
    path = Path(registry.location)
    return str(path.resolve()) if path.exists() else registry.location


def directories(lock: Lock) -> Iterator[tuple[Locked, Path]]:
    """Yield each entry with the directory it is laid out in, below one for all: bikes/production, bikes/@champion."""
    for entry in lock.locked:
        at = names.parse_reference(entry.reference)
        value = names.encode(at.value)
        yield entry, Path(names.encode(at.model), f"@{value}" if at.kind == "alias" else value)
