"""Some of the objects of a repository that is elsewhere: enough to read what was asked for, and no history.

The store is a bare repository that git does not know to be a partial clone: an object that is not there is missing,
and nobody fetches it but we, by its id, with all else that will be asked for next. (Where git knows, it fetches each
one by itself, a connection at a time; GIT_NO_LAZY_FETCH is too new to rely on.) Only the process that fetches is told.

Commits come without trees, 0.2 kB each: the newest few; if the last one seen is not one of them, all as young as it, as
a fetch without a bound would bring the whole past of a branch that began before and is merged now; and where dates do
not help, in a bulk import of one second or after a clock was wrong, all. We claim to have nothing (the `noop`
negotiation), lest the server work out what we lack. What else was tried is in docs/decisions/0006.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ...core.errors import MusterError, Unavailable
from .address import Address, redact
from .objects import Object, ObjectPipe
from .process import Done, Git, words
from .seen import Record

FEW = "blob:limit=512"  # pointers, and what says where files are, are smaller; manifests are larger
NO_FILES = "blob:none"  # but those that are named; and git has less to look through than after ALL
ALL = ""
_FIRST = ("tree:2", NO_FILES, ALL)  # the root and the directories in it; then what less able servers allow
_COMMITS = "tree:0"
_NO_BOUND = f"--depth={0x7FFFFFFF}"  # git's own word for a history that is not cut off
_MANY_PACKS = 100  # one is written by each fetch: then it is cheaper to begin again
MANY_WANTS = 2000  # above that, naming each costs more than getting some twice
_COMMITTED = re.compile(rb"^committer .*> ([0-9]+) ", re.MULTILINE)
_LOCKS = ("*.lock", "refs/**/*.lock", "objects/info/*.lock", "objects/info/**/*.lock")
_HALF_WRITTEN = ("objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/tmp_*", "objects/??/tmp_*")


class Partial:
    """The store at one directory, for one branch of one URL. Whoever writes holds the mirror's lock, `lock`."""

    def __init__(self, directory: Path, address: Address, record: Record) -> None:
        self.directory, self._address, self._record = directory, address, record
        self._git = Git(None, directory)
        url = address.url
        promises = ((f"remote.{url}.promisor", "true"), (f"remote.{url}.partialclonefilter", _COMMITS))
        self._fetcher = Git(None, directory, (*address.configuration, *promises), address.environment)
        self._pipe = ObjectPipe(self._git, redact(url), verified=True)

    def start(self) -> None:
        """Start the process that reads, if there is something to read."""
        if (self.directory / "HEAD").exists():
            self._pipe.start()

    def close(self) -> None:
        """End the process that reads."""
        self._pipe.close()

    def objects(self, oids: Sequence[str]) -> list[Object | None]:
        """Return objects, each with the bytes that its id says, or None; an error if the store is damaged."""
        if not (self.directory / "HEAD").exists():
            return [None for _ in oids]
        return self._pipe.objects(oids)

    def missing(self, oid: str) -> list[str]:
        """Return which of the objects below a tree are not here; below one that is not, git knows of none."""
        if not self._has(oid):
            return [oid]
        listed = self._git.run("rev-list", "--objects", "--no-object-names", "--missing=print", oid)
        return [line[1:].decode() for line in listed.splitlines() if line.startswith(b"?")]

    def fetch(self, wants: Sequence[str], filter: str, lock: int) -> None:
        """Bring objects by their ids, and of trees what is below and passes filter; Unavailable."""
        tidy(self.directory)
        self._fetch(wants, tuple(dict.fromkeys((filter, ALL))), lock)

    def advance(self, tip: str, last: str, lock: int) -> bool | None:
        """Bring tip, and tell whether last is in its past; None if the server does not let that be seen from here."""
        if not self._is_usable(last):
            return None
        tidy(self.directory)
        try:
            if not self._has(tip):
                self._fetch([tip], (_COMMITS,), lock, "--depth=32")
            if not self._descends(tip, last):
                with suppress(Unavailable):  # nothing is as young as last
                    self._fetch([tip], (_COMMITS,), lock, self._further(tip, last))
            if not self._descends(tip, last):
                self._fetch([tip], (_COMMITS,), lock, _NO_BOUND)
        except Unavailable:
            return None
        if not self._descends(tip, last):
            return False
        self._bring_root(tip, lock)
        return True

    def begin(self, tip: str, last: str | None, lock: int) -> bool:
        """Start anew, in a store that takes this one's place once it has tip, with last, if there is one, in its past."""
        draft = Partial(self.directory.with_name(f"{self.directory.name}.draft"), self._address, self._record)
        draft.discard()
        try:
            make_bare(draft.directory, tip)
            if last is None or last == tip:
                draft._fetch([tip], _FIRST, lock, "--depth=1")
            else:
                draft._fetch([last], (_COMMITS,), lock, "--depth=1")
                if not draft.advance(tip, last, lock):
                    return False
            return self.become(draft, tip)
        except Unavailable:
            if last is None:
                raise
            return False  # a server need not give what is no longer, or not yet, the tip of anything
        finally:
            draft.discard()

    def begin_at(self, name: str, lock: int, meanwhile: Callable[[], object]) -> None:
        """Start here with what a ref is at now, if the server gives it at once."""
        self.discard()
        with suppress(Unavailable):
            make_bare(self.directory, None)
            self._fetch([name], _FIRST[:1], lock, "--depth=1", meanwhile=meanwhile)

    def become(self, draft: Partial, tip: str) -> bool:
        """Put another store in place of this one, and tell whether it has tip."""
        self.discard()
        draft.close()
        with suppress(FileNotFoundError, MusterError):
            draft.directory.rename(self.directory)
            return self.objects([tip])[0] is not None
        return False

    def discard(self) -> None:
        """Take the store away."""
        self._pipe.close()
        remove(self.directory)

    def _further(self, tip: str, last: str) -> str:
        """How far to look back for last. Dates do not help in a bulk import, all of one second."""
        since = self._committed(last)
        return f"--shallow-since=@{since}" if since < self._committed(tip) else "--depth=2048"

    def _bring_root(self, tip: str, lock: int) -> None:
        """Bring tip's root, and the directories in it."""
        commit = self._pipe.objects([tip])[0]
        root = commit.content[5:].split(b"\n", 1)[0].decode() if commit else tip
        if not self._has(root):
            self._fetch([root], ("tree:1", NO_FILES, ALL), lock)

    def _fetch(
        self,
        wants: Sequence[str],
        filters: Sequence[str],
        lock: int,
        *options: str,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Try one filter after the other, for a server may allow some; Unavailable if none was served."""
        done: Done | None = None
        refused = self._record.refused(time.time())
        tried: list[str] = []
        for filter in (each for each in filters if each not in refused):
            done = self._fetcher.ask(
                *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"),
                *("--no-write-fetch-head", "--no-auto-maintenance", "--refmap=", "--no-recurse-submodules"),
                *(*options, *upload_pack(self._address.url)),
                *(f"--filter={filter}" if filter else "--no-filter", "--", self._address.url, *wants),
                hold=(lock,),
                meanwhile=meanwhile,
            )
            if done.returncode == 0:
                self._record.refuse(tried, time.time())
                return
            tried.append(filter)
        said = words(done) if done else ""
        raise Unavailable(
            f"{redact(self._address.url)} did not give what it has: {said}",
            hint="try again; check the network, the disk and your access",
        )

    def _is_usable(self, last: str) -> bool:
        try:
            if sum(1 for _ in self.directory.glob("objects/pack/*.pack")) > _MANY_PACKS:
                return False
            return self._has(last)
        except (OSError, MusterError):
            return False

    def _descends(self, tip: str, last: str) -> bool:
        return self._git.ask("merge-base", "--is-ancestor", last, tip).returncode == 0

    def _has(self, name: str) -> bool:
        return self._pipe.read(name) is not None

    def _committed(self, commit: str) -> int:
        found = self._pipe.objects([commit])[0]
        match = _COMMITTED.search(found.content) if found else None
        return int(match[1]) if match else 0


def upload_pack(url: str) -> tuple[str, ...]:
    """Return the option that lets git filter where the server is our own process, which by default it may not."""
    own = "--upload-pack=git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack"
    return (own,) if url.startswith("file://") else ()


def tidy(directory: Path, age: float = 0) -> None:
    """Take away what a killed git left where nobody writes but we; what is half-written from an age in seconds on."""
    for pattern in _LOCKS:
        for path in directory.glob(pattern):
            path.unlink(missing_ok=True)
    for pattern in _HALF_WRITTEN:
        for path in directory.glob(pattern):
            with suppress(FileNotFoundError):
                if not age or path.stat().st_mtime < time.time() - age:
                    path.unlink()


def make_bare(directory: Path, like: str | None) -> None:
    """Make an empty bare repository, with ids as long as `like`."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "set MUSTER_CACHE to a directory that can be written"
        raise Unavailable(f"{directory.parent} cannot be made: {error.strerror}", hint) from error
    algorithm = "sha256" if like and len(like) == 64 else "sha1"
    ask = ("init", "--quiet", "--bare", "--template=", f"--object-format={algorithm}", str(directory))
    Git(directory.parent).run(*ask)


def remove(directory: Path) -> None:
    """Take a repository away: first out of sight, so that nobody sees half of it, then from the disk."""
    import shutil

    if not directory.exists():
        return
    gone = directory.with_name(f"{directory.name}.{os.getpid()}.gone")
    with suppress(OSError):
        directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
