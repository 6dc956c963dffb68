"""What a rename does to the history and to the lineage of a model."""

from __future__ import annotations

from muster.core import checks
from muster.core.events import events
from muster.core.models import Lineage, Parent
from muster.core.operations import RenameModel, plan
from muster.core.snapshot import EMPTY, Change
from support.registry import after, built, version


def test_a_rename_is_one_event() -> None:
    before = built(version("bikes", "one"), version("bikes", "two"))
    change = plan(before, RenameModel("bikes", "bicycles"))
    assert [str(event) for event in events(before, change)] == ["bikes: renamed to bicycles"]


def test_a_version_keeps_its_parents_when_their_model_is_renamed_once_and_again() -> None:
    registry = built(
        version("bikes", "one"),
        version("bikes", "two", lineage=Lineage(parents=(Parent("bikes", 1),))),
        version("scooters", "other", lineage=Lineage(parents=(Parent("bikes", 2),))),
        RenameModel("bikes", "bicycles"),
    )
    change = plan(registry, RenameModel("bicycles", "cycles"))
    assert checks.check(registry, change) == []
    assert checks.check(EMPTY, Change(after(registry, change).files)) == []
