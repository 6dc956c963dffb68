"""What each gate demands, that a model can only add demands, and what a rollback is spared."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import checks, demands, plans
from muster.core import operations as ops
from muster.core.demands import EvaluationDemand, duration
from muster.core.errors import Invalid, NotFound, Refused
from muster.core.models import Annotations, Evaluation, Manifest, ModelVersion, Signature
from muster.core.policy import (
    Bound,
    Evidence,
    Gate,
    Pointer,
    Policy,
    is_rollback,
    needs_review,
    unmet,
)
from muster.core.snapshot import Change, Snapshot
from support.registry import (
    NOON,
    SIGNATURE,
    after,
    built,
    manifest_of,
    stored,
    valid,
    version,
    with_policy,
    yaml,
)

NOW = datetime(2026, 5, 2, 12, tzinfo=timezone.utc)
BIAS = (EvaluationDemand("bias"),)
PRODUCTION = Pointer("stage", "m", "production")
CHAMPION = Pointer("alias", "m", "champion")
WIDER = Signature(inputs=(*(SIGNATURE.inputs or ()), {"name": "wind", "type": "double", "required": True}))


def candidate(annotations: Annotations | None = None, format: str = "onnx", **fields: Any) -> ModelVersion:
    manifest = replace(manifest_of("m", stored(b"new"), format=format, **fields), version=2)
    return ModelVersion(manifest, annotations or Annotations(), None, (), None)


def incumbent(**fields: Any) -> Manifest:
    return replace(manifest_of("m", stored(b"old"), **fields), version=1)


def unmet_by(
    gate: Gate,
    version: ModelVersion | None = None,
    stage_now: str | None = None,
    replaces: Manifest | None = None,
    entered: datetime | None = None,
    now: datetime | None = NOW,
) -> list[str]:
    return [str(demand) for demand in gate.unmet(version or candidate(), stage_now, replaces, entered, now)]


def rmse(**bounds: Any) -> Gate:
    return Gate(metrics={"rmse": bound(**bounds)})


def bound(
    min: float | None = None, max: float | None = None, drop: object = None, rise: object = None
) -> Bound:
    return Bound(min, max, () if drop is None else (drop,), () if rise is None else (rise,))  # type: ignore[arg-type]


def judged(*verdicts: bool, **tags: str) -> Annotations:
    evaluations = tuple(Evaluation("bias", passed, NOON, "bot") for passed in verdicts)
    return Annotations(tags=tags, evaluations=evaluations)


def test_a_gate_that_demands_nothing_lets_everything_pass() -> None:
    assert unmet_by(Gate()) == []


@pytest.mark.parametrize(
    ("gate", "version", "says"),
    [
        (
            Gate(formats=("onnx", "skops")),
            candidate(format="pickle"),
            "its format is pickle; allowed: onnx, skops",
        ),
        (Gate(max_size=2), candidate(), "it has 3 bytes, at most 2 are allowed"),
        (Gate(model_card=True), candidate(), "a model card is required"),
        (Gate(signature=True), candidate(signature=None), "a signature is required"),
        (Gate(signature=True), candidate(signature=Signature(outputs=())), "a signature is required"),
        (Gate(signature="compatible"), candidate(signature=None), "a signature is required"),
        (Gate(tags={"risk": "passed"}), candidate(), "tag risk must be 'passed', and is missing"),
        (Gate(tags={"risk": "passed"}), candidate(judged(risk="failed")), "and is 'failed'"),
        (Gate(evaluations=BIAS), candidate(), "evaluation bias must have passed, and is missing"),
        (Gate(evaluations=BIAS), candidate(judged(False)), "and has failed"),
        (Gate(evaluations=BIAS), candidate(judged(True, False)), "and has failed"),
        (rmse(max=60), candidate(metrics={}), "metric rmse is required and is missing"),
        (rmse(max=60), candidate(metrics={"rmse": float("nan")}), "metric rmse is required and is nan"),
        (rmse(max=60), candidate(metrics={"rmse": float("-inf")}), "metric rmse is required and is -inf"),
        (rmse(min=1), candidate(metrics={"rmse": float("inf")}), "metric rmse is required and is inf"),
        (rmse(max=49), candidate(), "rmse is 50, at most 49 is allowed"),
        (rmse(min=51), candidate(), "rmse is 50, at least 51 is required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_demand_that_is_not_met_says_what_is_and_what_must_be(
    gate: Gate, version: ModelVersion, says: str
) -> None:
    unmet = unmet_by(gate, version)
    assert len(unmet) == 1
    assert says in unmet[0]


@pytest.mark.parametrize(
    ("gate", "version"),
    [
        (Gate(formats=("onnx",)), candidate()),
        (Gate(max_size=3), candidate()),
        (Gate(model_card=True), candidate(model_card="README.md")),
        (Gate(signature=True), candidate()),
        (Gate(signature=True), candidate(signature=Signature(inputs=()))),
        (Gate(tags={"risk": "passed"}), candidate(judged(risk="passed"))),
        (Gate(evaluations=BIAS), candidate(judged(False, True))),
        (rmse(max=50, min=50), candidate()),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_demand_that_is_met_says_nothing(gate: Gate, version: ModelVersion) -> None:
    assert unmet_by(gate, version) == []


@pytest.mark.parametrize(
    ("gate", "now", "before", "passes"),
    [
        (rmse(rise=5), 105.0, 100.0, True),
        (rmse(rise=5), 105.5, 100.0, False),
        (rmse(rise="5%"), 105.0, 100.0, True),
        (rmse(rise="5%"), 106.0, 100.0, False),
        (rmse(rise="5%"), -94.0, -100.0, False),
        (rmse(rise="5%"), -95.0, -100.0, True),
        (rmse(rise="5%"), 0.1, 0.0, False),
        (rmse(rise=0), 100.0, 100.0, True),
        (rmse(rise=-1), 99.5, 100.0, False),
        (rmse(drop=5), 95.0, 100.0, True),
        (rmse(drop=5), 94.0, 100.0, False),
        (rmse(drop="2.5%"), 97.5, 100.0, True),
        (rmse(drop="2.5%"), 97.4, 100.0, False),
        (rmse(drop=0, rise=0), 100.0, 100.0, True),
        (rmse(rise=5), 1e9, None, True),
        (rmse(rise=5), 1e9, float("nan"), True),
    ],
)
def test_a_metric_is_held_against_the_version_it_would_replace(
    gate: Gate, now: float, before: float | None, passes: bool
) -> None:
    replaces = incumbent(metrics={} if before is None else {"rmse": before})
    unmet = unmet_by(gate, candidate(metrics={"rmse": now}), replaces=replaces)
    assert (unmet == []) is passes, unmet
    assert unmet_by(gate, candidate(metrics={"rmse": now})) == []  # where nothing is replaced


def test_a_compatible_signature_serves_whoever_calls_the_version_it_replaces() -> None:
    gate = Gate(signature="compatible")
    assert unmet_by(gate, candidate(signature=WIDER)) == []
    assert unmet_by(gate, candidate(), replaces=incumbent(signature=WIDER)) == []
    broken = unmet_by(gate, candidate(signature=WIDER), replaces=incumbent())
    assert len(broken) == 1
    assert "its signature breaks callers of version 1" in broken[0]
    assert "wind" in broken[0]


@pytest.mark.parametrize(
    ("stage", "passes"),
    [("staging", True), ("STAGING", True), ("canary", True), ("archived", False), (None, False)],
)
def test_a_version_must_come_from_one_of_the_stages_named(stage: str | None, passes: bool) -> None:
    unmet = unmet_by(Gate(from_stages=("Staging", "canary")), stage_now=stage)
    assert (unmet == []) is passes
    assert passes or f"is in {stage or 'no stage'}" in unmet[0]


def test_none_among_the_stages_to_come_from_is_no_stage() -> None:
    assert unmet_by(Gate(from_stages=("none",)), stage_now=None) == []
    assert unmet_by(Gate(from_stages=("none",)), stage_now="staging") != []


@pytest.mark.parametrize(
    ("entered", "now", "passes"),
    [
        (NOW - timedelta(hours=24), NOW, True),
        (NOW - timedelta(hours=23, minutes=59), NOW, False),
        (NOW + timedelta(days=9), NOW, False),
        (None, NOW, False),
        (NOW - timedelta(days=9), None, False),
    ],
)
def test_a_version_must_have_stayed_in_its_stage(
    entered: datetime | None, now: datetime | None, passes: bool
) -> None:
    unmet = unmet_by(Gate(soak=timedelta(hours=24)), stage_now="staging", entered=entered, now=now)
    assert (unmet == []) is passes
    assert passes or "it must stay in staging for 24 hours first" in unmet[0]


def test_how_long_a_version_stayed_is_asked_of_the_stage_it_is_in() -> None:
    asked: list[tuple[Pointer, int]] = []

    def entered(pointer: Pointer, version: int) -> datetime:
        asked.append((pointer, version))
        return NOW - timedelta(hours=1)

    before = built(version("m", "1", stage="staging"), policy=policy("production: {soak: 30m}"))
    evidence = Evidence(NOW, entered=entered)
    assert list(unmet(before, before, PRODUCTION, 1, evidence)) == []
    assert asked == [(Pointer("stage", "m", "staging"), 1)]
    strict = with_policy(before, policy("production: {soak: 2h}"))
    assert "has been there since 2026-05-02 11:00 UTC" in str(
        next(unmet(strict, strict, PRODUCTION, 1, evidence))
    )


def test_without_evidence_nothing_that_needs_it_passes() -> None:
    before = built(version("m", "1", stage="staging"), policy=policy("production: {soak: 1m}"))
    assert list(unmet(before, before, PRODUCTION, 1, Evidence())) != []


def policy(*stages: str, aliases: str = "{}") -> bytes:
    lines = "".join(f"  {stage}\n" for stage in ("staging: {}", "archived: {}", *stages))
    return f"schema: 1\nname: x\nstages:\n{lines}aliases: {aliases}\n".encode()


# --- reading policy ---


def test_every_demand_is_read_from_registry_yaml() -> None:
    text = (
        "production: {exclusive: false, review: true, from: [staging], soak: 7d, approvals: 2, "
        "signature: compatible, formats: [onnx], model_card: true, max_size: 9, tags: {a: b}, "
        "metrics: {rmse: {min: 1, max: 2, max_drop: 3, max_rise: 4%}}, evaluations: [bias], rollback: {review: true}}"
    )
    read = Policy.of(Snapshot(None, {"registry.yaml": policy(text)})).gate("stage", "production")
    assert read == Gate(
        *(False, True, ("staging",), timedelta(days=7), 2, "compatible", ("onnx",), True, 9, {"a": "b"}),
        *({"rmse": Bound(1, 2, (3,), ("4%",))}, (EvaluationDemand("bias"),), True),
    )


def test_production_is_exclusive_unless_it_says_otherwise() -> None:
    for text, exclusive in (
        ("production: {}", True),
        ("Production:", True),
        ("production: {exclusive: false}", False),
    ):
        read = Policy.of(Snapshot(None, {"registry.yaml": policy(text)}))
        assert read.gate("stage", text.partition(":")[0]).exclusive is exclusive
    assert not read.gate("stage", "staging").exclusive


def test_without_a_registry_there_are_no_gates() -> None:
    assert Policy.of(Snapshot(None, {})) == Policy({}, {})


def test_a_star_stands_for_every_alias_without_a_gate_of_its_own() -> None:
    read = Policy.of(Snapshot(None, {"registry.yaml": policy(aliases="{'*': {review: true}, free: {}}")}))
    assert read.gate("alias", "anything").needs_review
    assert not read.gate("alias", "free").needs_review
    assert not read.gate("stage", "anything").needs_review


def test_a_stage_is_found_whatever_its_case() -> None:
    read = Policy.of(Snapshot(None, {"registry.yaml": policy("Production: {}")}))
    assert read.stage_name("pRODUCTION") == "Production"
    assert read.archive == "archived"
    with pytest.raises(NotFound, match="no stage 'prod'") as raised:
        read.stage_name("prod")
    assert "Production" in raised.value.hint


def test_a_model_adds_demands_and_takes_none_away() -> None:
    own = (
        "name: m\npolicy:\n  stages:\n    production: {exclusive: false, from: [none, staging], soak: 1h, "
        "max_size: 50, formats: [onnx, pickle], metrics: {rmse: {max: 70, min: 5}, mae: {max: 1}}}\n"
        "  aliases:\n    champion: {review: true}"
    )
    registrys = policy(
        "production: {from: [staging], soak: 24h, max_size: 9, formats: [skops, onnx], metrics: {rmse: {max: 60}}}",
        aliases="{'*': {model_card: true}}",
    )
    snapshot = Snapshot(None, {"registry.yaml": registrys, "models/m/model.yaml": yaml(own)})
    gate = Policy.of(snapshot, "m").gate("stage", "production")
    assert gate.exclusive
    assert gate.from_stages == ("staging",)
    assert gate.soak == timedelta(hours=24)
    assert gate.max_size == 9
    assert gate.formats == ("onnx",)
    assert gate.metrics == {"rmse": Bound(5, 60), "mae": Bound(None, 1)}
    champion = Policy.of(snapshot, "m").gate("alias", "champion")
    assert champion.needs_review
    assert champion.model_card
    assert Policy.of(snapshot, "other").gate("alias", "champion") == Gate(model_card=True)


def test_demands_that_exclude_each_other_let_nothing_pass() -> None:
    gate = Gate(formats=("onnx",)).stricter(Gate(formats=("skops",)))
    assert unmet_by(gate, candidate(format="onnx")) != []
    assert unmet_by(gate, candidate(format="skops")) != []
    assert unmet_by(gate.stricter(Gate(formats=("onnx",))), candidate(format="onnx")) != []


@pytest.mark.parametrize("text", ["7 d", "d", "1y", "-1h", "1.5h", "1h\n", "", "9999999h", "１h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        duration(text)


def test_a_policy_that_is_none_is_invalid() -> None:
    for text in (b"stages: [1]", b"stages: {production: {soak: soon}}", b"aliases: {x: 3}", b"[]"):
        with pytest.raises(Invalid):
            Policy.of(Snapshot(None, {"registry.yaml": text}))


# --- a stricter gate lets less pass ---

_numbers = st.sampled_from([None, 0.0, 1.0, 2.0])
_allowances = st.lists(st.sampled_from([0.0, 1.0, "10%", "50%"]), max_size=2).map(tuple)
_bounds = st.builds(Bound, _numbers, _numbers, _allowances, _allowances)
_some = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True).map(tuple)
_some_evaluations = st.lists(
    st.builds(
        EvaluationDemand,
        st.sampled_from("ab"),
        st.sampled_from([None, timedelta(hours=1), timedelta(days=1)]),
        st.sampled_from([(), ("@x",), ("X", "@y"), ("@y",)]),
    ),
    max_size=2,
).map(lambda wanted: demands.both(wanted, ()))
_demands: dict[str, st.SearchStrategy[Any]] = {
    "exclusive": st.booleans(),
    "review": st.booleans(),
    "from_stages": _some,
    "soak": st.sampled_from([timedelta(), timedelta(hours=1), timedelta(hours=5)]),
    "approvals": st.integers(0, 2),
    "signature": st.sampled_from([False, True, "compatible"]),
    "formats": _some,
    "model_card": st.booleans(),
    "max_size": st.none() | st.integers(1, 5),
    "tags": st.dictionaries(st.sampled_from("ab"), st.just("x"), max_size=1),
    "metrics": st.dictionaries(st.sampled_from(["rmse", "mae"]), _bounds, max_size=2),
    "evaluations": _some_evaluations,
    "card_sections": st.lists(st.sampled_from(["Use", "use:", "Limits"]), max_size=2).map(
        lambda wanted: demands.united(wanted, ())
    ),
    "rollback_review": st.sampled_from([None, True, False]),
}
_gates = st.fixed_dictionaries({}, optional=_demands).map(lambda demands: Gate(**demands))
_values = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, float("nan"), float("inf")])
_metrics = st.dictionaries(st.sampled_from(["rmse", "mae"]), _values)
_signatures = st.sampled_from([None, SIGNATURE, WIDER])
_moments = st.sampled_from(
    [NOON, "2026-05-02T11:30:00Z", "2026-05-02T12:04:00Z", "2026-05-03T00:00:00Z", "soon"]
)
_candidates = st.builds(
    lambda metrics, format, signature, card, tags, evaluations: candidate(
        Annotations(tags=tags, evaluations=tuple(Evaluation(*verdict) for verdict in evaluations)),
        *(format,),
        metrics=metrics,
        signature=signature,
        model_card=card,
        model_card_sections=("Use",) if card else (),
    ),
    _metrics,
    st.sampled_from(["a", "b", "c"]),
    _signatures,
    st.sampled_from([None, "README.md"]),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), _moments, st.sampled_from("xyz")), max_size=4),
)
_incumbents = st.none() | st.builds(lambda m, s: incumbent(metrics=m, signature=s), _metrics, _signatures)
_stages = st.sampled_from([None, "a", "b", "C"])
_entered = st.none() | st.integers(0, 6).map(lambda hours: NOW - timedelta(hours=hours))


@given(_gates, _gates, _candidates, _stages, _incumbents, _entered)
def test_whatever_the_stricter_of_two_gates_lets_pass_both_let_pass(
    a: Gate,
    b: Gate,
    version: ModelVersion,
    stage: str | None,
    replaces: Manifest | None,
    entered: datetime | None,
) -> None:
    both = a.stricter(b)
    if unmet_by(both, version, stage, replaces, entered) == []:
        assert unmet_by(a, version, stage, replaces, entered) == []
        assert unmet_by(b, version, stage, replaces, entered) == []
    assert both.needs_review >= max(a.needs_review, b.needs_review)
    assert both.exclusive >= max(a.exclusive, b.exclusive)
    if a.rollback_review is None or a.rollback_review:
        assert both.rollback_review in (
            a.rollback_review,
            True,
        )  # a model cannot pre-approve what the registry does not


@given(_gates, _candidates, _stages, _incumbents)
def test_a_gate_is_no_stricter_than_itself(
    gate: Gate, version: ModelVersion, stage: str | None, replaces: Manifest | None
) -> None:
    once = unmet_by(gate, version, stage, replaces, NOW)
    assert set(unmet_by(gate.stricter(gate), version, stage, replaces, NOW)) == set(once)


# --- rollback and review ---


def two_versions(text: bytes) -> Snapshot:
    """m: 1 was in production and is archived now, 2 is there, 3 never was; champion moved along."""
    moved = (
        version("m", "1", stage="production", aliases=("champion",), metrics={"rmse": 99.0}),
        version("m", "2", stage="production", aliases=("champion",)),
        version("m", "3", metrics={"rmse": 99.0}),
    )
    return with_policy(built(*moved), text)


GATE = "from: [staging], metrics: {rmse: {max: 60}}"
HELD = Evidence(NOW, held=lambda pointer, version: version in (1, 2))
NEVER = Evidence(NOW, held=lambda pointer, version: False)


@pytest.mark.parametrize(
    ("rollback", "to", "evidence", "findings", "review"),
    [
        (", rollback: {}", 1, HELD, 0, False),
        (", rollback: {review: false}", 1, HELD, 0, False),
        (", rollback: {review: true}", 1, HELD, 0, True),
        (", review: true, rollback: {review: false}", 1, HELD, 0, False),
        (", approvals: 2, rollback: {}", 1, HELD, 0, False),
        (", rollback: {}", 3, HELD, 2, False),
        (", review: true, rollback: {}", 3, HELD, 2, True),
        (", rollback: {}", 1, NEVER, 2, False),
        (", rollback: {}", 1, Evidence(NOW), 2, False),
        ("", 1, HELD, 2, False),
        (", review: true", 1, HELD, 2, True),
        (", approvals: 1", 1, HELD, 2, True),
    ],
)
def test_going_back_to_what_was_there_is_spared_the_gates_where_policy_says_so(
    rollback: str, to: int, evidence: Evidence, findings: int, review: bool
) -> None:
    before = two_versions(policy(f"production: {{{GATE}{rollback}}}"))
    made = plans.make(before, (ops.SetStage("m", to, "production"),), evidence)
    assert len(made.findings) == findings
    assert {f.rule for f in made.findings} <= {"gates_pass"}
    assert bool(made.review) is review
    if review:
        with pytest.raises(Refused):
            made.require_direct("")
    if findings:
        with pytest.raises(Invalid, match="may not enter production"):
            made.require_sound()


def test_an_alias_is_rolled_back_by_the_same_rules() -> None:
    champion = "{champion: {review: true, metrics: {rmse: {max: 60}}, rollback: {}}}"
    before = two_versions(policy("production: {}", aliases=champion))
    back = plans.make(before, (ops.SetAlias("m", "champion", 1),), HELD)
    assert (back.findings, back.review) == ((), ())
    forward = plans.make(before, (ops.SetAlias("m", "champion", 3),), HELD)
    assert forward.review == ("m@champion moves only by a reviewed proposal",)
    assert len(forward.findings) == 1


def test_what_is_yanked_is_never_gone_back_to() -> None:
    before = two_versions(policy(f"production: {{{GATE}, rollback: {{}}}}"))
    yanked = after(before, ops.plan(before, ops.Yank("m", 1, "x", NOON, "wrong")))
    with pytest.raises(Invalid, match="m/1 is yanked: wrong"):
        plans.make(yanked, (ops.SetStage("m", 1, "production"),), HELD)
    by_hand = {
        "models/m/stages/archived.yaml": None,
        "models/m/stages/production.yaml": yaml("versions: [1]"),
    }
    assert {f.rule for f in checks.check(yanked, Change(by_hand), HELD)} == {"pointer_resolves"}


def test_a_rollback_back_and_forth_in_one_change_is_judged_version_by_version() -> None:
    gate = Gate(rollback_review=False)
    assert is_rollback(gate, PRODUCTION, 1, HELD)
    assert not is_rollback(gate, PRODUCTION, 3, HELD)
    registry = Snapshot(None, {"registry.yaml": policy("production: {review: true, rollback: {}}")})
    assert list(needs_review(registry, {PRODUCTION: (1, 2)}, HELD)) == []
    assert list(needs_review(registry, {PRODUCTION: (1, 3)}, HELD)) != []


def test_taking_a_version_out_of_what_review_guards_needs_review() -> None:
    before = two_versions(
        policy("production: {review: true, rollback: {}}", aliases="{champion: {approvals: 1}}")
    )
    out = plans.make(before, (ops.SetStage("m", 2, None),), HELD)
    assert out.review == ("m/production moves only by a reviewed proposal",)
    gone = plans.make(before, (ops.DeleteAlias("m", "champion"),), HELD)
    assert gone.review == ("m@champion moves only by a reviewed proposal",)


def test_what_nothing_guards_moves_directly() -> None:
    before = two_versions(policy("production: {}"))
    made = plans.make(
        before, (ops.SetStage("m", 3, "production"), ops.SetAlias("m", "champion", 3)), Evidence()
    )
    made.require_sound()
    made.require_direct("")


def test_registering_straight_into_a_guarded_stage_is_judged_like_any_move() -> None:
    before = built(version("m", "1"), policy=policy("production: {review: true, signature: true}"))
    made = plans.make(before, (version("m", "2", stage="production", signature=None),), Evidence())
    assert [f.rule for f in made.findings] == ["gates_pass"]
    assert made.review == ("m/production moves only by a reviewed proposal",)


def test_every_gate_of_a_move_is_told_at_once() -> None:
    demands = (
        "from: [staging], formats: [skops], model_card: true, tags: {a: b}, evaluations: [bias], soak: 1h"
    )
    before = built(version("m", "1"), policy=policy(f"production: {{{demands}}}"))
    made = plans.make(before, (ops.SetStage("m", 1, "production"),), Evidence(NOW))
    assert len(made.findings) == 6


def test_the_words_of_a_version_are_those_after_the_change() -> None:
    before = built(version("m", "1"), policy=policy("production: {tags: {risk: passed}}"))
    tagged = (ops.Annotate("m", 1, tags={"risk": "passed"}), ops.SetStage("m", 1, "production"))
    assert plans.make(before, tagged, Evidence()).findings == ()


def test_a_version_that_stays_where_it_is_passes_no_gate_again() -> None:
    before = with_policy(valid(), policy("production: {formats: [skops]}"))
    assert checks.check(before, ops.plan(before, ops.Annotate("bikes", 2, "x"))) == []
    several = with_policy(before, policy("production: {formats: [skops], exclusive: false}", "x: {}"))
    same = Change({"models/bikes/stages/production.yaml": yaml("versions: [2]  # as it was")})
    assert checks.check(several, same) == []


def test_each_demand_that_is_not_met_says_the_way_out() -> None:
    gate = Gate(
        from_stages=("canary",),
        soak=timedelta(hours=24),
        formats=("skops",),
        tags={"risk": "passed"},
        metrics={"rmse": Bound(max=1)},
    )
    demands = list(gate.unmet(candidate(format="pickle"), "staging", None, NOW - timedelta(hours=23), NOW))
    assert [demand.fix for demand in demands] == [
        "muster promote m/2 canary",
        f"wait until {NOW + timedelta(hours=1):%Y-%m-%d %H:%M} UTC",
        "register another version: what was registered does not change",
        "once that is so: muster tag m/2 risk=passed",
        "promote a better version; or change the gate, in a change of its own",
    ]


def test_a_way_out_is_quoted_for_the_shell_it_will_be_typed_into() -> None:
    hostile = replace(candidate(), manifest=replace(candidate().manifest, model="m; rm -rf ~ #$(x)`x`"))
    (demand,) = Gate(tags={"risk": "passed"}).unmet(hostile, None, None, None, NOW)
    words = shlex.split(demand.fix.removeprefix("once that is so: "))
    assert words == ["muster", "tag", "m; rm -rf ~ #$(x)`x`/2", "risk=passed"]
