"""Objects on a plain web server, read without DVC: for readers that have nothing installed but this package."""

from __future__ import annotations

import os
from collections.abc import Callable

from .config import Settings
from .hashing import Count
from .remote import Remote

# From a URL to an open file, of which it adds what is lacking, of at most so many bytes in all; Count is told of them.
Download = Callable[[str, int, int, Count], None]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SAYS_NOTHING_ELSE = frozenset({"url", "jobs", "method", "verify", "read_timeout", "connect_timeout"})


class WebRemote(Remote):
    """The objects of a remote at an http or https URL. Where they are written, or looked for, DVC does it."""

    def __init__(self, settings: Settings, download: Download) -> None:
        super().__init__(settings)
        self._download = download

    def fetch(self, oid: str, target: str, limit: int) -> None:
        """Copy an object to a new file; Integrity if it is larger than limit, NotFound if there is none."""
        descriptor = os.open(target, _NEW, 0o666)
        try:
            self.append(oid, descriptor, limit, lambda size: None)
        finally:
            os.close(descriptor)

    def append(self, oid: str, descriptor: int, limit: int, wrote: Count) -> None:
        """Add to an open file what it lacks of an object; see `objects.Resumable`."""
        self._download(self.uri(oid), descriptor, limit, wrote)


def is_plain(settings: Settings) -> bool:
    """Tell whether a remote is a web server, and its user has told DVC nothing that only DVC knows to use."""
    web = settings.url.startswith(("https://", "http://"))
    return web and set(settings.sections["remote"][settings.name]) <= _SAYS_NOTHING_ELSE
