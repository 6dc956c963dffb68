"""What operations carried out one after the other have led to so far, before any of it is judged or written.

An operation is planned on the state that those before it left behind. What thousands of registrations ask of that state
again and again (the next number, whether the content is there, whether a name is like another) is worked out once and
kept up, so that the ten-thousandth costs what the first did.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import dvcfile, names
from .errors import Integrity
from .models import Stored
from .preconditions import refuse_likeness
from .snapshot import Snapshot
from .tree import Growing

_FEW = (
    3  # questions about one model that are answered by ids, with no file read; from then on each is read once
)
_LAST_LINE = b"  path: '%d'\n"  # of a version's DVC file: in it alone two files of one content differ


class Draft:
    """The state that some operations lead to from `before`.

    `written` are the files they wrote, and `writers` says for each which operation wrote it last, counted from 0.
    `registered` are the versions that the registrations among them made or found, in their order.
    """

    def __init__(self, before: Snapshot) -> None:
        self.before, self.registered = before, list[tuple[str, int]]()
        self.writers: dict[str, int] = {}
        self.operations = 0
        self._tree = Growing(before.tree)
        self._state = before.over(self._tree)
        self._numbers: dict[str, int] = {}
        self._contents: dict[str, _Contents] = {}
        self._folded: dict[str, list[str]] | None = None

    @property
    def state(self) -> Snapshot:
        """The registry as it is now. It is asked for again after a write."""
        return self._state

    @property
    def written(self) -> Mapping[str, bytes | None]:
        """The files that were written; None deletes."""
        return self._tree.written

    def write(self, files: Mapping[str, bytes | None]) -> None:
        """Take over what one more operation writes."""
        self._tree.write(files)
        self._state = self._state.over(self._tree)
        self.writers.update(dict.fromkeys(files, self.operations))
        self.operations += 1
        for path, data in files.items():
            self._note(names.locate(path), data)

    def _note(self, place: names.Place | None, data: bytes | None) -> None:
        if place is None:
            return
        if place.kind == "model" and data is None:
            self._folded = None
        elif place.kind == "model":
            self._know(place.model)
        elif data is None and place.kind in ("version", "dvc"):  # a deletion or a rename: look again
            self._numbers.pop(place.model, None)
            self._contents.pop(place.model, None)
        elif place.kind == "version" and place.model in self._numbers:
            self._numbers[place.model] = max(self._numbers[place.model], place.number)
        elif place.kind == "dvc" and place.model in self._contents:
            self._contents[place.model].add(data or b"", place.number)

    def _know(self, name: str) -> None:
        if self._folded is not None and name not in (alike := self._folded.setdefault(names.fold(name), [])):
            alike.append(name)

    def next_number(self, model: str) -> int:
        """Return the number that the next version of model gets."""
        if model not in self._numbers:
            self._numbers[model] = max(self._state.numbers_taken(model), default=0)
        return self._numbers[model] + 1

    def version_with(self, model: str, stored: Stored) -> int | None:
        """Return what `find_version` returns."""
        known = self._contents.setdefault(model, _Contents())
        known.asked += 1
        if known.asked <= _FEW:
            return find_version(self._state, model, stored)
        number = known.newest(self._state, model, stored)
        return None if number is None else _verified(self._state, model, number, stored)

    def require_distinct(self, name: str) -> None:
        """Raise Invalid if a model has, or left behind, another name that looks like name."""
        if self._folded is None:
            self._folded = {}
            for taken in self._state.names_taken():
                self._know(taken)
        refuse_likeness(self._state, name, self._folded.get(names.fold(name), ()))


class _Contents:
    """Which version of a model has which content, the newest where several have the same."""

    def __init__(self) -> None:
        self.asked = 0
        self._versions: dict[bytes, int] | None = None

    def newest(self, state: Snapshot, model: str, stored: Stored) -> int | None:
        if self._versions is None:
            self._versions = {}
            numbers = state.versions(model)
            state.tree.prefetch(names.paths("dvc", model, numbers))
            for number in numbers:
                self.add(state.files.get(names.path("dvc", model, number), b""), number)
        return self._versions.get(_without_number(_dvc_data(stored, 0), 0))

    def add(self, data: bytes, number: int) -> None:
        if self._versions is not None:
            self._versions[_without_number(data, number)] = number


def find_version(snapshot: Snapshot, model: str, stored: Stored) -> int | None:
    """Return the newest version of model with exactly this content.

    Integrity if DVC's address, an MD5, is that of a version with other files.
    """
    numbers, content = snapshot.versions(model)[::-1], _without_number(_dvc_data(stored, 0), 0)
    data = (content + _LAST_LINE % number for number in numbers)
    for path in snapshot.tree.holding(zip(names.paths("dvc", model, numbers), data, strict=True)):
        (number,) = names.numbers_in("dvc", [path.rpartition("/")[2]])
        return _verified(snapshot, model, number, stored)
    return None


def dvc_file(stored: Stored, number: int) -> dvcfile.DvcFile:
    """Return the DVC file of a version."""
    return dvcfile.DvcFile(oid=stored.oid, size=stored.size, nfiles=len(stored.files), path=str(number))


def _dvc_data(stored: Stored, number: int) -> bytes:
    return dvcfile.dump(dvc_file(stored, number))


def _without_number(data: bytes, number: int) -> bytes:
    """What two DVC files of one content have in common: all but the last line, which names the version."""
    return data.removesuffix(_LAST_LINE % number)


def _verified(snapshot: Snapshot, model: str, number: int, stored: Stored) -> int:
    there = {f.path: f.sha256 for f in snapshot.manifest(model, number).files}
    if there != {f.path: f.sha256 for f in stored.files}:
        raise Integrity(f"{model}/{number} has other files under the same MD5, {stored.oid}")
    return number
