"""The report for GitLab: a code quality report, which it shows in a merge request without a token.

The fields are those of https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format. GitLab wants a line
for each, so what is about a file as a whole is shown at its first. Two with one fingerprint would be shown as one.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ...core import names
from ...core.errors import Finding
from ...core.plans import Assessment
from ..report import safe, to_json


def report(assessment: Assessment) -> str:
    """Return the findings as a JSON list."""
    return f"{to_json([_entry(finding) for finding in dict.fromkeys(assessment.plan.findings)])}\n"


def fingerprint(finding: Finding) -> str:
    """Return what tells a finding from every other one, and finds it again in another run: 64 hexadecimal digits."""
    parts = (finding.path, finding.rule, finding.message, str(finding.line), str(finding.column))
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _entry(finding: Finding) -> dict[str, Any]:
    fix = f" ({finding.fix})" if finding.fix else ""
    return {
        "description": safe(f"{finding.message}{fix}"),
        "check_name": finding.rule,
        "fingerprint": fingerprint(finding),
        "severity": "blocker",
        "location": {"path": finding.path or names.REGISTRY, "lines": {"begin": max(1, finding.line)}},
    }
