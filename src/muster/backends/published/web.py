"""The files of an index on a web server: GET over connections that are kept, by the standard library alone.

What fails for the moment (a connection, 429, 5xx) is asked again a few times, and a large file goes on where it broke
off. A redirect is followed on the same scheme or from http to https, and credentials go to the host they are for and
never in the clear. Proxies and certificates are those of the environment: `http_proxy`, `https_proxy`, `no_proxy`,
`SSL_CERT_FILE`, `SSL_CERT_DIR`, and where neither is set `REQUESTS_CA_BUNDLE` or `CURL_CA_BUNDLE`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...core.errors import Integrity, MusterError, NotFound, Refused, Unavailable
from . import connections
from .connections import Connections
from .files import File, Known, Unchanged

TRIES = 4
LONGEST_PAUSE = 20.0  # seconds between two tries, whatever the server asks for
LONGEST_ANSWER = 300.0  # seconds for the whole of one file of an index
_ANSWERS = frozenset({200, 206, 304, 404, 410, 416})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_CHUNK = 1 << 18
_SPOKEN = 64 << 10  # bytes of an error page that are read to keep the connection


class _Passing(Exception):
    """What may be gone at the next try, and how many seconds the server asks to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class Web:
    """Files at http and https URLs below `base`; with `authorization`, a header's value, for the host of base alone.

    `Files` for an index; `append` for what an index names and does not hold.
    """

    def __init__(self, base: str, authorization: Callable[[str], str] = lambda url: "") -> None:
        self._base, self._authorization = base, authorization
        self._connections = Connections()
        self._who: dict[str, Mapping[str, str]] = {}  # by server

    def get(self, path: str, limit: int, known: Known | None = None, afresh: bool = False) -> File | None:
        """Return a file; see `Files`."""
        headers = {"Accept-Encoding": "gzip"}
        if afresh:
            headers["Cache-Control"] = "no-cache"
        elif known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        elif known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        found: File | None = self._persistently(
            f"{self._base}/{path}", lambda url: self._get(url, headers, limit)
        )
        return found

    def append(self, url: str, descriptor: int, limit: int, wrote: Callable[[int], None]) -> None:
        """Add to an open file what it lacks of what is at url; NotFound if nothing is there.

        wrote is told how many bytes came, time and again. Integrity if there are more than limit bytes. After a break it
        goes on from where it was. Nobody says that the file on the server is still the same, so its reader verifies it.
        """
        if not self._persistently(url, lambda url: self._append(url, descriptor, limit, wrote)):
            raise NotFound(f"there is nothing at {url}", "somebody removed it, or it was never put there")

    def close(self) -> None:
        """Close the connections that wait for the next request."""
        self._connections.close()

    # --- one request ---------------------------------------------------------------------------------------------

    def _get(self, url: str, headers: Mapping[str, str], limit: int) -> File | None:
        with self._answer(url, headers) as answer:
            data = _body(url, answer, limit) if answer.status == 200 else b""
        if answer.status == 304 and headers.keys() & {"If-None-Match", "If-Modified-Since"}:
            raise Unchanged
        if answer.status in (404, 410):
            return None
        if answer.status != 200:
            raise Unavailable(f"{url} cannot be read: status {answer.status}", "correct the URL")
        known = Known(answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
        return File(data, known, answer.headers.get_content_type())

    def _append(self, url: str, descriptor: int, limit: int, wrote: Callable[[int], None]) -> bool:
        """Do one try; tell whether anything was there."""
        begun = os.lseek(descriptor, 0, os.SEEK_END)
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={begun}-"} if begun else {})}
        with self._answer(url, headers) as answer:
            if answer.status in (200, 206):
                skipped = begun if answer.status == 200 else 0
                if not skipped and begun and not _begins_at(answer, begun):
                    raise _Passing("it answered with another part than was asked for")
                _require_size(url, begun - skipped + (answer.length or 0), limit)
                for chunk in _after(skipped, _chunks(answer)):
                    begun += len(chunk)
                    _require_size(url, begun, limit)
                    _write(descriptor, chunk)
                    wrote(len(chunk))
        return answer.status not in (404, 410)

    @contextmanager
    def _answer(self, url: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        """Ask, follow redirects, and give an answer that is one: those of _ANSWERS."""
        here = url
        for _ in range(_MAX_REDIRECTS + 1):
            sent = {**headers, **self._credentials(here)}
            with self._connections.asked(here, sent) as answer:
                status = answer.status
                if status in _REDIRECTS and (to := answer.headers.get("Location")):
                    _drain(answer)
                    here = _redirected(here, to)
                    continue
                if status not in _ANSWERS:
                    _drain(answer)
                    raise _failure(here, answer)
                yield answer
                _drain(answer)
                return
        raise Unavailable(f"{url} is redirected again and again", "correct the URL")

    def _credentials(self, url: str) -> Mapping[str, str]:
        """The header that says who we are, or none."""
        server = url[: url.find("/", 8)]
        if server not in self._who:
            self._who[server] = self._found_credentials(url)
        return self._who[server]

    def _found_credentials(self, url: str) -> Mapping[str, str]:
        """To the host that they are meant for, and where nobody between here and there can read them."""
        ours, there = urlsplit(self._base), urlsplit(url)
        if ours.hostname != there.hostname or not connections.is_private(there):
            return {}
        if there.scheme == ours.scheme and there.port != ours.port:
            return {}
        value = self._authorization(url)
        return {"Authorization": value} if value else {}

    # --- several tries -------------------------------------------------------------------------------------------

    def _persistently(self, url: str, ask: Callable[[str], Any]) -> Any:
        """Ask until there is an answer, a few times."""
        last: Exception | None = None
        for attempt in range(TRIES):
            if last is not None:
                time.sleep(_pause(attempt, getattr(last, "wait", 0.0)))
            try:
                return ask(url)
            except (MusterError, Unchanged):
                raise
            except (_Passing, HTTPException) as error:
                last = error
            except OSError as error:
                connections.require_of_network(error)
                last = error
        reason = str(last) if isinstance(last, _Passing) else connections.reason(last)
        raise Unavailable(
            f"{url} could not be read in {TRIES} tries: {reason}",
            "see whether it is up and can be reached; --offline answers from what was read last",
        ) from last


def _redirected(here: str, to: str) -> str:
    """Return where a redirect leads; Refused if that is no place to follow one to."""
    there = urljoin(here, to)
    old, new = urlsplit(here), urlsplit(there)
    if new.scheme != "https" and new.scheme != old.scheme:
        raise Refused(f"{here} is redirected to {new.scheme}, which is not followed", "correct the URL")
    return there


def _failure(url: str, answer: HTTPResponse) -> Exception:
    """Return what an answer that has no file means."""
    status = answer.status
    if status in (401, 403, 407):
        return Refused(
            f"{url} may not be read: status {status}",
            "give a token in MUSTER_INDEX_TOKEN, or a password in ~/.netrc; they are sent by https only",
        )
    if status == 429 or status >= 500:
        after = answer.headers.get("Retry-After", "")
        return _Passing(f"status {status}", float(after) if after.isdecimal() else 0.0)
    return Unavailable(f"{url} cannot be read: status {status}", "correct the URL")


def _body(url: str, answer: HTTPResponse, limit: int) -> bytes:
    _require_size(url, answer.length, limit)
    deadline = time.monotonic() + LONGEST_ANSWER
    data = bytearray()
    for chunk in _chunks(answer):
        data += chunk
        _require_size(url, len(data), limit)
        if time.monotonic() > deadline:
            raise _Passing(f"it took more than {LONGEST_ANSWER:.0f} s")
    return bytes(data)


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes; _Passing if it ends before its end."""
    while chunk := answer.read1(_CHUNK):
        yield chunk
    if answer.length:
        raise _Passing("it broke off")


def _after(skipped: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what comes after so many bytes, which a server that knows no ranges sends again."""
    for chunk in chunks:
        if rest := chunk[skipped:]:
            yield rest
        skipped = max(skipped - len(chunk), 0)


def _begins_at(answer: HTTPResponse, begin: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-")


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _drain(answer: HTTPResponse) -> None:
    """Read what is left of a short answer, so that its connection can be used again."""
    if not answer.isclosed() and (answer.length or 0) <= _SPOKEN:
        answer.read(_SPOKEN)


def _require_size(url: str, size: int | None, limit: int) -> None:
    if size is not None and size > limit:
        raise Integrity(f"{url} has more than the {limit} bytes that it may have")


def _pause(attempt: int, asked: float) -> float:
    """Seconds to wait: the longer the more tries failed, never in step with others, and what the server asks for."""
    return min(max(asked, 0.1 * 2.0**attempt) * random.uniform(0.75, 1.25), LONGEST_PAUSE)  # noqa: S311


def authorization(username: str, password: str) -> Callable[[str], str]:
    """Return what says who we are at a URL: the user of the index's own URL, MUSTER_INDEX_TOKEN, or ~/.netrc."""

    def value(url: str) -> str:
        if username or password:
            return _basic(username, password)
        if token := os.environ.get("MUSTER_INDEX_TOKEN"):
            return f"Bearer {token}"
        return _from_netrc(urlsplit(url).hostname or "")

    return value


def from_netrc(url: str) -> str:
    """Return what ~/.netrc says for the host of a URL, as a header's value; "" if nothing."""
    return _from_netrc(urlsplit(url).hostname or "")


def _from_netrc(host: str) -> str:
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    if not path.exists():
        return ""
    import netrc

    try:
        found = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {type(error).__name__}", "correct it, or remove it") from None
    return _basic(found[0], found[2] or "") if found else ""


def _basic(username: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
