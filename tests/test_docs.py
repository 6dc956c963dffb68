"""The documentation is true: its examples run, its links resolve, and what is generated is fresh.

ACCEPT_DOCS=1 writes what the commands print into the pages instead of failing; read the diff before you commit it.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from support import pages

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
