"""Judging what a job of continuous integration is run for: a proposal, a queue of them, a push, or the whole registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .core.errors import Conflict, Finding, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from .core.plans import Assessment, Plan
    from .core.proposals import Proposal
    from .registry import Registry

Kind = Literal["proposal", "queue", "push", "schedule"]
Host = Literal["github", "gitea", "gitlab"]
_HISTORY_RULE = "history_only_grows"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a job is run for.

    `head` is the commit to be judged, `bases` are revisions to judge it against, the best first: the first that is at
    hand counts. Without any, the whole registry is judged. `proposal` is the number of the pull or merge request, and
    `url` the repository's.
    """

    kind: Kind
    host: Host
    head: str
    bases: tuple[str, ...] = ()
    proposal: str = ""
    url: str = ""


def judged(registry: Registry, here: Situation) -> Assessment:
    """Return what is to be said of what a job is run for.

    Approvals are counted where policy demands them; that they cannot be is a finding, and no failure of the job.
    """
    match here.kind:
        case "schedule":
            return registry.assess(head=here.head, artifacts=True)
        case "push":
            whole = registry.assess(head=here.head)
            return _with(_pushed(registry, here), whole.plan.findings) if here.bases else whole
        case "queue":  # what is in a queue has been approved: that is how it came there
            return registry.assess(base_of(registry, here), here.head)
    base = base_of(registry, here)
    assessment = registry.assess(base, here.head)
    guarded = list(_guarded_by_approvals(assessment.plan))
    if not guarded:
        return assessment
    try:
        return registry.assess(base, here.head, proposal=_proposal(here))
    except (Refused, NotFound, Unavailable) as error:
        return _with(assessment, [_uncounted(path, error, here) for path in guarded])


def _proposal(here: Situation) -> Proposal:
    """What the forge knows of the pull request: it is asked by its address, as a checkout follows no branch."""
    from .registry import Registry

    with Registry(here.url) as there:
        return there.proposals.get(here.proposal)


def _pushed(registry: Registry, here: Situation) -> Assessment:
    """The assessment of what was pushed; a finding if it took away what was there."""
    try:
        base = base_of(registry, here)
        for _ in registry.happened(base, here.head):
            break
        return registry.assess(base, here.head)
    except (NotFound, Conflict):
        message = f"the branch was at {here.bases[0][:12]}, from which {here.head[:12]} does not descend"
        fix = "forbid force-pushes, and find out what was lost: somebody's clone still has it"
        return _with(registry.assess(head=here.head), [Finding("", _HISTORY_RULE, message, fix=fix)])


def _with(assessment: Assessment, more: tuple[Finding, ...] | list[Finding]) -> Assessment:
    findings = dict.fromkeys((*assessment.plan.findings, *more))
    return replace(assessment, plan=replace(assessment.plan, findings=tuple(findings)))


def base_of(registry: Registry, here: Situation) -> str:
    """The commit to judge against: the first of those it may be that is there."""
    for revision in here.bases:
        try:
            return str(registry.at(revision).snapshot().commit)
        except NotFound:
            continue
    raise NotFound(
        f"the job has fetched none of {', '.join(here.bases)}",
        "fetch all of the history: fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 on GitLab",
    )


def _guarded_by_approvals(plan: Plan) -> Iterator[str]:
    """Yield the paths of the pointers that move and that only approvals let move."""
    from .core.policy import Policy

    for pointer, gained in plan.moves.items() if plan.review else ():
        if gained and Policy.of(plan.before, pointer.model).gate(pointer.kind, pointer.name).approvals:
            yield pointer.path


def _uncounted(path: str, error: Exception, here: Situation) -> Finding:
    message = f"it needs approvals, and they cannot be counted: {error}"
    fix = "give the job the permission pull-requests: read, and its token as GITHUB_TOKEN"
    if here.host == "gitlab":
        fix = "give the job a token that may read the API, as the variable GITLAB_TOKEN"
    return Finding(path, "gates_pass", message, fix=fix)
