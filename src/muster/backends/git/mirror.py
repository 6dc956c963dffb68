"""The mirror of a URL: what was read of it, in the user's cache, one for each address.

    <cache>/git/<address>/
        record.json        what was seen last, and when: see `seen`
        lock               held by whoever writes here
        read-<branch>.git  what was read of a branch: see `partial`
        complete.git       all of it, with its history: made when that is asked for, or for a write, and used ever since

Nothing here is believed because it is here. Each object is compared with its id when it is read, and what is damaged is
fetched again. A branch's head is believed if the last one believed is in its past; else somebody rewrote what was read,
and it is Integrity unless the user accepts that very commit.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...core.errors import Integrity, MusterError, NotFound, Unavailable, command
from ...core.terms import Terms
from .address import parse_url, redact
from .checkout import tip_of
from .lock import locked
from .merging import is_ancestor
from .objects import Object, ObjectPipe
from .partial import MANY_WANTS, Partial, make_bare, remove, tidy
from .process import Git
from .remote import Remote
from .seen import Heads, Record, Seen, state_directory, url_of

HEADS = "refs/heads/"
_LOCK_SECONDS = 600  # a first fetch of everything may take minutes
_HALF_WRITTEN_SECONDS = 3600  # writers put packs there, too
_WHOLE = "muster-complete"


def cache_directory() -> Path:
    """Where mirrors are, unless somebody says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "muster" / "git"


def mirror_of(url: str, cache: Path) -> Path:
    """Return where the mirror of a URL is: the same for everybody's credentials."""
    bare = re.sub(r"(?<=//)[^/]*@", "", parse_url(url).url)
    import hashlib

    return cache / hashlib.sha256(bare.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Kept:
    """A mirror in the cache. `size` in bytes, `used` in seconds since 1970, `tip` what was read last."""

    path: Path
    url: str
    size: int
    used: float
    tip: str | None
    complete: bool


def kept(cache: Path) -> list[Kept]:
    """Return the mirrors in a cache, by URL."""
    found = []
    for record in cache.glob("*/record.json"):
        home, url = record.parent, url_of(record)
        newest = max(Record(record, url or "").all(), key=lambda seen: seen.at, default=None)
        size = sum(_size(path) for path in home.rglob("*"))
        whole = (home / "complete.git" / _WHOLE).exists()
        used, tip = newest.at if newest else 0.0, newest.tip if newest else None
        found.append(Kept(home, url or "", size, used, tip, whole))
    return sorted(found, key=lambda mirror: mirror.url)


def forget(home: Path) -> None:
    """Take away what a mirror has. Its lock stays, for others may wait for it."""
    with locked(home / "lock", _LOCK_SECONDS):
        (home / "record.json").unlink(missing_ok=True)
        for store in home.glob("*.git"):
            remove(store)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0  # somebody has just taken it away


def _import_readers() -> None:
    """Import what will read the answer, most of all PyYAML: as long as a server that is near needs to give it."""
    from ...core import documents, dvcconfig, manifest  # noqa: F401  (for whoever needs them next)


class Mirror:
    """What is kept of one URL, below `cache`. Several processes and threads may use it at once."""

    def __init__(self, url: str, cache: Path, terms: Terms) -> None:
        address = parse_url(url)
        self.home, self.location = mirror_of(url, cache), redact(url)
        self._address, self._terms = address, terms
        self._writing = False
        secret = (address.configuration, address.environment)
        self.git = Git(None, self.home / "complete.git", *secret, mend=self._mend)
        self.pipe = ObjectPipe(self.git, self.location, verified=True)
        self.remote = Remote(self.git, address.url, self.home, maintained=True, offline=terms.offline)
        nowhere = Git(
            None, self.home / "nothing.git", *secret
        )  # a damaged mirror must not keep us from asking
        self._asked = Remote(nowhere, address.url, self.home, offline=terms.offline)
        self._record = Record(self.home / "record.json", self.location)
        self._heads = Heads(state_directory() / "heads" / f"{self.home.name}.json", self.location)
        self._partials: dict[str, Partial] = {}
        self._holders: dict[str, Partial] = {}
        self.fetches = 0  # how often something was brought because it was read

    def close(self) -> None:
        """End the processes that read."""
        self.pipe.close()
        for store in self._partials.values():
            store.close()

    # Where the branch is

    def head(self, branch: str | None, whole: bool = False) -> Seen | None:
        """Return where a branch is, or what HEAD names; None if there is no commit. `whole`: with history, asked for now.

        Integrity if the last head believed is not in its past.
        """
        asked = f"{HEADS}{branch}" if branch else ""
        known = self._record.get(asked)
        if self._terms.offline and (not whole or self._is_complete()):
            return known or self._never_read()
        if not whole and self._is_young(known, time.time()):
            return known
        if not whole and (seen := self._first(asked)) is not None:
            return seen
        while True:
            before = self._believed()
            if (seen := self._ask(asked, partial(self._get_ready, known))) is None:
                return None
            ref, tip = seen.ref, seen.tip
            if not whole and known is not None and (known.ref, known.tip, before.get(ref)) == (ref, tip, tip):
                self._record.keep(asked, seen)
                return seen
            with self.writing() as lock:
                last = self._believed().get(ref)
                if last in (tip, before.get(ref)):
                    self._take(seen, None if self._terms.accept == tip else last, whole, lock)
                    self._record.keep(asked, seen)
                    return seen
            # While we waited for the lock, somebody saw a younger head. Ask again: ours would look like a step back.

    def _first(self, asked: str) -> Seen | None:
        """Fetch a branch while asking where it is, if nothing is known of its URL. None: something is, or it is empty."""
        if self._is_complete() or self._believed():
            return None
        with self.writing() as lock:
            if self._is_complete() or self._believed():  # somebody was faster
                return None
            guess = Partial(self.home / "first.git.draft", self._address, self._record)
            try:
                fetch = partial(guess.begin_at, asked or "HEAD", lock, _import_readers)
                if (seen := self._ask(asked, fetch)) is None:
                    return None
                if self._partial(seen.ref).become(guess, seen.tip):
                    self.believe(seen.ref, seen.tip)
                else:  # it has just moved; or its server needs to be asked in another way
                    self._take(seen, None, False, lock)
                self._record.keep(asked, seen)
                return seen
            finally:
                guess.discard()

    def _ask(self, asked: str, meanwhile: Callable[[], object]) -> Seen | None:
        """Return where a branch is, or what HEAD names, from the server itself; None if there is no commit."""
        began = time.time()
        refs = self._asked.refs(asked or "HEAD", meanwhile=meanwhile)
        tip = refs.get(asked or "HEAD")
        return None if tip is None else Seen(asked or refs.get("ref: HEAD", "HEAD"), tip, began)

    def _get_ready(self, known: Seen | None) -> None:
        """Have at hand what will read the answer."""
        if known is not None and not self._is_complete():
            self._partial(known.ref).start()
        _import_readers()

    def _is_young(self, known: Seen | None, now: float) -> bool:
        """Tell whether an answer is as young as the terms ask. One from the future is not: a clock was set back."""
        limit = self._terms.max_age
        return known is not None and limit is not None and 0 <= now - known.at <= limit

    def _never_read(self) -> Seen:
        hint = "read it once without --offline"
        raise NotFound(f"nothing was read of {self.location} so far, and nobody is to be asked", hint)

    def _believed(self) -> dict[str, str]:
        """The commits that branches were at when they were last believed."""
        return {**{seen.ref: seen.tip for seen in self._record.all()}, **self._heads.all()}

    def believe(self, ref: str, tip: str) -> None:
        """Take it for granted that a branch is at tip: we moved it there."""
        self._heads.keep(ref, tip)

    def _take(self, seen: Seen, last: str | None, whole: bool, lock: int) -> None:
        """Believe a head and have its objects, or raise Integrity."""
        if whole or self._is_complete() or not self._take_part(seen, last, lock):
            self._take_all(seen, last, lock)
        self.believe(seen.ref, seen.tip)

    def _take_part(self, seen: Seen, last: str | None, lock: int) -> bool:
        store = self._partial(seen.ref)
        try:
            descends = None if last is None else store.advance(seen.tip, last, lock)
            return store.begin(seen.tip, last, lock) if descends is None else descends
        except Unavailable:
            return False  # what cannot be had in part may be had as a whole; who is not there will not answer that, too

    def _take_all(self, seen: Seen, last: str | None, lock: int) -> None:
        self.fetch(seen.ref, seen.tip, lock)
        if last is not None and not is_ancestor(self.git, last, seen.tip):
            if not self._is_sound():  # nobody is accused because of what was lost here
                self.discard(self.home / "complete.git")
                self.fetch(seen.ref, seen.tip, lock)
            if not is_ancestor(self.git, last, seen.tip):
                raise self._rewritten(seen, last)
        self._point(seen.ref, seen.tip)
        (self.home / "complete.git" / _WHOLE).touch()

    def _point(self, ref: str, tip: str) -> None:
        """Keep the complete mirror from losing a commit, and let git notice what of its past is lost."""
        self.git.run("update-ref", f"refs/muster/upstream/{ref}" if ref == "HEAD" else ref, tip)

    def fetch(self, source: str, tip: str, lock: int) -> None:
        """Bring the commit tip, by the ref that is at it, and all of its past. A mirror that is broken is made again."""
        directory = self.home / "complete.git"
        tidy(directory, _HALF_WRITTEN_SECONDS)
        self.make(tip)
        if self._commit(tip):
            return
        try:
            self.remote.fetch_objects(source, (lock,))
        except Unavailable:
            if self._is_sound():
                raise
            self.discard(directory)
            self.make(tip)
            self.remote.fetch_objects(source, (lock,))

    def _is_sound(self) -> bool:
        return self.git.ask("fsck", "--no-dangling", "--no-progress").returncode == 0

    def _rewritten(self, seen: Seen, last: str) -> Integrity:
        back = self.git.ask("merge-base", "--is-ancestor", seen.tip, last).returncode == 0
        how = "it went back to an older commit" if back else "that commit is not in its past"
        what = f"{seen.ref.removeprefix(HEADS)} of {self.location} is at {seen.tip}, and was at {last}: {how}"
        retry = command("--accept-history", seen.tip, "...")
        return Integrity(what, f"find out who rewrote the history, and why; if that was right: {retry}")

    # What is kept

    def follow(self, refs: Collection[str]) -> None:
        """Have what the remote has of refs, under the same names, with its history; delete those that are gone."""
        there = self.remote.refs(*refs)
        with self.writing() as lock:
            for ref in refs:
                if ref in there:
                    self.fetch(ref, there[ref], lock)
                    self.git.run("update-ref", ref, there[ref])
                elif tip_of(self.git, ref) is not None:
                    self.git.run("update-ref", "-d", ref)

    @contextmanager
    def moving(self, like: str | None) -> Iterator[None]:
        """Hold the lock while refs of the complete mirror move; make it, with ids as long as `like`, if there is none."""
        with self.writing():
            self.make(like)
            yield

    def is_made(self) -> bool:
        """Tell whether there is a complete mirror, or one that is to become so."""
        return (self.home / "complete.git" / "HEAD").exists()

    def make(self, like: str | None) -> None:
        """Make the complete mirror, empty, unless there is one."""
        directory = self.home / "complete.git"
        if not self.is_made():
            draft = directory.with_name("complete.git.draft")
            remove(draft)
            make_bare(draft, like)
            self.discard(directory)
            draft.rename(directory)

    def discard(self, directory: Path) -> None:
        """Take one of the stores away."""
        self.pipe.close()
        remove(directory)

    @contextmanager
    def writing(self) -> Iterator[int]:
        """Hold the lock of whoever writes here. Give its descriptor, for a git that must hold it while it runs."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            hint = "set MUSTER_CACHE to a directory that can be written"
            raise Unavailable(f"{self.home} cannot be made: {error.strerror}", hint) from error
        with locked(self.home / "lock", _LOCK_SECONDS) as descriptor:
            self._writing = True
            try:
                yield descriptor
            finally:
                self._writing = False

    def _is_complete(self) -> bool:
        return (self.home / "complete.git" / _WHOLE).exists()

    def _partial(self, ref: str) -> Partial:
        import hashlib

        name = f"read-{hashlib.sha256(ref.encode()).hexdigest()[:8]}.git"
        return self._partials.setdefault(name, Partial(self.home / name, self._address, self._record))

    def _commit(self, oid: str) -> bool:
        if not self.is_made():
            return False
        try:
            return self.pipe.read(oid) is not None
        except MusterError:
            return False

    # Reading

    def has(self, commit: str) -> bool:
        """Tell whether a commit is here, or was before something was damaged, without asking anybody."""
        return self._commit(commit) or self._holder(commit) is not None or self._head_of(commit) is not None

    def _head_of(self, commit: str) -> Seen | None:
        """Return the branch that was last seen at a commit."""
        return next((seen for seen in self._record.all() if seen.tip == commit), None)

    def require(self, commit: str, branch: str | None) -> bool:
        """Tell whether a commit is in the complete mirror, which is made now if there is none."""
        if not self._commit(commit):
            if not self._is_complete():
                self.head(branch, whole=True)
            elif not all(self._commit(seen.tip) for seen in self._record.all()):
                with self.writing() as lock:
                    self._make_again(lock)
        return self._commit(commit)

    def objects(self, commit: str, oids: Sequence[str], also: Sequence[str], filter: str) -> list[Object]:
        """Return objects of a commit. Where one is not here, it is fetched, and `also` with it; Unavailable.

        `filter` says what comes of what is below a tree, in git's words.
        """
        found = self._here(commit, oids)
        if None in found:
            with self.writing() as lock:
                found = self._here(commit, oids)  # somebody may have brought it while we waited
                if None in found:
                    found = self._bring(commit, oids, also, filter, lock)
        return [each for each in found if each is not None]

    def bring_below(self, commit: str, tree: str, filter: str) -> None:
        """Have all that is below a tree, of what passes filter: with one request if all is missing, or two."""
        store = self._holder(commit)
        if self._is_complete() or store is None or self._terms.offline:
            return
        with suppress(MusterError), self.writing() as lock:  # whoever reads on is told what is wrong
            missing = store.missing(tree)
            while missing:
                store.fetch([tree] if len(missing) > MANY_WANTS else missing, filter, lock)
                left = [] if filter else store.missing(tree)
                missing = left if set(left) != set(missing) else []

    def _mend(self) -> bool:
        """Make the complete mirror again if it is damaged; tell whether it was. Not while we write: see `fetch`."""
        if self._writing or self._terms.offline or not self._is_complete() or self._is_sound():
            return False
        with self.writing() as lock:
            self._make_again(lock)
        return True

    def _here(self, commit: str, oids: Sequence[str]) -> Sequence[Object | None]:
        """Return objects as they are kept; None for what is not here, or damaged."""
        store = self.pipe if self._is_complete() else self._holder(commit)
        try:
            return [None for _ in oids] if store is None else store.objects(oids)
        except MusterError:
            return [None for _ in oids]

    def _holder(self, commit: str) -> Partial | None:
        """Return the partial store that has a commit."""
        if commit not in self._holders:
            for path in self.home.glob("read-*.git"):
                store = self._partials.setdefault(path.name, Partial(path, self._address, self._record))
                try:
                    if store.objects([commit])[0] is not None:
                        self._holders[commit] = store
                except MusterError:
                    continue  # it is damaged, and made again when it is read
        return self._holders.get(commit)

    def _bring(
        self, commit: str, oids: Sequence[str], also: Sequence[str], filter: str, lock: int
    ) -> Sequence[Object | None]:
        """Fetch objects into the store of their commit; if that does not help, into a new one; or else everything."""
        self.remote.require_online()
        self.fetches += 1
        store, seen = self._holder(commit), self._head_of(commit)
        if store is None and seen is not None:
            store = self._partial(seen.ref)
        if not self._is_complete() and store is not None:
            lacking = [o for o, found in zip(also, self._here(commit, also), strict=True) if found is None]
            for renewed in (False, True):
                with suppress(MusterError):
                    if renewed:
                        store.begin(commit, None, lock)
                    store.fetch([*oids, *lacking], filter, lock)
                    if None not in (found := self._here(commit, oids)):
                        return found
        self._make_again(lock)
        if None in (found := self._here(commit, oids)):
            raise Unavailable(
                f"{self.location} does not give what {commit} has", "clone it, and run `git fsck`"
            )
        return found

    def _make_again(self, lock: int) -> None:
        """Make the complete mirror anew, of every branch that was read."""
        refs = self._asked.refs(*(seen.ref for seen in self._record.all()))
        self.discard(self.home / "complete.git")
        for ref, tip in refs.items():
            if not ref.startswith("ref: "):
                self.fetch(ref, tip, lock)
                self._point(ref, tip)
        (self.home / "complete.git" / _WHOLE).touch()
