"""Asking a forge over HTTP: one token for one address, patience with servers, and answers turned into errors.

The token goes to the API's own scheme, host and port and nowhere else: no redirect and no link of an answer is
followed elsewhere. Nothing that is raised has it in its text. Proxies and certificates are those that requests takes
from the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from ...core.errors import Conflict, Invalid, NotFound, Refused, Unavailable

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CONNECT, READ = 10.0, 30.0  # seconds
PATIENCE = 60.0  # seconds in all that one question waits for a rate limit
MAX_ANSWER = 16 << 20  # bytes
_MAX_WORDS = 500
_MAX_PAGES = 100
_TRIES = 4
_REDIRECTS = 5
_PASSING = (502, 503, 504)  # a server or a proxy that will be there again
_SAFE = ("GET", "HEAD")
_PROBE_SECONDS = (2.0, 3.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a forge said. `body` is the decoded JSON, None if there was none; `words` its reason for an error."""

    status: int
    body: Any
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]  # whatever their case
    content: bytes
    following: str  # the next page of a list, "" after the last


class _Object(dict[str, Any]):
    """An object of an answer. What is promised and is not in it is the forge's fault, and said as such."""

    def __missing__(self, key: str) -> Any:
        raise Unavailable(f"the forge's answer has no {key!r}", hint="is it the forge that it seems to be?")


class Api:
    """The API at `root`, asked with one token.

    `sleep` and `clock` (seconds since 1970) are the caller's, so that waiting can be seen without being waited for.
    """

    def __init__(
        self,
        root: str,
        token: str,
        scheme: str = "Bearer",
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root, self._token, self._scheme = root.rstrip("/"), token, scheme
        self._headers = {"Accept": "application/json", "User-Agent": "muster", **(headers or {})}
        self._sleep, self._clock = sleep, clock
        self._open: Session | None = None

    @property
    def host(self) -> str:
        """Whom one speaks to, for messages."""
        return urlsplit(self.root).netloc

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON at path, below the root. Raises what `ask` does."""
        return self.ask("GET", path, query=query).body

    def all(self, path: str, **query: str | int) -> Iterator[Any]:
        """Yield the items of a list, page after page, each as long as query asks for."""
        reply = self._request("GET", f"{self.root}{path}", query, None)
        for _ in range(_MAX_PAGES):
            page = self._judged(reply, path, ()).body
            if not isinstance(page, list):
                raise Unavailable(f"{self.host} answered {path} with something else than a list")
            yield from page
            if not reply.following:
                return
            reply = self._request("GET", self._own(urljoin(f"{self.root}{path}", reply.following)), {}, None)
        raise Unavailable(f"{self.host} has more than {_MAX_PAGES} pages of {path}")

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        expect: tuple[int, ...] = (),
    ) -> Answer:
        """Return the answer to one request, an error only if its status is among `expect`.

        Otherwise: NotFound, Refused (401, 403, 405), Conflict (409), Invalid (400, 422) and Unavailable for the rest.
        """
        reply = self._request(method, f"{self.root}{path}", query or {}, body)
        return self._judged(reply, path, expect)

    def redact(self, text: str) -> str:
        """Return text without the token, on one line and with nothing that steers a terminal."""
        shown = text.replace(self._token, "***") if self._token else text
        shown = "".join(c if c.isprintable() else " " for c in shown)
        return shown if len(shown) <= _MAX_WORDS else f"{shown[:_MAX_WORDS]}..."

    # One request, as often as is reasonable

    def _request(
        self, method: str, url: str, query: Mapping[str, str | int], body: Mapping[str, Any] | None
    ) -> _Reply:
        waited, tries = 0.0, 0
        while True:
            tries += 1
            again = method in _SAFE and tries < _TRIES
            reply = self._once(method, url, query, body, again)
            if reply is not None and (until := self._limited(reply)) is not None:
                pause = max(until - self._clock(), 1.0)
                if waited + pause > PATIENCE:
                    raise self._overdrawn(until)
                waited += pause
                tries -= 1
            elif reply is not None and not (again and reply.status in _PASSING):
                return reply
            else:
                pause = 2.0 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311
            self._sleep(pause)

    def _once(
        self,
        method: str,
        url: str,
        query: Mapping[str, str | int],
        body: Mapping[str, Any] | None,
        again: bool,
    ) -> _Reply | None:
        """Return the reply, after redirects of what only reads; None if the connection broke and it may go again."""
        import requests

        try:
            for _ in range(_REDIRECTS):
                response = self._client().request(
                    *(method, url),
                    params=dict(query),
                    json=None if body is None else dict(body),
                    timeout=(CONNECT, READ),
                    allow_redirects=False,
                    stream=True,
                )
                reply = _read(response, self.host)
                if not response.is_redirect:
                    return reply
                if method not in _SAFE:
                    raise Refused(
                        f"{self.host} says that the repository has moved",
                        hint="give the remote its new address",
                    )
                url, query = self._own(urljoin(url, response.headers["Location"])), {}
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if again:
                return None
            raise Unavailable(
                f"{self.host} cannot be reached: {self.redact(str(error))}",
                hint="check the network, and HTTPS_PROXY and REQUESTS_CA_BUNDLE where they are needed",
            ) from error
        except requests.RequestException as error:
            raise Unavailable(f"{self.host} cannot be asked: {self.redact(str(error))}") from error
        raise Unavailable(f"{self.host} redirects without end")

    def _client(self) -> Session:
        if self._open is None:
            import requests

            self._open = requests.Session()
            self._open.headers.update(self._headers)
            self._open.auth = self._authorize  # without it requests would take a password from ~/.netrc
        return self._open

    def _authorize(self, request: PreparedRequest) -> PreparedRequest:
        if self._token and _origin(str(request.url)) == _origin(self.root):
            request.headers["Authorization"] = f"{self._scheme} {self._token}"
        return request

    def _own(self, url: str) -> str:
        if _origin(url) != _origin(self.root):
            raise Refused(
                f"{self.host} points to {self.redact(urlsplit(url).netloc)}, which is not to have your token",
                hint="if the forge has moved, give the remote its new address",
            )
        return url

    # What it said

    def _limited(self, reply: _Reply) -> float | None:
        """Return when (seconds since 1970) to ask again, None if no rate limit is the reason of this answer."""
        headers, status = reply.headers, reply.status
        if status not in (403, 429):
            return None
        after = headers.get("Retry-After", "")
        if after.isdecimal():
            return self._clock() + float(after)
        reset = headers.get("x-ratelimit-reset") or headers.get("RateLimit-Reset") or ""
        remaining = headers.get("x-ratelimit-remaining") or headers.get("RateLimit-Remaining")
        if remaining == "0" and reset.isdecimal():
            return float(reset)
        return self._clock() + PATIENCE / 2 if status == 429 else None

    def _overdrawn(self, until: float) -> Unavailable:
        try:
            when = datetime.fromtimestamp(until, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (OverflowError, ValueError, OSError):
            when = "a time it does not make clear"
        return Unavailable(
            f"{self.host} takes no more requests until {when}", hint="try again then, or use another token"
        )

    def _judged(self, reply: _Reply, path: str, expect: tuple[int, ...]) -> Answer:
        answer = self._answer(reply)
        status, words = answer.status, f": {answer.words}" if answer.words else ""
        if status < 300 or status in expect:
            return answer
        if status == 401:
            raise Refused(
                f"{self.host} does not accept the token{words}",
                hint="it may have expired, or be another host's: make a new one, or log in again with gh or glab",
            )
        if status in (403, 405):
            raise Refused(
                f"{self.host} does not allow it{words}",
                hint="see docs/forges.md for what a token must be allowed; a fork's token may only read",
            )
        if status in (404, 410):
            raise NotFound(
                f"{self.host} has nothing at {self.redact(path)}, or your token may not see it",
                hint="check the address of the remote, and what the token is allowed",
            )
        if status == 409:
            raise Conflict(f"{self.host} says that it has changed{words}", hint="look again, then try again")
        if status in (400, 422):
            raise Invalid(f"{self.host} does not take it{words}")
        raise Unavailable(f"{self.host} answered with status {status}{words}", hint="try again later")

    def _answer(self, reply: _Reply) -> Answer:
        try:
            body = json.loads(reply.content, object_hook=_Object) if reply.content else None
        except (ValueError, RecursionError) as error:
            if reply.status < 300:
                raise Unavailable(f"{self.host} answered with something that is not JSON") from error
            return Answer(reply.status, None)
        return Answer(reply.status, body, self.redact(_reasons(body)))


def probe(origin: str) -> Literal["github", "gitlab", "gitea"] | None:
    """Return what kind of forge answers at an origin such as "https://git.example", None if none. No credentials."""
    import requests

    with requests.Session() as client:
        client.auth = _anonymous
        try:
            for path, kind in (
                ("/api/v1/version", "gitea"),
                ("/api/v4/version", "gitlab"),
                ("/api/v3/meta", "github"),
            ):
                response = client.get(
                    f"{origin}{path}", timeout=_PROBE_SECONDS, allow_redirects=False, stream=True
                )
                if _is_kind(kind, _read(response, origin)):
                    return kind  # type: ignore[return-value]
        except (requests.RequestException, Unavailable):
            return None
    return None


def _is_kind(kind: str, reply: _Reply) -> bool:
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(body, dict):
        return False
    if kind == "github":
        return "x-github-request-id" in reply.headers
    if kind == "gitlab" and reply.status == 401:
        return "message" in body
    return reply.status == 200 and isinstance(body.get("version"), str)


def _anonymous(request: PreparedRequest) -> PreparedRequest:
    return request


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname, port


def _read(response: Response, host: str) -> _Reply:
    """Return what came; Unavailable if it is larger than any answer has to be."""
    read = bytearray()
    for chunk in response.iter_content(1 << 16):
        read += chunk
        if len(read) > MAX_ANSWER:
            response.close()
            raise Unavailable(f"{host} answered with more than {MAX_ANSWER >> 20} MB")
    following = response.links.get("next", {}).get("url", "")
    return _Reply(response.status_code, response.headers, bytes(read), following)


def _reasons(body: Any) -> str:
    """Return the sentences of an error: GitHub's message and errors, GitLab's message or error, Gitea's message."""
    if not isinstance(body, dict):
        return ""
    said = [*_sentences(body.get("message") or body.get("error")), *_sentences(body.get("errors"))]
    return "; ".join(dict.fromkeys(text for text in said if text))


def _sentences(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield said.strip().rstrip(".")
    elif isinstance(said, list):
        for each in said:
            yield from _sentences(each)
    elif isinstance(said, dict) and (said.keys() & {"message", "code", "field"}):
        yield str(said.get("message") or " ".join(str(said[k]) for k in ("field", "code") if k in said))
    elif isinstance(said, dict):
        for field, reasons in said.items():
            yield from (f"{field} {reason}" for reason in _sentences(reasons))
