"""shellcheck on every shell script there is: the files, and those inside of workflows, actions and pipelines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[1]
FILES = (".ci/run", ".github/actions/check/muster.sh", "docs/examples/gitops/models.sh")
WORKFLOWS = (
    *(".github/workflows", ".github/actions", "registry-template/.github/workflows"),
    "docs/examples/github",
)
PIPELINES = ("registry-template/.gitlab-ci.yml", "templates/registry.yml")


def scripts(found: Any) -> Iterator[str]:
    """Yield the scripts in a document: what `run` says, and GitLab's lists, whose lines share a shell."""
    if isinstance(found, list):
        for item in found:
            yield from scripts(item)
    elif isinstance(found, dict):
        yield from ([found["run"]] if isinstance(found.get("run"), str) else [])
        lines = [line for key in ("before_script", "script") for line in found.get(key, [])]
        yield from (["\n".join(lines)] if lines else [])
        for value in found.values():
            yield from scripts(value)


def main() -> int:
    """Check them all; 1 if anything is to be said of one."""
    documents = [p for folder in WORKFLOWS for p in sorted((TOP / folder).rglob("*.yml"))]
    bad = subprocess.run(["shellcheck", *FILES], cwd=TOP).returncode
    for path in [*documents, *(TOP / name for name in PIPELINES)]:
        for document in yaml.safe_load_all(path.read_text()):
            for script in scripts(document):
                # GitLab's scripts begin where another job's before_script ends.
                command = ["shellcheck", "--shell=bash", "--exclude=SC2154", "-"]
                done = subprocess.run(command, input=script, text=True, capture_output=True)
                if done.returncode:
                    print(f"{path.relative_to(TOP)}:\n{done.stdout}")
                    bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
