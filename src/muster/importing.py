"""Importing: versions from a file, their content stored, into a registry as one commit, or as one for each batch.

A batch comes in whole or not at all. What is there already, by its content, is found and not made again, so the same
file may be imported as often as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .backends.artifacts.progress import Progress, silent
from .core import registration
from .core.errors import Finding, Invalid, MusterError
from .core.importfile import Entry
from .core.models import Described
from .core.operations import CreateModel, RegisterVersion
from .registering import content_of, described_as_said
from .transaction import Transaction

if TYPE_CHECKING:
    from .backends.artifacts.store import ArtifactStore
    from .registry import Registry

RULE = "version_can_be_imported"
IMPORTED = (
    "imported"  # the key in `extra` that says when a version came in, and by whom, that was made elsewhere
)
Wanted = list[tuple[Entry, RegisterVersion]]
Failed = tuple[Entry, Finding]


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: how many versions are new, how many were there, and what could not come.

    `commits` are what was written, in their order; with `proposed` they wait on that branch.
    """

    registered: int = 0
    existing: int = 0
    failed: tuple[Finding, ...] = ()
    commits: tuple[str, ...] = ()
    proposed: str = ""

    def plus(self, other: Imported) -> Imported:
        """Return what came of both."""
        return Imported(
            self.registered + other.registered,
            self.existing + other.existing,
            (*self.failed, *other.failed),
            (*self.commits, *other.commits),
            other.proposed or self.proposed,
        )


def import_versions(
    registry: Registry,
    entries: Sequence[Entry],
    *,
    reason: str = "",
    batch: int = 0,
    keep_going: bool = False,
    propose: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Imported:
    """Register what entries list, as one commit, or as one for every `batch` of them.

    Invalid, with every entry that cannot come, and then nothing of its batch is written; `keep_going` leaves those out
    and brings the others. A dry run stores and writes nothing.
    """
    done, size = Imported(), batch or max(len(entries), 1)
    for start in range(0, len(entries), size):
        wanted, failed = _prepared(registry, entries[start : start + size], progress, dry_run)
        transaction, more = _collected(registry, wanted)
        while more and keep_going:
            failed += more
            lost = {entry.position for entry, _ in more}
            wanted = [(entry, operation) for entry, operation in wanted if entry.position not in lost]
            transaction, more = _collected(registry, wanted)
        if (failed and not keep_going) or more:
            raise _none_came([*failed, *more], done)
        if not dry_run:
            registry.carry_out(transaction, reason, propose)
        done = done.plus(_counted(transaction, failed))
    return done


def _none_came(failed: Sequence[Failed], done: Imported) -> Invalid:
    so_far = f"; what stands before it is in, by {len(done.commits)} commits" if done.commits else ""
    some = len({entry.position for entry, _ in failed})
    return Invalid(
        f"{some} {'version' if some == 1 else 'versions'} cannot be imported, so none was{so_far}:",
        _findings(failed),
        hint="mend them, or bring the others with --keep-going",
    )


def _findings(failed: Sequence[Failed]) -> tuple[Finding, ...]:
    return tuple(finding for _, finding in sorted(failed, key=lambda pair: pair[0].position))


def _counted(transaction: Transaction, failed: Sequence[Failed]) -> Imported:
    """What came of one batch."""
    new, done = sum(made.is_new for made in transaction.registered), transaction.outcome
    commits = (done.commit,) if done is not None and done.commit is not None and done.events else ()
    existing = len(transaction.registered) - new
    return Imported(new, existing, _findings(failed), commits, getattr(done, "branch", ""))


def _prepared(
    registry: Registry, entries: Sequence[Entry], progress: Progress, dry_run: bool
) -> tuple[Wanted, list[Failed]]:
    """The operations that register entries, their files stored, and what is wrong with the others."""
    store, by, at = registry.store(), registry.author, registry.now
    failed = list(_not_stored(store, entries))
    lost = {entry.position for entry, _ in failed}
    wanted: Wanted = []
    for entry in entries:
        if entry.position not in lost:
            try:
                wanted.append((entry, _operation(entry, store, by, at, dry_run)))
            except MusterError as error:
                failed.append(_failed(entry, error))
        progress("store", entry.position - entries[0].position + 1, len(entries))
    return wanted, failed


def _operation(entry: Entry, store: ArtifactStore, by: str, at: str, dry_run: bool) -> RegisterVersion:
    said = entry.said
    if entry.created_at or entry.created_by:
        said = replace(said, extra={**said.extra, IMPORTED: {"at": at, "by": by}})
    if entry.stored is not None:
        described, stored = Described(said.format or ""), entry.stored
        is_file = len(stored.files) == 1
    else:
        described, stored = described_as_said(said), content_of(said, store, silent, dry_run)
        is_file = Path(said.path).is_file()
    who, when = entry.created_by or by, entry.created_at or at
    return registration.request(said, described, stored, who, when, None, is_file)


def _not_stored(store: ArtifactStore, entries: Sequence[Entry]) -> Iterator[Failed]:
    """The entries whose content is said to be in the artifact store, and is not."""
    known = [(entry, entry.stored) for entry in entries if entry.stored is not None]
    missing = set(store.missing(stored.oid for _, stored in known)) if known else set()
    for entry, stored in known:
        if stored.oid in missing:
            message = f"{stored.oid} is not in the artifact store"
            yield entry, entry.finding(RULE, message, "store it, or give its path")
            continue
        try:
            listed = store.listing(stored.oid)
        except MusterError as error:
            yield _failed(entry, error)
            continue
        if listed.keys() != {file.path for file in stored.files}:
            yield entry, entry.finding(RULE, f"the list of files {stored.oid} names other files")
        elif lost := sorted(path for path, md5 in listed.items() if md5 in missing):
            message = f"{', '.join(lost[:3])} of {stored.oid} are not in the artifact store"
            yield entry, entry.finding(RULE, message)


def _collected(registry: Registry, wanted: Wanted) -> tuple[Transaction, list[Failed]]:
    """A transaction of what is wanted, and what stands in its way, each finding with the entry that it is of."""
    transaction, author = Transaction(registry), registry.author
    failed, asked = list[Failed](), list[Entry]()
    for entry, operation in wanted:
        try:
            if not transaction.state.has_model(operation.model):
                transaction.add(CreateModel(operation.model, owners=(author,)), entry.place)
            _add(transaction, entry, operation)
        except MusterError as error:
            failed.append(_failed(entry, error))
        asked += [entry] * (len(transaction) - len(asked))
    if not len(transaction):
        return transaction, failed
    plan = transaction.planned()
    for finding in plan.findings:
        writer = transaction.writer(finding.path)
        if writer is None:  # what no entry wrote, none can be blamed for
            plan.require_sound()
        else:
            message = f"{finding.path}: {finding.message.removesuffix(f' ({asked[writer].place})')}"
            failed.append((asked[writer], asked[writer].finding(finding.rule, message, finding.fix)))
    return transaction, failed


def _add(transaction: Transaction, entry: Entry, operation: RegisterVersion) -> None:
    made = transaction.add_version(operation, entry.place)
    wanted = operation.manifest.label
    if made.is_new or wanted is None:
        return
    there = transaction.state.manifest(*transaction.resolve(made))
    if there.label != wanted:
        name = f"{there.model}/{there.version}"
        said = f"is labelled {there.label}" if there.label else "has no label"
        raise Invalid(f"{name} has this content already, and {said}", hint="give it an alias instead")


def _failed(entry: Entry, error: MusterError) -> Failed:
    return entry, entry.finding(RULE, _words(error), error.hint)


def _words(error: MusterError) -> str:
    """What an error says, on one line."""
    if isinstance(error, Invalid) and error.findings:
        return "; ".join(f"{f.path}: {f.message}" if f.path else f.message for f in error.findings)
    return str(error).replace("\n", " ")
