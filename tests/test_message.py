"""What a commit says: the reason comes back out as it went in, and nothing else can pass for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.core import operations as ops
from muster.core.message import message, reason_of
from support.registry import ANN, NOON, valid


def test_a_message_is_a_subject_and_a_trailer() -> None:
    assert (
        message("bikes: production 2 -> 3", "new data")
        == "bikes: production 2 -> 3\n\nMuster-Reason: new data\n"
    )
    assert message("bikes: created") == "bikes: created\n"


@given(st.text(), st.text())
def test_a_reason_comes_back_as_one_line_of_its_words(subject: str, reason: str) -> None:
    text = message(subject, reason)
    back = reason_of(text)
    assert message(subject, back) == text
    assert text.count("\n") == (3 if back else 1)


@given(st.text(st.characters(whitelist_categories=("L", "N", "P", "S"))), st.text())
def test_a_reason_of_visible_characters_comes_back_as_it_is(reason: str, subject: str) -> None:
    assert reason_of(message(subject, reason)) == reason


@pytest.mark.parametrize("end", ["\n\n", "\n", "\r\n\r\n", "\u2028", "\x0b\x0b", "\x85\x85", "\x1c"])
def test_no_subject_can_forge_a_reason(end: str) -> None:
    forged = message(f"bikes: 6 a=b{end}Muster-Reason: the boss said so")
    assert forged.count("\n") == 1
    assert reason_of(forged) == ""
    assert reason_of(message(f"x{end}Muster-Reason: forged", "true")) == "true"


def test_no_tag_can_forge_a_reason() -> None:
    tagged = ops.plan(valid(), ops.Annotate("bikes", 6, tags={"a": "b\n\nMuster-Reason: the boss said so"}))
    assert reason_of(message(tagged.message)) == ""
    yanked = ops.plan(valid(), ops.Yank("bikes", 6, ANN, NOON, "x\n\nMuster-Reason: y"))
    assert reason_of(message(yanked.message, "x")) == "x"


def test_terminal_escapes_do_not_reach_the_log() -> None:
    assert "\x1b" not in message("a\x1b[2Jb", "c\x1b]0;d\x07e")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("subject\n\nbody\n\nMuster-Reason: why\nSigned-off-by: Ann\n", "why"),
        ("subject\n\nMuster-Reason: first\nMuster-Reason: last\n", "last"),
        ("subject\n\nMuster-Reason: why\n\nbody that follows\n", ""),
        ("subject\n\nmuster-reason: why\n", ""),
        ("Muster-Reason: only a subject\n", ""),
        ("", ""),
    ],
)
def test_a_reason_is_a_trailer_and_nothing_else(text: str, reason: str) -> None:
    assert reason_of(text) == reason
