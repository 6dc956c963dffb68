"""What a rename does to the history and to the lineage of a model."""

from __future__ import annotations

from muster.core import checks
from muster.core.events import events
from muster.core.models import Parent
from muster.core.operations import RenameModel, plan
from muster.core.snapshot import EMPTY, Change
from support.small_registry import after, empty_registry, version


def test_a_rename_is_one_event() -> None:
    before = after(empty_registry(), version("one"), version("two"))
    change = plan(before, RenameModel("bikes", "bicycles"))
    assert [str(event) for event in events(before, change)] == ["bikes: renamed to bicycles"]


def test_a_version_keeps_its_parents_when_their_model_is_renamed_once_and_again() -> None:
    registry = after(
        empty_registry(),
        version("one"),
        version("two", parents=(Parent("bikes", 1),)),
        version("other", model="scooters", parents=(Parent("bikes", 2),)),
        RenameModel("bikes", "bicycles"),
    )
    change = plan(registry, RenameModel("bicycles", "cycles"))
    assert checks.check(registry, change) == []
    renamed = registry.apply(change)
    everything = {path: renamed.files[path] for path in renamed.files}
    assert checks.check(EMPTY, Change(everything)) == []
