"""Telling another server what happened: one POST, signed, and sent again until it is taken or time is up.

The URL is a secret, as those of chat services are: no message has more of it than the host. The signature is over the
bytes of the body: `X-Muster-Signature-256: sha256=` and the HMAC-SHA256 in hexadecimal, as GitHub's webhooks have it.
`X-Muster-Delivery` is the same however often a delivery is sent, so that a receiver can tell.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..core.errors import Invalid, Refused, Unavailable

if TYPE_CHECKING:
    from requests import PreparedRequest

TRIES = 5
CONNECT, READ = 10.0, 20.0  # seconds
LONGEST = 60.0  # seconds that are waited between two tries, whatever the server asks for


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is sent. `id` names it for good, `event` says what it tells of; `kind` is the body's media type."""

    id: str
    event: str
    kind: str
    body: bytes


def signature(secret: str, body: bytes) -> str:
    """Return what a receiver compares with the header X-Muster-Signature-256."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def post(url: str, secret: str, delivery: Delivery, sleep: Callable[[float], None] = time.sleep) -> None:
    """Send a delivery, signed unless secret is "".

    It is sent again where the network, or the server for the moment (429, 5xx), fails. Refused: the server will not have
    it. Unavailable: it could not be delivered in `TRIES` tries.
    """
    host = _trusted_host(url)
    headers = {
        "Content-Type": delivery.kind,
        "User-Agent": "muster",
        "X-Muster-Delivery": delivery.id,
        "X-Muster-Event": delivery.event,
    }
    if secret:
        headers["X-Muster-Signature-256"] = signature(secret, delivery.body)
    why, asked = "", 0.0
    for attempt in range(TRIES):
        if attempt:
            sleep(_pause(attempt, asked))
        why, asked = _once(url, host, headers, delivery.body)
        if not why:
            return
    raise Unavailable(f"{host} has not taken the message in {TRIES} tries: {why}", hint="run it again later")


def _once(url: str, host: str, headers: dict[str, str], body: bytes) -> tuple[str, float]:
    """Send it once. Return why it is to be sent again, "" if it is not, and how long the server asks to wait."""
    import requests

    try:
        with requests.Session() as session:
            session.auth = _anonymous
            answer = session.post(
                url, data=body, headers=headers, timeout=(CONNECT, READ), allow_redirects=False, stream=True
            )
            status, after = answer.status_code, answer.headers.get("Retry-After", "")
    except (requests.ConnectionError, requests.Timeout) as error:
        return type(error).__name__, 0.0  # its text has the whole URL
    except requests.RequestException as error:
        raise Invalid(f"{host} cannot be asked: {type(error).__name__}", hint="check the URL") from None
    if status < 300:
        return "", 0.0
    if status == 429 or status >= 500:
        return f"it answered with status {status}", float(after) if after.isdecimal() else 0.0
    if status < 400:
        raise Refused(f"{host} points elsewhere, which is not followed", hint="give the new URL")
    raise Refused(f"{host} does not take it: status {status}", hint="check the URL and the secret")


def _pause(attempt: int, asked: float) -> float:
    """Seconds to wait: the longer the more tries failed, never in step with others, and what the server asks for."""
    return min(max(asked, 2.0 ** (attempt - 1)) * random.uniform(1.0, 1.5), LONGEST)  # noqa: S311


def _trusted_host(url: str) -> str:
    """Return the host of a URL that nobody between here and there can read. Invalid if it is no such URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("https", "http") or not host or not url.isprintable():
        raise Invalid("the webhook's URL is not one", hint="it begins with https://")
    if parts.scheme == "http" and not _is_loopback(host):
        raise Invalid(
            f"the webhook's URL would send what it tells to {host} for all to read", hint="use https"
        )
    return host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _anonymous(request: PreparedRequest) -> PreparedRequest:
    """Leave a request as it is: without this, a password from ~/.netrc would be added."""
    return request
