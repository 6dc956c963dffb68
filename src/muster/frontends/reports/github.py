"""The report for the runner of GitHub Actions: workflow commands, which it shows beside the lines they are about.

    ::error file=models/bikes/model.yaml,line=3,col=1,title=gates_pass::the message

A runner shows ten errors of a step and drops the rest, so a notice says how many there are. The format and what is
escaped in it are those of `@actions/core` (packages/core/src/command.ts of github.com/actions/toolkit).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...core.errors import Finding
from ...core.plans import Assessment
from ..report import safe
from .words import counted

MAX_ERRORS = 10
MAX_TEXT = 2000  # characters of one message


def report(assessment: Assessment) -> str:
    """Return a command for each of the first findings, and one that counts the rest."""
    return "".join(f"{line}\n" for line in _commands(assessment.plan.findings))


def _commands(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings[:MAX_ERRORS]:
        where: dict[str, str | int] = {"file": finding.path, "line": finding.line, "col": finding.column}
        known = {key: value for key, value in where.items() if value}
        words = f"{finding.message}\n{finding.fix}" if finding.fix else finding.message
        yield _command("error", words, **known, title=finding.rule)
    if (more := len(findings) - MAX_ERRORS) > 0:
        yield _command("notice", f"and {counted(more, 'finding')} more", title="muster check")


def _command(name: str, message: str, **properties: str | int) -> str:
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    short = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
    return safe(short, lines=True).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe(text)).replace(":", "%3A").replace(",", "%2C")
