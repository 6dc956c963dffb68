"""What is worked out once for many operations is what each would have found."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.core import names
from muster.core import operations as ops
from muster.core.draft import Draft
from muster.core.errors import Conflict, Integrity, Invalid, MusterError
from muster.core.snapshot import Change, Snapshot
from muster.core.tree import Growing, Overlay
from support.registry import ANN, NO_GATES, NOON, after, built, manifest_of, stored, valid, version

PATHS = [f"{a}/{b}" for a in ("a", "b/c") for b in ("1", "2", "d/3")] + ["top"]
writes = st.lists(st.dictionaries(st.sampled_from(PATHS), st.none() | st.binary(max_size=2)), max_size=6)


@given(st.sets(st.sampled_from(PATHS)), writes)
def test_files_written_one_after_the_other_are_listed_like_files_written_at_once(
    below: set[str], written: list[dict[str, bytes | None]]
) -> None:
    lower = Overlay(dict.fromkeys(below, b"below"))
    growing, files = Growing(lower), dict[str, bytes | None]()
    for step in written:
        growing.write(step)
        files |= step
        once = Overlay(files, lower)
        assert dict(growing) == dict(once)
        for directory in ("", "a", "a/d", "b", "b/c", "b/c/d"):
            assert list(growing.children(directory)) == list(once.children(directory))


def _random_operation(chance: random.Random) -> ops.Operation:
    model = chance.choice(["bikes", "cars", "Cars", "taxis", "vans"])
    number, content = chance.randint(1, 8), f"content {chance.randint(1, 9)}"
    return chance.choice(
        [
            version(model, content),
            version(model, content, allow_duplicate=True),
            version(model, content, label=f"1.{number}.0", tags={"a": "b"}, aliases=("next",)),
            version(model, content, stage="production"),
            ops.SetStage(model, number, chance.choice(["staging", "production", None])),
            ops.DeleteVersion(model, number, ANN, NOON, "old"),
            ops.DeleteModel(model, ANN, NOON, "old"),
            ops.RenameModel(model, chance.choice(["buses", "trams"])),
            ops.CreateModel(model),
            ops.Annotate(model, number, "said"),
        ]
    )


def _outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except MusterError as error:
        return type(error), str(error)


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_operations_planned_together_lead_where_they_lead_one_by_one(seed: int) -> None:
    chance, now = random.Random(seed), valid()
    draft = Draft(now)
    for _ in range(12):
        wanted = _random_operation(chance)
        outcomes = [_outcome(ops.carry_out, draft, wanted), _outcome(ops.plan, now, wanted)]
        if isinstance(outcomes[1], Change):
            assert outcomes[0] is None, (wanted, outcomes)
            now = after(now, outcomes[1])
        else:
            here, there = (
                str(o).replace("commit 111111111111", "this state of the registry") for o in outcomes
            )
            assert here == there
    assert dict(draft.state.files) == dict(now.files)


def test_what_no_longer_follows_from_many_registrations_is_looked_at_again() -> None:
    draft = Draft(built(policy=NO_GATES))
    for number in range(6):
        ops.carry_out(draft, version("bikes", f"content {number}"))
    ops.carry_out(draft, ops.DeleteVersion("bikes", 6, ANN, NOON, "wrong"))
    ops.carry_out(draft, version("bikes", "content 5"))
    assert draft.registered[-1] == ("bikes", 7)
    ops.carry_out(draft, version("bikes", "content 2"))
    assert draft.registered[-1] == ("bikes", 3)


def test_of_many_registrations_one_with_another_content_under_the_same_md5_is_refused() -> None:
    draft = Draft(built(policy=NO_GATES))
    for number in range(6):
        ops.carry_out(draft, version("bikes", f"content {number}"))
    good, bad = stored(b"content 3"), stored(b"content X")
    forged = type(good)(good.oid, bad.files)
    with pytest.raises(Integrity, match="bikes/4 has other files under the same MD5"):
        ops.carry_out(draft, ops.RegisterVersion(manifest_of("bikes", forged), forged))


def test_an_operation_can_be_on_a_version_that_the_same_plan_registers() -> None:
    now = built(version("bikes", "one"))
    two = ops.OnRegistered(1, ops.SetAlias("bikes", "champion", 0))
    change = ops.plan(now, version("cars", "one"), version("bikes", "two"), two)
    assert after(now, change).alias("bikes", "champion") == 2
    again = ops.plan(now, version("cars", "one"), version("bikes", "one"), two)
    assert after(now, again).alias("bikes", "champion") == 1


def test_a_draft_knows_which_operation_wrote_a_file_and_stays_as_it_was_where_one_fails() -> None:
    draft = Draft(built(policy=NO_GATES))
    ops.carry_out(draft, version("bikes", "one", label="1.0"))
    with pytest.raises(Conflict, match=r"bikes/1\.0 is version 1 already"):
        ops.carry_out(draft, version("bikes", "two", label="1.0"))
    ops.carry_out(draft, version("bikes", "three"))
    assert draft.writers[names.path("version", "bikes", 1)] == 0
    assert draft.writers[names.path("version", "bikes", 2)] == 1
    with pytest.raises(Invalid, match="looks too much like model 'bikes'"):
        ops.carry_out(draft, version("Bikes", "four"))


def test_a_state_with_the_same_registry_file_does_not_read_it_again() -> None:
    class Counting(dict[str, bytes]):
        reads = 0

        def __getitem__(self, path: str) -> bytes:
            Counting.reads += path == names.REGISTRY
            return super().__getitem__(path)

    now = Snapshot("1" * 40, Counting(built(policy=NO_GATES).files))
    assert now.registry["name"] == now.apply(Change({"README.md": b"x"})).registry["name"] == "my-models"
    assert Counting.reads == 1
    other = Change({names.REGISTRY: NO_GATES.replace(b"my-models", b"other")})
    assert now.apply(other).registry["name"] == "other"
