"""What the registry demands before a pointer moves.

Policy is data: `registry.yaml` says it for each stage and alias, a model's `model.yaml` may add to it. A model's gate
is merged into the registry's by taking the stricter of each demand, so it can only tighten. Whoever judges a change
reads the policy of the state *before* it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from . import demands, names
from .demands import EvaluationDemand, Unmet, duration, in_words
from .errors import NotFound, command
from .models import Annotations, Manifest, ModelVersion
from .proposals import Review, identities
from .readable import not_readable
from .signatures import signature_compatibility
from .snapshot import Snapshot, did_you_mean

PointerKind = Literal["alias", "stage"]
ARCHIVED = "archived"
ANY_ALIAS = "*"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A stage or an alias of one model."""

    kind: PointerKind
    model: str
    name: str

    def __str__(self) -> str:
        return f"{self.model}@{self.name}" if self.kind == "alias" else f"{self.model}/{self.name}"

    @property
    def path(self) -> str:
        """The file it lives in."""
        return names.path(self.kind, self.model, self.name)

    def holders(self, snapshot: Snapshot) -> tuple[int, ...]:
        """Return the versions it points at, ascending."""
        if self.kind == "stage":
            return snapshot.stage(self.model, self.name)
        return (snapshot.alias(self.model, self.name),) if self.path in snapshot else ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What no tree can say: the clock, what history knows, who makes the change and who has approved it.

    `held(pointer, version)` tells whether version held pointer at any earlier commit; `entered(pointer, version)` when
    it last came into it, None if it is not there. `authors` are "Name <email>", or logins with an @. `review` is None
    where nobody knows: then approvals are not counted. `automated` says that a program makes the change, whoever
    it says it is.
    """

    now: datetime | None = None
    held: Callable[[Pointer, int], bool] | None = None
    entered: Callable[[Pointer, int], datetime | None] | None = None
    authors: tuple[str, ...] = ()
    review: Review | None = None
    automated: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """Bounds on one metric; `max_drop` and `max_rise` are against the version it would replace.

    Each allowance is a number, or a percentage of the other version's value such as "5%"; all of them hold.
    """

    min: float | None = None
    max: float | None = None
    max_drop: tuple[float | str, ...] = ()
    max_rise: tuple[float | str, ...] = ()

    def stricter(self, other: Bound) -> Bound:
        """Return what satisfies both."""
        return Bound(
            _pick(max, self.min, other.min),
            _pick(min, self.max, other.max),
            (*self.max_drop, *other.max_drop),
            (*self.max_rise, *other.max_rise),
        )

    def unmet(self, name: str, metrics: Mapping[str, float], incumbent: Manifest | None) -> Iterator[str]:
        """Yield why each bound is broken that is. A metric that is missing or not finite breaks them all."""
        value = metrics.get(name)
        if value is None or not math.isfinite(value):
            yield f"metric {name} is required and is {'missing' if value is None else value}"
            return
        if self.min is not None and value < self.min:
            yield f"{name} is {value:g}, at least {self.min:g} is required"
        if self.max is not None and value > self.max:
            yield f"{name} is {value:g}, at most {self.max:g} is allowed"
        now = incumbent.metrics.get(name) if incumbent else None
        if now is None or not math.isfinite(now):
            return
        for most in self.max_drop:
            if now - value > _allowed(most, now):
                yield f"{name} falls from {now:g} to {value:g}; a drop of at most {most} is allowed"
        for most in self.max_rise:
            if value - now > _allowed(most, now):
                yield f"{name} rises from {now:g} to {value:g}; a rise of at most {most} is allowed"


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything demanded of a version before one pointer may move to it."""

    exclusive: bool = False
    review: bool = False
    from_stages: tuple[str, ...] = ()
    soak: timedelta = timedelta()
    approvals: int = 0
    signature: bool | Literal["compatible"] = False
    formats: tuple[str, ...] = ()
    model_card: bool = False
    max_size: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Bound] = field(default_factory=dict)
    evaluations: tuple[EvaluationDemand, ...] = ()
    rollback_review: bool | None = None  # None: a rollback is a move like any other
    card_sections: tuple[str, ...] = ()  # which the model card must have

    @property
    def needs_review(self) -> bool:
        """Whether only a reviewed proposal may move it."""
        return self.review or self.approvals > 0

    def stricter(self, other: Gate) -> Gate:
        """Return the gate that demands what either demands."""
        metrics = {
            name: self.metrics.get(name, Bound()).stricter(other.metrics.get(name, Bound()))
            for name in {**self.metrics, **other.metrics}
        }
        rollback = (self.rollback_review, other.rollback_review)
        return Gate(
            exclusive=self.exclusive or other.exclusive,
            review=self.review or other.review,
            from_stages=_common(self.from_stages, other.from_stages),
            soak=max(self.soak, other.soak),
            approvals=max(self.approvals, other.approvals),
            signature=max(self.signature, other.signature, key=[False, True, "compatible"].index),
            formats=_common(self.formats, other.formats),
            model_card=self.model_card or other.model_card,
            max_size=_pick(min, self.max_size, other.max_size),
            tags={**other.tags, **self.tags},  # one value for a tag: this gate's, where they differ
            metrics=metrics,
            evaluations=demands.both(self.evaluations, other.evaluations),
            rollback_review=None if self.rollback_review is None else any(r for r in rollback if r),
            card_sections=demands.united(self.card_sections, other.card_sections),
        )

    def unmet(
        self,
        version: ModelVersion,
        stage_now: str | None,
        incumbent: Manifest | None,
        entered: datetime | None,
        now: datetime | None,
    ) -> Iterator[Unmet]:
        """Yield each demand that version does not meet.

        `stage_now` is the stage it is in before the move and `entered` when it came there; `incumbent` is the version
        it would replace; `now` the moment of judging.
        """
        reference = f"{version.model}/{version.version}"
        allowed = {stage.casefold() for stage in self.from_stages}
        if allowed and (stage_now or "none").casefold() not in allowed:
            first = self.from_stages[0]
            fix = command("demote", reference) if first == "none" else command("promote", reference, first)
            why = f"it must be in {' or '.join(self.from_stages)} first, and is in {stage_now or 'no stage'}"
            yield Unmet(why, fix)
        if self.soak and (entered is None or now is None or now - entered < self.soak):
            spent = f"has been there since {entered:%Y-%m-%d %H:%M} UTC" if entered else "is in no stage"
            why = f"it must stay in {stage_now or 'a stage'} for {in_words(self.soak)} first, and {spent}"
            yield Unmet(why, f"wait until {entered + self.soak:%Y-%m-%d %H:%M} UTC" if entered else "")
        again = "register another version: what was registered does not change"
        yield from (Unmet(why, again) for why in self._unmet_content(version.manifest, incumbent))
        yield from self._unmet_words(reference, version.annotations, now)
        for name, bound in self.metrics.items():
            for why in bound.unmet(name, version.metrics, incumbent):
                yield Unmet(why, "promote a better version; or change the gate, in a change of its own")

    def _unmet_content(self, new: Manifest, incumbent: Manifest | None) -> Iterator[str]:
        if self.formats and (bad := [f for f in new.formats if f not in self.formats]):
            yield f"its format is {', '.join(bad)}; allowed: {', '.join(self.formats)}"
        if self.max_size is not None and new.size > self.max_size:
            yield f"it has {new.size} bytes, at most {self.max_size} are allowed"
        if self.model_card and new.model_card is None:
            named = f" with the sections {', '.join(self.card_sections)}" if self.card_sections else ""
            yield f"a model card{named} is required"
        elif lacking := demands.missing_sections(self.card_sections, new):
            yield f"its model card lacks: {', '.join(lacking)}{_sections_there(new)}"
        if self.signature and (new.signature is None or new.signature.inputs is None):
            yield "a signature is required"
        elif self.signature == "compatible" and incumbent is not None:
            verdict, reasons = signature_compatibility(incumbent.signature, new.signature)
            if verdict == "incompatible":
                yield f"its signature breaks callers of version {incumbent.version}: {'; '.join(reasons)}"

    def _unmet_words(self, reference: str, annotations: Annotations, now: datetime | None) -> Iterator[Unmet]:
        for key, wanted in self.tags.items():
            if annotations.tags.get(key) != wanted:
                there = annotations.tags.get(key)
                why = f"tag {key} must be {wanted!r}, and is {'missing' if there is None else repr(there)}"
                yield Unmet(why, f"once that is so: {command('tag', reference, f'{key}={wanted}')}")
        for demand in self.evaluations:
            record = command("annotate", reference, "--evaluation", demand.name, "--passed")
            for why in demand.unmet(annotations.evaluations, now):
                yield Unmet(why, f"once it has passed: {record}")


@dataclass(frozen=True, slots=True)
class Policy:
    """The gates of a registry, by stage and by alias."""

    stages: Mapping[str, Gate]
    aliases: Mapping[str, Gate]

    @classmethod
    def of(cls, snapshot: Snapshot, model: str | None = None) -> Policy:
        """Return the policy in force at snapshot, tightened by model's own where it has any.

        Invalid if it cannot be read: what is not understood lets nothing pass.
        """
        policy = _policy_from(snapshot.registry, names.REGISTRY)
        card = names.path("model", model) if model is not None else ""
        if card and card in snapshot:
            document = snapshot.document(card)
            own = document.get("policy") if isinstance(document, dict) else None
            return policy.tightened(_policy_from(own, card, default_exclusive=False)) if own else policy
        return policy

    def tightened(self, own: Policy) -> Policy:
        """Return this policy with the demands of own added. Stages that own alone names stay undeclared."""
        stages = {name: gate.stricter(own.gate("stage", name)) for name, gate in self.stages.items()}
        aliases = {
            name: self.gate("alias", name).stricter(own.gate("alias", name))
            for name in {**self.aliases, **own.aliases}
        }
        return Policy(stages, aliases)

    def gate(self, kind: PointerKind, name: str) -> Gate:
        """Return the gate in front of one stage or alias; an empty one if it has none."""
        if kind == "alias":
            return self.aliases.get(name) or self.aliases.get(ANY_ALIAS) or Gate()
        return self.stages.get(name) or Gate()

    def stage_name(self, wanted: str) -> str:
        """Return the declared spelling of a stage, whatever its case; NotFound names the stages there are."""
        for name in self.stages:
            if name.casefold() == wanted.casefold():
                return name
        raise NotFound(f"no stage {wanted!r} in {names.REGISTRY}", did_you_mean(wanted, self.stages))

    @property
    def archive(self) -> str | None:
        """The declared stage that takes what an exclusive stage lets go of."""
        return next((name for name in self.stages if name.casefold() == ARCHIVED), None)


def is_rollback(gate: Gate, pointer: Pointer, version: int, evidence: Evidence) -> bool:
    """Tell whether pointing pointer at version goes back to where it was before, and policy pre-approves that."""
    if gate.rollback_review is None or evidence.held is None:
        return False
    return evidence.held(pointer, version)


def unmet(
    before: Snapshot, after: Snapshot, pointer: Pointer, version: int, evidence: Evidence
) -> Iterator[Unmet]:
    """Yield each demand of before's policy that keeps pointer from moving to version."""
    gate = Policy.of(before, pointer.model).gate(pointer.kind, pointer.name)
    if gate == Gate(exclusive=gate.exclusive):
        return
    stage_now = before.stage_of(pointer.model, version)
    others = [n for n in pointer.holders(before) if n != version]
    incumbent = before.manifest(pointer.model, others[-1]) if others else None
    entered = None
    if gate.soak and stage_now is not None and evidence.entered is not None:
        entered = evidence.entered(Pointer("stage", pointer.model, stage_now), version)
    new = after.version(pointer.model, version)
    failing = list(gate.unmet(new, stage_now, incumbent, entered, evidence.now))
    lacking = list(unapproved(gate, pointer.model, owners(before, pointer.model), evidence.review))
    # History is asked where it matters, and nowhere else.
    if (failing or lacking) and is_rollback(gate, pointer, version, evidence):
        failing, lacking = [], lacking if gate.rollback_review else []
    yield from failing + lacking


def owners(snapshot: Snapshot, model: str) -> tuple[str, ...]:
    """Return whose approvals count for model: its own owners and the registry's. Empty: everybody's.

    Invalid if they cannot be read: what is not understood makes nobody an owner.
    """
    found: dict[str, None] = {}
    for path in (names.path("model", model), names.REGISTRY):
        document = snapshot.document(path) if path in snapshot else {}
        listed = document.get("owners", []) if isinstance(document, dict) else None
        if not isinstance(listed, list) or not all(isinstance(owner, str) for owner in listed):
            raise not_readable(path, document, "a list of owners", "owners is malformed")
        found |= dict.fromkeys(listed)
    return tuple(found)


def unapproved(gate: Gate, model: str, entitled: tuple[str, ...], review: Review | None) -> Iterator[Unmet]:
    """Yield what approvals are missing. Where nobody knows of a review, none can be counted."""
    if not gate.approvals or review is None:
        return
    tally = review.tally(entitled)
    if len(tally.counted) < gate.approvals:
        by = f" by {', '.join(a.by for a in tally.counted)}" if tally.counted else ""
        not_counted = "".join(f"; {a.by} approved, and {why}" for a, why in tally.void)
        who = f" of {', '.join(entitled)}" if entitled else ""
        wanted = f"{gate.approvals} approval{'s' * (gate.approvals > 1)}{who}"
        fix = "an owner approves it on its page, or with muster proposals approve"
        if entitled and not identities(*entitled) - identities(*review.authors):
            more = command("annotate", model, "--owner", "ANN", "--owner", "BEA")
            fix = f"there is no other owner: name more, {more if model else f'in {names.REGISTRY}'}"
        yield Unmet(f"it needs {wanted}, and has {len(tally.counted)}{by}{not_counted}", fix)


def pre_approved(
    before: Snapshot, moves: Mapping[Pointer, tuple[int, ...]], evidence: Evidence
) -> Iterator[str]:
    """Yield each move that enters directly only because it is a rollback: it needs a reason."""
    for pointer, gained in moves.items():
        gate = Policy.of(before, pointer.model).gate(pointer.kind, pointer.name)
        guarded = gate.needs_review and not gate.rollback_review
        if guarded and gained and all(is_rollback(gate, pointer, n, evidence) for n in gained):
            yield f"{pointer} goes back to a version that was there before"


def needs_review(
    before: Snapshot, moves: Mapping[Pointer, tuple[int, ...]], evidence: Evidence
) -> Iterator[str]:
    """Yield why a change that moves these pointers (each to the versions it gains) may only enter by a proposal."""
    for pointer, gained in moves.items():
        gate = Policy.of(before, pointer.model).gate(pointer.kind, pointer.name)
        if not gate.needs_review and not gate.rollback_review:
            continue  # and history need not be asked
        if gained and all(is_rollback(gate, pointer, n, evidence) for n in gained):
            if gate.rollback_review:
                yield f"a rollback of {pointer} needs review"
        elif gate.needs_review:
            yield f"{pointer} moves only by a reviewed proposal"


def _policy_from(document: Any, path: str, default_exclusive: bool = True) -> Policy:
    """The policy in a document; path is where it was read, for the error if it holds none."""
    try:
        stages, aliases = document.get("stages") or {}, document.get("aliases") or {}
        return Policy(
            {name: _gate_from(name, spec or {}, default_exclusive) for name, spec in stages.items()},
            {name: _gate_from(name, spec or {}, False) for name, spec in aliases.items()},
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise not_readable(path, document, "a policy", error) from error


def _gate_from(name: str, spec: Mapping[str, Any], default_exclusive: bool) -> Gate:
    rollback = spec.get("rollback")
    model_card, sections = demands.card_from(spec.get("model_card", False))
    return Gate(
        exclusive=spec.get("exclusive", default_exclusive and name.casefold() == "production"),
        review=spec.get("review", False),
        from_stages=tuple(spec.get("from", ())),
        soak=duration(spec["soak"]) if "soak" in spec else timedelta(),
        approvals=spec.get("approvals", 0),
        signature=spec.get("signature", False),
        formats=tuple(spec.get("formats", ())),
        model_card=model_card,
        max_size=spec.get("max_size"),
        tags=spec.get("tags", {}),
        metrics={metric: _bound_from(bound) for metric, bound in spec.get("metrics", {}).items()},
        evaluations=demands.both(demands.evaluations_from(spec.get("evaluations", ())), ()),
        rollback_review=None if rollback is None else rollback.get("review", False),
        card_sections=demands.united(sections, ()),
    )


def _pick(choose: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else choose(a, b)


def _bound_from(spec: Mapping[str, Any]) -> Bound:
    drop, rise = (tuple(spec[k] for k in (key,) if k in spec) for key in ("max_drop", "max_rise"))
    return Bound(spec.get("min"), spec.get("max"), drop, rise)


def _common(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """What both lists allow, an empty list allowing everything. Nothing in common allows nothing that exists."""
    if not a or not b:
        return a or b
    allowed = {x.casefold() for x in b}
    return tuple(x for x in a if x.casefold() in allowed) or (
        f"nothing: {', '.join(a)} and {', '.join(b)} exclude each other",
    )


def _allowed(bound: float | str, now: float) -> float:
    return abs(now) * float(bound[:-1]) / 100 if isinstance(bound, str) else bound


def _sections_there(card: Manifest) -> str:
    there = card.model_card_sections
    if not there:
        return "; its manifest records no sections"
    return f"; it has: {', '.join(there[:10])}{', ...' if len(there) > 10 else ''}"
