"""Whose name a forge is asked in: finding a token for one host, and handing no host a token that is another's.

A variable that does not name its host, such as GITLAB_TOKEN, is for the forge's own well-known host, and for one that
the user or CI has named: a host that only says itself that it is a GitLab gets nothing of it. gh and glab answer for
their variables too, whatever the host, so they are asked without them, and in a directory where no configuration of
a repository is read.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from ...core.errors import Refused
from .address import Place

VARIABLE = "MUSTER_TOKEN"
Credential = Callable[[str], "str | None"]  # URL -> password
_SECONDS = 15  # how long gh or glab may take: it may have to ask a keyring
_CLOUD = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_GITLAB = ("GITLAB_TOKEN",)
_GITEA = ("GITEA_TOKEN", "FORGEJO_TOKEN")
_HOSTS = {  # variables by which the forge's own tools are told their host
    "github": ("GH_HOST",),
    "gitlab": ("GITLAB_HOST", "GITLAB_URI", "GL_HOST"),
    "gitea": ("GITEA_HOST", "GITEA_SERVER_URL", "FORGEJO_HOST"),
}
_TOOLS = {
    "github": ("gh", "auth", "token", "--hostname"),
    "gitlab": ("glab", "config", "get", "token", "-h"),
}
_ANSWERED_FOR = (*_CLOUD, *_ENTERPRISE, *_GITLAB, "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN")


def find_token(
    place: Place,
    token: str | None = None,
    credential: Credential | None = None,
    env: Mapping[str, str] = os.environ,
) -> str:
    """Return the first token there is for the place's host; Refused, saying where it was looked for, if there is none.

    MUSTER_TOKEN is for whatever host the repository is on.
    """
    if token:
        return token.strip()
    tried = [VARIABLE]
    if found := env.get(VARIABLE, "").strip():
        return found
    for variable in _variables(place, env):
        tried.append(variable)
        if found := env.get(variable, "").strip():
            return found
    tool = _TOOLS.get(place.kind or "")
    if tool is not None:
        tried.append(" ".join((*tool, place.host)))
        if found := _said((*tool, place.host), env):
            return found
    if credential is not None:
        tried.append("git's credential helpers")
        if password := credential(place.url):
            return password
    raise Refused(f"there is no token for {place.host}", hint=_hint(place, tried, env))


def _variables(place: Place, env: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables whose token is for this host."""
    if place.kind == "github" and (place.host == "github.com" or place.host.endswith(".ghe.com")):
        yield from _CLOUD
        return
    if env.get("GITHUB_ACTIONS") == "true" and _host(env.get("GITHUB_SERVER_URL", "")) == place.host:
        yield from _CLOUD  # the runner's own, on whatever forge it runs
    if place.named or _is_told(place, env):
        yield from {"github": _ENTERPRISE, "gitlab": _GITLAB, "gitea": _GITEA}.get(place.kind or "", ())


def _is_told(place: Place, env: Mapping[str, str]) -> bool:
    return any(_host(env.get(name, "")) == place.host for name in _HOSTS.get(place.kind or "", ()))


def _host(text: str) -> str:
    """Return the host, and its port, of a URL or of a bare host name."""
    return urlsplit(text if "://" in text else f"//{text}").netloc.rpartition("@")[2].lower()


def _said(command: tuple[str, ...], env: Mapping[str, str]) -> str:
    """Return the line that a tool prints; "" if it is not there or has none."""
    clean = {name: value for name, value in env.items() if name not in _ANSWERED_FOR}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**clean, "GH_PROMPT_DISABLED": "1", "NO_PROMPT": "1"},
            cwd=os.sep,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    line = done.stdout.decode(errors="replace").strip()
    return line if done.returncode == 0 and line.isprintable() and " " not in line else ""


def _hint(place: Place, tried: list[str], env: Mapping[str, str]) -> str:
    unused = [name for name in (*_ENTERPRISE, *_GITLAB, *_GITEA) if env.get(name) and name not in tried]
    login = {"github": "gh auth login --hostname", "gitlab": "glab auth login --hostname"}.get(
        place.kind or ""
    )
    advice = f"set {VARIABLE}" + (f", or log in: {login} {place.host}" if login else "")
    said = f"{advice} (looked at: {', '.join(tried)})"
    if unused and place.kind:
        said += f"; {', '.join(unused)} may be for another host: if it is for this one, set MUSTER_FORGE={_naming(place)}"
    return said


def _naming(place: Place) -> str:
    return f"{place.kind}+{place.origin}{place.root}"
