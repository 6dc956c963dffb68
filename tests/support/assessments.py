"""Assessments of every kind that a report has to tell of, each judged from a registry of plain files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timezone

from muster.core import operations as ops
from muster.core import plans
from muster.core.errors import Finding
from muster.core.models import Evaluation, Signature
from muster.core.plans import Assessment
from muster.core.policy import Evidence
from muster.core.proposals import Approval, Proposal, Review
from muster.core.snapshot import Change, Snapshot
from support.registry import NOON, SIGNATURE, built, version

NOW = datetime(2026, 5, 2, 12, tzinfo=timezone.utc)
BASE, HEAD = "b" * 40, "a" * 40
ZOE = "Zoe Zander <zoe@example.com>"
OWNERS = ("@ann", "@bea", "@cem")
STRICT = b"""\
schema: 1
name: my-models
stages:
  staging: {}
  production:
    from: [staging]
    approvals: 2
    signature: compatible
    formats: [onnx, skops]
    max_size: 5000000
    tags: {risk-review: passed}
    evaluations: [bias]
    metrics:
      rmse: {max: 60, max_rise: 5%}
      auc: {min: 0.7}
    rollback: {review: false}
  archived: {}
aliases:
  champion: {review: true}
"""
WIDER = Signature(
    inputs=(*(SIGNATURE.inputs or ()), {"name": "wind", "type": "double", "required": True}),
    outputs=SIGNATURE.outputs,
)
BIAS = Evaluation("bias", True, NOON, "fairness-bot", {"gap": 0.01})


def approval(by: str, head: str = HEAD) -> Approval:
    return Approval(by, head, NOON)


def proposed(*approvals: Approval, author: str = "@zoe") -> Proposal:
    return Proposal("12", "proposals/x", HEAD, "main", "a title", author, approvals=approvals)


def assessed(
    before: Snapshot,
    change: Change,
    proposal: Proposal | None = None,
    held: Iterable[int] = (),
    authors: tuple[str, ...] = (ZOE,),
) -> Assessment:
    """The assessment of change; the versions in held have been in every pointer once."""
    before, earlier = replace(before, commit=BASE), set(held)
    review = None
    if proposal is not None and proposal.approvals is not None:
        review = Review(proposal.head, (proposal.author, *authors), proposal.approvals)
    evidence = Evidence(NOW, lambda _, number: number in earlier, lambda _, __: NOW, authors, review)
    plan = plans.judged(before, change, before.apply(change), evidence)
    return Assessment(plan, BASE, HEAD, authors, proposal)


def strict(model: str = "bikes", policy: bytes = STRICT) -> Snapshot:
    """A model with 1 archived, 2 in production, 3 in staging and fit to follow, 4 in staging and not fit."""
    fit = {"risk-review": "passed"}
    better = {"rmse": 51.25, "auc": 0.81, "mae": 39.5, "r2": 0.62, "fit_seconds": 12.0}
    wanted = (
        ops.CreateModel(model, "Bikes rented an hour", OWNERS),
        version(model, "one", stage="production", metrics={"rmse": 70.0}),
        version(
            model, "second", stage="production", metrics={"rmse": 58.5, "auc": 0.8, "mae": 41.0}, tags=fit
        ),
        version(model, "the third", stage="staging", metrics=better, tags=fit, label="1.4.0"),
        ops.Annotate(model, 3, evaluations=(BIAS,)),
        version(model, "fourth", stage="staging", metrics={"rmse": 66.0, "auc": 0.9}, signature=WIDER),
    )
    now = built(*wanted)
    return Snapshot("1" * 40, {**dict(now.files), "registry.yaml": policy})


def _promotion(number: int, *approvals: Approval, asked: bool = True) -> Assessment:
    now = strict()
    change = ops.plan(now, ops.SetStage("bikes", number, "production"))
    return assessed(now, change, proposed(*approvals) if asked else None)


def approved() -> Assessment:
    void = (approval("@zoe"), approval("@dan"), approval("@cem", "c" * 40))
    return _promotion(3, approval("@ann"), approval("@bea"), *void)


def waiting() -> Assessment:
    return _promotion(3, approval("@ann"))


def unasked() -> Assessment:
    return _promotion(3, asked=False)


def failing() -> Assessment:
    return _promotion(4, approval("@ann"))


def several_models() -> Assessment:
    two = {**dict(strict().files), **dict(strict("taxis").files)}
    now = Snapshot("1" * 40, two)
    moves = (
        ops.SetStage("bikes", 3, "production"),
        ops.SetStage("taxis", 3, "production"),
        ops.SetAlias("taxis", "champion", 2),
    )
    return assessed(now, ops.plan(now, *moves), proposed(approval("@ann"), approval("@bea")))


def rollback() -> Assessment:
    now = strict()
    return assessed(now, ops.plan(now, ops.SetStage("bikes", 1, "production")), held=[1, 2])


def registration() -> Assessment:
    now = built()
    more = {f"m{n}": n / 7 for n in range(12)}
    wanted = (version("bikes", "one", metrics=more, label="1.0.0"), version("vans", "two", stage="staging"))
    return assessed(now, ops.plan(now, *wanted))


def alias() -> Assessment:
    now = strict()
    wanted = (ops.SetAlias("bikes", "champion", 3), ops.SetAlias("bikes", "canary", 4))
    return assessed(now, ops.plan(now, *wanted), proposed(approval("@ann")))


def policy_change() -> Assessment:
    looser = STRICT.replace(b"approvals: 2", b"approvals: 1")
    return assessed(strict(), Change({"registry.yaml": looser}))


def conflict() -> Assessment:
    now = strict()
    path = "models/bikes/stages/production.yaml"
    found = Finding(path, "merges_cleanly", "changed on both sides since", fix="propose it again from there")
    plan = plans.Plan(now, Change({}), now, (), (found,))
    return Assessment(plan, BASE, HEAD, (ZOE,))


def nothing() -> Assessment:
    return assessed(strict(), Change({}))


HOSTILE = (
    "@octocat #1 GH-1 https://evil.example www.evil.example me@evil.example "
    "**bold** _it_ ~~no~~ `x` ``y`` <b>b</b> <!-- c --> </details> | a | ![i](x) [l](y) [^1] &amp; &#64; :+1: "
    "0123456789abcdef0123456789abcdef01234567 $`x`$ ::error::no ##[error]no \\| \\"
)


def hostile() -> Assessment:
    model = "m `octocat` <img src=x> | [l](u) #1 **b**"
    now = built(
        ops.CreateModel(model, HOSTILE, ("@octocat", "``` <b>")),
        version(model, "one", stage="production", metrics={HOSTILE: 1.0}),
        version(model, "two", stage="staging", metrics={HOSTILE: 2.0, "a|b": 3.0}),
        policy=b"schema: 1\nname: x\nstages:\n  staging: {}\n  production: {review: true}\n  archived: {}\n",
    )
    change = ops.plan(now, ops.SetStage(model, 2, "production"), ops.Annotate(model, 2, tags={"t": HOSTILE}))
    change = replace(change, files={**change.files, "models/x/@octocat <b>\n::error::.txt": b"x"})
    by = Proposal(
        "1", "p", HEAD, "main", HOSTILE, "@mallory", approvals=(approval(HOSTILE), approval("@octocat"))
    )
    return assessed(now, change, by, authors=(f"{HOSTILE} <m@evil.example>",))


SCENARIOS: dict[str, Callable[[], Assessment]] = {
    "promotion-approved": approved,
    "promotion-waiting": waiting,
    "promotion-unasked": unasked,
    "promotion-failing": failing,
    "several-models": several_models,
    "rollback": rollback,
    "registration": registration,
    "alias": alias,
    "policy-change": policy_change,
    "conflict": conflict,
    "hostile": hostile,
    "nothing": nothing,
}
