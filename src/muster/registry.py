"""The registry: read it, or change it through its one door.

Every write is the same straight line: head -> snapshot -> plan -> check -> commit -> publish. Artifacts are stored
before the commit that names them, and the commit is built before the one reference moves, by compare-and-swap. So a
crash at any step leaves garbage and never a broken registry, and the same request again finishes the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends.artifacts.progress import Progress, silent
from .core.errors import Conflict, Invalid
from .core.terms import Terms
from .planning import Planner

# A deployment asks one question and goes: what no reference needs is imported by the methods that need it.
if TYPE_CHECKING:
    from .backends.artifacts.store import ArtifactStore
    from .core import operations as ops
    from .core.models import ModelVersion
    from .core.operations import Expect, Operation
    from .core.plans import Plan
    from .core.registration import Registration
    from .core.snapshot import Snapshot
    from .locking import LockedRegistry
    from .outcomes import Outcome, Proposed
    from .proposing import Proposals
    from .transaction import Transaction

ATTEMPTS = 20  # how often a write is planned again after losing a race


class Registry(Planner):
    """A registry on one branch of one git repository.

    `location` is a path inside a clone, a bare repository, a URL, or `index+` and where an index is published;
    `branch` is the one HEAD names unless given. In a clone of a registry, reads answer from the clone and
    writes go to the repository it was cloned from, after which the clone is moved forward. `author` ("Name <email>") is
    git's own identity unless given.

    What is at a URL is asked each time, unless `offline` (answer from what was read last, ask nobody) or `max_age`
    (seconds: what was true so long ago will do) says otherwise. `accept_history` is a commit that may replace a history
    that was read before; `keys` are the public keys or fingerprints, one of which must have signed a published index.

    Raises the errors that `muster` exports: NotFound, Invalid, Refused, Conflict, Integrity, Unavailable.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] = ".",
        branch: str | None = None,
        *,
        author: str | None = None,
        cache: str | os.PathLike[str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        offline: bool = False,
        max_age: float | None = None,
        accept_history: str = "",
        keys: Collection[str] = (),
    ) -> None:
        terms = Terms(offline, max_age, accept_history, tuple(keys))
        super().__init__(location, branch, cache, clock, author, terms)

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str],
        name: str | None = None,
        remote: str | None = None,
        *,
        bare: bool = False,
        branch: str | None = None,
        ci: Collection[str] | None = None,
        **options: Any,
    ) -> Registry:
        """Make a registry at location: a new directory, an existing git repository, bare or not, or a URL.

        `remote` is where DVC keeps the artifacts: a path or a URL such as s3://bucket/models; the directory
        `<location>.artifacts` unless given. `ci` are the kinds of CI it is set up for ("github", "gitea", "gitlab"):
        by its address unless given. Conflict if there is a registry already.
        """
        from . import resources
        from .backends.git import create as create_repository
        from .backends.git.address import is_url
        from .core import checks
        from .core.plans import Plan
        from .core.template import lay_down, likely_ci

        path = Path(location).resolve()
        if not is_url(str(location)):
            create_repository(path, branch or "main", bare)
        elif remote is None:
            raise Invalid(
                "where shall the artifacts be?", hint="name a DVC remote: --remote s3://bucket/models"
            )
        url = remote or f"{path}.artifacts"
        registry = cls(location, branch, **options)
        now = registry.upstream()
        kinds = likely_ci(registry._git.origin()) if ci is None else ci
        change = lay_down(now, resources.template(), name or path.name.removesuffix(".git"), url, kinds)
        if findings := checks.check(now, change):
            raise Invalid("the registry cannot be laid down here:", findings)
        registry._publish(Plan(now, change, now.apply(change), (), ()), "")
        return registry

    # --- writing -------------------------------------------------------------------------------------------------

    def submit(self, *wanted: Operation, reason: str = "") -> Outcome:
        """Carry out operations as one commit, or raise. After a lost race they are planned and checked again."""
        return self._submit(lambda now: self._plan(now, wanted), reason)

    def _submit(self, planned: Callable[[Snapshot], Plan], reason: str) -> Outcome:
        from .outcomes import Outcome

        for attempt in range(ATTEMPTS):
            plan = planned(self.upstream())
            plan.require_sound()
            if not plan.change:
                return Outcome(plan.before.commit)
            plan.require_direct()
            plan.require_reason(reason)
            try:
                return self._publish(plan, reason)
            except Conflict:
                time.sleep(_pause(attempt))
        raise Conflict(f"{self.location} was too busy: {ATTEMPTS} attempts lost the race", "try again")

    def propose(
        self,
        *wanted: Operation,
        reason: str = "",
        describe: Callable[[Plan, str], str] | None = None,
    ) -> Proposed:
        """Carry out operations as one commit on a branch of its own, and open a proposal to merge it.

        The same request again finds its branch, brings it up to date where the registry has moved on, and updates the
        proposal that is open. A change that breaks the rules or a gate may be proposed, too: that is what review and
        checks are for. `describe` makes the proposal's text from the plan and the reason.
        """
        return self.proposals.propose(wanted, reason, describe)

    @cached_property
    def proposals(self) -> Proposals:
        """The proposals that wait: list them, look at one, approve it, merge it, close it."""
        from .proposing import Proposals

        return Proposals(self)

    @contextmanager
    def transaction(self, reason: str = "", *, propose: bool = False) -> Iterator[Transaction]:
        """Collect writes in a `with` block, and carry all of them out at its end as one commit, or none of them.

        An exception in the block, one operation that cannot be planned, one finding: and nothing is written. To
        `propose` is to put that commit on a branch of its own.
        """
        from .transaction import Transaction

        collected = Transaction(self)
        yield collected
        self.carry_out(collected, reason, propose)

    def carry_out(self, collected: Transaction, reason: str = "", propose: bool = False) -> None:
        """Carry out what a transaction has collected, whose `outcome` says what came of it: see `transaction`."""
        if len(collected):
            wanted, planned = collected.operations, collected.planned
            done = self.propose(*wanted, reason=reason) if propose else self._submit(planned, reason)
            collected.outcome = done

    def _publish(self, plan: Plan, reason: str) -> Outcome:
        from .outcomes import Outcome

        commit = self._write(plan, reason)
        note = self._git.publish(commit, plan.before.commit)
        return Outcome(commit, plan.events, note or "")

    def register(
        self,
        model: str,
        path: str | os.PathLike[str],
        *,
        reason: str = "",
        progress: Progress | None = None,
        **said: Any,
    ) -> ModelVersion:
        """Register a file or directory as a new version of model, which is created where it does not exist.

        `said` are fields of `Registration`: label, description, metrics, params, tags, aliases, stage, lineage, ...
        What the files say about themselves is taken over. The same content again returns the version that exists,
        unless `allow_duplicate`. The files are stored first; the commit that names them is made last.
        """
        from .core.registration import Registration

        wanted = self.registration(Registration(model, Path(path), **said), progress)
        return self.registered(wanted, reason)[0]

    def registered(self, wanted: ops.RegisterVersion, reason: str = "") -> tuple[ModelVersion, Outcome]:
        """Submit a registration, and return the version that has its content now."""
        from .core.operations import find_version

        outcome = self.submit(wanted, reason=reason)
        after = self._git.snapshot(outcome.commit)
        number = find_version(after, wanted.model, wanted.stored)
        assert number is not None  # noqa: S101  (it was found, or has just been written)
        return after.version(wanted.model, number), outcome

    def registration(
        self, said: Registration, progress: Progress | None = None, dry_run: bool = False
    ) -> ops.RegisterVersion:
        """Return the operation that registers a version, its files stored (or, in a dry run, only hashed).

        Whatever policy or a name in use would refuse is refused before the files are stored.
        """
        from .registering import prepare

        now = self.upstream()
        return prepare(
            said,
            lambda wanted: self._plan(now, (wanted,)),
            self._store(now),
            self.author,
            self.now,
            self.work_tree,
            progress or silent,
            dry_run,
        )

    def copy(
        self,
        reference: str,
        to: Registry,
        *,
        model: str | None = None,
        aliases: Iterable[str] = (),
        stage: str | None = None,
        reason: str = "",
        progress: Progress | None = None,
    ) -> ModelVersion:
        """Register the version that reference names in another registry, whose rules and policy judge it.

        `model` is what it is called there; the same, unless given. The same content again returns the version that
        exists there. `lineage.copied_from` says where it was first.
        """
        wanted = self.copy_operation(reference, to, model, aliases, stage, progress)
        return to.registered(wanted, reason)[0]

    def copy_operation(
        self,
        reference: str,
        to: Registry,
        model: str | None = None,
        aliases: Iterable[str] = (),
        stage: str | None = None,
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> ops.RegisterVersion:
        """Return the operation for `to` that registers a version of this registry, its files stored there."""
        from .copying import prepare

        return prepare(self, reference, to, model, tuple(aliases), stage, progress or silent, dry_run)

    def create_model(
        self,
        name: str,
        *,
        description: str = "",
        owners: Iterable[str] = (),
        tags: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> Outcome:
        """Make a model that has no version yet; Conflict if there is one of that name."""
        from .core.operations import CreateModel

        return self.submit(CreateModel(name, description, tuple(owners), tags or {}), reason=reason)

    def set_alias(self, alias: str, reference: str, *, expect: Expect = None, reason: str = "") -> Outcome:
        """Point alias at the version that reference names."""
        from .core.operations import SetAlias

        model, version = self.upstream().resolve(reference)
        return self.submit(SetAlias(model, alias, version, expect), reason=reason)

    def delete_alias(self, model: str, alias: str, *, expect: Expect = None, reason: str = "") -> Outcome:
        """Take alias away from model."""
        from .core.operations import DeleteAlias

        return self.submit(DeleteAlias(model, alias, expect), reason=reason)

    def promote(self, reference: str, stage: str, *, expect: Expect = None, reason: str = "") -> Outcome:
        """Move the version that reference names into stage."""
        from .core.operations import SetStage

        model, version = self.upstream().resolve(reference)
        return self.submit(SetStage(model, version, stage, expect), reason=reason)

    def demote(self, reference: str, *, reason: str = "") -> Outcome:
        """Take the version that reference names out of its stage."""
        from .core.operations import SetStage

        model, version = self.upstream().resolve(reference)
        return self.submit(SetStage(model, version, None), reason=reason)

    def rollback(self, pointer: str, to: int | None = None, *, reason: str) -> Outcome:
        """Move a stage or an alias back to the version that held it before, or to an earlier holder."""
        wanted = self.rollback_operations(pointer, to, _required(reason, "roll back"))
        return self.submit(*wanted, reason=reason)

    def lift_hold(self, pointer: str, *, reason: str) -> Outcome:
        """Let a stage or an alias go that waits for a person after a rollback."""
        from .holding import lifting

        return self.submit(lifting(self.upstream(), pointer), reason=_required(reason, "lift a hold"))

    def tag(
        self, reference: str, tags: Mapping[str, str], remove: Iterable[str] = (), *, reason: str = ""
    ) -> Outcome:
        """Set and remove tags of a version, or of a model if reference names one."""
        return self.annotate(reference, tags=tags, remove_tags=remove, reason=reason)

    def annotate(self, reference: str, *, reason: str = "", **said: Any) -> Outcome:
        """Change what is said about a version, or about a model if reference names one.

        `said` is what `requests.annotation` takes: description, tags, remove_tags, evaluations, owners.
        """
        from .core import requests

        return self.submit(requests.annotation(self.upstream(), reference, **said), reason=reason)

    def sync_owners(self, *, reason: str = "") -> Outcome:
        """Write into CODEOWNERS who owns which model: the block that a change of owners keeps current from then on."""
        from .core.operations import SyncOwners

        return self.submit(SyncOwners(), reason=reason)

    def yank(self, reference: str, *, reason: str = "", undo: bool = False) -> Outcome:
        """Mark a version as not to be used, or as usable again."""
        from .core.operations import Yank

        model, version = self.upstream().resolve(reference)
        return self.submit(Yank(model, version, self.author, self.now, reason, undo), reason=reason)

    def rename(self, model: str, new_name: str, *, reason: str = "") -> Outcome:
        """Give a model another name."""
        from .core.operations import RenameModel

        return self.submit(RenameModel(model, new_name), reason=reason)

    def delete(self, reference: str, *, reason: str) -> Outcome:
        """Delete a version, or a model with all its versions if reference names one. Tombstones stay."""
        from .core import requests

        wanted = requests.deletion(self.upstream(), reference, self.author, self.now, reason)
        return self.submit(wanted, reason=reason)

    def locked(self, path: str | os.PathLike[str] = "muster.lock") -> LockedRegistry:
        """Return the registry as a lock file has it: what is pulled from it is what was locked, or nothing."""
        from .locking import LockedRegistry, read

        return LockedRegistry(self, read(path))

    # --- the backends --------------------------------------------------------------------------------------------

    def store(self) -> ArtifactStore:
        """Return the artifact store of the state that writes build on."""
        return self._store(self.upstream())

    def recover(self) -> None:
        """Take back files that an interrupted write moved ahead of their branch. The next write does so too."""
        self._git.recover()


def load(reference: str, registry: Registry | str | os.PathLike[str] = ".", *, trust: bool = False) -> Any:
    """Return the model that reference names, loaded by its format: see `Registry.load`."""
    if isinstance(registry, Registry):
        return registry.load(reference, trust=trust)
    with Registry(registry) as opened:
        return opened.load(reference, trust=trust)


def _pause(attempt: int) -> float:
    """Seconds to wait after losing a race: the more races were lost, the longer, and never in step with others."""
    import random

    return random.uniform(0, 0.02 * 2 ** min(attempt, 6))  # noqa: S311


def _required(reason: str, what: str) -> str:
    if not reason.strip():
        raise Invalid(f"to {what} a reason is required", hint="say why with --reason")
    return reason
