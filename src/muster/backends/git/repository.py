"""`GitRepository`: a registry's repository, wherever it is: read it, build commits in it, move its branch."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path

from ...core.errors import Invalid, MusterError, NotFound, Refused
from ...core.snapshot import Change, Snapshot
from ...core.terms import DEFAULT, Terms
from . import fetched, history, identity
from .address import is_url, path_of, redact
from .checkout import delete_ref, move_branch, recover, tip_of
from .commits import Commit, parse_commit
from .fetched import FetchedTree
from .history import LogEntry
from .layout import BRANCH, Layout, Upstream, check_branch, find_layout, origin_of, start_of, upstream_of
from .merging import fork, merged
from .mirror import Mirror, cache_directory
from .objects import GitTree, ObjectPipe, is_oid
from .process import Git
from .remote import Remote, judge
from .seen import Seen
from .tips import Tip
from .writing import write_commit, write_merge

_HEADS, _TAGS, _UPSTREAM = "refs/heads/", "refs/tags/", "refs/muster/upstream/"
_FROM_HEAD = re.compile(r"HEAD([~^].*)?")
_NOBRANCH = "name the branch with --branch"


class GitRepository:
    """The repository at `location`: a path inside one, or a URL, of which a bare mirror is kept below `cache`.

    Reads see `branch`, or what HEAD names. One object may be used from several threads. Close it when done.
    `environment` is given to git at a path: in a hook, git's own words on where the pushed objects are.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        branch: str | None = None,
        cache: Path | None = None,
        environment: Mapping[str, str] | None = None,
        terms: Terms = DEFAULT,
    ) -> None:
        text = os.fspath(location)
        if branch is not None:
            check_branch(branch)
        self.location, self._branch_given = redact(text), branch
        self._terms = terms
        self._mirror: Mirror | None = None
        self._remote: Remote | None = None
        self._default = branch  # of a URL: what its HEAD named when we last looked
        if is_url(text) and not Path(text).exists():
            self._mirror = Mirror(text, cache or cache_directory(), terms)
            self._git, self._pipe, self._remote = self._mirror.git, self._mirror.pipe, self._mirror.remote
        else:
            self._git = Git(start_of(Path(text).expanduser().absolute()), environment=environment)
            self._pipe = ObjectPipe(self._git, self.location)
        self._tip = Tip(self._git, self._pipe, f"{_HEADS}{branch}" if branch else "HEAD")

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads objects. Another starts if this object is used again."""
        (self._mirror or self._pipe).close()

    # Reading

    def head(self) -> str | None:
        """Return the commit at the branch's tip, its objects at hand; None before the first commit."""
        if self._mirror is not None:
            return self._followed(self._mirror.head(self._branch_given))
        return self._tip.read()

    def authority(self) -> str | None:
        """Return the commit a change must build on: the upstream's tip in a clone whose branch has one, else `head`.

        Refused if the branch has commits and its upstream does not exist.
        """
        if self._mirror is not None:
            self._mirror.remote.require_online()
            return self._followed(self._mirror.head(self._branch_given, whole=True))
        upstream = self._upstream(self._own_branch())
        if upstream is None:
            return self.head()
        remote = self._upstream_remote(upstream)
        tip = remote.refs(upstream.ref).get(upstream.ref)
        if tip is None:
            if self.head() is not None:
                branch = upstream.ref.removeprefix(_HEADS)
                raise Refused(
                    f"{redact(upstream.remote)} has no branch {branch}",
                    hint=f"git push {redact(upstream.remote)} HEAD:{branch}",
                )
            return None
        here = f"{_UPSTREAM}{upstream.ref.removeprefix(_HEADS)}"
        return self._bring(remote, upstream.ref, here, tip)

    def commit_of(self, revision: str) -> str:
        """Return the commit that a commit id, branch, git tag or date names; NotFound if there is none.

        A date names the last commit of the branch's first-parent line by then: a day by its end, in UTC. In a clone a
        branch that only the upstream has, such as somebody's proposal, is fetched.
        """
        if not revision or revision.startswith(("-", ":")) or not revision.isprintable():
            raise Invalid(
                f"{revision!r} is not a revision", hint="give a commit, a branch, a git tag or a date"
            )
        if self._mirror is not None and is_oid(revision) and self._mirror.has(revision):
            return revision
        if self._mirror is None and (found := self._commit_here(revision)) is not None:
            return found
        tip = self.head() if self._mirror is None else self._follow_named(self._mirror, revision)
        if self._mirror is not None and tip and _FROM_HEAD.fullmatch(revision):
            revision = tip + revision.removeprefix("HEAD")  # over there, not the mirror's
        commit = self._commit_here(revision)
        moment = history.parse_moment(revision)
        if commit is None and moment and tip:
            commit = history.commit_at(self._git, tip, moment)
        if commit is None and self._mirror is None:
            commit = self._commit_upstream(revision)
        if commit is None:
            raise NotFound(
                f"{self.location} has no commit {revision!r}", hint="see `git log`, or `git tag --list`"
            )
        return commit

    def snapshot(self, commit: str | None) -> Snapshot:
        """Return the files of a commit, none of them read yet; of None, no files."""
        if commit is None:
            return Snapshot(None, {})
        if self._mirror is None or not is_oid(commit) or not self._mirror.has(commit):
            self._require(commit)
        tree = FetchedTree(self._mirror, commit) if self._mirror else GitTree(self._git, self._pipe, commit)
        return Snapshot(commit, tree)

    def entries(self, commit: str) -> Iterator[tuple[str, str, int]]:
        """Yield (path, mode such as "100644", size in bytes) of everything in a commit, from one process."""
        self._require(commit)
        return history.entries(self._git, commit)

    def diff(self, base: str | None, head: str, max_paths: int, max_bytes: int) -> Change:
        """Return what differs in head from base (None: from nothing). Contents are read when asked for.

        Invalid if more than max_paths paths differ; a file of more than max_bytes is special, and not read.
        """
        for commit in (head,) if base is None else (base, head):
            self._require(commit)
        return history.diff(self._git, self._pipe, base, head, max_paths, max_bytes)

    def changed(self, base: str, head: str) -> Iterator[str]:
        """Yield the path of everything that differs in head from base, whatever it is. No file is read."""
        if self._mirror is not None and all(self._mirror.has(commit) for commit in (base, head)):
            return fetched.changed(FetchedTree(self._mirror, base), FetchedTree(self._mirror, head))
        for commit in (base, head):
            self._require(commit)
        return history.changed(self._git, base, head)

    def merged(self, base: str, head: str) -> tuple[str, tuple[str, ...]]:
        """Return the commit that merging head into base would make, and the paths on which they conflict.

        That is head itself where base is its ancestor; else a commit that no ref names, or with conflicts base.
        Unavailable if git is older than 2.38, which cannot merge without a work tree.
        """
        for commit in (base, head):
            self._require(commit)
        return merged(self._git, base, head)

    def log(
        self,
        commit: str,
        paths: Sequence[str] = (),
        limit: int | None = None,
        oldest_first: bool = False,
        since: str | None = None,
    ) -> Iterator[LogEntry]:
        """Yield the commits of the first-parent line that touch paths and that `since` lacks, newest first or oldest."""
        for known in (commit,) if since is None else (commit, since):
            self._require(known)
        return history.log(self._git, commit, paths, limit, oldest_first, since)

    def line(self, commit: str) -> Generator[tuple[str, tuple[str, ...]], None, None]:
        """Yield the commits of the first-parent line, newest first, each with all the paths it changed."""
        self._require(commit)
        yield from history.line(self._git, commit)

    def logged(self, commits: Sequence[str], paths: Sequence[str]) -> Iterator[LogEntry]:
        """Yield what `log` says of these commits of one line, in the order given, as far as they touch paths."""
        if commits:
            self._require(commits[0])
        return history.logged(self._git, commits, paths)

    def reaches(self, commit: str, depth: int) -> bool:
        """Tell whether a first-parent line has more than so many commits."""
        self._require(commit)
        return history.reaches(self._git, commit, depth)

    def is_grafted(self) -> bool:
        """Tell whether git was told of other parents than commits have."""
        return self._mirror is None and self._layout.is_grafted()

    def first(self, commit: str) -> str:
        """Return the commit with which a first-parent line begins: what every clone of a repository has."""
        self._require(commit)
        return history.first(self._git, commit)

    def between(self, base: str, head: str, limit: int) -> list[LogEntry]:
        """Return the commits that head has and base has not, children after their parents; at most the limit newest."""
        for commit in (base, head):
            self._require(commit)
        return history.between(self._git, base, head, limit)

    def fork(self, a: str, b: str) -> str | None:
        """Return the last commit that both have, None if their histories share none."""
        for commit in (a, b):
            self._require(commit)
        return fork(self._git, a, b)

    def branch(self) -> str | None:
        """Return the branch that is read: the one given, or what HEAD of a repository at a path names."""
        return self._own_branch()

    def own_refs(self, prefix: str) -> Mapping[str, str]:
        """Return full name -> commit of the refs that begin with prefix here, whoever has the last word."""
        return {f"{prefix}{rest}": oid for rest, oid in self._local_refs(prefix).items()}

    def commit_object(self, oid: str) -> Commit | None:
        """Return what the commit object of that id says; None if there is no such commit."""
        found = self._pipe.read(oid) if is_oid(oid) else None
        return parse_commit(found.content) if found is not None and found.kind == "commit" else None

    def tips(self, prefix: str) -> Mapping[str, str]:
        """Return name -> commit of the branches that begin with prefix, such as "proposals/"; fetched."""
        below = _HEADS if self._authority_remote() in (None, self._remote) else _UPSTREAM
        found = self._below(f"{_HEADS}{prefix}", f"{below}{prefix}")
        return {f"{prefix}{name}": oid for name, oid in found.items()}

    def refs(self, prefix: str) -> Mapping[str, str]:
        """Return full name -> commit of the refs, no branches, below prefix such as "refs/muster/x/"; fetched."""
        return {f"{prefix}{name}": oid for name, oid in self._below(prefix, prefix).items()}

    def _below(self, source: str, target: str) -> Mapping[str, str]:
        """The refs below source where the last word is, by the rest of their names, kept here below target."""
        remote = self._authority_remote()
        here = self._local_refs(target)
        if remote is None:
            return here
        there = {ref: oid for ref, oid in remote.refs(f"{source}*").items() if ref.startswith(source)}
        tips = {ref.removeprefix(source): oid for ref, oid in there.items()}
        if here != tips:
            with self._kept(next(iter(tips.values()), None)):
                remote.fetch_all(source, target)
            here = self._local_refs(target)
        return here

    def bring(self, ref: str, commit: str) -> bool:
        """Tell whether commit is here, or can be fetched by a ref of the repository that has the last word."""
        if self._commit_here(commit) is None and (remote := self._authority_remote()) is not None:
            with self._kept(commit):
                if ref in remote.refs(ref):
                    remote.fetch_objects(ref)
        return self._commit_here(commit) is not None

    # Writing

    def commit(self, parent: str | None, change: Change, author: str, at: datetime) -> str:
        """Return a new commit that carries out change on parent. Nothing points at it yet."""
        if parent is not None:
            self._require(parent)
        elif self._mirror is not None:
            with self._kept(None):  # the commit must have somewhere to be
                pass
        return write_commit(self._git, parent, change, author, at)

    def publish(self, new: str, old: str | None, branch: str | None = None) -> str | None:
        """Move branch (None: our own) from old (None: it must not exist) to new by compare-and-swap.

        Conflict: it is somewhere else, and nothing is lost. Refused: it is where it was, as a server, a lock or local
        edits said no. Unavailable: the remote cannot be asked. In a clone the upstream's branch moves, and the clone's
        follows as a fast-forward; where it cannot, the answer is a sentence that says why.
        """
        if branch is not None:
            check_branch(branch)
        if self._remote is not None:
            ref = f"{_HEADS}{branch or self._branch_of_remote(self._remote)}"
            self._remote.push(new, old, ref)
            with self._kept(new):
                self._git.ask("update-ref", ref, new)
            if self._mirror is not None and branch is None:
                self._mirror.believe(ref, new)
            return None
        own = self._own_branch()
        upstream = self._upstream(own)
        if upstream is not None:
            moved = upstream.ref if branch in (None, own) else f"{_HEADS}{branch}"
            self._upstream_remote(upstream).push(new, old, moved)
            self._git.ask("update-ref", f"{_UPSTREAM}{moved.removeprefix(_HEADS)}", new)
            return self._catch_up(f"{_HEADS}{own}", new) if moved == upstream.ref else None
        if (target := branch or own) is None:
            raise Refused(f"HEAD of {self.location} is detached: it is on no branch", hint=_NOBRANCH)
        move_branch(self._git, self._layout, f"{_HEADS}{target}", new, old)
        return None

    def write_ref(self, ref: str, new: str, old: str | None) -> None:
        """Point a ref that is no branch at new, from old (None: it must not exist), where the last word is."""
        if (remote := self._authority_remote()) is not None:
            remote.push(new, old, ref)
        with self._kept(new):
            done = self._git.ask(
                "update-ref", ref, new, *([] if remote is not None else [old or "0" * len(new)])
            )
        if remote is None and done.returncode:
            judge(tip_of(self._git, ref), new, old, ref, done)

    def delete(self, refs: Mapping[str, str]) -> None:
        """Delete refs, each while it is at the commit given, where the last word is. A checked-out branch stays."""
        if (remote := self._authority_remote()) is not None:
            remote.delete(refs)
            here = [self._kept_at(ref) for ref in refs]
            with self._kept(None):
                self._git.run(
                    "update-ref", "--stdin", stdin="".join(f"delete {ref}\n" for ref in here).encode()
                )
            return
        for ref, old in refs.items():
            delete_ref(self._git, self._layout, ref, old)

    def _kept(self, like: str | None) -> AbstractContextManager[object]:
        """Where refs of a URL are about to move in its mirror: make it, and keep others from doing so."""
        return nullcontext() if self._mirror is None else self._mirror.moving(like)

    def _kept_at(self, ref: str) -> str:
        """Where a ref of the remote that has the last word is kept here."""
        if self._remote is not None or not ref.startswith(_HEADS):
            return ref
        return _UPSTREAM + ref.removeprefix(_HEADS)

    def merge(
        self, base: str, tree_of: str, parents: Sequence[str], message: str, author: str, at: datetime
    ) -> str:
        """Return a commit on base and more parents that has the files of the commit tree_of. Nothing points at it yet."""
        for commit in (base, tree_of, *parents):
            self._require(commit)
        return write_merge(self._git, tree_of, (base, *parents), message, author, at)

    def recover(self) -> None:
        """Take back files that a killed `publish` moved ahead of their branch. The next one does so too."""
        if self._mirror is None:
            recover(self._git, self._layout)

    def author(self) -> str:
        """Return "Name <email>" by git's own rules; Invalid if git does not know who the user is."""
        return identity.author(self._git)

    def origin(self) -> str:
        """Return the address that others know it by: the URL, or that of the remote called origin; "" for none."""
        return self.location if self._remote is not None else origin_of(self._layout)

    def target_branch(self) -> str:
        """Return the branch that changes go to, where the last word is."""
        if self._remote is not None:
            return self._branch_of_remote(self._remote)
        own = self._own_branch()
        upstream = self._upstream(own)
        return upstream.ref.removeprefix(_HEADS) if upstream else own or "HEAD"

    def root(self) -> Path | None:
        """Return the directory that relative paths in the registry's configuration are relative to; None elsewhere."""
        return path_of(self.location) if self._mirror is not None else self._layout.root

    def remote_url(self) -> str | None:
        """Return the URL that changes are pushed to, as git rewrites it and without credentials; None if nowhere."""
        if self._remote is not None:
            return redact(self._git.run("ls-remote", "--get-url", "--", self._remote.name).decode().strip())
        upstream = self._upstream(self._own_branch())
        if upstream is None:
            return None
        done = self._git.ask("remote", "get-url", "--push", "--", upstream.remote)
        if done.returncode:  # the branch follows a URL, not a remote that has a name
            done = self._git.ask("ls-remote", "--get-url", "--", upstream.remote)
        return redact(done.stdout.decode(errors="surrogateescape").strip()) or None

    def credential(self, url: str) -> str | None:
        """Return the password that git would use at url: the location's own, or what the user's credential helpers say.

        Nobody is asked for one: None if there is none.
        """
        return identity.password(self._git, url)

    def work_tree(self) -> Path | None:
        """Return the top of the work tree; None for a bare repository and for a URL."""
        return None if self._remote is not None else self._layout.top

    # How this repository is laid out

    @functools.cached_property
    def _layout(self) -> Layout:
        return find_layout(self._git, self.location)

    def _own_branch(self) -> str | None:
        """The branch that is read and moved; None on a detached HEAD. Asked each time: users switch it."""
        if self._branch_given is not None:
            return self._branch_given
        done = self._git.ask("symbolic-ref", "--quiet", "HEAD")
        return done.stdout.decode().strip().removeprefix(_HEADS) or None

    def _upstream(self, branch: str | None) -> Upstream | None:
        return None if branch is None else upstream_of(self._layout, branch)

    def _upstream_remote(self, upstream: Upstream) -> Remote:
        return Remote(self._git, upstream.remote, self._layout.common, offline=self._terms.offline)

    def _authority_remote(self) -> Remote | None:
        """The remote that has the last word; None if it is this repository."""
        if self._remote is not None:
            return self._remote
        upstream = self._upstream(self._own_branch())
        return None if upstream is None else self._upstream_remote(upstream)

    def _local_refs(self, prefix: str) -> Mapping[str, str]:
        """Return the rest of the name -> commit of the refs that begin with prefix."""
        below = prefix.rpartition("/")[0]
        listed = self._git.ask("for-each-ref", "--format=%(objectname) %(refname)", below).stdout
        lines = (line.split(" ", 1) for line in listed.decode(errors="surrogateescape").splitlines())
        return {ref.removeprefix(prefix): oid for oid, ref in lines if ref.startswith(prefix)}

    def _require(self, commit: str) -> None:
        if not is_oid(commit):
            raise Invalid(f"{commit!r} is not a full commit id")
        mirror = self._mirror
        if not (mirror.require(commit, self._branch_given) if mirror else self._commit_here(commit)):
            raise NotFound(f"{self.location} has no commit {commit}")

    def _commit_here(self, revision: str) -> str | None:
        """Return the commit that revision names, without asking a remote."""
        if self._mirror is not None and not self._mirror.is_made():
            return None
        found = self._pipe.read(f"{revision}^{{commit}}")
        return found.oid if found else None

    def _commit_upstream(self, branch: str) -> str | None:
        """Return the tip of a branch of the upstream, fetched; None if there is no such upstream or branch."""
        upstream = self._upstream(self._own_branch())
        if upstream is None or not BRANCH.fullmatch(branch):
            return None
        remote, source = self._upstream_remote(upstream), f"{_HEADS}{branch}"
        tip = remote.refs(source).get(source)
        return self._bring(remote, source, f"{_UPSTREAM}{branch}", tip) if tip else None

    # Following a remote

    def _followed(self, seen: Seen | None) -> str | None:
        """The commit of a URL's branch; what HEAD names is remembered."""
        if seen is not None and seen.ref.startswith(_HEADS):
            self._default = seen.ref.removeprefix(_HEADS)
        return seen.tip if seen is not None else None

    def _follow_named(self, mirror: Mirror, revision: str) -> str | None:
        """Return the tip of a URL's branch. What a name, or the one a revision begins with (`v1~2`), names is fetched."""
        seen = mirror.head(self._branch_given, whole=True)
        name = re.split(r"[~^@:]", revision, maxsplit=1)[0]
        named = {f"{_HEADS}{name}", f"{_TAGS}{name}"} - {seen.ref if seen else ""}
        if BRANCH.fullmatch(name) and not is_oid(name) and not self._terms.offline:
            mirror.follow(named)
        return self._followed(seen)

    def _bring(self, remote: Remote, source: str, target: str, tip: str) -> str:
        if tip_of(self._git, target) == tip:
            return tip
        remote.fetch(source, target, tip)
        return tip_of(self._git, target) or tip

    def _branch_of_remote(self, remote: Remote) -> str:
        if self._default is None:
            named = remote.refs("HEAD").get("ref: HEAD", "").removeprefix(_HEADS)
            self._default = named or remote.unborn_branch()
        return self._default

    def _catch_up(self, ref: str, new: str) -> str | None:
        """Bring the clone's own branch to new if that is a fast-forward; say why if it is not."""
        now = tip_of(self._git, ref)
        if now is not None and self._git.ask("merge-base", "--is-ancestor", now, new).returncode:
            return f"your clone has commits of its own on {ref.removeprefix(_HEADS)}: `git pull` joins them"
        try:
            move_branch(self._git, self._layout, ref, new, now)
        except MusterError as error:
            return f"your clone is behind: {error}; then `git pull`"
        return None
