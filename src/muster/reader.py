"""Reading a registry: what was registered, what points at it, what happened, and the files themselves.

Every answer is of one commit, read from git's objects and never from somebody's working tree. A deployment asks one
question and goes: what a reference does not need is imported by the methods that need it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from .backends.artifacts.progress import Progress, silent
from .core import names, terms
from .core.errors import Conflict, Finding, Integrity, Invalid, NotFound, Superseded
from .core.snapshot import Change, Snapshot
from .resolved import Resolved
from .sources import Source, downloader, open_source, repository

if TYPE_CHECKING:
    from .backends.artifacts.delivery import Link
    from .backends.artifacts.store import ArtifactStore
    from .backends.git import GitRepository
    from .backends.git.history import LogEntry
    from .core import compare
    from .core.events import Event
    from .core.history import Entry
    from .core.models import ModelVersion, RegisteredModel
    from .core.paging import Page
    from .core.policy import Policy
    from .holding import Held
    from .indexing import Indexing
    from .placing import Candidate
    from .pulling import Pulled
    from .searching import Searching
    from .tracing import Tracing
    from .watching import OnChange, OnError, Watch

R = TypeVar("R", bound="Reader")
F = TypeVar("F", bound=Callable[..., Any])
_KEPT = 4096  # how many answers of `resolve` a registry keeps: some megabytes, however long it lives


def of_one_state(read: F) -> F:
    """Have a read begin again, once, where the state it reads was replaced and taken away under it."""

    @wraps(read)
    def again(*args: Any, **options: Any) -> Any:
        try:
            return read(*args, **options)
        except Superseded:
            return read(*args, **options)

    return cast(F, again)


class Reader:
    """What a registry answers. `Registry` is one that can be changed, too; open that.

    `location`, `branch`, `cache` and `terms` are as for `Registry`; `environment` is what a hook hands on to git.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] = ".",
        branch: str | None = None,
        cache: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        terms: terms.Terms = terms.DEFAULT,
    ) -> None:
        self._cache = Path(cache) if cache is not None else cache_directory()
        self._source: Source = open_source(location, branch, self._cache, environment, terms)
        self._commit, self._branch = "", branch
        self._indexes: list[Indexing] = []  # one, once it was asked for; shared with what `at` returns
        self._traces: list[Tracing] = []  # likewise
        self._resolved = lru_cache(_KEPT)(partial(_resolve_at, self._source))  # each is true for ever

    @property
    def _git(self) -> GitRepository:
        """The repository, for what needs more of it than the files of its head."""
        return repository(self._source)

    @property
    def location(self) -> str:
        """Where the registry is, without credentials."""
        return self._source.location

    @property
    def work_tree(self) -> Path | None:
        """The directory in which the registry is checked out; None for a bare repository and for a URL."""
        return self._source.work_tree()

    def at(self: R, revision: str) -> R:
        """Return the registry as it was at a commit, a git tag or a date (the end of that day, UTC). It is read-only."""
        past = object.__new__(type(self))
        past.__dict__.update(self.__dict__)
        past._commit = self._source.commit_of(revision)
        return past

    def commit_of(self, revision: str) -> str:
        """Return the commit that a commit id, branch, git tag or date names; NotFound if there is none."""
        return self._source.commit_of(revision)

    def snapshot(self) -> Snapshot:
        """Return the registry as it is now, or as it was where `at` says so."""
        return self._source.snapshot(self._commit or self._source.head())

    @of_one_state
    def get(self, reference: str) -> ModelVersion:
        """Return the version that reference names."""
        return self.snapshot().get(reference)

    @of_one_state
    def model(self, name: str) -> RegisteredModel:
        """Return one registered model."""
        return self.snapshot().model(name)

    def models(self) -> list[RegisteredModel]:
        """Return every registered model, by name. One that cannot be read has its `problem`."""
        return self.search_models()

    @of_one_state
    def versions(self, model: str) -> list[ModelVersion]:
        """Return every version of a model, the newest first. One that cannot be read has its `problem`."""
        snapshot = self.snapshot()
        snapshot.model_document(model)
        return self._searching().versions_of(snapshot, model)

    def search(
        self, filter: str = "", order_by: Sequence[str] | str = (), max_results: int | None = None
    ) -> list[ModelVersion]:
        """Return the versions that filter describes, in order: MLflow's grammar and more, see `muster search --help`."""
        return list(self.search_page(filter, order_by, max_results).rows)

    def search_models(
        self, filter: str = "", order_by: Sequence[str] | str = (), max_results: int | None = None
    ) -> list[RegisteredModel]:
        """Return the models that filter describes, in order."""
        return list(self.search_models_page(filter, order_by, max_results).rows)

    @of_one_state
    def search_page(
        self,
        filter: str = "",
        order_by: Sequence[str] | str = (),
        max_results: int | None = None,
        page_token: str = "",
        progress: Progress | None = None,
    ) -> Page[ModelVersion]:
        """Return the first versions that `search` finds, or with a page's `next_page_token` those that follow it.

        What is written between two pages moves nothing: a version that stays as it is comes once. Invalid for a token
        that was given for another filter or order.
        """
        return self._searching(progress).versions(filter, order_by, max_results, page_token)

    @of_one_state
    def search_models_page(
        self,
        filter: str = "",
        order_by: Sequence[str] | str = (),
        max_results: int | None = None,
        page_token: str = "",
        progress: Progress | None = None,
    ) -> Page[RegisteredModel]:
        """Return the first models that `search_models` finds, or those that follow: see `search_page`."""
        return self._searching(progress).models(filter, order_by, max_results, page_token)

    def _searching(self, progress: Progress | None = None) -> Searching:
        from .backends.git import GitRepository
        from .indexing import Indexing
        from .searching import Searching

        if not self._indexes and isinstance(self._source, GitRepository):
            self._indexes.append(Indexing(self._source, self._branch, self._cache))
        index = self._indexes[0] if self._indexes else None
        return Searching(self._source, self._commit, index, progress or silent)

    def history(self, subject: str = "", limit: int | None = None) -> Iterator[Entry]:
        """Yield what happened, newest first: to the registry, or to a model, version, alias or stage named by subject."""
        from .core import history

        snapshot = self.snapshot()
        if snapshot.commit is None:
            return
        paths, concerns = history.scope(snapshot, subject)
        shown = 0
        for logged in self._tracing.log(snapshot.commit, paths, make=not self._commit):
            entry = self._told(logged, concerns)
            if entry.events or not subject:
                yield entry
                shown += 1
            if limit is not None and shown >= limit:
                return

    @property
    def _tracing(self) -> Tracing:
        from .tracing import Tracing

        if not self._traces:
            self._traces.append(Tracing(self._git, self._branch, self._cache))
        return self._traces[0]

    def happened(self, base: str, head: str) -> Iterator[Entry]:
        """Yield what happened from one revision to another, newest first.

        Conflict if head does not descend from base: then the past is another, and not only more of it.
        """
        base, head = self._git.commit_of(base), self._git.commit_of(head)
        if self._git.fork(base, head) != base:
            raise Conflict(
                f"{head[:12]} does not descend from {base[:12]}: what was there has been replaced",
                "see `git log --graph`",
            )
        for logged in self._git.log(head, since=base):
            yield self._told(logged, lambda event: True)

    def birth(self) -> str:
        """Return the registry's first commit, which is the same in every clone; NotFound if it has none."""
        head = self._commit or self._source.head()
        if head is None:
            raise NotFound(f"{self.location} has no commit yet", "run `muster init`")
        return self._source.first(head)

    def _told(self, logged: LogEntry, concerns: Callable[[Event], bool]) -> Entry:
        """What one commit did, as far as it concerns."""
        from .core.events import events
        from .core.history import Entry
        from .core.message import reason_of

        after, before = self._git.snapshot(logged.commit), self._git.snapshot(logged.parent)
        change = Change({p: after.files.get(p) for p in logged.paths})
        found = tuple(e for e in events(before, change, after) if concerns(e))
        subject, reason = logged.message.partition("\n")[0], reason_of(logged.message)
        return Entry(logged.commit, logged.at, logged.author, reason, subject, found)

    @of_one_state
    def compare(self, a: str, b: str) -> compare.Comparison:
        """Return how version b differs from version a."""
        from .core.compare import compare

        snapshot = self.snapshot()
        return compare(snapshot.get(a), snapshot.get(b))

    def resolve(self, reference: str) -> Resolved:
        """Return what reference names, read at one commit.

        The registry is asked where it is each time; what a reference names at one commit is read once.
        """
        return self.resolve_all((reference,))[0]

    @of_one_state
    def resolve_all(self, references: Iterable[str]) -> list[Resolved]:
        """Return what each reference names, all read at one commit."""
        commit = self._commit or self._source.head()
        from .backends.artifacts.config import stamp_of  # only now: a source elsewhere imports while it waits

        stamp = stamp_of(self._source.root())
        return [self._resolved(commit, reference, stamp) for reference in references]

    def watch(
        self,
        reference: str,
        on_change: OnChange,
        *,
        interval: float = 30.0,
        on_error: OnError | None = None,
        output: str | os.PathLike[str] | None = None,
        keep: int = 2,
        state: str | os.PathLike[str] | None = None,
        wait: Callable[[float], bool] | None = None,
    ) -> Watch:
        """Return a watch of reference, to `poll`, `run` or `start`: see `watching.Watch`.

        `on_change` is called with an `Update` at first, and whenever the reference names another version, once its
        files are here and verified. It looks every `interval` seconds, and after errors, which go to `on_error` with
        the seconds until it tries again, ever less often. Files are in muster's cache, or below `output`, where the
        link `current` names the version in use and `keep` older ones stay. `state` is a file that remembers what was
        handed over last, so that it is not again after a restart; below `output` there is one.
        """
        from . import placing
        from .core.snapshot import parse_reference
        from .watching import Watch

        if parse_reference(reference).kind == "model":
            raise Invalid(f"{reference} names a model, not a version", hint=f"watch {reference}/latest")
        if output is not None and state is not None:
            raise Invalid(f"below {output} there is a memory already", hint="leave out state")
        place = placing.Cache() if output is None else placing.Directory(Path(output), keep)
        memory = Path(output, placing.STATE) if output is not None else Path(state) if state else None
        look = partial(self._candidate, reference)
        return Watch(reference, look, place, on_change, interval, on_error, memory, wait)

    @of_one_state
    def _candidate(self, reference: str) -> Candidate:
        """The version that reference names now, and where its files come from."""
        from .placing import Candidate

        snapshot = self.snapshot()
        resolved = _resolve_in(self._source, snapshot, reference)
        files = snapshot.manifest(resolved.model, resolved.version).files
        oid = snapshot.artifact_oid(resolved.model, resolved.version)
        return Candidate(resolved, self._store(snapshot), oid, files)

    @of_one_state
    def policy(self, model: str | None = None) -> Policy:
        """Return the gates in force, tightened by a model's own where one is named."""
        from .core.policy import Policy

        return Policy.of(self.snapshot(), model)

    @of_one_state
    def holds(self, model: str | None = None) -> list[Held]:
        """Return the stages and aliases that wait for a person after a rollback, of one model or of all."""
        from .holding import held

        return held(self.snapshot(), model)

    def pull(
        self,
        reference: str,
        output: str | os.PathLike[str],
        progress: Progress | None = None,
        *,
        include: Sequence[str] | str = (),
        exclude: Sequence[str] | str = (),
        link: Link = "copy",
        replace: bool = False,
    ) -> Path:
        """Put a version's files into output, a new or empty directory, each verified against its SHA-256.

        A directory that has exactly these files already is verified, and left alone; another is a Conflict, unless
        `replace`: then it stays as it is until all is complete. `include` and `exclude` are patterns as in
        `.gitignore`; one that fits no file is NotFound. `link` says how files come out of muster's cache: see
        docs/pulling.md.
        """
        return Path(
            self.pulled(
                reference, output, progress, include=include, exclude=exclude, link=link, replace=replace
            ).path
        )

    @of_one_state
    def pulled(
        self, reference: str, output: str | os.PathLike[str], progress: Progress | None = None, **said: Any
    ) -> Pulled:
        """Do as `pull` does, of which `said` are further arguments, and return what came of it."""
        from .pulling import Wanted, pull

        snapshot, wanted = self.snapshot(), Wanted(**said)
        return pull(snapshot, self._store(snapshot), reference, Path(output), progress or silent, wanted)

    @of_one_state
    def open(self, reference: str, path: str, progress: Progress | None = None) -> BinaryIO:
        """Return one file of a version, open for reading. Every byte was verified since it was opened.

        It comes from muster's cache, into which it is fetched first if need be, without the version's other files.
        """
        from .pulling import open_file

        snapshot = self.snapshot()
        return open_file(snapshot, self._store(snapshot), reference, path, progress or silent)

    @of_one_state
    def load(self, reference: str, *, trust: bool = False, progress: Progress | None = None) -> Any:
        """Return the model itself, loaded by its format from verified files.

        A format that can run code when it is loaded (pickle and its kin) is Refused unless `trust` says that whoever
        wrote it is trusted.
        """
        from .backends import formats

        snapshot = self.snapshot()
        model, number = snapshot.resolve(reference)
        manifest, oid = snapshot.manifest(model, number), snapshot.artifact_oid(model, number)
        artifact = manifest.artifacts[0]
        tree = self._store(snapshot).tree(oid, manifest.files, manifest.digest, progress or silent)
        return formats.load(artifact.format, tree / artifact.path, trust=trust)

    @of_one_state
    def verify(self, reference: str, progress: Progress | None = None) -> tuple[Finding, ...]:
        """Return what is wrong with a version's files in the artifact store, reading every byte of them."""
        snapshot = self.snapshot()
        model, number = snapshot.resolve(reference)
        manifest, oid = snapshot.manifest(model, number), snapshot.artifact_oid(model, number)
        return self._store(snapshot).verify(oid, manifest.files, progress or silent)

    def store(self) -> ArtifactStore:
        """Return where the files of the registry's versions are."""
        return self._store(self.snapshot())

    def _store(self, snapshot: Snapshot) -> ArtifactStore:
        from .backends.artifacts.store import ArtifactStore

        top, config = self.work_tree, _dvc_config(self._source, snapshot)
        own = top / ".dvc" / "cache" if top else None
        return ArtifactStore(config, self._source.root(), self._cache, own, downloader(self._source))

    def close(self) -> None:
        """Let go of the processes that read the repository."""
        self._source.close()
        kept: list[Indexing | Tracing] = [*self._indexes, *self._traces]
        for index in kept:
            index.close()

    def __enter__(self: R) -> R:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _resolve_at(source: Source, commit: str | None, reference: str, _stamp: object) -> Resolved:
    """`_stamp` is of the user's own configuration, which, too, says where the files are."""
    return _resolve_in(source, source.snapshot(commit), reference)


def _resolve_in(source: Source, snapshot: Snapshot, reference: str) -> Resolved:
    from .backends.artifacts.config import uri_of

    version = snapshot.get(reference)
    oid = snapshot.artifact_oid(version.model, version.version)
    return Resolved(
        version.model,
        version.version,
        version.label,
        version.stage,
        version.aliases,
        version.commit,
        version.digest,
        uri_of(_dvc_config(source, snapshot), source.root(), oid),
    )


def _dvc_config(source: Source, snapshot: Snapshot) -> bytes:
    config = snapshot.files.get(names.DVC_CONFIG)
    if config is None:
        raise NotFound(f"{source.location} has no {names.DVC_CONFIG}", "run `muster init`, or `dvc init`")
    if names.DVC_LOCAL_CONFIG in snapshot:  # it may send credentials anywhere, and must be its user's own
        raise Integrity(f"{names.DVC_LOCAL_CONFIG} is committed", "take it out of the repository")
    return config


def cache_directory() -> Path:
    """Where muster keeps what it can fetch again: $MUSTER_CACHE, else `muster` in the user's cache directory."""
    if own := os.environ.get("MUSTER_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "muster"
