"""What GitLab is told about one branch, and about merge requests: by its protection, the project and its approvals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...core.errors import NotFound, Refused
from .http import Api
from .settings import Setting, at_least_one, flag, shown

_NOBODY = 0  # the access level
_Json = Mapping[str, Any]


def branch_settings(api: Api, project: str, branch: str) -> tuple[Setting, ...]:
    """Return the settings that a promotion relies on. Those of approvals exist in paid editions only."""
    try:
        protections = list(api.all(f"{project}/protected_branches", per_page=100))
    except (NotFound, Refused):
        protections = None
    approvals = shown(api, f"{project}/approvals")
    path = quote(branch, safe="")
    protection = shown(api, f"{project}/protected_branches/{path}") if protections is not None else None
    try:
        rules = list(api.all(f"{project}/approval_rules", per_page=100))
    except (NotFound, Refused):
        rules = None
    return (
        *_protection(protections is not None, protection),
        *_project(shown(api, project)),
        *_approvals(approvals, rules),
    )


def _protection(asked: bool, protection: _Json | None) -> Iterator[Setting]:
    def known(value: bool) -> bool | None:
        return value if asked else None

    there = protection or {}
    levels = [each.get("access_level") for each in there.get("push_access_levels") or ()]
    closed = bool(levels) and all(level == _NOBODY for level in levels)
    yield flag("the branch is protected", known(protection is not None), True)
    yield flag("nobody pushes to it directly", known(closed), True)
    forced = protection is None or bool(there.get("allow_force_push"))
    yield flag("force pushes are forbidden", known(not forced), True)
    yield flag("code owners must review", known(bool(there.get("code_owner_approval_required"))), True)


def _project(project: _Json | None) -> Iterator[Setting]:
    def told(name: str) -> bool | None:
        return None if project is None or project.get(name) is None else bool(project[name])

    yield flag("a pipeline must succeed", told("only_allow_merge_if_pipeline_succeeds"), True)
    skipped = told("allow_merge_on_skipped_pipeline")
    yield flag("a skipped pipeline is no success", None if skipped is None else not skipped, True)
    method = None if project is None else project.get("merge_method")
    yield flag(
        "a branch must be up to date to be merged",
        None if method is None else method in ("ff", "rebase_merge"),
        True,
    )


def _approvals(approvals: _Json | None, rules: list[_Json] | None) -> Iterator[Setting]:
    def told(name: str) -> bool | None:
        return None if approvals is None or approvals.get(name) is None else bool(approvals[name])

    demanded = (
        None if rules is None else max((int(r.get("approvals_required") or 0) for r in rules), default=0)
    )
    yield at_least_one("approvals that are required", demanded)
    yield flag("a push dismisses approvals", told("reset_approvals_on_push"), True)
    author = told("merge_requests_author_approval")
    yield flag("authors cannot approve their own", None if author is None else not author, True)
    yield flag("who committed cannot approve", told("merge_requests_disable_committers_approval"), True)
