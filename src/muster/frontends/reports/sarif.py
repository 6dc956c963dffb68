"""The report for code scanning and for editors: SARIF 2.1.0 (OASIS), with every rule of `muster check`.

GitHub's code scanning refuses a file of more than 25,000 results and shows 5,000: those are listed, and how many are not
is a notification. In a message `[text](place)` would be a link, so what looks like one is parted.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...core import names
from ...core.checks import CHANGE_CHECKS, CHECKS
from ...core.errors import Finding
from ...core.plans import Assessment
from ..report import safe, to_json
from .gitlab import fingerprint
from .words import counted

MAX_RESULTS = 5_000
_HOME = "https://github.com/muster-registry/muster"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def report(assessment: Assessment) -> str:
    """Return the findings as a SARIF log of one run."""
    findings = assessment.plan.findings
    shown = findings[:MAX_RESULTS]
    rules = _rules(shown)
    places = {rule["id"]: at for at, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "muster", "informationUri": _HOME, "rules": rules}},
        "invocations": [{"executionSuccessful": True, **_left_out(len(findings) - len(shown))}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, places[finding.rule]) for finding in shown],
    }
    return f"{to_json({'$schema': _SCHEMA, 'version': '2.1.0', 'runs': [run]})}\n"


def _rules(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Every rule of the tables, and those found that guard what is read or merged and are in none."""
    words = {rule.__name__: rule.__doc__ or "" for rule in (*CHECKS, *CHANGE_CHECKS)}
    for finding in findings:
        words.setdefault(finding.rule, "")
    return [_rule(name, " ".join(text.split())) for name, text in words.items()]


def _rule(name: str, text: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": name, "name": "".join(part.capitalize() for part in name.split("_"))}
    first = f"{text.partition('. ')[0].rstrip('.')}." if text else f"{name.replace('_', ' ').capitalize()}."
    return {
        **rule,
        "shortDescription": {"text": first},
        "fullDescription": {"text": text or first},
        "helpUri": f"{_HOME}/blob/main/docs/rules.md#{name}",
        "defaultConfiguration": {"level": "error"},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    fix = f" ({finding.fix})" if finding.fix else ""
    region = {
        "startLine": max(1, finding.line),
        **({"startColumn": finding.column} if finding.column else {}),
    }
    place = {
        "artifactLocation": {
            "uri": quote(finding.path or names.REGISTRY, errors="surrogatepass"),
            "uriBaseId": "%SRCROOT%",
        }
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": _message(f"{finding.message}{fix}")},
        "locations": [{"physicalLocation": {**place, "region": region}}],
        "partialFingerprints": {"muster/v1": fingerprint(finding)},
    }


def _message(text: str) -> str:
    return safe(text).replace("](", "] (")


def _left_out(number: int) -> dict[str, Any]:
    if number <= 0:
        return {}
    text = f"{counted(number, 'finding')} more: muster check --format json lists all"
    return {"toolExecutionNotifications": [{"level": "warning", "message": {"text": text}}]}
