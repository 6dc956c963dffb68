"""Announcing: news of a registry, sent to whoever has asked for them."""

from __future__ import annotations


def announce(url: str, secret: str, id: str, kind: str, text: str) -> None:
    """Post text, of media type `kind`, to a webhook, signed unless secret is "". `id` names it for good.

    It is sent again for a while where the network or the server fails. Invalid: the URL is not one to be trusted with
    it. Refused: the server will not have it. Unavailable: it could not be delivered.
    """
    from .backends.webhook import Delivery, post

    post(url, secret, Delivery(id, "events", kind, text.encode()))
