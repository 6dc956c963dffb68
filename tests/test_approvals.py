"""Whose approvals count, and what is said where too few do."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import checks, plans
from muster.core import operations as ops
from muster.core.errors import Invalid
from muster.core.policy import Evidence, owners
from muster.core.proposals import Approval, Review
from muster.core.snapshot import Snapshot
from support.registry import after, built, edited, version, yaml

NOW = datetime(2026, 5, 2, 12, tzinfo=timezone.utc)
HEAD, OLD = "a" * 40, "b" * 40
ANN, BEA, CAT = (f"{name} <{name.lower()}@example.com>" for name in ("Ann", "Bea", "Cat"))


def yes(by: str, *also: str, head: str = HEAD, bot: bool = False) -> Approval:
    return Approval(by, head, "", bot, also)


def counted(
    *approvals: Approval, owned_by: tuple[str, ...] = (), authors: tuple[str, ...] = (ANN,)
) -> list[str]:
    return [a.by for a in Review(HEAD, authors, approvals).tally(owned_by).counted]


def void(
    *approvals: Approval, owned_by: tuple[str, ...] = (), authors: tuple[str, ...] = (ANN,)
) -> list[str]:
    return [why for _, why in Review(HEAD, authors, approvals).tally(owned_by).void]


def test_each_owner_who_did_not_write_it_counts_once() -> None:
    assert counted(yes(BEA), yes("@cat"), yes(BEA), owned_by=(BEA, "@Cat", ANN)) == [BEA, "@cat"]


def test_with_no_owners_everybody_but_the_author_is_one() -> None:
    assert counted(yes(ANN), yes(BEA), yes("@dan")) == [BEA, "@dan"]


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        (yes(BEA, head=OLD), "it was of bbbbbbbbbbbb, before the last push"),
        (yes("@review", bot=True), "a bot's does not count"),
        (yes("review[bot]"), "a bot's does not count"),
        (yes(ANN), "the author's does not count"),
        (yes("Mr X <ANN@example.com>"), "the author's does not count"),
        (yes("@ann", "ann@example.com"), "the author's does not count"),
        (yes("@dan"), "it is not an owner's"),
        (yes("Bea <dan@example.com>"), "it is not an owner's"),
        (yes(" "), "it does not say whose it is"),
    ],
)
def test_an_approval_that_does_not_count_says_why(approval: Approval, why: str) -> None:
    owned_by = (ANN, BEA, "@review", "@ann")
    assert void(approval, owned_by=owned_by) == [why]
    assert counted(approval, owned_by=owned_by) == []


def test_an_author_is_known_by_login_and_by_address() -> None:
    both = (ANN, "@ann-a")
    assert counted(yes("@Ann-A"), yes("ann@example.com"), authors=both) == []
    assert counted(yes("@ann", "ann@example.com", head=OLD), yes("@ann")) == []


def test_one_person_under_two_names_is_one_whichever_name_comes_first() -> None:
    one = [yes("@bea"), yes(BEA), yes("@bea", "bea@example.com")]
    for order in (one, one[::-1], [one[2], *one[:2]]):
        assert len(counted(*order)) == 1


def test_two_members_of_a_team_are_two_people() -> None:
    team = (yes("@bea", "@org/risk"), yes("@cat", "@org/risk"))
    assert counted(*team, owned_by=("@org/risk",)) == ["@bea", "@cat"]
    assert counted(*team, owned_by=("@org/risk",), authors=("@dan", "@org/risk")) == ["@bea", "@cat"]


_names = st.sampled_from(["@a", "@b", "A <a@x>", "B <b@x>", "c@x"])
_approvals = st.lists(
    st.builds(yes, _names, _names, head=st.sampled_from([HEAD, OLD]), bot=st.booleans()), max_size=5
)


@given(_approvals, st.lists(_names, max_size=3), st.lists(_names, max_size=2))
def test_no_order_of_approvals_makes_more_of_them(
    approvals: list[Approval], owned_by: list[str], authors: list[str]
) -> None:
    review = Review(HEAD, tuple(authors), tuple(approvals))
    turned = Review(HEAD, tuple(authors), tuple(reversed(approvals)))
    assert len(review.tally(owned_by).counted) == len(turned.tally(owned_by).counted)
    assert all(a.head == HEAD and not a.bot for a in review.tally(owned_by).counted)


# --- in front of a stage ---


def registry(gate: str, more: str = "", model_owners: str = "") -> Snapshot:
    """m/1 was in production, m/2 is, m/3 is in staging."""
    policy = (
        f"schema: 1\nname: x\n{more}stages:\n  staging: {{}}\n  production: {{{gate}}}\n  archived: {{}}\n"
    )
    free = "schema: 1\nname: x\nstages:\n  staging: {}\n  production: {}\n  archived: {}\n"
    moved = (*(version("m", n, stage="production") for n in "12"), version("m", "3", stage="staging"))
    now = built(*moved, policy=free.encode())
    card = yaml(f"name: m\n{model_owners}")
    return edited(now, {"registry.yaml": policy.encode(), "models/m/model.yaml": card})


def findings(
    before: Snapshot, *approvals: Approval, to: int = 3, held: bool = False, known: bool = True
) -> list[str]:
    review = Review(HEAD, (ANN,), approvals) if known else None
    evidence = Evidence(NOW, lambda *_: held, lambda *_: NOW, (ANN,), review)
    plan = plans.make(before, (ops.SetStage("m", to, "production"),), evidence)
    return [f.message for f in plan.findings]


def ways_out(before: Snapshot, *approvals: Approval) -> list[str]:
    evidence = Evidence(NOW, authors=(ANN,), review=Review(HEAD, (ANN,), approvals))
    return [f.fix for f in plans.make(before, (ops.SetStage("m", 3, "production"),), evidence).findings]


OWNED = f"owners: ['{ANN}', '@bea']\n"


def test_too_few_approvals_keep_a_version_out_and_enough_let_it_in() -> None:
    before = registry("approvals: 2", model_owners=f"owners: ['@bea', '{CAT}']\n")
    (finding,) = findings(before, yes("@bea"), yes("@dan"))
    assert finding == (
        f"m/3 may not enter production: it needs 2 approvals of @bea, {CAT}, and has 1 by @bea; "
        "@dan approved, and it is not an owner's"
    )
    assert findings(before, yes("@bea"), yes("@cat", "cat@example.com")) == []


def test_where_nobody_knows_of_a_review_approvals_are_not_counted() -> None:
    assert findings(registry("approvals: 2"), known=False) == []


def test_the_owners_of_the_registry_are_owners_of_every_model() -> None:
    before = registry("approvals: 2", "owners: ['@cat']\n", OWNED)
    assert checks.check(Snapshot(None, {}), ops.Change(before.files)) == []
    assert owners(before, "m") == (ANN, "@bea", "@cat")
    assert owners(before, "other") == ("@cat",)
    assert findings(before, yes("@bea"), yes("@cat")) == []
    assert findings(before, yes("@cat")) != []


def test_where_only_the_author_owns_it_the_finding_says_how_to_name_more() -> None:
    before = registry("approvals: 1", model_owners=f"owners: ['{ANN}']\n")
    (fix,) = ways_out(before, yes(ANN), yes("@bea"))
    assert "muster annotate m --owner" in fix
    wanted = ops.AnnotateModel("m", owners=(ANN, "@bea"))
    assert findings(after(before, ops.plan(before, wanted)), yes("@bea")) == []
    assert "annotate" not in ways_out(registry("approvals: 1", model_owners=OWNED), yes(ANN))[0]
    assert "annotate" not in ways_out(registry("approvals: 1"), yes(ANN))[0]


@pytest.mark.parametrize(
    ("rollback", "approvals", "passes"),
    [
        ("rollback: {review: false}", (), True),
        ("rollback: {review: true}", (), False),
        ("rollback: {review: true}", (yes("@bea"),), True),
        ("from: [staging]", (yes("@bea"),), False),
    ],
)
def test_a_rollback_needs_approvals_only_where_policy_says_so(
    rollback: str, approvals: tuple[Approval, ...], passes: bool
) -> None:
    before = registry(f"approvals: 1, {rollback}")
    assert (findings(before, *approvals, to=1, held=True) == []) is passes


def test_whoever_the_change_makes_an_owner_is_none_yet() -> None:
    before = registry("approvals: 1", model_owners="owners: ['@cat']\n")
    wanted = (ops.AnnotateModel("m", owners=("@bea",)), ops.SetStage("m", 3, "production"))
    evidence = Evidence(NOW, review=Review(HEAD, (ANN,), (yes("@bea"),)))
    assert [f.rule for f in plans.make(before, wanted, evidence).findings] == ["gates_pass"]


@pytest.mark.parametrize("text", ["owners: 5", "owners: [5]", "owners: {a: b}"])
def test_owners_that_cannot_be_read_make_nobody_an_owner(text: str) -> None:
    before = registry("approvals: 1", model_owners=f"{text}\n")
    with pytest.raises(Invalid):
        owners(before, "m")
    assert findings(before, yes("@bea")) != []
