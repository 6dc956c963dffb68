"""Judging: what a change would do to the registry, and what is wrong with it. Nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from .core import names, terms
from .core.errors import Finding, NotFound
from .core.snapshot import EMPTY, Change, Snapshot
from .core.tree import Overlay
from .reader import Reader

if TYPE_CHECKING:
    from .core.history import State
    from .core.plans import Assessment
    from .core.policy import Evidence, Pointer
    from .core.proposals import Proposal
    from .core.replay import Replayed

MAX_COMMITS = 1000  # of one range that are judged one by one


class Judge(Reader):
    """A registry that can be read and judged."""

    def __init__(
        self,
        location: str | os.PathLike[str],
        branch: str | None,
        cache: str | os.PathLike[str] | None,
        clock: Callable[[], datetime],
        environment: Mapping[str, str] | None = None,
        terms: terms.Terms = terms.DEFAULT,
    ) -> None:
        super().__init__(location, branch, cache, environment, terms)
        self._clock = clock

    def check(
        self,
        base: str | None = None,
        head: str | None = None,
        artifacts: bool = False,
        proposal: Proposal | None = None,
    ) -> list[Finding]:
        """Return everything wrong with what merging head into base would change: the findings of `assess`."""
        return list(self.assess(base, head, artifacts, proposal).plan.findings)

    def assess(
        self,
        base: str | None = None,
        head: str | None = None,
        artifacts: bool = False,
        proposal: Proposal | None = None,
    ) -> Assessment:
        """Return what merging head into base would do, judged by the rules and the policy of base.

        With no base the whole registry is judged; head is the registry's own head unless given. Every state that the
        commits from base to head pass through is judged, too. With `artifacts` the remote that base names is asked
        whether every object is there. Approvals are counted where the `proposal` is given, as a forge tells it.
        """
        from .core import checks
        from .core.plans import Assessment, Plan, judged

        tip = self._git.commit_of(head) if head else self._commit or self._git.head()
        if tip is None:
            raise NotFound(f"{self.location} has no commit yet", "run `muster init`")
        if proposal is not None:
            # Approvals are of what is judged here, whatever the forge says was pushed since.
            proposal = replace(proposal, head=tip)
        if base is None:
            return self._audit(tip, artifacts)
        before = self._git.snapshot(self._git.commit_of(base))
        base = str(before.commit)
        passed = self._git.between(base, tip, MAX_COMMITS + 1)
        authors = tuple(dict.fromkeys(entry.author for entry in passed))
        result, conflicts = self._git.merged(base, tip)
        if conflicts:
            fix = "propose it again from there"
            found = [Finding(p, "merges_cleanly", "changed on both sides since", fix=fix) for p in conflicts]
            plan = Plan(before, Change({}), before, (), tuple(found))
            return Assessment(plan, base, tip, authors, proposal)
        change = self._git.diff(base, result, checks.MAX_FILES, checks.MAX_BYTES)
        after = self._changed(result, change)
        plan = judged(before, change, after, self._evidence(before, authors, proposal))
        more = list(self._findings_on_the_way(base, [e.commit for e in passed if e.commit != tip], authors))
        if artifacts and not plan.findings and not more:
            more += self._missing_artifacts(before, after, change)
        return Assessment(
            replace(plan, findings=(*plan.findings, *more)) if more else plan, base, tip, authors, proposal
        )

    def _audit(self, tip: str, artifacts: bool) -> Assessment:
        """The assessment of a whole registry: every rule, and no gate, as nothing moves."""
        from .core import checks
        from .core.plans import Assessment, Plan

        change = self._git.diff(None, tip, 1 << 40, checks.MAX_BYTES)
        after = self._changed(tip, change)
        findings = checks.check(EMPTY, change, self._evidence(EMPTY), after)
        if artifacts and not findings:
            findings += self._missing_artifacts(after, after, change)
        return Assessment(Plan(EMPTY, change, after, (), tuple(findings)), None, tip)

    def _findings_on_the_way(
        self, base: str, commits: Sequence[str], authors: tuple[str, ...]
    ) -> Iterator[Finding]:
        """Findings for the states that a range of commits passes through, each a change to where it forked off."""
        from .core import checks

        if len(commits) >= MAX_COMMITS:
            message = f"there are more than {MAX_COMMITS} commits: so many are not judged at once"
            yield Finding(names.REGISTRY, "every_commit_is_sound", message, fix="squash them")
            return
        for commit in commits:
            fork = self._git.fork(base, commit)
            before = self._git.snapshot(fork) if fork else EMPTY
            change = self._git.diff(fork, commit, checks.MAX_FILES, checks.MAX_BYTES)
            evidence = self._evidence(before, authors)
            found = checks.check(before, change, evidence, self._changed(commit, change))
            for finding in found:
                message = f"in commit {commit[:12]}, on the way: {finding.message}"
                yield replace(finding, message=message, line=0, column=0, fix="squash the commits into one")

    def _changed(self, commit: str, change: Change) -> Snapshot:
        """The files of a commit, those that changed as the change reads them: many at once, and each one once."""
        return Snapshot(commit, Overlay(change.files, self._git.snapshot(commit).tree))

    def replay(self, policy: str = "", *, model: str | None = None, since: str = "") -> Iterator[Replayed]:
        """Yield every past move of a stage or an alias, oldest first, as a policy would have judged it then.

        `policy` is a file, or a commit, git tag or date whose registry.yaml and models' own policies are taken; ""
        is what is in force. A file leaves each model the policy of its own that it had. `model` keeps to one model, and
        `since`, a day or a revision, to what came after. Approvals are not replayed.
        """
        from .replaying import replayed

        return replayed(self, policy, model, since)

    def _missing_artifacts(self, trusted: Snapshot, after: Snapshot, change: Change) -> Iterator[Finding]:
        """Findings for objects that the remote named by the trusted state does not have."""
        store = self._store(trusted)
        for path in sorted(change.files):
            place = names.locate(path)
            if place is not None and place.kind == "dvc" and change.files[path] is not None:
                missing = store.missing([after.artifact_oid(place.model, place.number)])
                if missing:
                    message = f"{len(missing)} of its objects are not in the artifact store: {', '.join(missing[:3])}"
                    yield Finding(path, "artifact_is_stored", message, fix="run `dvc push` where they are")

    def _states(self, snapshot: Snapshot, pointer: Pointer, make: bool = False) -> Iterator[State]:
        """The states in which pointer changed, newest first; those under a model's former names after its own.

        `make`: all of them are wanted, which is worth an index of the history.
        """
        from .core.history import State

        card, last = names.path("model", pointer.model), ""
        if snapshot.commit is None or card not in snapshot:
            return
        for name in (pointer.model, *reversed(snapshot.document(card).get("formerly", []))):
            path = names.path(pointer.kind, name, pointer.name)
            for entry in self._tracing.log(snapshot.commit, [path], make=make):
                if entry.commit != last:  # the commit of a rename is in both names' logs
                    at = datetime.fromisoformat(entry.at[:-1] + "+00:00")
                    yield State(at, self._git.snapshot(entry.commit), name)
                last = entry.commit

    def _evidence(
        self, before: Snapshot, authors: tuple[str, ...] = (), proposal: Proposal | None = None
    ) -> Evidence:
        """What no tree can say. Approvals are known where a proposal that has been asked for them is given."""
        from .core import history
        from .core.plans import review_of
        from .core.policy import Evidence

        return Evidence(
            self._clock(),
            lambda pointer, version: history.held(self._states(before, pointer), pointer, version),
            lambda pointer, version: history.entered(self._states(before, pointer), pointer, version),
            authors if proposal is None else (proposal.author, *authors),
            review_of(proposal, authors),
        )
