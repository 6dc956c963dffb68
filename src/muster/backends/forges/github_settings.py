"""What GitHub is told about one branch: by classic branch protection, by rulesets, or by both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...core.errors import NotFound, Refused
from .http import Api
from .settings import Setting, at_least_one, flag, shown

_Json = Mapping[str, Any]
_ANYBODY = (None, -1)  # a status of that name counts, whoever sets it


def branch_settings(api: Api, repository: str, branch: str) -> tuple[Setting, ...]:
    """Return the settings of branch. A rule that all may see is enough; protection is shown to administrators only."""
    path = f"{repository}/branches/{quote(branch, safe='')}"
    there, classic = shown(api, path), shown(api, f"{path}/protection")
    try:
        rules = list(api.all(f"{repository}/rules/branches/{quote(branch, safe='')}", per_page=100))
    except (NotFound, Refused):
        rules = []
    protected = None if there is None else bool(there.get("protected") or rules)
    unseen = bool(there and there.get("protected") and classic is None and not rules) or there is None
    return tuple(_settings(protected, unseen, classic or {}, rules))


def _settings(protected: bool | None, unseen: bool, classic: _Json, rules: list[_Json]) -> Iterator[Setting]:
    kinds = {str(rule.get("type")) for rule in rules}
    reviews = [*_part(classic, "required_pull_request_reviews"), *_parameters(rules, "pull_request")]
    checks = [*_part(classic, "required_status_checks"), *_parameters(rules, "required_status_checks")]
    apps = [app for each in checks for app in _apps(each)]

    def known(value: bool) -> bool | None:
        return None if unseen and not value else value

    def review(*names: str) -> bool | None:
        return known(any(each.get(name) for each in reviews for name in names))

    yield flag("the branch is protected", protected, True)
    forbidden = bool(classic) and not _enabled(classic, "allow_force_pushes")
    yield flag("force pushes are forbidden", known(forbidden or "non_fast_forward" in kinds), True)
    forbidden = bool(classic) and not _enabled(classic, "allow_deletions")
    yield flag("the branch cannot be deleted", known(forbidden or "deletion" in kinds), True)
    count = max((int(each.get("required_approving_review_count") or 0) for each in reviews), default=0)
    yield at_least_one("approvals that are required", None if unseen and not count else count)
    stale = review("dismiss_stale_reviews", "dismiss_stale_reviews_on_push")
    yield flag("a push dismisses approvals", stale, True)
    owners = review("require_code_owner_reviews", "require_code_owner_review")
    yield flag("code owners must review", owners, True)
    yield at_least_one("status checks that are required", None if unseen and not apps else len(apps))
    bound = bool(apps) and not any(app in _ANYBODY for app in apps)
    yield flag("required checks are bound to an app", known(bound), True)
    strict = any(each.get("strict") or each.get("strict_required_status_checks_policy") for each in checks)
    yield flag("a branch must be up to date to be merged", known(strict), True)


def _part(classic: _Json, name: str) -> list[_Json]:
    return [classic[name]] if isinstance(classic.get(name), dict) else []


def _enabled(classic: _Json, name: str) -> bool:
    return bool((classic.get(name) or {}).get("enabled"))


def _parameters(rules: list[_Json], kind: str) -> list[_Json]:
    return [rule.get("parameters") or {} for rule in rules if rule.get("type") == kind]


def _apps(checks: _Json) -> list[int | None]:
    """Return for each required check the app it is bound to: `checks` of a protection, or a rule's parameters."""
    if "required_status_checks" in checks:
        return [each.get("integration_id") for each in checks["required_status_checks"]]
    if checks.get("checks"):
        return [each.get("app_id") for each in checks["checks"]]
    return [None for _ in checks.get("contexts", ())]
