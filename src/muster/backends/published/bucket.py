"""The files of an index on whatever fsspec serves: S3 and its like, and others. It alone imports fsspec here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ...core.errors import Integrity, MusterError, Refused, Unavailable
from .files import File, Known, Unchanged, checked_size

_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403"})
_REFUSING = frozenset({"NoCredentialsError", "PermissionError", "ClientAuthenticationError"})
_EXTRAS = ("s3", "gs", "azure", "ssh", "webdav")


class Bucket:
    """A place that fsspec serves."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _place(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs

            return url_to_fs(self._url)  # type: ignore[no-any-return]
        except (ImportError, ValueError) as error:  # the latter: a scheme of which nobody knows
            scheme = self._url.partition("://")[0]
            extra = f"muster-registry[{scheme}]" if scheme in _EXTRAS else "what fsspec needs for it"
            raise Unavailable(
                f"an index at {scheme}:// needs an optional part, which is not installed",
                f'pip install "{extra}", or read the index by https',
            ) from error

    def get(self, path: str, limit: int, known: Known | None = None, afresh: bool = False) -> File | None:
        """Return a file; see `Files`."""
        fs, top = self._place
        place = f"{top}/{path}"
        try:
            fs.invalidate_cache()  # what an earlier listing said may have changed since
            stated = fs.info(place)
            etag = str(stated.get("ETag") or "")
            if known is not None and etag and known.etag == etag:
                raise Unchanged
            if (stated.get("size") or 0) > limit:
                raise Integrity(f"{place} has more than {limit} bytes, which no file of an index has")
            return File(checked_size(fs.cat_file(place), limit, place), Known(etag))
        except FileNotFoundError:
            return None
        except (MusterError, Unchanged):
            raise
        except Exception as error:
            raise self._failure(place, error) from error

    def _failure(self, place: str, error: Exception) -> Refused | Unavailable:
        """Say what a library raised, by what it is and not what it says."""
        response = getattr(error, "response", None)
        code = str(response.get("Error", {}).get("Code")) if isinstance(response, dict) else ""
        if code in _REFUSALS or type(error).__name__ in _REFUSING:
            return Refused(f"{place} may not be read", "check your credentials for it")
        return Unavailable(f"{place} could not be read: {type(error).__name__}", "check that it is up")

    def close(self) -> None:
        """The connections are fsspec's."""
