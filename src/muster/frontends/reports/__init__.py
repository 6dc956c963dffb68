"""An assessment in each format that somebody reads it in: a person, a program, or the runner of a CI job.

`FORMATS` names the module of each, imported when it is asked for; its `report` makes the text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...core.plans import Assessment

# format -> (module, who reads it)
FORMATS: dict[str, tuple[str, str]] = {
    "text": ("text", "a person at a terminal"),
    "json": ("document", "a program"),
    "markdown": ("markdown", "reviewers, as a comment on a pull request"),
    "github": ("github", "the runner of GitHub Actions, and those that work alike"),
    "sarif": ("sarif", "code scanning, and editors"),
    "gitlab": ("gitlab", "GitLab's merge requests, as a code quality report"),
}


def report(assessment: Assessment, format: str) -> str:
    """Return the text of a report; it ends with a line feed unless there is nothing to say."""
    module = import_module(f"{__name__}.{FORMATS[format][0]}")
    text: str = module.report(assessment)
    return text
