"""Git's objects, read through one `git cat-file --batch` per repository.

The pipe answers a name ("HEAD", "refs/heads/main", an id, `<commit>:models/`) with `<id> <type> <size>` and
the bytes. It is shared by threads under a lock; a process that forks gets its own; a read that is interrupted
ends the pipe, so that the next answer is never the rest of the last one.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, cast

from ...core.errors import Integrity, NotFound, Unavailable
from ...core.tree import Tree
from .process import Git, require_git, words

FILE_MODES = ("100644", "100755")
DIRECTORY = "40000"
_LARGE, _KEPT = 1 << 15, 4  # bytes of a directory that is large, and how many of them are kept
_FILES = frozenset(mode.encode() for mode in FILE_MODES)
_LISTED = _FILES | {DIRECTORY.encode()}
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) ([0-9]+)\n")
_NO_OBJECT = (b" missing\n", b" ambiguous\n", b" submodule\n")
_AT_ONCE = (
    256  # objects asked for in one go: the lines that name them fit in a pipe, so nobody waits for a reader
)
_AHEAD = 1 << 20  # bytes that are read before anybody has asked for them
_ENTRIES = {n: re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % n, re.DOTALL) for n in (20, 32)}


@dataclass(frozen=True, slots=True)
class Object:
    """One object of the store. `kind` is commit, tree, blob or tag."""

    oid: str
    kind: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a tree object. `mode` is in octal digits, as git stores it."""

    mode: str
    oid: str


class Directory(Mapping[str, Entry]):
    """The names in a tree object, each made an `Entry` when it is asked for: there may be a hundred thousand."""

    def __init__(self, entries: dict[str, tuple[bytes, bytes, bytes]]) -> None:
        self._entries = entries  # by name: mode, name and id, as they are in the object

    def __getitem__(self, name: str) -> Entry:
        mode, _, oid = self._entries[name]
        return Entry(mode.decode(), oid.hex())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def blob(self, name: str) -> str | None:
        """Return the id of a plain file; None if there is none of that name."""
        entry = self._entries.get(name)
        return entry[2].hex() if entry is not None and entry[0] in _FILES else None

    def listed(self) -> list[str]:
        """Return the names of plain files and directories, sorted."""
        return sorted(name for name, entry in self._entries.items() if entry[0] in _LISTED)


class ObjectPipe:
    """Reads any object by any name git knows for it. Safe to share between threads, and across a fork."""

    def __init__(self, git: Git, location: str, verified: bool = False) -> None:
        """`verified`: compare each object with its id, which git does not do, and raise Integrity."""
        self._git, self._location, self._verified = git, location, verified
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._large: dict[str, Directory] = {}

    def read(self, name: str) -> Object | None:
        """Return the object that name names, or None. NotFound if there is no repository here."""
        return None if "\n" in name else self._read([name])[0]

    def objects(self, oids: Sequence[str]) -> list[Object | None]:
        """Return at most 256 objects, None for what is not here. NotFound if there is no repository here."""
        return self._read(oids)

    def blobs(self, oids: Sequence[str]) -> list[bytes]:
        """Return the contents of at most 256 blobs that a tree names; Unavailable if the store lacks one."""
        found = self._read(oids)
        for oid, blob in zip(oids, found, strict=True):
            if blob is None or blob.kind != "blob":
                hint = "run `git fsck`, or clone it again"
                raise Unavailable(f"the repository lacks object {oid}", hint=hint)
        return [blob.content for blob in found if blob is not None]

    def _read(self, names: Sequence[str]) -> list[Object | None]:
        self._renew()
        with self._lock:
            try:
                return self._exchange(names)
            except BaseException:
                self._stop()
                raise

    def entries(self, tree: Object) -> Directory:
        """Return the names in a tree object. Of large ones the last few are kept: each state of a registry has them."""
        known = self._large.get(tree.oid)
        if known is None:
            known = parse_tree(tree.content, len(tree.oid) // 2)
            if len(tree.content) > _LARGE:
                self._large = dict([*self._large.items(), (tree.oid, known)][-_KEPT:])
        return known

    def _renew(self) -> None:
        """Leave the pipe, and the lock's state, to the parent after a fork: they belong to it."""
        if self._owner != os.getpid():
            self._owner, self._lock, self._process = os.getpid(), threading.Lock(), None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = self._git.open("cat-file", "--batch")
        return self._process

    def start(self) -> None:
        """Start the process, so that the first read need not wait for it. NotFound etc. are left to that."""
        self._renew()
        with self._lock:
            self._started()

    def close(self) -> None:
        """End the process. The next read starts another."""
        with self._lock:
            if self._owner == os.getpid():
                self._stop()

    def _exchange(self, names: Sequence[str]) -> list[Object | None]:
        process = self._started()
        stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        lines = "".join(f"{name}\n" for name in names).encode(errors="surrogateescape")
        try:  # not through stdin's buffer: a fork would copy what is in it, and flush it twice
            os.write(stdin.fileno(), lines)
        except BrokenPipeError as error:
            raise self._why_it_ended() from error
        return [self._answer(stdout) for _ in names]

    def _answer(self, stdout: IO[bytes]) -> Object | None:
        header = stdout.readline()
        if not header:
            raise self._why_it_ended()
        match = _HEADER.fullmatch(header)
        if match is None:
            if not header.endswith(_NO_OBJECT):
                raise self._why_it_ended()
            return None
        size = int(match[3])
        content = stdout.read(size + 1)
        if len(content) != size + 1:
            raise self._why_it_ended()
        found = Object(match[1].decode(), match[2].decode(), content[:-1])
        if self._verified and hash_object(found.kind, found.content, like=found.oid) != found.oid:
            raise Integrity(f"object {found.oid} of {self._location} is damaged", hint="run `git fsck`")
        return found

    def _why_it_ended(self) -> NotFound | Unavailable:
        require_git()
        done = self._git.ask("rev-parse", "--git-dir")
        if done.returncode:
            return NotFound(
                f"{self._location} is not a git repository: {words(done)}",
                hint="name the registry's repository, or make one with `muster init`",
            )
        return Unavailable(
            f"git stopped while it read {self._location}", hint="try again; else run `git fsck`"
        )

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.__exit__(None, None, None)  # closes the pipes and waits


def is_oid(text: str) -> bool:
    """Tell whether text is a full object id, of SHA-1 or of SHA-256."""
    return _OID.fullmatch(text) is not None


def hash_object(kind: str, content: bytes, like: str) -> str:
    """Return the id that git gives to content in a repository whose ids are as long as `like`."""
    algorithm = "sha1" if len(like) == 40 else "sha256"
    header = b"%s %d\0" % (kind.encode(), len(content))
    import hashlib

    return hashlib.new(algorithm, header + content, usedforsecurity=False).hexdigest()


def same(files: Iterable[tuple[str, bytes]], oid_of: Callable[[str], str | None], like: str) -> Iterator[str]:
    """Yield the paths whose blob, as `oid_of` names it, has exactly the data beside it."""
    import hashlib

    new = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    for path, data in files:
        oid = oid_of(path)
        if (
            oid is not None
            and oid == new(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()
        ):
            yield path


def parse_tree(content: bytes, oid_size: int) -> Directory:
    """Read a tree object: `<mode> <name>NUL<id>` over and over. `oid_size` is 20 or 32 bytes."""
    found = _ENTRIES[oid_size].findall(content)
    if sum(len(mode) + len(name) for mode, name, _ in found) + (oid_size + 2) * len(found) != len(content):
        raise Integrity("a directory in the git repository is malformed", hint="run `git fsck`")
    return Directory({_text(entry[1]): entry for entry in found})


class GitTree(Tree):
    """The plain files of one commit, each read when it is asked for and then kept.

    A symbolic link or a submodule is not in the mapping, as `diff` and `entries` report it.
    """

    def __init__(self, git: Git, pipe: ObjectPipe, commit: str) -> None:
        self._git, self._pipe, self._commit = git, pipe, commit
        self._directories: dict[str, Directory] = {}
        self._names: dict[str, list[str]] = {}
        self._contents: dict[str, bytes] = {}
        self._listing: dict[str, str] | None = None

    def __getitem__(self, path: str) -> bytes:
        if path not in self._contents:
            oid = self._blob(path)
            if oid is None:
                raise KeyError(path)
            self._contents[path] = self._pipe.blobs([oid])[0]
        return self._contents[path]

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._blob(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._files())

    def __len__(self) -> int:
        return len(self._files())

    def children(self, directory: str) -> Iterator[str]:
        """Yield the names directly inside directory, in order. Costs one tree object."""
        if directory not in self._names:
            self._names[directory] = self._entries(directory).listed()
        return iter(self._names[directory])

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the path and content of files that are there, so many at a time, without keeping any."""
        waiting = iter(paths)
        while batch := list(itertools.islice(waiting, _AT_ONCE)):
            oids = [self._blob(path) or "" for path in batch]
            yield from zip(batch, self._pipe.blobs(oids), strict=True)

    def holding(self, files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
        """Yield those of these paths that hold exactly the data beside them, by the ids: no file is read."""
        return same(files, self._blob, like=self._commit)

    def prefetch(self, paths: Iterable[str]) -> None:
        """Read the files at these paths, those that are there, a few hundred at a time."""
        oids = {path: oid for path in paths if path not in self._contents and (oid := self._blob(path))}
        wanted = list(oids)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            contents = self._pipe.blobs([oids[path] for path in some])
            self._contents.update(zip(some, contents, strict=True))

    def _blob(self, path: str) -> str | None:
        if self._listing is not None:
            return self._listing.get(path)
        directory, _, name = path.rpartition("/")
        return self._entries(directory).blob(name)

    def _entries(self, directory: str) -> Directory:
        if directory not in self._directories:
            self._directories[directory] = self._read_directory(directory)
        return self._directories[directory]

    def _read_directory(self, directory: str) -> Directory:
        if directory.startswith(("/", "./", "../")):  # git would read these from the working directory
            return Directory({})
        # The slash at the end matters: `<commit>:x-g<digits>` also reads as the name `git describe` gives to
        # another commit, and git tries that first.
        found = self._pipe.read(f"{self._commit}:{directory}{'/' if directory else ''}")
        if found is None or found.kind != "tree":
            return Directory({})
        return self._pipe.entries(found)

    def _files(self) -> dict[str, str]:
        if self._listing is None:
            fields = self._git.stream("ls-tree", "-r", "-z", "--full-tree", self._commit)
            entries = (field.split(b"\t", 1) for field in fields)
            split = ((*meta.decode().split(), _text(path)) for meta, path in entries)
            self._listing = {path: oid for mode, _kind, oid, path in split if mode in FILE_MODES}
        return self._listing


class Blobs(Mapping[str, bytes | None]):
    """Contents by path, read when asked for, with those that follow, and then kept; None for a path that has none.

    `sizes` are the bytes of each blob, by its id.
    """

    def __init__(self, pipe: ObjectPipe, oids: Mapping[str, str | None], sizes: Mapping[str, int]) -> None:
        self._pipe, self._oids, self._sizes = pipe, oids, sizes
        self._position = {path: n for n, path in enumerate(oids)}
        self._order = list(oids.values())
        self._contents: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes | None:
        oid = self._oids[path]
        if oid is None:
            return None
        if oid not in self._contents:
            asked = list(self._next(self._position[path]))
            self._contents.update(zip(asked, self._pipe.blobs(asked), strict=True))
        return self._contents[oid]

    def _next(self, position: int) -> Iterator[str]:
        """The blob at a position, and small ones after it: whoever reads one mostly reads them all."""
        ahead = 0
        for n, oid in enumerate(self._order[position : position + _AT_ONCE]):
            if oid is None or oid in self._contents:
                continue
            ahead += self._sizes[oid]
            if n and ahead > _AHEAD:
                return
            yield oid

    def __contains__(self, path: object) -> bool:
        return path in self._oids

    def __iter__(self) -> Iterator[str]:
        return iter(self._oids)

    def __len__(self) -> int:
        return len(self._oids)


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
