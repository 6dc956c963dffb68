"""Where a repository is on a forge: what the URL of a git remote says, and where its API and its pages are.

Nothing of it comes from a file of the registry: it comes from the remote that git uses, from the user, and from CI's
environment. Only an unknown host is asked what it is, without any credentials.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import quote, unquote, urlsplit

from ...core.errors import Invalid

Kind = Literal["github", "gitlab", "gitea", "bitbucket"]
VARIABLE = "MUSTER_FORGE"
_NONE = "none"
_ALIASES = {"forgejo": "gitea"}
_API = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "bitbucket": ""}
_KNOWN: Mapping[str, Kind] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "gitea.com": "gitea",
    "bitbucket.org": "bitbucket",
}
_DOTCOM = "github.com"
_CLOUD = ".ghe.com"  # GitHub's, with data residency: one host for each enterprise
_SSH_HOSTS = {  # where they answer on port 443
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_SCP = re.compile(r"(?:[^@/]*@)?(?P<host>\[[^\]/]+\]|[^:/\[\]]+):(?P<path>.*)")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Place:
    """One repository on one host. `host` has a port if http(s) is not on its usual one; ssh's port is not the API's.

    `path` is the repository's, such as "acme/ml/models"; `root` is what the forge's own paths begin with where it does
    not have the host for itself, such as "/gitlab", else "". `named` tells that the user, CI or this module says what
    kind of forge the host is, and not the host itself: variables such as GITLAB_TOKEN are meant for such hosts only.
    """

    scheme: str
    host: str
    path: str
    kind: Kind | None
    api: str = ""
    root: str = ""
    named: bool = False

    @property
    def origin(self) -> str:
        """The host as pages and the API name it: scheme, host, and port if there is one."""
        return f"{self.scheme}://{self.host}"

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{self.origin}{self.root}/{quote(self.path)}"

    def page(self, branch: str, target: str) -> str:
        """Return the page on which a browser opens the proposal to merge branch into target; "" if none is known."""
        head, base = quote(branch), quote(target)
        if self.kind == "github":
            return f"{self.url}/compare/{base}...{head}?expand=1"
        if self.kind == "gitea":
            return f"{self.url}/compare/{base}...{head}"
        head, base = quote(branch, safe=""), quote(target, safe="")
        if self.kind == "gitlab":
            source, into = (quote(f"merge_request[{key}_branch]", safe="") for key in ("source", "target"))
            return f"{self.url}/-/merge_requests/new?{source}={head}&{into}={base}"
        if self.kind == "bitbucket":
            return f"{self.url}/pull-requests/new?source={head}&dest={base}"
        return ""


@dataclass(frozen=True, slots=True)
class _Remote:
    scheme: str  # of the pages: http only where the remote is that
    host: str
    path: str


def locate(url: str, kind: str | None = None, env: Mapping[str, str] = os.environ) -> Place | None:
    """Return where the repository behind a git remote's URL is; None if that is no repository on a host.

    `kind` says what the host is: github, gitlab, gitea (forgejo), bitbucket, or with its address, such as
    "gitea+https://git.example:3000/root"; "none" is for no forge at all. Without it MUSTER_FORGE says it of hosts that
    are not well known. Of other hosts CI's environment is asked, then the host. Invalid: the kind cannot be understood.
    """
    remote = _parse(url)
    told = kind or env.get(VARIABLE, "").strip()
    if remote is None or told == _NONE:
        return None
    known = None if kind else _well_known(remote)
    if known is not None:
        return known
    if told:
        return _told(remote, told)
    return _in_ci(remote, env) or _asked(remote)


def _parse(url: str) -> _Remote | None:
    if not url.isprintable() or "\\" in url:
        return None
    if "://" in url:
        try:
            parts = urlsplit(url)
            name, port = parts.hostname or "", parts.port
        except ValueError:
            return None
        scheme, path = parts.scheme.lower(), parts.path
        name = f"[{name}]" if ":" in name else name
    else:
        match = _SCP.fullmatch(url)
        if match is None:
            return None
        scheme, name, port, path = "ssh", match["host"].lower(), None, match["path"]
    if scheme not in ("http", "https", "ssh", "git") or not _HOST.fullmatch(name):
        return None
    name = _SSH_HOSTS.get(name, name)
    usual = {"http": 80, "https": 443}.get(scheme, port)
    host = name if port is None or port == usual else f"{name}:{port}"
    path = unquote(path).strip("/").removesuffix(".git")
    return _Remote("http" if scheme == "http" else "https", host, path) if _is_path(path) else None


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return len(segments) > 1 and path.isprintable() and not {"", ".", ".."} & set(segments)


def _well_known(remote: _Remote) -> Place | None:
    if remote.host == _DOTCOM:
        return Place("https", remote.host, remote.path, "github", f"https://api.{_DOTCOM}", named=True)
    if remote.host.endswith(_CLOUD):
        return Place("https", remote.host, remote.path, "github", f"https://api.{remote.host}", named=True)
    kind = _KNOWN.get(remote.host)
    if kind is None:
        return None
    return _at("https", remote.host, "", remote.path, kind, named=True)


def _told(remote: _Remote, told: str) -> Place:
    name, _, address = told.partition("+")
    name = _ALIASES.get(name, name)
    if name not in _API:
        raise Invalid(
            f"{told!r} is not a kind of forge",
            hint=f"say {', '.join(_API)} or none; with an address if need be, such as gitea+https://HOST",
        )
    kind = cast(Kind, name)
    if not address:
        known = _well_known(remote)
        if known is not None and known.kind == kind:
            return known
        return _at(remote.scheme, remote.host, "", remote.path, kind, named=False)
    address = address.rstrip("/")
    base = _parse(f"{address}/any/thing")
    if base is None or not address.startswith(("http://", "https://")):
        raise Invalid(f"{told!r}: what follows the + is not an http(s) address")
    root = urlsplit(address).path
    return _at(base.scheme, base.host, root, remote.path, kind, named=True)


def _at(scheme: str, host: str, root: str, path: str, kind: Kind, named: bool) -> Place:
    inside = (
        path.removeprefix(f"{root[1:]}/") if root else path
    )  # git over http has the root in its URLs, over ssh not
    api = f"{scheme}://{host}{root}{_API[kind]}" if _API[kind] else ""
    return Place(scheme, host, inside, kind, api, root, named)


def _in_ci(remote: _Remote, env: Mapping[str, str]) -> Place | None:
    """Return what CI's environment says of the host it runs for, if the repository is there."""
    for server, api in (("GITHUB_SERVER_URL", "GITHUB_API_URL"), ("CI_SERVER_URL", "CI_API_V4_URL")):
        base, root = env.get(server, ""), urlsplit(env.get(server, "")).path.rstrip("/")
        place = _parse(f"{base.rstrip('/')}/any/thing") if base else None
        if place is None or not env.get(api) or not _same_host(place.host, remote.host):
            continue
        kind: Kind = "gitlab" if api.startswith("CI_") else "github"
        if (
            env[api].rstrip("/").endswith(_API["gitea"])
        ):  # Gitea's and Forgejo's runners set GitHub's variables
            kind = "gitea"
        found = _at(place.scheme, place.host, root, remote.path, kind, named=True)
        return Place(found.scheme, found.host, found.path, kind, env[api].rstrip("/"), root, named=True)
    return None


def _same_host(web: str, remote: str) -> bool:
    """Tell whether a remote is of a server: the same port too, if the remote names one."""
    return remote in (web, re.sub(r":\d+$", "", web))


def _asked(remote: _Remote) -> Place:
    from .http import probe

    kind = probe(f"{remote.scheme}://{remote.host}")
    if kind is None:
        return Place(remote.scheme, remote.host, remote.path, None)
    return _at(remote.scheme, remote.host, "", remote.path, kind, named=False)
