"""On which terms a registry that is elsewhere is read: how old an answer may be, and whose word is taken for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """How a registry at a URL is read. One that is here is always read as it is.

    `offline`: nobody is asked; answers are of what was read last. `max_age` (seconds): an answer that was true so long
    ago will do, and where none is that young, none is given; None asks each time. `accept` is a commit that may replace
    a history that was read before, which is Integrity otherwise. `keys` are public keys (as in `id_ed25519.pub`) or
    fingerprints (`SHA256:...`), one of which must have signed a published index; with none, the transport's word is
    taken.
    """

    offline: bool = False
    max_age: float | None = None
    accept: str = ""
    keys: tuple[str, ...] = ()


DEFAULT = Terms()
