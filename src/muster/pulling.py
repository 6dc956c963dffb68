"""Getting a version's files at one commit: all of them or some, into a directory, or one of them opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .core import selection
from .core.errors import NotFound
from .core.models import ArtifactFile
from .core.snapshot import Snapshot

if TYPE_CHECKING:
    from .backends.artifacts.delivery import Link
    from .backends.artifacts.progress import Progress
    from .backends.artifacts.store import ArtifactStore

Patterns = Sequence[str] | str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be pulled, and how: see `Reader.pull`."""

    include: Patterns = ()
    exclude: Patterns = ()
    link: Link = "copy"
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to. `files` and `size` (bytes) are of what was asked for; `already` if it was all there."""

    path: str
    model: str
    version: int
    commit: str | None
    files: int
    size: int
    already: bool


def pull(
    snapshot: Snapshot,
    store: ArtifactStore,
    reference: str,
    output: Path,
    progress: Progress,
    said: Wanted,
) -> Pulled:
    """Put the files that are meant into output; see `Reader.pull`."""
    model, number = snapshot.resolve(reference)
    files = snapshot.manifest(model, number).files
    wanted = _of(model, number, lambda: selection.select(files, said.include, said.exclude))
    oid = snapshot.artifact_oid(model, number)
    came = store.pull(oid, files, output, progress, said.link, wanted, said.replace)
    size = sum(file.size for file in wanted)
    return Pulled(str(output), model, number, snapshot.commit, len(wanted), size, not came)


def open_file(
    snapshot: Snapshot, store: ArtifactStore, reference: str, path: str, progress: Progress
) -> BinaryIO:
    """Return one file, open for reading; see `Reader.open`."""
    model, number = snapshot.resolve(reference)
    files = snapshot.manifest(model, number).files
    (wanted,) = _of(model, number, lambda: (selection.only(files, path),))
    return store.open(snapshot.artifact_oid(model, number), files, wanted, progress)


def _of(model: str, number: int, choose: Callable[[], tuple[ArtifactFile, ...]]) -> tuple[ArtifactFile, ...]:
    """Return the files that are chosen, and say of which version there are none such."""
    try:
        return choose()
    except NotFound as error:
        raise NotFound(f"{model}/{number}: {error}", error.hint) from None
