"""A repository on the other side of a transport: what its refs are, fetching them, and moving one of them.

What happened is learned from the refs, never from what git printed: after a push that failed, the ref is at
the new commit (done), somewhere else (conflict) or where it was (refused).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Conflict, Refused, Unavailable
from .address import redact
from .lock import locked
from .process import Done, Git, words

_HEADS = "refs/heads/"
_FETCH_SECONDS = 600  # how long one waits for another's fetch: a first one may take minutes
_ACCESS = "check the address, the network and your access"
_PROPOSE = (
    "a protected branch takes changes by pull request: propose the change instead; or check your access"
)


@dataclass(frozen=True, slots=True)
class Remote:
    """`name` is what git calls it: a URL, or a remote of the repository that `git` runs in.

    `directory` is that repository's, where the lock against two fetches at once lives. `maintained` lets git
    pack it when it has grown: right for a mirror of ours, not for a user's clone. `offline`: ask nobody.
    """

    git: Git
    name: str
    directory: Path
    maintained: bool = False
    offline: bool = False

    def require_online(self) -> None:
        """Raise Unavailable where nobody may be asked."""
        if self.offline:
            what = f"not all of this was read of {redact(self.name)} before, and nobody is to be asked"
            raise Unavailable(what, hint="do it without --offline")

    def refs(self, *patterns: str, meanwhile: Callable[[], object] | None = None) -> Mapping[str, str]:
        """Return the refs that match patterns, with what HEAD names under `ref: HEAD`; Unavailable.

        `meanwhile` is called while the server is waited for; with it, ask for a few refs.
        """
        self.require_online()
        done = self.git.ask("ls-remote", "--symref", "--", self.name, *patterns, meanwhile=meanwhile)
        if done.returncode:
            raise self._unavailable(done)
        lines = (line.split("\t") for line in done.stdout.decode(errors="surrogateescape").splitlines())
        found: dict[str, str] = {}
        for value, ref in lines:
            found[f"ref: {ref}" if value.startswith("ref: ") else ref] = value.removeprefix("ref: ")
        return found

    def unborn_branch(self) -> str:
        """Return the branch that HEAD of an empty remote names: only `clone` is told by the protocol."""
        import tempfile

        self.require_online()
        with tempfile.TemporaryDirectory(prefix="muster-") as scratch:
            target = Path(scratch) / "empty.git"
            done = self.git.ask("clone", "--quiet", "--bare", "--", self.name, str(target))
            if done.returncode:
                raise self._unavailable(done)
            return (target / "HEAD").read_text().strip().removeprefix(f"ref: {_HEADS}")

    def fetch(self, source: str, target: str, tip: str) -> None:
        """Bring the remote's ref source, last seen at tip, into our ref target, and move nothing else."""
        with locked(self.directory / "muster-fetch.lock", _FETCH_SECONDS):
            if self._tip_here(target) != tip:
                self._fetch(f"+{source}:{target}")

    def fetch_objects(self, source: str, hold: Sequence[int] = ()) -> None:
        """Bring what the remote's ref source names, and point nothing at it: git prunes it in time.

        Git inherits the locks `hold`.
        """
        with locked(self.directory / "muster-fetch.lock", _FETCH_SECONDS):
            self._fetch(source, hold=hold)

    def fetch_all(self, source: str, target: str) -> None:
        """Bring the refs below source below target, and delete those that are gone. Both end in a slash."""
        with locked(self.directory / "muster-fetch.lock", _FETCH_SECONDS):
            self._fetch(f"+{source}*:{target}*", "--prune")

    def push(self, new: str, old: str | None, ref: str) -> None:
        """Move the ref from old (None: it must not exist) to new, or raise Conflict, Refused, Unavailable."""
        self.require_online()
        done = self.git.ask(
            *("push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"),
            *(f"--force-with-lease={ref}:{old or ''}", "--", self.name, f"{new}:{ref}"),
        )
        if done.returncode:
            judge(
                self.refs(ref).get(ref), new, old, f"{ref.removeprefix(_HEADS)} of {redact(self.name)}", done
            )

    def delete(self, refs: Mapping[str, str]) -> None:
        """Delete refs, each while it is at the commit given; Conflict, Refused or Unavailable if one is still there."""
        self.require_online()
        leases = (f"--force-with-lease={ref}:{old}" for ref, old in refs.items())
        done = self.git.ask(
            *("push", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", *leases),
            *("--", self.name, *(f":{ref}" for ref in refs)),
        )
        if done.returncode:
            left = self.refs(*refs)
            for ref, old in refs.items():
                if ref in left:
                    judge(left[ref], "", old, f"{ref} of {redact(self.name)}", done)

    def _fetch(self, refspec: str, *options: str, hold: Sequence[int] = ()) -> None:
        self.require_online()
        done = self.git.ask(
            *("-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"),  # or it outlives our lock
            *(
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--refmap=",
                "--no-recurse-submodules",
            ),
            "--auto-maintenance" if self.maintained else "--no-auto-maintenance",
            *("--no-prune", *options, "--", self.name, refspec),
            hold=hold,
        )
        if done.returncode:
            raise self._unavailable(done)

    def _tip_here(self, ref: str) -> str:
        return self.git.ask("rev-parse", "--quiet", "--verify", ref).stdout.decode().strip()

    def _unavailable(self, done: Done) -> Unavailable:
        return Unavailable(f"{redact(self.name)} cannot be reached: {words(done)}", hint=_ACCESS)


def judge(now: str | None, new: str, old: str | None, branch: str, done: Done) -> None:
    """Tell by where the ref is now what became of moving it from old to new: return if done, else raise."""
    if now == new:
        return
    if now != old:
        where = f"is at {now[:12]}" if now else "is gone"
        was = f"at {old[:12]}" if old else "not there"
        raise Conflict(
            f"{branch} {where}; it was {was} when the change was made", hint="look again, then try again"
        )
    raise Refused(f"{branch} was not moved: {words(done)}", hint=_PROPOSE)
