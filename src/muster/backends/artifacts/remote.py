"""Objects on any server that DVC knows, through DVC's own file systems. The only module that imports DVC.

Of DVC only its schema, its file systems and its object database are used: no repository, no index, no cache
of its own, so that there is nothing of a checkout for it to read, no site cache that other users write to,
and neither analytics nor Studio are ever reached. Transfers are few and in small parts: DVC's own default
takes 1.3 GB of memory for one file of 1 GiB on S3, and is no faster.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from typing import Any

from ...core.errors import Integrity, Invalid, MusterError, NotFound, Refused, Unavailable
from . import streams
from .config import Settings
from .disk import FULL, failure_of, write_all
from .hashing import Count

_PART = 16 << 20  # bytes of one part of a large transfer
_PARTS_AT_ONCE = 2
_LARGE = 4 << 20  # bytes from which a transfer counts as large
_LARGE_AT_ONCE = 2  # with the above, 64 MB are on their way at most, and held twice
_MAX_PARTS = 9_000  # S3 and its like take 10,000
_HTTP = ("http", "https")

# What says "no" among the names of exceptions and the codes inside them, in botocore, aiohttp, asyncssh,
# azure, DVC.
_REFUSALS = frozenset(
    {"AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId", "InvalidToken"}
    | {"SignatureDoesNotMatch", "Unauthorized", "401", "403", 401, 403}
)
_REFUSING = frozenset(
    {
        "AuthError",
        "ClientAuthenticationError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "PermissionDenied",
    }
)
_PACKAGES = {scheme: f"muster-registry[{scheme}]" for scheme in ("s3", "ssh", "gs", "azure", "webdav")} | {
    "webdavs": "muster-registry[webdav]"
}
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_READ_ONLY_STATUS = frozenset({405, 501})


class Remote:
    """The objects of one remote on a server. It connects when it is first asked for something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)
        self._connection: tuple[Any, str] | None = None

    def uri(self, oid: str) -> str:
        """Return the URL of an object, without credentials."""
        return f"{self._settings.shown}/files/md5/{oid[:2]}/{oid[2:]}"

    def missing(self, oids: Iterable[str]) -> set[str]:
        """Return those of the objects that are not there."""
        wanted = set(oids)
        if not wanted:
            return set()
        with self._translated("look for objects in"):
            fs, _ = self._connect()
            if fs.protocol in _HTTP:
                return self._missing_by_request(wanted)
            fs.fs.invalidate_cache()  # listings of an earlier call may have changed since
            return wanted - set(self._odb().oids_exist(wanted, jobs=self._settings.jobs))

    def put(self, source: str, oid: str, count: Count) -> None:
        """Send a file, which does not change, as the object oid; nobody sees half of it."""
        with self._translated("write to"):
            fs, _ = self._connect()
            place = self._place(oid)
            if fs.protocol not in _HTTP:
                fs.makedirs(fs.parent(place))
            size = os.stat(source).st_size
            with self._large if size > _LARGE else nullcontext():
                fs.put_file(source, place, callback=_callback(count), **_sending(fs.protocol, size))

    def fetch(self, oid: str, target: str, limit: int) -> None:
        """Copy an object to a new file; Integrity if it is larger than limit, NotFound if there is none."""
        with self._translated("read from", oid):
            fs, _ = self._connect()
            callback = _callback(_ignore, limit, self.uri(oid))
            with self._large if limit > _LARGE else nullcontext():
                fs.get_file(self._place(oid), target, callback=callback, **_receiving(fs.protocol))

    def append(self, oid: str, descriptor: int, limit: int, wrote: Count) -> None:
        """Add to an open file what it lacks of an object; see `objects.Resumable`."""
        size = os.lseek(descriptor, 0, os.SEEK_END)
        with (
            self._large if limit > _LARGE else nullcontext(),
            closing(self._chunks(oid, size, limit)) as chunks,
        ):
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise self._too_large(oid)
                write_all(descriptor, chunk)
                wrote(len(chunk))

    def _chunks(self, oid: str, start: int, limit: int) -> Generator[bytes]:
        """Yield an object's bytes from start on. Nothing but the server's failures are translated here."""
        with self._translated("read from", oid):
            fs, _ = self._connect()
            place = self._place(oid)
            if fs.protocol in _HTTP:
                yield from streams.over_http(fs.fs, place, start)
                return
            size = int(fs.fs.info(place)["size"])
            if size > limit:
                raise self._too_large(oid)
            if fs.protocol == "s3":
                yield from streams.in_ranges(fs.fs, place, start, size)
            else:
                yield from streams.of_file(fs.fs, place, start)

    def _too_large(self, oid: str) -> Integrity:
        return Integrity(f"{self.uri(oid)} has more bytes.")

    def _connect(self) -> tuple[Any, str]:
        """Return DVC's file system of the remote, and the path of its objects."""
        with self._lock:
            if self._connection is None:
                from dvc.fs import get_cloud_fs

                kind, settings, path = get_cloud_fs(dict(self._settings.sections), name=self._settings.name)
                fs = kind(**settings)
                if fs.protocol == "ssh":
                    _secure(fs)
                self._connection = fs, fs.join(path, "files", "md5")
            return self._connection

    def _place(self, oid: str) -> str:
        fs, path = self._connect()
        return str(fs.join(path, oid[:2], oid[2:]))

    def _odb(self) -> Any:
        from dvc_data.hashfile.db import HashFileDB

        fs, path = self._connect()
        return HashFileDB(fs, path, hash_name="md5")

    def _missing_by_request(self, oids: set[str]) -> set[str]:
        """Ask an HTTP server for each object: fsspec's own question takes a server that is down for "no"."""
        from fsspec.asyn import sync

        fs, _ = self._connect()

        def absent(oid: str) -> bool:
            return bool(sync(fs.fs.loop, _is_absent, fs.fs, self._place(oid)))

        with ThreadPoolExecutor(self._settings.jobs) as pool:
            return {oid for oid, gone in zip(oids, pool.map(absent, oids), strict=True) if gone}

    @contextmanager
    def _translated(self, doing: str, oid: str = "") -> Iterator[None]:
        """Turn what a library raises into one of muster's errors, by what it is and not what it says."""
        try:
            yield
        except (MusterError, NameError, TypeError):  # the last two would be our own mistakes
            raise
        except ImportError as error:
            raise self._not_installed() from error
        except Exception as error:
            raise self._failure(doing, oid, error) from error

    def _not_installed(self) -> Unavailable:
        scheme = self._settings.url.partition("://")[0]
        package = _PACKAGES.get(scheme, f"dvc[{scheme}]")
        return Unavailable(
            f"Remotes at {scheme}:// need an optional part of DVC, which is not installed.",
            hint=f'pip install "{package}"',
        )

    def _failure(self, doing: str, oid: str, error: Exception) -> MusterError:
        causes = list(_causes(error))
        where = f"{self._settings.name!r} ({self._settings.shown})"
        if any(type(cause).__name__ == "RemoteMissingDepsError" for cause in causes):
            return self._not_installed()
        if any(type(cause).__name__ == "ConfigError" for cause in causes):
            return Invalid(
                f"DVC refuses the settings of the remote {where}.",
                hint="Look for a mistake in your own DVC configuration: `dvc config --list` shows it.",
            )
        if any(type(cause).__name__ == "HostKeyNotVerifiable" for cause in causes):
            return Refused(
                f"The host key of the remote {where} is not a known one.",
                hint="Connect once with ssh, and compare the key's fingerprint with its administrator's.",
            )
        if any(_code(cause) in _READ_ONLY_STATUS for cause in causes):
            return Refused(
                f"The remote {where} is read-only.", hint="Set `method`, or push through another remote."
            )
        if any(_refuses(cause) for cause in causes):
            return Refused(
                f"The remote {where} does not let you {doing} it.", hint="Check your credentials for it."
            )
        if full := next((c for c in causes if isinstance(c, OSError) and c.errno in FULL), None):
            return failure_of(full)
        if any(_code(cause) in _NO_BUCKET for cause in causes):
            return Unavailable(
                f"The remote {where} is not there: no such bucket.", hint="Create it, or correct its url."
            )
        if oid and any(isinstance(cause, FileNotFoundError) for cause in causes):
            return NotFound(
                f"There is no object {oid} in the remote {where}.",
                hint="Somebody removed it, or it was never pushed: register the version's files again.",
            )
        return Unavailable(
            f"Could not {doing} the remote {where}: {type(error).__name__}.",
            hint="Check that it is up, and try again.",
        )


def _secure(ssh: Any) -> None:
    """Have an SSH server's key checked, keep the agent to ourselves, and ask nobody where nobody is.

    DVC's file system accepts any server, lends it the agent, and prompts for passwords even in a pipeline.
    """
    from asyncssh import SSHClient

    ssh.fs_args["known_hosts"] = ()  # to asyncssh: those of the user
    ssh.fs_args["agent_forwarding"] = False
    if not sys.stdin.isatty():
        ssh.fs_args["client_factory"] = SSHClient


async def _is_absent(fs: Any, url: str) -> bool:
    session = await fs.set_session()
    async with session.head(fs.encode_url(url), allow_redirects=True, **fs.kwargs) as response:
        status = response.status
    if status in _READ_ONLY_STATUS:  # a server that knows GET alone
        async with session.get(fs.encode_url(url), **fs.kwargs) as response:
            status = response.status
    if status in (404, 410):
        return True
    response.raise_for_status()
    return False


def _ignore(size: int) -> None:
    """Count nothing."""


def _sending(protocol: str, size: int) -> Mapping[str, int]:
    """The options of fsspec's `put_file` that bound what it holds in memory."""
    part = max(_PART, -(-size // _MAX_PARTS))
    if protocol == "s3":
        return {"chunksize": part, "max_concurrency": _PARTS_AT_ONCE}
    if protocol == "gs":
        return {"chunksize": part}
    return {"max_concurrency": _PARTS_AT_ONCE} if protocol == "azure" else {}


def _receiving(protocol: str) -> Mapping[str, int]:
    return {"chunksize": _PART, "max_concurrency": _PARTS_AT_ONCE} if protocol == "s3" else {}


def _callback(count: Count, limit: int | None = None, uri: str = "") -> Any:
    """Return what fsspec reports progress to; it stops a transfer of more bytes than limit."""
    from fsspec.callbacks import Callback

    class Counted(Callback):  # type: ignore[misc]
        value: int

        def set_size(self, size: int | None) -> None:
            self._check(size or 0)

        def relative_update(self, inc: int = 1) -> None:
            self.absolute_update(self.value + inc)

        def absolute_update(self, value: int) -> None:
            self._check(value)
            count(value - self.value)
            self.value = value

        def _check(self, size: int) -> None:
            if limit is not None and size > limit:
                raise Integrity(f"{uri} has more bytes.")

    return Counted()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _code(error: BaseException) -> int | str:
    """The code that a server gave: botocore's in `response`, aiohttp's `status`, azure's `error_code`."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return str(response.get("Error", {}).get("Code"))
    code = getattr(error, "status", None) or getattr(error, "error_code", None)
    return code if isinstance(code, int) else str(code)


def _refuses(error: BaseException) -> bool:
    return (
        isinstance(error, PermissionError) or type(error).__name__ in _REFUSING or _code(error) in _REFUSALS
    )
