"""Reading what `muster policy test` replays: a policy from a file or a revision, and the past a commit at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from .core import names
from .core.errors import Invalid, NotFound, Unavailable
from .core.manifest import MAX_BYTES, parse_marked
from .core.replay import Candidate, Replayed, Step, replay
from .core.schema import problems
from .core.snapshot import Change, Snapshot

if TYPE_CHECKING:
    from .backends.git import GitRepository
    from .backends.git.history import LogEntry
    from .reader import Reader

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def replayed(registry: Reader, policy: str, model: str | None, since: str) -> Iterator[Replayed]:
    """Do what `Registry.replay` says."""
    now = registry.snapshot()
    candidate = _candidate(registry, policy, now)
    if now.commit is None:
        return
    paths = [names.MODELS]
    if model is not None:
        called = (model, *now.model_document(model).get("formerly", []))
        paths = [names.model_directory(name) for name in called]
    log = registry._tracing.log(now.commit, paths, oldest_first=True)
    yield from replay(_steps(registry._git, log, since), candidate)


def _candidate(registry: Reader, policy: str, now: Snapshot) -> Candidate:
    """The policy in force now, that of a file, or that of a revision; Invalid if it is none."""
    if policy and Path(policy).is_file():
        try:
            with Path(policy).open("rb") as file:
                found = Candidate(Snapshot(None, {names.REGISTRY: file.read(MAX_BYTES + 1)}), False)
        except OSError as error:
            raise Unavailable(f"cannot read {policy}: {error.strerror}") from error
    else:
        found = Candidate(registry.at(policy).snapshot() if policy else now, True)
    if names.REGISTRY not in found.state:
        raise NotFound(f"there is no {names.REGISTRY} in {found.state.name}")
    source = policy if not found.with_models else names.REGISTRY
    wrong = list(problems("registry", parse_marked(found.state.files[names.REGISTRY], source), source))
    if wrong:
        raise Invalid(f"{source} is no policy that can be tried:", wrong)
    return found


def _steps(git: GitRepository, log: Iterator[LogEntry], since: str) -> Iterator[Step]:
    """Yield the commits of a log that moved a pointer or renamed a model; those before `since` unjudged."""
    start = _Start(git, since)
    for entry in log:
        touched = [path for path in entry.paths if _is_told(path)]
        if not touched:
            continue
        before, after = git.snapshot(entry.parent), git.snapshot(entry.commit)
        if any(path.endswith("/model.yaml") for path in touched):  # a rename moves everything
            touched = list(entry.paths)
        change = Change({path: after.files.get(path) for path in touched})
        yield Step(entry.commit, _moment(entry), entry.author, before, change, after, start.is_past_by(entry))


def _is_told(path: str) -> bool:
    place = names.locate(path)
    return place is not None and place.kind in ("alias", "stage", "model")


class _Start:
    """From where on the past is judged: a day's beginning, in UTC, or after a commit; "" is from its beginning."""

    def __init__(self, git: GitRepository, since: str) -> None:
        self._git, self._commit, self._at = git, "", datetime.min.replace(tzinfo=timezone.utc)
        if _DAY.fullmatch(since):
            try:
                self._at = datetime.fromisoformat(f"{since}T00:00:00+00:00")
            except ValueError as error:
                raise Invalid(f"{since} is not a day", hint="write it as 2026-05-01") from error
        elif since:
            self._commit = git.commit_of(since)
            self._at = _moment(next(iter(git.log(self._commit, limit=1))))

    def is_past_by(self, entry: LogEntry) -> bool:
        at = _moment(entry)
        if not self._commit or at != self._at:
            return at >= self._at
        return entry.commit != self._commit and self._git.fork(self._commit, entry.commit) == self._commit


def _moment(entry: LogEntry) -> datetime:
    return datetime.fromisoformat(entry.at[:-1] + "+00:00")
