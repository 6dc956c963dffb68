"""Evaluations with an age and judges, and what a model card must say."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.backends.formats import describe, sections
from muster.core import brief, checks, demands, plans
from muster.core import operations as ops
from muster.core.demands import EvaluationDemand, in_words
from muster.core.manifest import manifest_from, manifest_to
from muster.core.models import Evaluation
from muster.core.policy import Evidence, Gate, Pointer, Policy, unmet
from muster.core.snapshot import Change, Snapshot
from support.registry import after, built, manifest_of, stored, version

NOW = datetime(2026, 5, 2, 12, tzinfo=timezone.utc)
RITA = "Rita <rita@example.com>"
DAY, MONTH = timedelta(days=1), timedelta(days=30)


def verdict(passed: bool = True, ago: timedelta = DAY, by: str = RITA, name: str = "bias") -> Evaluation:
    return Evaluation(name, passed, f"{NOW - ago:%Y-%m-%dT%H:%M:%SZ}", by)


def unmet_by(demand: EvaluationDemand, *verdicts: Evaluation, now: datetime | None = NOW) -> str:
    return "; ".join(demand.unmet(verdicts, now))


ANY = EvaluationDemand("bias")
FRESH = EvaluationDemand("bias", MONTH)
RISK = EvaluationDemand("bias", None, ("@risk", RITA))


@pytest.mark.parametrize(
    ("demand", "verdicts", "says"),
    [
        (ANY, [], "evaluation bias must have passed, and is missing"),
        (ANY, [verdict(name="Bias")], "and is missing"),
        (ANY, [verdict(), verdict(False, timedelta(hours=1))], "and has failed"),
        (ANY, [verdict(), verdict(False)], "and has failed"),
        (ANY, [verdict(False, DAY), verdict(True, 2 * DAY)], "and has failed"),
        (FRESH, [verdict(ago=31 * DAY)], "must have passed within 30 days, and last did on 2026-04-01 12:00 UTC"),
        (FRESH, [verdict(ago=-DAY)], "is missing; the verdict of 2026-05-03T12:00:00Z is dated in the future"),
        (ANY, [verdict(ago=-timedelta(minutes=6))], "is dated in the future"),
        (RISK, [verdict(by="Bob <bob@example.com>")], "is missing; the verdict of Bob <bob@example.com> is not counted"),
        (RISK, [verdict(by="Rita <bob@example.com>")], "by @risk or Rita <rita@example.com>, and is missing"),
        (RISK, [verdict(False), verdict(ago=timedelta(), by="bob")], "has failed; the verdict of bob is not counted"),
        (ANY, [Evaluation("bias", True, "yesterday", RITA)], "the date of a verdict is not one: 'yesterday'"),
        (ANY, [Evaluation("bias", True, "2026-05-01", RITA)], "the date of a verdict is not one"),
    ],
)  # fmt: skip
def test_an_evaluation_that_is_no_fresh_pass_by_who_may_judge_is_a_finding(
    demand: EvaluationDemand, verdicts: list[Evaluation], says: str
) -> None:
    assert says in unmet_by(demand, *verdicts)


@pytest.mark.parametrize(
    ("demand", "verdicts"),
    [
        (ANY, [verdict(False), verdict(ago=timedelta(hours=1))]),
        (ANY, [verdict(False), verdict()]),
        (ANY, [verdict(), verdict(False, -DAY)]),
        (FRESH, [verdict(ago=MONTH)]),
        (FRESH, [verdict(ago=-timedelta(minutes=5))]),
        (RISK, [verdict(by="RISK")]),
        (RISK, [verdict(by="Somebody <RITA@example.com>")]),
        (RISK, [verdict(), verdict(False, timedelta(), "bob")]),
    ],
)
def test_the_newest_verdict_by_who_may_judge_counts(
    demand: EvaluationDemand, verdicts: list[Evaluation]
) -> None:
    assert unmet_by(demand, *verdicts) == ""


def test_without_a_clock_no_verdict_is_fresh() -> None:
    assert unmet_by(FRESH, verdict(), now=None) != ""
    assert unmet_by(ANY, verdict(), now=None) == ""


def test_of_two_demands_of_the_same_judges_the_shorter_age_holds() -> None:
    longer = EvaluationDemand("bias", MONTH, (RITA, "@risk"))
    shorter = EvaluationDemand("bias", DAY, ("@Risk", "R <rita@example.com>"))
    assert demands.both([longer], [shorter]) == (EvaluationDemand("bias", DAY, longer.by),)
    assert demands.both([ANY], [FRESH]) == (FRESH,)
    assert demands.both([RISK], [ANY]) == (RISK, ANY)


_whom = st.sampled_from(["@x", "@y", "@z"])
_made = st.lists(
    st.builds(verdict, st.booleans(), st.integers(-2, 40).map(lambda d: timedelta(days=d)), _whom), max_size=4
)
_wanted = st.builds(
    EvaluationDemand,
    st.just("bias"),
    st.sampled_from([None, DAY, MONTH]),
    st.lists(_whom, max_size=2, unique=True).map(tuple),
)


@given(_wanted, _wanted, _made)
def test_both_demands_let_pass_what_each_lets_pass(
    a: EvaluationDemand, b: EvaluationDemand, verdicts: list[Evaluation]
) -> None:
    both = "".join(unmet_by(demand, *verdicts) for demand in demands.both([a], [b]))
    assert (both == "") is (unmet_by(a, *verdicts) == "" and unmet_by(b, *verdicts) == "")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "1.5 hours"),
        (timedelta(hours=24), "24 hours"),
        (timedelta(days=7), "7 days"),
        (timedelta(), "0 minutes"),
    ],
)
def test_a_length_of_time_is_told_in_the_unit_that_suits_it(length: timedelta, words: str) -> None:
    assert in_words(length) == words


def test_evaluations_and_sections_are_read_from_a_policy() -> None:
    text = (
        "schema: 1\nname: x\nstages:\n  production:\n    model_card: {sections: [Intended use]}\n    evaluations:\n"
        f"    - speed\n    - {{name: bias, max_age: 30d, by: ['@risk', '{RITA}']}}\n"
    )
    registry = Snapshot(None, {"registry.yaml": text.encode()})
    gate = Policy.of(registry).gate("stage", "production")
    assert gate.evaluations == (EvaluationDemand("speed"), EvaluationDemand("bias", MONTH, ("@risk", RITA)))
    assert (gate.model_card, gate.card_sections) == (True, ("Intended use",))
    assert checks.check(Snapshot(None, {}), Change(registry.files)) == []


@pytest.mark.parametrize(
    "evaluations",
    [
        "[{max_age: 30d}]",
        "[{name: a, max_age: soon}]",
        "[{name: a, by: []}]",
        "[{name: a, by: [' ']}]",
        "[{}]",
    ],
)
def test_a_demand_that_cannot_be_meant_is_no_policy(evaluations: str) -> None:
    text = f"schema: 1\nname: x\nstages:\n  production:\n    evaluations: {evaluations}\n"
    found = checks.check(Snapshot(None, {}), Change({"registry.yaml": text.encode()}))
    assert {f.rule for f in found} == {"schema_matches"}


def test_a_verdict_is_judged_at_the_moment_of_the_change() -> None:
    policy = b"schema: 1\nname: x\nstages:\n  production:\n    evaluations: [{name: bias, max_age: 7d}]\n"
    before = built(version("m", "1"), policy=policy)
    judged = after(before, ops.plan(before, ops.Annotate("m", 1, evaluations=(verdict(ago=DAY),))))
    production = Pointer("stage", "m", "production")
    assert list(unmet(judged, judged, production, 1, Evidence(NOW))) == []
    assert list(unmet(judged, judged, production, 1, Evidence(NOW + 7 * DAY))) != []


def test_a_report_says_of_a_verdict_what_the_gate_says_of_it() -> None:
    policy = b"schema: 1\nname: x\nstages:\n  production:\n    evaluations: [{name: bias, max_age: 7d, by: ['@risk']}]\n"
    before = built(version("m", "1"), policy=policy)
    promoted = ops.SetStage("m", 1, "production")
    for by, ago, says in (("@risk", DAY, "passed"), ("@bob", DAY, None), ("@risk", 8 * DAY, "passed")):
        said = ops.Annotate("m", 1, evaluations=(verdict(ago=ago, by=by),))
        plan = plans.make(before, (said, promoted), Evidence(NOW))
        (move,) = brief.moves(plan)
        row = next(row for row in move.rows if row.kind == "evaluation")
        assert (row.proposed, row.passed) == (says, not plan.findings)
        assert row.gate == "must have passed by @risk within 7 days"
        assert not move.spared


# --- model cards ---


def test_a_card_lacks_the_sections_that_are_not_among_its_headings() -> None:
    manifest = manifest_of(
        "m", stored(b"x"), model_card="README.md", model_card_sections=("INTENDED  use:", "Data")
    )
    assert demands.missing_sections(["Intended use", " data "], manifest) == ()
    assert demands.missing_sections(["Intended use", "Limitations"], manifest) == ("Limitations",)
    gate = Gate(model_card=True, card_sections=("Limitations",))
    (finding,) = gate._unmet_content(manifest, None)
    assert finding == "its model card lacks: Limitations; it has: INTENDED  use:, Data"
    (finding,) = gate._unmet_content(manifest_of("m", stored(b"x"), model_card="README.md"), None)
    assert finding == "its model card lacks: Limitations; its manifest records no sections"


def test_sections_of_two_policies_are_united() -> None:
    assert demands.united(["Use", "Data"], ["use:", "Limits"]) == ("Use", "Data", "Limits")


def test_the_sections_of_a_card_are_part_of_the_manifest() -> None:
    manifest = manifest_of("m", stored(b"x"), model_card="README.md", model_card_sections=("Use", "Data"))
    assert manifest_from(manifest_to(manifest)) == manifest
    assert "model_card_sections" not in manifest_to(manifest_of("m", stored(b"x")))


CARD = """\
---
title: Bikes
tags: [a]
# not: a heading
---

# Bikes #

## Intended use:
Text that goes
on.

Limitations
and dangers
-----------

<!--
## Commented out
-->
<!-- ## So is this -->

```python
# a comment in code
```

~~~~
## tildes
~~~
## still inside
~~~~

    # indented code

- an item
---

> quoted
===

###Not one
####### seven
   ### **Training data** ##
## [Metrics](https://example.com) and `code` ##

a | b
---|---

***
Ethics
======
"""


def card(tmp_path: Path, text: str | bytes) -> tuple[str, ...]:
    path = tmp_path / "README.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sections(path)


def test_the_headings_of_a_card_are_what_a_reader_sees_as_headings(tmp_path: Path) -> None:
    assert card(tmp_path, CARD) == (
        *("Bikes", "Intended use:", "Limitations and dangers", "Training data"),
        *("Metrics and code", "Ethics"),
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("# A\r\n\r\nB\r\n=\r\n", ("A", "B")),
        ("\ufeff# A", ("A",)),
        ("---\n# A", ("A",)),
        ("#\n##\n# #", ()),
        ("# a\x1b[2Jb\u200b", ("a [2Jb",)),
        ("```\n# A", ()),
        ("``` a`b\n# A", ("A",)),
        ("text\n# A\nmore\n---", ("A", "more")),
        ("1. one\nlazy\n---\nB\n---", ("B",)),
        ("# C#", ("C#",)),
        (b"# caf\xe9", ("caf�",)),
        ("# " + "x" * 999, ("x" * 250,)),
    ],
)
def test_a_card_is_read_as_commonmark_reads_it(
    tmp_path: Path, text: str | bytes, found: tuple[str, ...]
) -> None:
    assert card(tmp_path, text) == found


def test_of_very_many_headings_the_first_are_kept(tmp_path: Path) -> None:
    assert len(card(tmp_path, "# x\n" * 5000)) == 200


def test_what_is_no_plain_file_has_no_headings(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("# A")
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    assert sections(tmp_path / "link.md") == ()
    assert sections(tmp_path / "none.md") == ()
    assert sections(tmp_path) == ()


def test_describing_a_directory_reads_its_card(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    (tmp_path / "MODEL_CARD.md").write_text("# Use\n\n## Limits\n")
    (tmp_path / "README.md").write_text("# Another")
    assert describe(tmp_path).model_card_sections == ("Use", "Limits")


@given(st.text(alphabet="#-=`~<>!ab \n*_:[]()\t", max_size=200))
def test_any_text_has_headings_that_a_manifest_can_hold(text: str) -> None:
    from muster.backends.formats.cards import _headings, _plain

    for heading in map(_plain, _headings(text.splitlines())):
        assert heading == heading.strip()
        assert len(heading) <= 250
