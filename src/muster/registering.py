"""From a file or directory to the operation that registers it: look at it, ask what would be refused, store it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .backends import formats
from .backends.artifacts.progress import Progress
from .backends.git import code_state
from .core import registration
from .core.errors import Conflict
from .core.models import Code, Described, Stored
from .core.operations import RegisterVersion
from .core.plans import Plan
from .core.registration import Registration

if TYPE_CHECKING:
    from .backends.artifacts.store import ArtifactStore


def prepare(
    said: Registration,
    plan: Callable[[RegisterVersion], Plan],
    store: ArtifactStore,
    by: str,
    at: str,
    registry: Path | None,
    progress: Progress,
    dry_run: bool,
) -> RegisterVersion:
    """Return the operation that registers a version, its files stored (or, in a dry run, only hashed).

    What policy or a name in use would refuse is refused before a byte is stored. `registry` is the registry's own
    work tree, which is never taken for the training code.
    """
    code = _training_code(Path(said.path), registry)
    described = described_as_said(said)

    def wanted(stored: Stored) -> RegisterVersion:
        return registration.request(said, described, stored, by, at, code, Path(said.path).is_file())

    if not dry_run:
        _refuse_early(plan, replace(wanted(registration.placeholder(said)), allow_duplicate=True))
    return wanted(content_of(said, store, progress, dry_run))


def described_as_said(said: Registration) -> Described:
    """Return what the files at a registration's path say of themselves, and its model card's sections."""
    described = formats.describe(Path(said.path), said.format)
    if said.model_card is None:
        return described
    return replace(described, model_card_sections=formats.sections(Path(said.model_card)))


def content_of(said: Registration, store: ArtifactStore, progress: Progress, dry_run: bool) -> Stored:
    """Store what is at a registration's path, or in a dry run only read it."""
    beside = {name: Path(card) for name, card in said.beside.items()}
    return (store.digest if dry_run else store.take)(Path(said.path), progress, beside)


def _refuse_early(plan: Callable[[RegisterVersion], Plan], wanted: RegisterVersion) -> None:
    """Raise what a name in use or a gate would raise for any content. The rest shows when the content is known."""
    try:
        early = plan(wanted)
    except Conflict:  # the label is taken: perhaps by this very content
        return
    gates = tuple(finding for finding in early.findings if finding.rule == "gates_pass")
    replace(early, findings=gates).require_sound()


def _training_code(path: Path, registry: Path | None) -> Code | None:
    """The state of the repository that path, or else the working directory, is in; None if that is the registry."""
    for place in (path.resolve(), Path.cwd()):
        if (registry is None or not place.is_relative_to(registry)) and (code := code_state(place)):
            return code
    return None
