"""Patterns over the paths of an artifact."""

from __future__ import annotations

import pytest

from muster.core.errors import NotFound
from muster.core.models import ArtifactFile
from muster.core.selection import fits, only, select

FILES = tuple(
    ArtifactFile(path, 1, "0" * 64) for path in ("a.onnx", "tok/vocab.json", "tok/x/b.onnx", "weights/1.bin")
)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.onnx", "a.onnx", True),
        ("*.onnx", "x/y/a.onnx", True),
        ("/*.onnx", "x/a.onnx", False),
        ("/*.onnx", "a.onnx", True),
        ("x/*.onnx", "x/a.onnx", True),
        ("x/*.onnx", "x/y/a.onnx", False),
        ("a/b", "x/a/b", False),
        ("x?.[ab]", "x1.a", True),
        ("x?.[ab]", "x/.a", False),
        ("tok", "tok/x/y", True),
        ("tok/", "tok/x", True),
        ("tok", "token/x", False),
        ("**", "a/b", True),
        ("**/a", "a", True),
        ("**/a", "x/y/a", True),
        ("a/**", "a", False),
        ("a/**", "a/b/c", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("A", "a", False),
        ("", "a", False),
    ],
)
def test_a_pattern_fits_as_in_gitignore(pattern: str, path: str, expected: bool) -> None:
    assert fits(pattern, path) is expected


def test_many_stars_cost_no_more_than_they_must() -> None:
    assert not fits("/".join(["**", "a*a*a*a*b"] * 30), "/".join(["a" * 60] * 60))


def test_what_is_included_and_not_excluded_is_selected_in_its_order() -> None:
    assert select(FILES) == FILES
    assert [f.path for f in select(FILES, include=["*.onnx", "weights"])] == [
        "a.onnx",
        "tok/x/b.onnx",
        "weights/1.bin",
    ]
    assert [f.path for f in select(FILES, include="tok", exclude="*.onnx")] == ["tok/vocab.json"]
    assert [f.path for f in select(FILES, exclude=["tok/x"])] == ["a.onnx", "tok/vocab.json", "weights/1.bin"]


@pytest.mark.parametrize("said", [{"include": ["*.onnx", "*.onx"]}, {"exclude": "*.onx"}, {"include": [""]}])
def test_a_pattern_that_fits_nothing_is_not_found_and_what_there_is_is_named(
    said: dict[str, list[str]],
) -> None:
    with pytest.raises(NotFound, match="fits") as caught:
        select(FILES, **said)
    assert "tok/vocab.json" in caught.value.hint


def test_nothing_left_is_not_found() -> None:
    with pytest.raises(NotFound):
        select(FILES, include="tok", exclude="**")


def test_one_file_is_named_by_its_path_alone() -> None:
    assert only(FILES, "a.onnx") == FILES[0]
    with pytest.raises(NotFound, match=r"\*\.onnx"):
        only(FILES, "*.onnx")


def test_of_many_files_a_few_are_named() -> None:
    with pytest.raises(NotFound) as caught:
        only([ArtifactFile(f"{n}", 1, "0" * 64) for n in range(1000)], "x")
    assert "and 990 more" in caught.value.hint and len(caught.value.hint) < 200
