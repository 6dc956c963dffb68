"""What `muster init` lays down, made out to one registry."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from . import manifest, names
from .errors import Conflict
from .snapshot import Change, Snapshot

_NAME = "my-models"
_URL = "/srv/muster/artifacts"
_ACTIONS, _GITLAB = ".github/workflows/muster.yml", ".gitlab-ci.yml"

# What a kind of CI reads. Gitea and Forgejo run GitHub's workflows, from where GitHub keeps them.
CI: Mapping[str, str] = {"github": _ACTIONS, "gitea": _ACTIONS, "gitlab": _GITLAB}
_SCP = re.compile(r"(?:[^@/]*@)?(?P<host>[^:/]+):(?!//).*")  # user@host:path
_EITHER = ("github", "gitlab")
_HOSTS = {"github": ("github",), "gitlab": ("gitlab",), "gitea": ("gitea", "forgejo", "codeberg")}


def likely_ci(url: str) -> tuple[str, ...]:
    """Return the kinds of CI that a repository at url may have: one if its host tells, else those of most forges."""
    over_ssh = _SCP.fullmatch(url)
    host = over_ssh["host"] if over_ssh else urlsplit(url).hostname or ""
    named = tuple(kind for kind, words in _HOSTS.items() if any(word in host.casefold() for word in words))
    return named or _EITHER


def lay_down(
    now: Snapshot, template: Mapping[str, bytes], name: str, url: str, ci: Collection[str] = _EITHER
) -> Change:
    """Return the change that makes a registry of now, called name, with its artifacts at url.

    `ci` are the kinds of CI it is set up for. What is there stays: a file of the template is left out where one
    exists, and .gitignore is added to. Conflict if it is a registry already.
    """
    if names.REGISTRY in now:
        raise Conflict("it is a registry already", "see `muster doctor`")
    files: dict[str, bytes | None] = {}
    unwanted = set(CI.values()) - {CI[kind] for kind in ci}
    for path, data in template.items():
        if path in unwanted:
            continue
        if path == ".gitignore" and path in now:
            files[path] = _added(now.files[path], data)
        elif path not in now:
            files[path] = data
    files[names.REGISTRY] = _named(template[names.REGISTRY], name)
    if "README.md" in files:
        files["README.md"] = template["README.md"].replace(_NAME.encode(), name.encode(), 1)
    if names.DVC_CONFIG in files:
        files[names.DVC_CONFIG] = template[names.DVC_CONFIG].replace(_URL.encode(), url.encode())
    return Change(files, f"Set up the model registry {name}")


def _named(data: bytes, name: str) -> bytes:
    line = manifest.dump({"name": name}).rstrip()
    return re.sub(rb"(?m)^name: .*$", lambda _: line, data, count=1)


def _added(there: bytes, data: bytes) -> bytes:
    lines = there.splitlines()
    missing = [line for line in data.splitlines() if line not in lines]
    return there if not missing else there.rstrip(b"\n") + b"\n" + b"\n".join(missing) + b"\n"
