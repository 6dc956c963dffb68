"""The files of one commit of a repository that is elsewhere, each fetched when it is asked for, with what goes with it.

Whoever reads one version reads its model's pointers and small files, then its manifest: that is two requests, however
large the registry. Whoever says beforehand (`expect`) that all below a directory will be read gets it with one, and so
does, after a while, whoever does not say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...core.tree import Tree
from .mirror import Mirror
from .objects import DIRECTORY, FILE_MODES, Directory, Entry, Object, parse_tree, same
from .partial import ALL, FEW, NO_FILES

_PATIENCE = 8  # requests for a file or two, after which everything is fetched
_MODEL = 2  # how deep a model's directory is: models/<model>
_FILTERS = {0: "tree:1", 1: "tree:0"}  # by depth: of the root what is in it, of `models` itself alone
_ALWAYS = ".dvc"  # says where artifacts are: small, and read by whoever reads a version


class FetchedTree(Tree):
    """The plain files of one commit. Links and submodules are not in the mapping."""

    def __init__(self, mirror: Mirror, commit: str) -> None:
        self._mirror, self._commit = mirror, commit
        self._directories: dict[str, Directory] = {}
        self._contents: dict[str, bytes] = {}
        self._asked = 0

    def __getitem__(self, path: str) -> bytes:
        entry = self._entry(path)
        if entry is None or entry.mode not in FILE_MODES:
            raise KeyError(path)
        if entry.oid not in self._contents:
            self._contents[entry.oid] = self._read(entry.oid, self._same_stem(path), NO_FILES).content
        return self._contents[entry.oid]

    def __contains__(self, path: object) -> bool:
        entry = self._entry(path) if isinstance(path, str) else None
        return entry is not None and entry.mode in FILE_MODES

    def __iter__(self) -> Iterator[str]:
        self._bring_below("", NO_FILES)
        return iter(sorted(self._paths("")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order."""
        return iter(self.entries(directory).listed())

    def holding(self, files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """Yield those of these paths that hold exactly the data beside them, by the ids: no file is read."""
        return same(files, self._blob, like=self._commit)

    def expect(self, directory: str) -> None:
        """Bring all below directory at once."""
        self._bring_below(directory, ALL)

    def _bring_below(self, directory: str, filter: str) -> None:
        oid = self._directory_at(directory) if directory else self._root()
        if oid is not None:
            self._mirror.bring_below(self._commit, oid, filter)

    def _paths(self, directory: str) -> Iterator[str]:
        prefix = f"{directory}/" if directory else ""
        for name, entry in self.entries(directory).items():
            if entry.mode in FILE_MODES:
                yield f"{prefix}{name}"
            elif entry.mode == DIRECTORY:
                yield from self._paths(f"{prefix}{name}")

    def _blob(self, path: str) -> str | None:
        entry = self._entry(path)
        return entry.oid if entry is not None and entry.mode in FILE_MODES else None

    def _entry(self, path: str) -> Entry | None:
        directory, _, name = path.rpartition("/")
        return self.entries(directory).get(name)

    def entries(self, directory: str) -> Directory:
        """What is in a directory; nothing if there is no such directory."""
        if directory not in self._directories:
            oid = self._root() if not directory else self._directory_at(directory)
            depth = directory.count("/") + 1 if directory else 0
            beside = self._beside() if depth == _MODEL else []
            found = self._read(oid, beside, _FILTERS.get(depth, FEW)).content if oid else b""
            self._directories[directory] = parse_tree(found, len(self._commit) // 2)
        return self._directories[directory]

    def _root(self) -> str:
        commit = self._mirror.objects(self._commit, [self._commit], (), "tree:2")[0]
        return commit.content.removeprefix(b"tree ").split(b"\n", 1)[0].decode()

    def _directory_at(self, path: str) -> str | None:
        entry = self._entry(path)
        return entry.oid if entry is not None and entry.mode == DIRECTORY else None

    def _beside(self) -> list[str]:
        """What else to fetch where a model is missing."""
        always = self._directory_at(_ALWAYS)
        return [always] if always else []

    def _same_stem(self, path: str) -> list[str]:
        """A version's files, which differ by the extension, and what says where artifacts are: all are read together."""
        directory, _, name = path.rpartition("/")
        model, stem = directory.rpartition("/")[0], name.partition(".")[0]
        if directory.count("/") != _MODEL:
            return []
        kinds = [kind for kind, entry in self.entries(model).items() if entry.mode == DIRECTORY]
        near = (item for kind in kinds for item in self.entries(f"{model}/{kind}").items())
        oids = [e.oid for other, e in near if other.partition(".")[0] == stem and e.mode in FILE_MODES]
        return oids + [e.oid for e in self.entries(_ALWAYS).values() if e.mode in FILE_MODES]

    def _read(self, oid: str, also: Sequence[str], filter: str) -> Object:
        before = self._mirror.fetches
        found = self._mirror.objects(self._commit, [oid], also, filter)[0]
        if self._mirror.fetches > before:
            self._asked += 1
            if self._asked in (_PATIENCE, 2 * _PATIENCE):
                self._bring_below("", FEW if self._asked == _PATIENCE else ALL)
        return found


def changed(old: FetchedTree, new: FetchedTree, directory: str = "") -> Iterator[str]:
    """Yield the paths that differ below a directory. What is the same in both is not looked into."""
    before, now = old.entries(directory), new.entries(directory)
    for name in sorted({*before, *now}):
        a, b = before.get(name), now.get(name)
        if a == b:
            continue
        path = f"{directory}/{name}" if directory else name
        kinds = [entry.mode for entry in (a, b) if entry is not None]
        if DIRECTORY in kinds:
            yield from changed(old, new, path)
        if set(kinds) != {DIRECTORY}:
            yield path
