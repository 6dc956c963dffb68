"""A bucket, or any place that fsspec reaches by a URL. The only module here that knows fsspec.

An object store replaces an object at once, whole; elsewhere a file is written beside its place and moved there.
Credentials and endpoints are the library's own for that scheme (`AWS_*`, `GOOGLE_APPLICATION_CREDENTIALS`, ...).
"""

from __future__ import annotations

import errno
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ...core.errors import MusterError, Refused, Unavailable

_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"})
_SSH = frozenset({"ssh", "sftp"})
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "azure"),
    **dict.fromkeys(("ssh", "sftp"), "ssh"),
    **dict.fromkeys(("webdav", "webdavs"), "webdav"),
}
# What says "no" among the names of exceptions, the codes inside them and errno.
_REFUSALS = frozenset(
    {"AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId", "InvalidToken"}
    | {"SignatureDoesNotMatch", "Unauthorized", "NoCredentialsError", "PartialCredentialsError", "401", "403"}
    | {"ClientAuthenticationError", "PermissionDenied", "PermissionError"}
)
_REVALIDATE, _FOR_EVER = "public, max-age=5, must-revalidate", "public, max-age=31536000, immutable"


class StoreTarget:
    """What is below a URL. It connects when it is first asked for something."""

    def __init__(self, scheme: str, url: str) -> None:
        self._scheme, self._url = scheme, url.rstrip("/")
        self._connection: tuple[Any, str] | None = None
        self.location = _shown(self._url)

    def read(self, path: str) -> bytes | None:
        """Return a file; None if there is none."""
        with self._translated("read"):
            fs, top = self._connect()
            try:
                return bytes(fs.cat_file(f"{top}/{path}"))
            except FileNotFoundError:
                return None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, several at a time where the library can."""
        with self._translated("write to"):
            fs, top = self._connect()
            if self._scheme not in _STORES:
                for path, data in files.items():
                    _write_beside(fs, f"{top}/{path}", data)
                return
            for options, some in self._by_options(files):
                fs.pipe({f"{top}/{path}": data for path, data in some.items()}, **options)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files."""
        with self._translated("remove from"):
            fs, top = self._connect()
            for path in paths:
                try:
                    fs.rm_file(f"{top}/{path}")
                except FileNotFoundError:
                    continue

    def paths(self, directory: str) -> Iterator[str]:
        """Yield the path of each file below directory."""
        with self._translated("list"):
            fs, top = self._connect()
            fs.invalidate_cache()
            found = fs.find(f"{top}/{directory}")
        start = f"{fs._strip_protocol(top)}/".lstrip("/")
        for place in found:
            yield place.lstrip("/").removeprefix(start)

    def locked(self) -> AbstractContextManager[None]:
        """Keep nobody out: a bucket has no locks."""
        return nullcontext()

    def _by_options(self, files: Mapping[str, bytes]) -> Iterator[tuple[dict[str, str], dict[str, bytes]]]:
        """Files by what the store is to tell those who read them: what it is, and how long it may be kept."""
        objects = {path: data for path, data in files.items() if path.startswith("objects/")}
        others = {path: data for path, data in files.items() if path not in objects}
        for some, kind, keep in (
            (objects, "application/gzip", _FOR_EVER),
            (others, "application/json", _REVALIDATE),
        ):
            s3 = self._scheme in ("s3", "s3a")
            if some:
                yield {"ContentType": kind, "CacheControl": keep} if s3 else {}, some

    def _connect(self) -> tuple[Any, str]:
        """Return the library's file system, and the path of the top in it."""
        if self._connection is None:
            if self._scheme in _SSH:
                self._connection = _ssh(self._url)
            else:
                import fsspec

                options = {"use_listings_cache": False} if self._scheme in _STORES else {}
                fs, path = fsspec.core.url_to_fs(self._url, skip_instance_cache=True, **options)
                self._connection = fs, str(path).rstrip("/")
        return self._connection

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turn what a library raises into one of muster's errors, by what it is and not what it says."""
        try:
            yield
        except (MusterError, NameError, TypeError, AttributeError):  # the others would be our own mistakes
            raise
        except ImportError as error:
            extra = _PACKAGES.get(self._scheme)
            package = f"muster-registry[{extra}]" if extra else f"fsspec[{self._scheme}]"
            raise Unavailable(
                f"{self._scheme}:// needs a library that is not installed", hint=f'pip install "{package}"'
            ) from error
        except Exception as error:
            raise self._failure(doing, error) from error

    def _failure(self, doing: str, error: Exception) -> MusterError:
        said = {word for cause in _causes(error) for word in _words(cause)}
        if said & _REFUSALS:
            return Refused(f"you may not {doing} {self.location}", hint="check your credentials for it")
        if "NoSuchBucket" in said:
            return Unavailable(
                f"{self.location}: there is no such bucket", hint="make it, or correct the URL"
            )
        if isinstance(error, ValueError) and self._connection is None:
            return Unavailable(
                f"{self._scheme}:// is known to no library here", hint="see `muster index publish --help`"
            )
        what = f"could not {doing} {self.location}: {type(error).__name__}"
        return Unavailable(what, hint="check that it is up, and try again")


def _ssh(url: str) -> tuple[Any, str]:
    """Return a file system over SSH, and the path in it. By itself the library takes any server for the right one,
    lends it the agent, and asks for passwords even in a pipeline.
    """
    from asyncssh import SSHClient
    from sshfs import SSHFileSystem

    where = SSHFileSystem._get_kwargs_from_urls(url)
    alone = {} if sys.stdin.isatty() else {"client_factory": SSHClient}
    # () are, to asyncssh, the hosts that the user knows.
    fs = SSHFileSystem(**where, known_hosts=(), agent_forwarding=False, skip_instance_cache=True, **alone)
    return fs, str(SSHFileSystem._strip_protocol(url)).rstrip("/")


def _write_beside(fs: Any, place: str, data: bytes) -> None:
    directory, _, name = place.rpartition("/")
    fs.makedirs(directory, exist_ok=True)
    part = f"{directory}/.muster-part-{secrets.token_hex(6)}-{name}"
    fs.pipe_file(part, data)
    fs.mv(part, place)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> Iterator[str]:
    """The kind of an error, and the code that a server gave: botocore's in `response`, aiohttp's `status`, azure's."""
    yield from (kind.__name__ for kind in type(error).__mro__)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        yield str(response.get("Error", {}).get("Code"))
    yield str(getattr(error, "status", None) or getattr(error, "error_code", None))
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        yield "PermissionError"


def _shown(url: str) -> str:
    """A URL without what a reader must not see."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
