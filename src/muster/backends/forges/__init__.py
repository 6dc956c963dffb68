"""Forges: where proposals are opened, looked at, approved and merged. One module each, unaware of each other.

`locate` says where a git remote's repository is, `connect` asks there, in the name of whoever's token is found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...core.errors import Unavailable
from .address import Place, locate
from .protocol import Forge
from .settings import Setting
from .tokens import Credential, find_token

if TYPE_CHECKING:
    from .gitea import Gitea
    from .github import GitHub
    from .gitlab import GitLab

__all__ = ["Credential", "Forge", "Place", "Setting", "connect", "locate"]


def connect(
    place: Place,
    token: str | None = None,
    credential: Credential | None = None,
    env: Mapping[str, str] = os.environ,
) -> GitHub | GitLab | Gitea:
    """Return the forge at a place. Nothing is asked of it yet.

    Refused where there is no token; Unavailable for a host that is no forge, or one that muster does not speak with.
    """
    if place.kind in ("github", "gitlab", "gitea"):
        return _at(place, find_token(place, token, credential, env))
    raise Unavailable(
        f"{place.host} is not a forge that muster can ask",
        hint="open the proposal in a browser; if it is GitHub, GitLab, Gitea or Forgejo, say so by MUSTER_FORGE",
    )


def _at(place: Place, token: str) -> GitHub | GitLab | Gitea:
    from .http import Api

    if place.kind == "github":
        from .github import HEADERS, GitHub

        return GitHub(place, Api(place.api, token, headers=HEADERS))
    if place.kind == "gitlab":
        from .gitlab import GitLab

        return GitLab(place, Api(place.api, token))
    from .gitea import Gitea

    return Gitea(place, Api(place.api, token, scheme="token"))
