"""The runner's expressions, against the answers of GitHub's own implementation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.actions.expressions import ExpressionError, evaluate, expand, to_text

GOLDEN = json.loads((Path(__file__).parent / "expressions.json").read_text())


@pytest.mark.parametrize(("expression", "value"), GOLDEN["values"])
def test_an_expression_has_the_value_that_github_gives_it(expression: str, value: str) -> None:
    assert to_text(evaluate(expression, GOLDEN["contexts"])) == value


@pytest.mark.parametrize("expression", GOLDEN["refused"])
def test_what_github_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, GOLDEN["contexts"])


def test_an_expression_that_is_all_of_a_text_keeps_its_kind() -> None:
    assert expand("${{ list }}", GOLDEN["contexts"]) == [1, 2, 3]
    assert expand({"a": ["x${{ list[0] }}-${{ list[1] }}"]}, GOLDEN["contexts"]) == {"a": ["x1-2"]}
