"""The webhook: what is sent, how often, and to whom it is not."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from muster.backends.webhook import LONGEST, TRIES, Delivery, post, signature
from muster.core.errors import Invalid, MusterError, Refused, Unavailable
from support.receiver import receiver

NEWS = Delivery("0f8b6f9e-0000-5000-8000-000000000000", "events", "application/json", b'{"a": "\xc3\xa9"}')


def test_a_delivery_is_signed_over_its_bytes() -> None:
    with receiver() as there:
        post(there.url, "s3cret", NEWS)
    (request,) = there.requests
    assert request.body == NEWS.body
    expected = hmac.new(b"s3cret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-muster-signature-256"] == f"sha256={expected}"
    assert request.headers["x-muster-event"] == "events"
    assert request.headers["content-type"] == "application/json"


def test_the_signature_is_the_one_that_github_publishes_for_its_own_webhooks() -> None:
    # docs.github.com "Validating webhook deliveries", the values for testing
    assert signature("It's a Secret to Everybody", b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


def test_without_a_secret_nothing_is_signed() -> None:
    with receiver() as there:
        post(there.url, "", NEWS)
    assert "x-muster-signature-256" not in there.requests[0].headers


def test_it_is_sent_again_under_the_same_name_until_it_is_taken() -> None:
    waited: list[float] = []
    with receiver(503, 0, 429) as there:
        post(there.url, "s3cret", NEWS, waited.append)
    assert len(there.requests) == 4
    assert {r.headers["x-muster-delivery"] for r in there.requests} == {NEWS.id}
    assert {r.body for r in there.requests} == {NEWS.body}
    assert [1.0 <= waited[0] <= 1.5, 2.0 <= waited[1] <= 3.0, 4.0 <= waited[2] <= 6.0] == [True] * 3


def test_it_waits_as_long_as_the_server_asks_within_reason() -> None:
    waited: list[float] = []
    with receiver((429, {"Retry-After": "20"}), (503, {"Retry-After": "86400"})) as there:
        post(there.url, "", NEWS, waited.append)
    assert 20 <= waited[0] <= 30
    assert waited[1] == LONGEST


def test_it_gives_up_after_a_while() -> None:
    waited: list[float] = []
    with receiver(*[500] * 99) as there, pytest.raises(Unavailable, match=r"127\.0\.0\.1.*status 500"):
        post(there.url, "", NEWS, waited.append)
    assert len(there.requests) == TRIES
    assert len(waited) == TRIES - 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_a_server_will_not_have_is_not_sent_again(status: int) -> None:
    with receiver(status) as there, pytest.raises(Refused, match=str(status)):
        post(there.url, "", NEWS)
    assert len(there.requests) == 1


def test_a_redirect_is_not_followed() -> None:
    with receiver() as elsewhere:
        moved = (307, {"Location": elsewhere.url})
        with receiver(moved) as there, pytest.raises(Refused, match="points elsewhere"):
            post(there.url, "s3cret", NEWS)
    assert elsewhere.requests == []


def test_no_password_of_the_users_is_added(sealed: Path) -> None:
    (sealed / ".netrc").write_text("machine 127.0.0.1 login ann password hunter2\n")
    (sealed / ".netrc").chmod(0o600)
    with receiver() as there:
        post(there.url, "", NEWS)
    assert "authorization" not in there.requests[0].headers


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/T0", "ftp://127.0.0.1/x", "https://", "nonsense", "", "file:///etc/passwd"],
)
def test_a_url_that_others_can_read_on_the_way_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        post(url, "", NEWS)


def test_no_error_has_more_of_the_url_than_its_host() -> None:
    failures = [404, 307]
    said: list[MusterError] = []
    for status in failures:
        with receiver(status) as there, pytest.raises(MusterError) as raised:
            post(there.url, "", NEWS)
        said.append(raised.value)
    with pytest.raises(MusterError) as raised:
        post(there.url, "", NEWS, lambda seconds: None)  # nobody listens there any more
    for error in [*said, raised.value]:
        assert "127.0.0.1" in str(error)
        assert "/hooks/" not in f"{error} {error.hint} {error.__cause__}"
