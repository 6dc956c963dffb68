"""The forge of a repository known by its address, where a CI job has no more of it than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.errors import NotFound

if TYPE_CHECKING:
    from .backends.forges import Forge
    from .core.proposals import Proposal


def proposal(url: str, id: str) -> Proposal:
    """Return a proposal with its approvals. Raises what `Forge.proposal` raises; Refused without a token, too."""
    return _at(url).proposal(id)


def comment(url: str, id: str, body: str, marker: str) -> str:
    """Say body in the one comment of a proposal that begins with marker; return where it is to be seen."""
    return _at(url).comment(id, body, marker)


def _at(url: str) -> Forge:
    from .backends.forges import connect, locate

    place = locate(url)
    if place is None:
        raise NotFound(f"{url} is not a repository on a forge", "see docs/forges.md")
    return connect(place)
