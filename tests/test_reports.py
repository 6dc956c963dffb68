"""Reports as their readers get them: golden files, and what each format promises its consumer.

ACCEPT_GOLDEN=1 writes what the reports are now into tests/golden/ instead of failing; read the diff before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muster.frontends.reports import report
from support.assessments import SCENARIOS

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {"markdown": "md", "text": "txt", "json": "json", "github": "github", "gitlab": "gitlab.json"}


def agrees(path: Path, text: str) -> None:
    if os.environ.get("ACCEPT_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("format", ["markdown", "text", "json"])
def test_a_report_reads_as_it_was_accepted(name: str, format: str) -> None:
    agrees(GOLDEN / f"{name}.{ENDINGS[format]}", report(SCENARIOS[name](), format))
