"""Where a published index is: `index+` before a URL or a path, and after a `#` the keys that must have signed it.

index+https://cdn.example/acme      index+http://...      index+file:///srv/index      index+/srv/index
index+s3://bucket/acme              and whatever else fsspec serves
index+https://cdn.example/acme#SHA256:...,SHA256:...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import Invalid

PREFIX = "index+"
WEB = ("http", "https")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)://")


@dataclass(frozen=True, slots=True)
class Address:
    """`url` has neither credentials nor a slash at its end; of a directory it is the path."""

    scheme: str  # "" for a directory
    url: str
    username: str = ""
    password: str = ""
    keys: tuple[str, ...] = ()


def is_index(location: str) -> bool:
    """Tell whether a location is that of a published index."""
    return location.startswith(PREFIX)


def parse(location: str) -> Address:
    """Read a location; Invalid if nothing can be there."""
    body, _, fragment = location.removeprefix(PREFIX).partition("#")
    keys = tuple(filter(None, fragment.split(",")))
    match = _SCHEME.match(body)
    if not body or not body.isprintable():
        raise Invalid(f"{location!r:.80} is not where an index may be")
    if match is None:
        return Address("", str(Path(body).expanduser().absolute()), keys=keys)
    scheme = match[1].lower()
    if scheme == "file":
        return Address("", _path_of(body), keys=keys)
    if "?" in body:
        raise Invalid(f"{redacted(location)} has a query", hint="give the URL of the directory of root.json")
    user, at, rest = body[match.end() :].rpartition("@")
    if scheme not in WEB or not at or "/" in user:
        return Address(scheme, f"{scheme}://{body[match.end() :].rstrip('/')}", keys=keys)
    from urllib.parse import unquote

    name, _, password = user.partition(":")
    return Address(scheme, f"{scheme}://{rest.rstrip('/')}", unquote(name), unquote(password), keys)


def redacted(location: str) -> str:
    """Return a location without credentials and keys."""
    return re.sub(r"://[^/@]*@", "://", location.partition("#")[0].partition("?")[0])


def _path_of(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise Invalid(f"{url!r:.80} is no directory of this machine", hint="write file:///path")
    return unquote(parts.path).rstrip("/") or "/"
