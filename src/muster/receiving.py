"""Receiving a push: the gate of a server without a forge. Nothing is written while it is judged.

A push to the registry's branch is judged by the rules and the policy of what is there. What policy wants reviewed
enters as the merge of a proposal: a commit on what is there, whose other parents are the tip of a `proposals/` branch
that the server has, or approvals of it, and whose files are what the proposal makes of them. An approval is a commit
that changes nothing, on the proposal's head, at `refs/muster/approvals/<proposal>/<who>`. Other refs are no part of
the registry, and enter as they are.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .backends.git.approvals import APPROVALS, place_of, problem_with
from .backends.git.hooks import install_hook, pushed
from .core import checks, guards, plans, policy
from .core.errors import Invalid
from .core.message import reason_of
from .core.proposals import PREFIX, Approval, Proposal, identities
from .judging import MAX_COMMITS, Judge

if TYPE_CHECKING:
    from .backends.git import GitRepository, LogEntry
    from .core.policy import Evidence
    from .core.snapshot import Change, Snapshot

HEADS = "refs/heads/"
USERS = "muster-users"  # the file in the git directory that says who may approve as whom
PUSHERS = ("REMOTE_USER", "GL_USERNAME", "GL_USER", "GITEA_PUSHER_NAME")  # where servers say who pushes
_LINE = re.compile(r"(?P<old>[0-9a-f]{40}|[0-9a-f]{64}) (?P<new>[0-9a-f]{40}|[0-9a-f]{64}) (?P<ref>refs/.+)")
_USER = re.compile(r"(?P<user>[^=#]+?)\s*=\s*(?P<identity>.*[^\s<>][^<>]*<[^<>\s]+>)\s*")
_MARK = "# Written by `muster hook install`, which may write it again."
_REVIEWED = "propose it: muster promote ... --propose; then merge the proposal"


@dataclass(frozen=True, slots=True)
class Update:
    """One ref of a push: from old (None: it is new) to new (None: it goes)."""

    old: str | None
    new: str | None
    ref: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a ref may not move as a push wants it, and what to do about it."""

    ref: str
    why: tuple[str, ...]
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who pushes, "" where the server does not tell, and who its administrator says that every user is.

    `users` is None where there is no such list.
    """

    name: str = ""
    users: Mapping[str, tuple[str, ...]] | None = None

    def problem_with(self, identity: str) -> str | None:
        """Say why the pusher may not speak as identity; None if that may be, or nobody can tell."""
        if not self.name:
            return None if self.users is None else "the server does not tell who pushes it"
        if self.users is None:
            return f"the server has no list that says who {self.name} is"
        if identity in identities(*self.users.get(self.name, ())):
            return None
        return f"it is by {identity}, and the server does not know {self.name} as that"


def receive(
    lines: Iterable[str], environment: Mapping[str, str], branch: str | None, pusher_from: str | None
) -> list[Refusal]:
    """Return what may not enter of a push, as git tells its pre-receive hook of it in lines and in its environment."""
    directory, for_git = pushed(environment)
    told = (environment.get(name, "") for name in ([pusher_from] if pusher_from else PUSHERS))
    pusher = Pusher(next(filter(None, told), ""), read_users(directory / USERS))
    clock = partial(datetime.now, timezone.utc)
    with Judge(directory, branch, directory, clock, for_git) as judge:
        return list(refusals(judge, read_updates(lines), pusher))


def install(location: str, branch: str | None, pusher_from: str | None) -> Path:
    """Make the bare repository at location judge what is pushed to it, and return the hook's path.

    The hook runs this Python with this muster, whatever the PATH of the server's user.
    """
    words = ["hook", "pre-receive", *(["--branch", branch] if branch else [])]
    words += ["--pusher-from", pusher_from] if pusher_from else []
    home = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.append({home!r}); from muster.frontends.cli import main; main({words!r})"
    script = f"#!/bin/sh\n{_MARK}\nexec {shlex.quote(sys.executable)} -I -c {shlex.quote(code)}\n"
    return install_hook(Path(location), "pre-receive", script, _MARK)


def read_updates(lines: Iterable[str]) -> tuple[Update, ...]:
    """Read what git writes to the hook: `<old id> <new id> <ref>`, an id of zeros for nothing. Invalid otherwise."""
    found = []
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise Invalid(f"git says {line[:80]!r}: that is no update of a ref")
        old, new = (match[side] if match[side].strip("0") else None for side in ("old", "new"))
        found.append(Update(old, new, match["ref"]))
    return tuple(found)


def read_users(path: Path) -> Mapping[str, tuple[str, ...]] | None:
    """Read lines of `user = Name <email>`, several for a user of several addresses; None if there is no such file."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return None
    users: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _USER.fullmatch(line.strip())
        if match is None:
            raise Invalid(f"{path}:{number}: write it as `alice = Alice <alice@example.com>`")
        users[match["user"]] = (*users.get(match["user"], ()), match["identity"])
    return users


def refusals(judge: Judge, updates: Iterable[Update], pusher: Pusher) -> Iterator[Refusal]:
    """Yield what may not enter. One refusal refuses the whole push."""
    branch = judge._git.branch()
    if branch is None:
        yield Refusal(
            "HEAD", ("it names no branch, so there is no registry to judge",), "set HEAD on the server"
        )
        return
    for update in updates:
        if update.ref == HEADS + branch:
            yield from Receiver(judge, branch).judge(update)
        elif update.ref.startswith(APPROVALS) and (problem := _problem_with_approval(judge, update, pusher)):
            yield Refusal(update.ref, (f"this is no approval: {problem}",), f"see {USERS} on the server")


@dataclass(frozen=True)
class Receiver:
    """Judges what is pushed to the registry's branch."""

    registry: Judge
    branch: str

    @property
    def _git(self) -> GitRepository:
        return self.registry._git

    def judge(self, update: Update) -> Iterator[Refusal]:
        """Yield the refusal of an update of the branch, if it is refused."""
        if update.new is None:
            yield Refusal(update.ref, ("the registry's branch is not deleted",))
        elif update.old is None:
            findings = self.registry.check(None, update.new)
            yield from _refused(update.ref, map(str, findings), "mend it, commit, and push again")
        elif self._git.fork(update.old, update.new) != update.old:
            why = "it would take away commits that others have seen"
            yield Refusal(update.ref, (why,), "git pull --rebase, then push again")
        else:
            yield from self._judge_range(update.ref, update.old, update.new)

    def _judge_range(self, ref: str, old: str, new: str) -> Iterator[Refusal]:
        passed = self._git.between(old, new, MAX_COMMITS + 1)
        if len(passed) > MAX_COMMITS:
            why = f"it has more than {MAX_COMMITS} commits: so many are not judged at once"
            yield Refusal(ref, (why,), "squash them, or push some at a time")
            return
        line = _first_parents(passed, old, new)
        if line is None:
            why = f"its tip has what {self.branch} was as a second parent, which would change its history"
            yield Refusal(ref, (why,), "git pull --rebase, then push again")
            return
        proposal, approving, why_not = self._merged_proposal(old, new)
        written = [e for e in passed if proposal is None or (e.commit != new and e.commit not in approving)]
        authors = tuple(dict.fromkeys(entry.author for entry in written))
        before = self._git.snapshot(old)
        change = self._git.diff(old, new, checks.MAX_FILES, checks.MAX_BYTES)
        after = self.registry._changed(new, change)
        evidence = self.registry._evidence(before, authors, proposal)
        plan = plans.judged(before, change, after, evidence)
        way = [e.commit for e in written if e.commit != new]
        findings = [*plan.findings, *self.registry._findings_on_the_way(old, way, authors)]
        if findings:
            yield from _refused(ref, map(str, findings), "mend it, and push again")
            return
        unreviewed = list(self._unreviewed(before, change, after, evidence, plan.review, line[1:]))
        if proposal is None and unreviewed:
            yield Refusal(ref, (*dict.fromkeys(unreviewed), *why_not), _REVIEWED)
        elif proposal is not None and (
            unapproved := list(_unapproved_guards(before, change, after, evidence))
        ):
            yield Refusal(ref, tuple(unapproved), "have it approved, then merge it again")
        elif plan.pre_approved and not any(reason_of(entry.message) for entry in passed):
            hint = "git commit --amend --trailer 'Muster-Reason: why'"
            yield Refusal(ref, (f"{'; '.join(plan.pre_approved)}: a reason is required",), hint)

    def _unreviewed(
        self,
        before: Snapshot,
        change: Change,
        after: Snapshot,
        evidence: Evidence,
        review: tuple[str, ...],
        way: Sequence[str],
    ) -> Iterator[str]:
        """Yield what wants review: in the end, and, as history would remember it, in a state on the way."""
        yield from review
        yield from _guards_that_change(before, change, after)
        for commit in way:
            step = self._git.diff(before.commit, commit, checks.MAX_FILES, checks.MAX_BYTES)
            there = self.registry._changed(commit, step)
            moved = plans.moves(before, step, there)
            for why in (
                *policy.needs_review(before, moved, evidence),
                *_guards_that_change(before, step, there),
            ):
                yield f"{why} (commit {commit[:12]}, on the way)"

    def _merged_proposal(self, old: str, new: str) -> tuple[Proposal | None, frozenset[str], tuple[str, ...]]:
        """The proposal that new merges into old with its approvals, their commits, or why it is not one."""
        made = self._git.commit_object(new)
        if made is None or len(made.parents) < 2 or made.parents[0] != old:
            return None, frozenset(), ()
        tips, approvals = self._git.own_refs(HEADS + PREFIX), self._git.own_refs(APPROVALS)
        for ref, head in tips.items():
            ids = [tip.removeprefix(HEADS + PREFIX) for tip, at in tips.items() if at == head]
            places = tuple(map(place_of, ids))
            of_these = {place: oid for place, oid in approvals.items() if place.startswith(places)}
            if not set(made.parents[1:]) <= {head, *of_these.values()}:
                continue
            given = self._approvals(of_these)
            of_head = frozenset(oid for oid, approval in given.items() if approval.head == head)
            if not set(made.parents[1:]) <= {head, *of_head}:
                continue
            if paths := self._other_paths(old, new, head):
                shown = ", ".join(paths[:3])
                return None, frozenset(), (f"the merge differs from {ref.removeprefix(HEADS)} in {shown}",)
            return self._proposal(ref, head, tuple(given.values())), of_head, ()
        return None, frozenset(), ("what it merges is no proposal that the server has",)

    def _proposal(self, ref: str, head: str, approvals: tuple[Approval, ...]) -> Proposal:
        commit = self._git.commit_object(head)
        author, title = (commit.author, commit.message.partition("\n")[0]) if commit else ("", "")
        branch = ref.removeprefix(HEADS)
        return Proposal(
            branch.removeprefix(PREFIX), branch, head, self.branch, title, author, approvals=approvals
        )

    def _approvals(self, refs: Mapping[str, str]) -> Mapping[str, Approval]:
        """The approvals that refs hold, by their commits; what is none is passed over."""
        found = {}
        for ref, oid in refs.items():
            commit = self._git.commit_object(oid)
            if commit is not None and not problem_with(self._git, ref, commit):
                found[oid] = Approval(commit.author, commit.parents[0], commit.at)
        return found

    def _other_paths(self, old: str, new: str, head: str) -> list[str]:
        """The paths at which new is not what the proposal at head makes of old."""
        fork = self._git.fork(old, head)
        if fork == old and _tree(self._git, new) == _tree(self._git, head):
            return []
        limits = checks.MAX_FILES, checks.MAX_BYTES
        proposed, done = self._git.diff(fork, head, *limits), self._git.diff(old, new, *limits)
        there, here = self._git.snapshot(head), self._git.snapshot(new)
        paths = {*proposed.files, *proposed.special, *done.files, *done.special}
        return sorted(path for path in paths if there.files.get(path) != here.files.get(path))


def _refused(ref: str, why: Iterable[str], hint: str) -> Iterator[Refusal]:
    if found := tuple(why):
        yield Refusal(ref, found, hint)


def _first_parents(passed: Sequence[LogEntry], old: str, new: str) -> list[str] | None:
    """The line of first parents from new down to old, without it; None if old is not on it."""
    parents = {entry.commit: entry.parent for entry in passed}
    line, at = [], new
    while at != old:
        if at not in parents:
            return None
        line.append(at)
        at = parents[at] or ""
    return line


def _guards_that_change(before: Snapshot, change: Change, after: Snapshot) -> Iterator[str]:
    for path, model in guards.changed(before, change, after):
        if guards.needs_review(before, model):
            yield f"{path} guards what is reviewed, and changes only by a reviewed proposal"


def _unapproved_guards(
    before: Snapshot, change: Change, after: Snapshot, evidence: Evidence
) -> Iterator[str]:
    for path, model in guards.changed(before, change, after):
        yield from (f"{path}: {why}" for why in guards.lacking(before, model, evidence.review))


def _problem_with_approval(judge: Judge, update: Update, pusher: Pusher) -> str | None:
    if update.new is None:
        return None  # to take an approval back needs no leave
    commit = judge._git.commit_object(update.new)
    if commit is None:
        return "an approval is a commit"
    if problem := problem_with(judge._git, update.ref, commit):
        return problem
    (identity,) = identities(commit.author)
    return pusher.problem_with(identity)


def _tree(git: GitRepository, oid: str) -> str | None:
    commit = git.commit_object(oid)
    return commit.tree if commit is not None else None
