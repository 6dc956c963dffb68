"""Several writes as one: collected in a block, planned as they come, judged and committed together at its end.

Each is planned at once on what those before it have led to, so what cannot be is said where it is asked for. What is
collected are operations and not files: after a lost race they are planned again, and a version that the block
registers is then whichever number it gets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends.artifacts.progress import Progress, silent
from .core import names, requests
from .core import operations as ops
from .core.draft import Draft
from .core.errors import Finding, Invalid
from .core.policy import Evidence
from .holding import with_author
from .outcomes import Proposed

if TYPE_CHECKING:
    from .core.models import ModelVersion
    from .core.operations import Expect, Operation
    from .core.plans import Plan
    from .core.registration import Registration
    from .core.snapshot import Snapshot
    from .outcomes import Outcome
    from .planning import Planner


@dataclass(frozen=True, slots=True)
class Registered:
    """A version that a transaction registers, for its other writes to name it by. Its number is known at the end.

    `is_new` says that nothing with its content was there when it was collected.
    """

    model: str
    nth: int
    is_new: bool


class Transaction:
    """Writes that become one commit. Made by `Registry.transaction`; its methods take what the registry's own take.

    A reference may name what the transaction itself has made so far. `outcome` is what came of it, None until then.
    """

    def __init__(self, registry: Planner) -> None:
        self._registry = registry
        self._draft = Draft(registry.upstream())
        self._wanted: list[Operation] = []
        self._labels: list[str] = []
        self._registered: list[Registered] = []
        self._made: dict[tuple[str, int], int] = {}
        self._plan: Plan | None = None
        self._planned_at: tuple[str | None, int] = (None, 0)
        self.outcome: Outcome | Proposed | None = None

    def __len__(self) -> int:
        """How many operations have been collected so far."""
        return len(self._wanted)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What has been collected so far."""
        return tuple(self._wanted)

    @property
    def state(self) -> Snapshot:
        """The registry as what has been collected so far would leave it."""
        return self._draft.state

    @property
    def registered(self) -> tuple[Registered, ...]:
        """The registrations that have been collected so far."""
        return tuple(self._registered)

    def resolve(self, reference: str | Registered) -> tuple[str, int]:
        """Return the model and number of a version, as what has been collected so far would leave them."""
        if isinstance(reference, Registered):
            return self._draft.registered[reference.nth]
        return self._draft.state.resolve(reference)

    def writer(self, path: str) -> int | None:
        """Return which of the operations collected so far, counted from 0, wrote path last; None if none did."""
        return self._draft.writers.get(path)

    def add(self, operation: Operation, called: str = "") -> None:
        """Collect one more operation; raises what planning it raises, and then it is not collected.

        `called` is what findings call it; unless given, its position and kind.
        """
        author = self._registry
        (operation,), _ = with_author(lambda: author.author, self._draft.before, (operation,), Evidence())
        ops.carry_out(self._draft, operation)
        self._wanted.append(operation)
        self._labels.append(called or f"operation {len(self._wanted)}, {_words(operation)}")
        if isinstance(operation, ops.RegisterVersion):
            self._note(operation.model, self._draft.registered[-1])

    def register(
        self, model: str, path: str | os.PathLike[str], *, progress: Progress | None = None, **said: Any
    ) -> Registered:
        """Store a file or directory, and register it at the end. The same content again is the version that exists."""
        from .core.registration import Registration

        return self.add_registration(Registration(model, Path(path), **said), progress)

    def add_registration(self, said: Registration, progress: Progress | None = None) -> Registered:
        """Like `register`, of a registration at hand."""
        from .registering import prepare

        registry, now = self._registry, self._draft.before
        wanted = prepare(
            said,
            lambda early: registry._plan(self._draft.state, (early,)),
            registry._store(now),
            registry.author,
            registry.now,
            registry.work_tree,
            progress or silent,
            dry_run=False,
        )
        return self.add_version(wanted)

    def add_version(self, wanted: ops.RegisterVersion, called: str = "") -> Registered:
        """Collect a registration whose files are stored."""
        self.add(wanted, called)
        return self._registered[-1]

    def _note(self, model: str, made: tuple[str, int]) -> None:
        is_new = self._draft.writers.get(names.path("version", *made)) == self._draft.operations - 1
        self._registered.append(Registered(model, len(self._registered), is_new))
        self._made[made] = self._registered[-1].nth

    def create_model(
        self,
        name: str,
        *,
        description: str = "",
        owners: Iterable[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Make a model that has no version yet."""
        self.add(ops.CreateModel(name, description, tuple(owners), tags or {}))

    def set_alias(self, alias: str, reference: str | Registered, *, expect: Expect = None) -> None:
        """Point alias at a version."""
        model, version = self.resolve(reference)
        self._add_on(ops.SetAlias(model, alias, version, expect))

    def delete_alias(self, model: str, alias: str, *, expect: Expect = None) -> None:
        """Take alias away from model."""
        self.add(ops.DeleteAlias(model, alias, expect))

    def promote(self, reference: str | Registered, stage: str, *, expect: Expect = None) -> None:
        """Move a version into stage."""
        model, version = self.resolve(reference)
        self._add_on(ops.SetStage(model, version, stage, expect))

    def demote(self, reference: str | Registered) -> None:
        """Take a version out of its stage."""
        model, version = self.resolve(reference)
        self._add_on(ops.SetStage(model, version, None))

    def rollback(self, pointer: str, to: int | None = None, *, reason: str) -> None:
        """Move a stage or an alias back to the version that held it before this transaction, or to an earlier holder."""
        for operation in self._registry.rollback_operations(pointer, to, reason):
            self.add(operation)

    def tag(self, reference: str | Registered, tags: Mapping[str, str], remove: Iterable[str] = ()) -> None:
        """Set and remove tags of a version, or of a model if reference names one."""
        self.annotate(reference, tags=tags, remove_tags=remove)

    def annotate(self, reference: str | Registered, **said: Any) -> None:
        """Change what is said about a version or a model: see `Registry.annotate`."""
        named = (
            "/".join(map(str, self.resolve(reference))) if isinstance(reference, Registered) else reference
        )
        operation = requests.annotation(self._draft.state, named, **said)
        if isinstance(operation, ops.Annotate):
            self._add_on(operation)
        else:
            self.add(operation)

    def yank(self, reference: str | Registered, *, reason: str = "", undo: bool = False) -> None:
        """Mark a version as not to be used, or as usable again."""
        model, version = self.resolve(reference)
        by, at = self._registry.author, self._registry.now
        self._add_on(ops.Yank(model, version, by, at, reason, undo))

    def rename(self, model: str, new_name: str) -> None:
        """Give a model another name, unless this transaction registers a version of it."""
        self._require_not_made(model)
        self.add(ops.RenameModel(model, new_name))

    def delete(self, reference: str, *, reason: str) -> None:
        """Delete a version, or a model with all of them, of which this transaction registers none."""
        by, at = self._registry.author, self._registry.now
        wanted = requests.deletion(self._draft.state, reference, by, at, reason)
        self._require_not_made(
            wanted.model, wanted.version if isinstance(wanted, ops.DeleteVersion) else None
        )
        self.add(wanted)

    # --- at its end ----------------------------------------------------------------------------------------------

    def planned(self, now: Snapshot | None = None) -> Plan:
        """Return what has been collected would do to the registry as it is now, and all that stands in its way.

        Each finding says which operation wrote the file. What was planned as it was collected is taken, unless the
        registry has moved on.
        """
        now = self._registry.upstream() if now is None else now
        if self._plan is not None and (now.commit, len(self._wanted)) == self._planned_at:
            return self._plan
        draft = self._draft if now.commit == self._draft.before.commit else None
        plan = self._registry._plan(now, self.operations, draft)
        self._plan = replace(plan, findings=tuple(self._attributed(plan)))
        self._planned_at = (now.commit, len(self._wanted))
        return self._plan

    def version(self, registered: Registered) -> ModelVersion:
        """Return the version that a registration has made, or found, once the transaction is carried out."""
        if self.outcome is None:
            raise Invalid(f"the version of {registered.model} is not written yet", hint="ask after the block")
        git = self._registry._git
        if isinstance(self.outcome, Proposed):  # it was planned on its base, by who proposes
            plan = self.planned(git.snapshot(self.outcome.base))
        else:
            plan = self._plan or self.planned()
        return git.snapshot(self.outcome.commit).version(*plan.registered[registered.nth])

    def _attributed(self, plan: Plan) -> Iterable[Finding]:
        """The findings, each with the operation that wrote the file."""
        for finding in plan.findings:
            writer = plan.writers.get(finding.path)
            named = finding.message if writer is None else f"{finding.message} ({self._labels[writer]})"
            yield replace(finding, message=named)

    def _add_on(self, operation: ops.SetAlias | ops.SetStage | ops.Annotate | ops.Yank) -> None:
        """Collect an operation on a version, which may be one that has no number of its own yet."""
        nth = self._made.get((operation.model, operation.version))
        self.add(operation if nth is None else ops.OnRegistered(nth, operation))

    def _require_not_made(self, model: str, version: int | None = None) -> None:
        if any(model == name and version in (None, number) for name, number in self._made):
            raise Invalid(
                f"a version of {model} is registered in this transaction", hint="do it in another one"
            )


def _words(operation: Operation) -> str:
    if isinstance(operation, ops.OnRegistered):
        return _words(operation.operation)
    subject = getattr(operation, "model", "") or getattr(operation, "name", "")
    return f"{type(operation).__name__} {subject}".strip()
