"""Who approved a merge request of GitLab's, and of which version.

GitLab does not tell of which commit an approval is. It does tell when it was given, and when each version of the
merge request appeared: an approval is taken to be of the newest version that was there before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ...core.errors import NotFound, Refused
from ...core.proposals import Approval
from .http import Api

_BOT = re.compile(r"(project|group)_\d+_bot\w*|service_account_\w+")
_Json = Mapping[str, Any]


def approvals_of(api: Api, project: str, iid: str) -> Iterator[Approval]:
    """Yield the approvals of one merge request; the head is "" where GitLab does not tell when one was given."""
    request = f"{project}/merge_requests/{iid}"
    given = api.get(f"{request}/approvals").get("approved_by") or ()
    if not given:
        return
    versions = [
        (_moment(each["created_at"]), str(each["head_commit_sha"]))
        for each in api.all(f"{request}/versions", per_page=100)
    ]
    times = {} if all(each.get("approved_at") for each in given) else _times(api, project, iid)
    for each in given:
        user = each["user"]
        at = str(each.get("approved_at") or times.get(user["username"], ""))
        before = [version for version in versions if at and version[0] < _moment(at)]
        bot, also = _person(api, user)
        yield Approval(f"@{user['username']}", max(before)[1] if before else "", at, bot, also)


def is_bot(user: _Json) -> bool:
    """Tell whether a user's name is one that GitLab makes for tokens and service accounts."""
    return _BOT.fullmatch(str(user.get("username"))) is not None


def _times(api: Api, project: str, iid: str) -> Mapping[str, str]:
    """Return when each approved, by the project's events: older GitLabs do not say it beside the approval."""
    query = {"action": "approved", "target_type": "merge_request", "sort": "asc"}
    times: dict[str, str] = {}
    for each in api.all(f"{project}/events", **query, per_page=100):
        if str(each.get("target_iid")) == iid:
            times[str(each["author"]["username"])] = str(each["created_at"])
    return times


def _person(api: Api, user: _Json) -> tuple[bool, tuple[str, ...]]:
    """Tell whether a user is a bot, and the address it shows to everybody: GitLab has confirmed it."""
    try:
        found = api.get(f"/users/{int(user['id'])}")
    except (Refused, NotFound):
        found = {}
    email = found.get("public_email")
    return bool(found.get("bot")) or is_bot(user), (str(email),) if email else ()


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
