"""What a forge remembers of one repository: pull requests, comments, reviews, statuses. The commits are git's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_WHO = {
    **{f"GIT_{role}_NAME": "forge" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "forge@example.com" for role in ("AUTHOR", "COMMITTER")},
}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class Comment:
    id: int
    author: str
    body: str
    system: bool = False


@dataclass
class Review:
    """`state` is approved, rejected or said."""

    id: int
    author: str
    state: str
    commit: str
    at: str
    dismissed: bool = False


@dataclass
class Pull:
    """`fork` is whose fork the source is in, "" if it is a branch of the repository. `versions` are (time, head)."""

    number: int
    author: str
    source: str
    target: str
    title: str
    body: str
    created: str
    fork: str = ""
    state: str = "open"
    made: str = ""
    versions: list[tuple[str, str]] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.versions[-1][1]


class Repository:
    """One repository at `path` ("acme/models"), below root. `writers` may push and merge, `admins` see protections.

    `heads` is the ref at which the head of a proposal is kept, by its number.
    """

    def __init__(
        self,
        root: Path,
        path: str,
        writers: tuple[str, ...],
        admins: tuple[str, ...],
        heads: str = "refs/pull/{}/head",
    ) -> None:
        self.heads = heads
        self.directory, self.path, self.writers, self.admins = root / f"{path}.git", path, writers, admins
        self.pulls: dict[int, Pull] = {}
        self.statuses: dict[str, dict[str, str]] = {}
        self.methods = ("merge", "squash", "rebase")  # by which it may be merged
        self.settings: dict[str, Any] = {}  # as the forge's own API shows them, by their path
        self._count, self._clock = 0, datetime(2026, 1, 1, tzinfo=timezone.utc)

    def git(self, *arguments: str) -> str:
        done = self.ask(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["git", f"--git-dir={self.directory}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **_WHO})

    def tip(self, branch: str) -> str | None:
        return self.ask("rev-parse", "-q", "--verify", f"refs/heads/{branch}").stdout.strip() or None

    def next(self) -> int:
        self._count += 1
        return self._count

    def now(self) -> str:
        """Return a time that is later than every other."""
        self._clock += timedelta(seconds=1)
        return self._clock.strftime("%Y-%m-%dT%H:%M:%SZ")

    def refresh(self) -> None:
        """See what was pushed."""
        for pull in self.pulls.values():
            tip = pull.state == "open" and not pull.fork and self.tip(pull.source)
            if tip and tip != pull.head:
                pull.versions.append((self.now(), tip))
                self._keep(pull)

    def open(
        self, author: str, source: str, target: str, title: str, body: str, fork: str = "", head: str = ""
    ) -> Pull:
        number = self.next()
        now = self.now()
        commit = head or self.tip(source) or ""
        pull = Pull(number, author, source, target, title, body, now, fork, versions=[(now, commit)])
        self.pulls[number] = pull
        self._keep(pull)
        return pull

    def _keep(self, pull: Pull) -> None:
        """Point the ref at it by which anybody can fetch its head, wherever the branch is."""
        if pull.head:
            self.git("update-ref", self.heads.format(pull.number), pull.head)

    def ready(self, pull: Pull) -> str:
        """Return why it cannot be merged, "" if it can."""
        if pull.state != "open":
            return "it is not open"
        if any(state != "success" for state in self.statuses.get(pull.head, {}).values()):
            return "a required status check is failing"
        conflicts = self.ask("merge-tree", "--write-tree", f"refs/heads/{pull.target}", pull.head)
        return "there are conflicts" if conflicts.returncode else ""

    def merge(self, pull: Pull, method: str, message: str) -> str:
        base = self.tip(pull.target)
        assert base is not None
        tree = self.git("merge-tree", "--write-tree", base, pull.head).split()[0]
        parents = ["-p", base, *(("-p", pull.head) if method == "merge" else ())]
        pull.made = self.git("commit-tree", tree, *parents, "-m", message)
        self.git("update-ref", f"refs/heads/{pull.target}", pull.made, base)
        pull.state = "merged"
        return pull.made

    def comment(self, id: int) -> Comment | None:
        return next((c for pull in self.pulls.values() for c in pull.comments if c.id == id), None)
