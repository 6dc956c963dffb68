"""Connections to web servers, kept for the next request, directly or through a proxy of the environment."""

from __future__ import annotations

import errno
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from ...core.errors import Integrity, Invalid

TIMEOUT = 20.0  # seconds without a byte
_IDLE = 16  # connections that are kept for one origin
_OF_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Route:
    """How the server of an origin is reached."""

    origin: Origin
    proxy: SplitResult | None

    def target(self, url: str, parts: SplitResult) -> str:
        """Return what is asked for: a path, or of a proxy that is no tunnel the whole URL."""
        return url if self.proxy is not None and self.origin[0] == "http" else _target(parts)

    def headers(self) -> Mapping[str, str]:
        """Return what such a proxy is told with each request; the other kind is told when the tunnel is made."""
        return _proxy_authorization(self.proxy) if self.proxy is not None and self.origin[0] == "http" else {}

    def opened(self, context: Callable[[], ssl.SSLContext]) -> HTTPConnection:
        """Return a connection."""
        scheme, host, port = self.origin
        proxy = self.proxy
        where = (host, port) if proxy is None else (proxy.hostname or "", proxy.port or 80)
        if scheme == "http":
            return HTTPConnection(*where, timeout=TIMEOUT)
        connection = HTTPSConnection(*where, timeout=TIMEOUT, context=context())
        if proxy is not None:
            connection.set_tunnel(host, port, dict(_proxy_authorization(proxy)))
        return connection


class Connections:
    """Connections by origin. Each is used by one thread at a time, and by the process that has opened it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[HTTPConnection]] = {}
        self._routes: dict[tuple[str, str], _Route] = {}  # by scheme, and host with port
        self._process = os.getpid()
        self._trust: ssl.SSLContext | None = None

    @contextmanager
    def asked(self, url: str, headers: Mapping[str, str]) -> Iterator[HTTPResponse]:
        """Send a GET and give the answer. The connection is kept if the body was read to its end."""
        parts = urlsplit(url)
        route = self._routes.get((parts.scheme, parts.netloc))
        if route is None:
            route = self._routes[parts.scheme, parts.netloc] = _Route(_origin(parts), _proxy(parts))
        sent = {"User-Agent": "muster", **headers, **route.headers()}
        connection, answer = self._sent(route, route.target(url, parts), sent)
        kept = False
        try:
            yield answer
            kept = answer.isclosed() and connection.sock is not None
        finally:
            self._put_back(route.origin, connection, kept)

    def _sent(
        self, route: _Route, target: str, headers: dict[str, str]
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask over a connection that waits, if one does: the server may have closed it since, so then over a new one."""
        while (waiting := self._taken(route.origin)) is not None:
            try:
                return waiting, _request(waiting, target, headers)
            except (OSError, HTTPException):
                waiting.close()
        connection = route.opened(self._context)
        try:
            return connection, _request(connection, target, headers)
        except BaseException:
            connection.close()
            raise

    def _taken(self, origin: Origin) -> HTTPConnection | None:
        with self._lock:
            if self._process != os.getpid():  # a fork's sockets are its parent's
                self._idle, self._process = {}, os.getpid()
            waiting = self._idle.get(origin)
            return waiting.pop() if waiting else None

    def _put_back(self, origin: Origin, connection: HTTPConnection, kept: bool) -> None:
        with self._lock:
            waiting = self._idle.setdefault(origin, [])
            if kept and len(waiting) < _IDLE:
                waiting.append(connection)
                return
        connection.close()

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            own = any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            try:
                self._trust = ssl.create_default_context(cafile=None if own else bundle)
            except OSError as error:
                raise Invalid(f"{bundle} has no certificates", hint="correct REQUESTS_CA_BUNDLE") from error
        return self._trust

    def close(self) -> None:
        """Close the connections that wait."""
        with self._lock:
            waiting, self._idle = self._idle, {}
        for connection in (c for connections in waiting.values() for c in connections):
            connection.close()


def is_private(parts: SplitResult) -> bool:
    """Tell whether nobody between here and there can read what is sent."""
    return parts.scheme == "https" or parts.hostname in _LOOPBACK


def require_of_network(error: OSError) -> None:
    """Raise what another try would not change: an error of the disk, and a certificate that is not right."""
    if isinstance(error, ssl.SSLCertVerificationError):
        raise Integrity(
            f"the server's certificate is not one to trust: {error.verify_message}",
            "see whether this is the right server; SSL_CERT_FILE names the certificates that are trusted",
        ) from error
    if error.errno in _OF_DISK or error.filename is not None:
        raise error


def reason(error: Exception | None) -> str:
    """Return why a connection failed, in the words of the operating system."""
    return getattr(error, "strerror", None) or type(error).__name__


def _request(connection: HTTPConnection, target: str, headers: dict[str, str]) -> HTTPResponse:
    connection.request("GET", target, headers=headers)
    return connection.getresponse()


def _origin(parts: SplitResult) -> Origin:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Invalid(f"{parts.scheme}://{parts.hostname or ''} is not a URL that can be asked")
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _target(parts: SplitResult) -> str:
    from urllib.parse import quote

    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{parts.query}" if parts.query else path


def _proxy(parts: SplitResult) -> SplitResult | None:
    """Return the proxy of the environment for a URL; None for a direct connection."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    url = proxies.get(parts.scheme) or proxies.get("all")
    if not url or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = urlsplit(url if "://" in url else f"http://{url}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise Invalid(f"the proxy for {parts.scheme} is not an http:// URL", hint="correct the environment")
    return proxy


def _proxy_authorization(proxy: SplitResult) -> Mapping[str, str]:
    if not proxy.username:
        return {}
    import base64
    from urllib.parse import unquote

    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
