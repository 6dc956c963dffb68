"""The file of changes that becomes one proposal."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from muster.core import operations as ops
from muster.core import planfile
from muster.core.errors import Invalid, NotFound
from support.registry import ANN, NOON, valid

VALID = valid()


def rollback(pointer: str, to: int | None, reason: str) -> Iterable[ops.Operation]:
    """Stands where history would decide."""
    assert (pointer, reason) == ("bikes/production", "the nightly run")
    return (ops.SetStage("bikes", to or 1, "production"),)


def read(text: str) -> tuple[list[ops.Operation], str]:
    return planfile.read(text.encode(), "plan.yaml", VALID, ANN, NOON, "", rollback)


def test_each_change_becomes_an_operation_in_order() -> None:
    wanted, reason = read("""\
schema: 1
reason: the nightly run
changes:
- {promote: bikes@champion, to: staging}
- {demote: bikes/1.4.0}
- {alias: bikes/latest, to: "@next"}
- {unalias: bikes@champion}
- {rollback: bikes/production}
- {rollback: bikes/production, to: 2}
- {tag: bikes/3, set: {risk: low}}
- {tag: bikes, remove: [team]}
- {describe: taxis/1, text: Fewer trees}
- {yank: bikes/6, because: wrong data}
""")
    assert reason == "the nightly run"
    assert wanted == [
        ops.SetStage("bikes", 2, "staging"),
        ops.SetStage("bikes", 3, None),
        ops.SetAlias("bikes", "next", 6),
        ops.DeleteAlias("bikes", "champion"),
        ops.SetStage("bikes", 1, "production"),
        ops.SetStage("bikes", 2, "production"),
        ops.Annotate("bikes", 3, tags={"risk": "low"}),
        ops.AnnotateModel("bikes", without_tags=("team",)),
        ops.Annotate("taxis", 1, "Fewer trees"),
        ops.Yank("bikes", 6, ANN, NOON, "wrong data"),
    ]


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ("- {promote: bikes/3}", "3:3", "'to' is a dependency of 'promote'"),
        ("- {promote: bikes/3, to: production, alias: bikes/3}", "3:3", "promote and alias"),
        ("- {to: production}", "3:3", "not nothing to do"),
        ("- {demote: bikes/3, to: staging}", "3:25", "demote takes no 'to'"),
        ("- {promote: bikes/3, to: 3}", "3:26", "promote goes to a name, not to 3"),
        (
            "- {rollback: bikes/production, to: two}",
            "3:36",
            "rollback goes to a version number, not to 'two'",
        ),
        ("- {pomote: bikes/3, to: production}", "3:3", "'pomote' was unexpected"),
        ("[]", "2:10", "should be non-empty"),
    ],
)
def test_what_is_not_clear_is_refused_with_its_place(changes: str, place: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(f"schema: 1\nchanges:{' ' if changes == '[]' else chr(10)}{changes}\n")
    (finding, *_) = refused.value.findings
    assert finding.place == f"plan.yaml:{place}"
    assert words in finding.message


def test_a_reference_to_nothing_is_not_found() -> None:
    with pytest.raises(NotFound, match="no version 99"):
        read("schema: 1\nchanges:\n- {promote: bikes/99, to: production}\n")
