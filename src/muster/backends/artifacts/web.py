"""Objects on a plain web server, read without DVC: for readers that have nothing installed but this package."""

from __future__ import annotations

from collections.abc import Callable

from .config import Settings
from .remote import Remote

Download = Callable[[str, str, int], None]  # from a URL to a new file, of at most so many bytes

_SAYS_NOTHING_ELSE = frozenset({"url", "jobs", "method", "verify", "read_timeout", "connect_timeout"})


class WebRemote(Remote):
    """The objects of a remote at an http or https URL."""

    def __init__(self, settings: Settings, download: Download) -> None:
        super().__init__(settings)
        self._download = download

    def fetch(self, oid: str, target: str, limit: int) -> None:
        """Copy an object to a new file; Integrity if it is larger than limit, NotFound if there is none."""
        self._download(self.uri(oid), target, limit)


def is_plain(settings: Settings) -> bool:
    """Tell whether a remote is a web server, and its user has told DVC nothing that only DVC knows to use."""
    web = settings.url.startswith(("https://", "http://"))
    return web and set(settings.sections["remote"][settings.name]) <= _SAYS_NOTHING_ELSE
