"""Where a repository is: a path or a URL, and how a URL's credentials are kept out of sight. Pure.

A password never reaches a command line, a configuration file or a message: git gets the bare URL, and asks a
credential helper that reads the password from the environment of that one process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Invalid

SCHEMES = ("file", "git", "http", "https", "ssh")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/]*)@)?(?P<rest>.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/\s]*)@")
_USERNAME, _PASSWORD = "MUSTER_GIT_USERNAME", "MUSTER_GIT_PASSWORD"
_HELPER = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USERNAME}" "${_PASSWORD}"; }}; f'
)


@dataclass(frozen=True, slots=True)
class Address:
    """A URL without credentials, and the credentials. `password` is None where the URL had none."""

    url: str
    username: str = ""
    password: str | None = None

    @property
    def configuration(self) -> tuple[tuple[str, str], ...]:
        """Git settings that make git use the credentials, and for this host only: a redirect gets nothing."""
        if not self.username and self.password is None:
            return ()
        host = f"credential.{'/'.join(self.url.split('/', 3)[:3])}"
        if self.password is None:
            return ((f"{host}.username", self.username),)
        return ((f"{host}.helper", ""), (f"{host}.helper", _HELPER))

    @property
    def environment(self) -> Mapping[str, str]:
        """What the credential helper reads."""
        if self.password is None:
            return {}
        return {_USERNAME: self.username, _PASSWORD: self.password}


def is_url(location: str) -> bool:
    """Tell a URL, or ssh's short form `git@host:path`, from a path: git's rule, a colon before any slash."""
    return bool(_URL.match(location)) or ":" in location.partition("/")[0]


def parse_url(location: str) -> Address:
    """Split the credentials from a URL; Invalid if git could not, or must not, be given it."""
    shown = redact(location)
    if location.startswith("-") or "::" in location.partition("/")[0] or not location.isprintable():
        raise Invalid(f"{shown!r} is not the URL of a git repository")
    match = _URL.fullmatch(location)
    if match is None:
        return Address(location)
    scheme, user, rest = match["scheme"].lower(), match["user"] or "", match["rest"]
    if scheme not in SCHEMES:
        raise Invalid(
            f"{shown!r}: git repositories are not reached by {scheme}://", hint=f"use {', '.join(SCHEMES)}"
        )
    name, colon, password = user.partition(":")
    if scheme not in ("http", "https"):
        return Address(f"{scheme}://{name}@{rest}" if name else f"{scheme}://{rest}")
    from urllib.parse import unquote

    return Address(f"{scheme}://{rest}", unquote(name), unquote(password) if colon else None)


def path_of(url: str) -> Path | None:
    """Return the path that a file:// URL names on this machine; None for any other."""
    if not url.startswith("file:///"):
        return None
    from urllib.parse import unquote

    return Path(unquote(url.removeprefix("file://")))


def redact(text: str) -> str:
    """Return text with the credentials gone from every URL in it. The user of an ssh URL is no secret."""
    return _CREDENTIALS.sub(_without_credentials, text)


def _without_credentials(match: re.Match[str]) -> str:
    scheme, user = match[1], match[2].partition(":")[0]
    return f"{scheme}://{user}@" if scheme.lower() == "ssh" and user else f"{scheme}://"
