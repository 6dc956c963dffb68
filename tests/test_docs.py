"""The documentation is true: its examples run, its links resolve, and what is generated is fresh.

ACCEPT_DOCS=1 writes what the commands print into the pages instead of failing; read the diff before you commit it.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

import pytest

from muster.core import checks, names, plans
from muster.core.models import Parent
from muster.core.operations import SetStage
from muster.core.policy import Evidence
from muster.core.snapshot import EMPTY, Change
from muster.frontends import report
from support import pages
from support.small_registry import after, empty_registry, version

TOP = Path(__file__).resolve().parent.parent
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
NAMES = {page: page.relative_to(TOP).as_posix() for page in PAGES}
ACCEPT = os.environ.get("ACCEPT_DOCS") == "1"


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load_generator()


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if pages.is_runnable(p)], ids=NAMES.get)
def test_every_example_of_a_page_does_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    found = pages.run(page, tmp_path)
    if ACCEPT:
        pages.accept(page, found)
        found = [wrong for wrong in found if "--- exit code" in wrong.words or not wrong.printed]
    assert not found, "\n\n".join(f"{NAMES[page]}:{wrong.first}\n{wrong.words}" for wrong in found)


def _files(page: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yield (path, content, line) of each file of a registry that a page shows: its first line names it."""
    for block in pages.blocks(page):
        if block.kind in ("yaml", "ini") and block.lines and block.lines[0].startswith("# "):
            yield block.lines[0][2:], "".join(f"{line}\n" for line in block.lines[1:]).encode(), block.first


def test_the_files_shown_by_the_page_of_file_formats_are_one_valid_registry() -> None:
    files = {path: content for path, content, _ in _files(TOP / "docs" / "file-formats.md")}
    assert {names.locate(path).kind for path in files if names.locate(path)} == {  # type: ignore[union-attr]
        "registry", "model", "version", "dvc", "annotations", "alias", "stage", "label", "tombstone"
    }  # fmt: skip
    assert checks.check(EMPTY, Change(files)) == []


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "file-formats.md"], ids=NAMES.get)
def test_each_file_shown_elsewhere_matches_its_schema(page: Path) -> None:
    for path, content, line in _files(page):
        around = {p: c for p, c in empty_registry().files.items() if p != path}
        findings = checks.check(EMPTY, Change({**around, path: content}))
        assert not findings, f"{NAMES[page]}:{line}: {findings}"


def _gates() -> list[tuple[bytes, pages.Block]]:
    """Each policy of the page of policies that is followed by what it finds, and the block that shows that."""
    every = list(pages.blocks(TOP / "docs" / "policy.md"))
    return [
        ("".join(f"{line}\n" for line in policy.lines[1:]).encode(), shown)
        for policy, shown in zip(every, every[1:], strict=False)
        if policy.kind == "yaml" and shown.kind == "text"
    ]


@pytest.mark.parametrize(("policy", "shown"), _gates(), ids=lambda value: getattr(value, "first", ""))
def test_each_gate_refuses_what_its_page_says_it_refuses(policy: bytes, shown: pages.Block) -> None:
    temp, hour = ({"name": "temp", "type": "double"}, {"name": "hour", "type": "long"})
    registry = after(
        empty_registry(policy),
        version("one", metrics={"rmse": 55.0}, inputs=(temp,), stage="production"),
        version("two", metrics={"rmse": 61.0}, inputs=(temp, hour), stage="staging"),
    )
    came = datetime(2026, 5, 1, 9, 30, tzinfo=timezone.utc)
    evidence = Evidence(came.replace(hour=11), lambda *_: False, lambda *_: came)
    plan = plans.make(registry, (SetStage("bikes", 2, "production"),), evidence)
    said = tuple(line for line in report.plan_lines(plan) if line.startswith(("  finding:", "  review:")))
    if ACCEPT:
        place = next(block for text, block in _gates() if text == policy)
        wrong = pages.Mismatch(place.first, place.first + len(place.lines), said, "")
        pages.accept(TOP / "docs" / "policy.md", [wrong])
    assert said == shown.lines or ACCEPT
