"""The files of an index in a directory: on this machine, or mounted."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import Refused, Unavailable
from .files import File, Known, checked_size


class Folder:
    """A directory that an index was published into."""

    def __init__(self, path: str) -> None:
        self._top = Path(path).expanduser()

    def get(self, path: str, limit: int, known: Known | None = None, afresh: bool = False) -> File | None:
        """Return a file; see `Files`. What it was before makes no difference: it is read."""
        place = self._top / path
        try:
            with place.open("rb") as file:
                return File(checked_size(file.read(limit + 1), limit, str(place)))
        except FileNotFoundError:
            if self._top.is_dir():
                return None
            raise Unavailable(f"the directory {self._top} is not there", "mount it, or correct it") from None
        except PermissionError as error:
            raise Refused(f"{place} cannot be read: {error.strerror}", "check its permissions") from error
        except OSError as error:
            raise Unavailable(f"{place} cannot be read: {error.strerror}", "check the disk") from error

    def close(self) -> None:
        """Nothing is held."""
