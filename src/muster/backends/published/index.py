"""`PublishedIndex`: a registry read from static files, at the commit that their root names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...core import published, trust
from ...core.errors import Integrity, Invalid, MusterError, NotFound, Refused, Superseded, Unavailable
from ...core.published import Root
from ...core.published_tree import PublishedTree
from ...core.snapshot import Snapshot
from ...core.terms import DEFAULT, Terms
from ...core.trust import Seen
from . import address, disk, keeping
from .files import File, Files, Known, Unchanged, unpacked
from .memory import Memory, name_of
from .objects import VerifiedObjects

if TYPE_CHECKING:
    from .web import Web

_KEPT_STATES = 8  # of which readers in other threads may still be in the middle
_RACES = 3  # that may be lost in a row: others see a newer root between our asking and our remembering
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_REMEMBERED = 2 * published.MAX_ROOT  # bytes: a root as text in JSON


@dataclass(frozen=True, slots=True)
class _Kept:
    """A root that was verified, as it came, and when the server has said last that it is the current one."""

    root: Root
    seen: Seen
    data: bytes
    known: Known
    asked: datetime


class PublishedIndex:
    """The index at `location`, read on `terms`. What it names is kept in `cache`, what was seen of it in `state`.

    One object may be used from several threads. Close it when done.
    """

    def __init__(
        self, location: str, branch: str | None, cache: Path, state: Path, terms: Terms = DEFAULT
    ) -> None:
        if branch is not None:
            raise Invalid("a published index is of one branch", hint="leave --branch away")
        self._address = address.parse(location)
        self.location = address.redacted(location)
        self._terms, self._cache = terms, cache
        self._keys = _pinned((*terms.keys, *self._address.keys))
        self._memory = Memory(state, self._address.url)
        self._kept: _Kept | None = None
        self._webs: dict[str, Web] = {}
        self._snapshots: dict[str, tuple[str, Snapshot]] = {}  # commit -> what its root names, and its files

    # --- a source of states --------------------------------------------------------------------------------------

    def head(self) -> str:
        """Return the commit that the index is of now, after making sure that it may be believed."""
        return self._current().commit

    def snapshot(self, commit: str | None) -> Snapshot:
        """Return the files of a commit, which `head` or `commit_of` has named; of None, no files."""
        if commit is None:
            return Snapshot(None, {})
        if commit not in self._snapshots:
            raise Superseded(f"{self.location} is no longer at commit {commit[:12]}", "read it again")
        return self._snapshots[commit][1]

    def commit_of(self, revision: str) -> str:
        """Return the commit that revision names, if that is the current one; Refused if it is any other."""
        head = self.head()
        if revision == "HEAD" or (_COMMIT.fullmatch(revision) and head.startswith(revision)):
            return head
        raise self.needs_git()

    def first(self, commit: str) -> str:
        """Return the commit with which the history begins, as the publisher says it."""
        return self._last().birth

    def root(self) -> Path | None:
        """Return the directory that relative paths in the configuration are relative to; None if it is not here."""
        url = self._last().url
        parts = urlsplit(url)
        path = parts.path if parts.scheme == "file" else url
        return Path(path) if path.startswith("/") else None

    def work_tree(self) -> None:
        """No directory has the registry checked out."""

    def close(self) -> None:
        """Let go of connections. Others are opened if this is used again."""
        for web in self._webs.values():
            web.close()

    def needs_git(self) -> Refused:
        """Return the error that says what an index does not have, and where that is."""
        with suppress(MusterError):
            self._kept = self._kept or self._from_cache()
        url = self._kept.root.url if self._kept is not None else ""
        return Refused(
            f"{self.location} is a published index: it has the current state, without history, and can be read only",
            f"open the git repository that it is of{f': {url}' if url else ''}",
        )

    def append(self, url: str, descriptor: int, limit: int, wrote: Callable[[int], None]) -> None:
        """Add to an open file what it lacks of what is at an http(s) URL: see `Web.append`."""
        self._web(url).append(url, descriptor, limit, wrote)

    # --- the root ------------------------------------------------------------------------------------------------

    def _current(self) -> Root:
        """Return the root to answer from."""
        now = datetime.now(timezone.utc)
        kept = self._kept or self._from_cache()
        if kept is None or not self._is_enough(kept, now):
            kept = self._asked(kept, now)
        for _ in range(_RACES):
            try:
                return self._believed(kept, now)
            except Integrity:
                if self._terms.offline:
                    raise
                kept = self._asked(
                    None, now, afresh=True
                )  # since we were told, another process may have seen more
        return self._believed(kept, now)

    def _last(self) -> Root:
        """Return the root that was answered from last."""
        return self._kept.root if self._kept is not None else self._current()

    def _is_enough(self, kept: _Kept, now: datetime) -> bool:
        """Tell whether nobody needs to be asked."""
        if self._terms.offline:
            return True
        age = self._terms.max_age
        return age is not None and trust.is_young(self._confirmed(kept), now, age)

    def _confirmed(self, kept: _Kept) -> datetime:
        return trust.confirmed(kept.root, bool(self._keys), kept.asked)

    def _believed(self, kept: _Kept, now: datetime) -> Root:
        """Return the root if it may be believed, and remember that it was."""
        root = kept.root
        if self._terms.max_age is not None:
            trust.require_young(root, self._confirmed(kept), now, self._terms.max_age)
        self._memory.remember(kept.seen, self._terms.accept)
        self._kept, content = kept, kept.seen.content + root.artifacts
        if self._snapshots.get(root.commit, ("", None))[0] != content:
            tree = PublishedTree(root, self._objects(kept))
            self._snapshots[root.commit] = content, Snapshot(root.commit, tree)
            for old in list(self._snapshots)[:-_KEPT_STATES]:
                self._snapshots.pop(old, None)
        return root

    def _asked(self, kept: _Kept | None, now: datetime, afresh: bool = False) -> _Kept:
        """Ask for the root; past all caches, and once more, if what came cannot be believed."""
        if self._terms.offline:
            raise Unavailable(
                f"{self.location} was never read, and nobody is to be asked", "leave --offline away"
            )
        try:
            return self._fetched(kept, now, afresh)
        except Integrity:
            if afresh:
                raise
            return self._fetched(None, now, afresh=True)

    def _fetched(self, kept: _Kept | None, now: datetime, afresh: bool) -> _Kept:
        try:
            known = kept.known if kept is not None else None
            file = self._files.get(published.ROOT, published.MAX_ROOT, known, afresh)
        except Unchanged:
            assert kept is not None  # noqa: S101  (nothing is unchanged that was not known)
            return self._again(kept, now)
        if file is None:
            raise NotFound(
                f"there is no {published.ROOT} at {self.location}",
                "correct the URL, or publish an index there",
            )
        if kept is not None and kept.data == file.data:
            return self._again(replace(kept, known=file.known), now)
        fresh = self._opened(file, now)
        self._memory.require_successor(fresh.seen, self._terms.accept)
        self._keep(fresh)
        return fresh

    def _opened(self, file: File, asked: datetime) -> _Kept:
        """Return the root in a file; Integrity if there is none, or one that nobody who is trusted has signed."""
        try:
            data = unpacked(file.data, published.MAX_ROOT, published.ROOT)
            payload, signatures = published.open_envelope(data)
        except Integrity as error:
            kind = f" (the server says that it is {file.kind})" if file.kind.startswith("text/") else ""
            raise Integrity(
                f"{self.location} is no published index{kind}: {error}",
                "see what is there: a page to log in at, an error page, or a file that was cut short",
            ) from error
        if self._keys:
            from ...core import ssh_signatures

            ssh_signatures.require_signed(payload.encode(), signatures, self._keys, published.NAMESPACE)
        try:
            root = Root.of(json.loads(payload))
        except (ValueError, RecursionError) as error:
            raise Integrity("the index's root is malformed") from error
        trust.require_present(root, datetime.now(timezone.utc))  # what is past stays so
        return _Kept(root, Seen.of(root), file.data, file.known, asked)

    # --- what is kept of it --------------------------------------------------------------------------------------

    @property
    def _place(self) -> Path:
        return self._cache / "roots" / f"{name_of(self._address.url)}.json"

    def _from_cache(self) -> _Kept | None:
        """Return the root that was read last; None if there is none, or it is damaged."""
        try:
            asked = datetime.fromtimestamp(self._place.stat().st_mtime, timezone.utc)
            document = json.loads(disk.read(self._place, _REMEMBERED))
            known = Known(str(document["etag"]), str(document["modified"]))
            return self._opened(File(str(document["root"]).encode(), known), asked)
        except Integrity:
            if self._terms.offline:  # nothing better is going to come
                raise
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _keep(self, fresh: _Kept) -> None:
        text = unpacked(fresh.data, published.MAX_ROOT, published.ROOT).decode()
        document = {
            "location": self.location,
            "etag": fresh.known.etag,
            "modified": fresh.known.modified,
            "root": text,
        }
        disk.sweep(self._cache / "incoming")
        disk.keep(self._place, json.dumps(document, ensure_ascii=False).encode(), self._cache / "incoming")
        keeping.prune(self._cache)

    def _again(self, kept: _Kept, now: datetime) -> _Kept:
        """Note that the server has confirmed what is in the cache; on disk to the second."""
        if now - kept.asked >= timedelta(seconds=1):
            with suppress(OSError):
                os.utime(self._place, (now.timestamp(), now.timestamp()))
        elif self._terms.max_age is None:
            return kept
        return replace(kept, asked=now)

    # --- what it names -------------------------------------------------------------------------------------------

    def _objects(self, kept: _Kept) -> VerifiedObjects:
        files = None if self._terms.offline else self._files
        return VerifiedObjects(files, self._cache, lambda digest: self._lost(kept, digest))

    def _lost(self, kept: _Kept, digest: str) -> MusterError:
        """Return what it means that an object is not there: the index has moved on, or it is not whole."""
        now = datetime.now(timezone.utc)
        fresh = self._asked(None, now, afresh=True)
        self._believed(fresh, now)
        if fresh.seen.content != kept.seen.content:
            return Superseded(
                f"{self.location} has moved on from commit {kept.root.commit[:12]}, and its files are gone",
                "read it again",
            )
        return Unavailable(
            f"{self.location} is not whole: {published.object_path(digest)} is missing",
            "have it built again: muster index build",
        )

    @cached_property
    def _files(self) -> Files:
        where = self._address
        if where.scheme == "":
            from .folder import Folder

            return Folder(where.url)
        if where.scheme in address.WEB:
            return self._web(where.url)
        from .bucket import Bucket

        return Bucket(where.url)

    def _web(self, url: str) -> Web:
        """Return what asks the server of a URL, as who we are at the index if that is there, too."""
        from . import web

        where, server = self._address, "/".join(url.split("/")[:3])
        if server not in self._webs:
            own = server == "/".join(where.url.split("/")[:3])
            who = web.authorization(where.username, where.password) if own else web.from_netrc
            self._webs[server] = web.Web(where.url if own else server, who)
        return self._webs[server]


def _pinned(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fingerprints of keys; Invalid if one is none."""
    if not keys:
        return ()
    from ...core.ssh_signatures import pin

    return tuple(dict.fromkeys(map(pin, keys)))
