"""What the URL of a git remote says of the forge behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from muster.backends import forges
from muster.backends.forges import Place, locate
from muster.core.errors import Invalid, Unavailable

NONE: dict[str, str] = {"MUSTER_FORGE": "gitea"}  # whoever is not known is that, and is not asked


@pytest.mark.parametrize(
    ("url", "host", "path", "kind", "api"),
    [
        (
            "https://github.com/acme/models.git",
            "github.com",
            "acme/models",
            "github",
            "https://api.github.com",
        ),
        ("http://github.com/acme/models", "github.com", "acme/models", "github", "https://api.github.com"),
        ("git@github.com:acme/models.git", "github.com", "acme/models", "github", "https://api.github.com"),
        ("git@GitHub.com:acme/models.git", "github.com", "acme/models", "github", "https://api.github.com"),
        (
            "ssh://git@ssh.github.com:443/acme/models.git",
            "github.com",
            "acme/models",
            "github",
            "https://api.github.com",
        ),
        (
            "https://ann:secret@github.com/acme/models/",
            "github.com",
            "acme/models",
            "github",
            "https://api.github.com",
        ),
        ("git@acme.ghe.com:ml/models.git", "acme.ghe.com", "ml/models", "github", "https://api.acme.ghe.com"),
        (
            "https://gitlab.com/acme/ml/models.git",
            "gitlab.com",
            "acme/ml/models",
            "gitlab",
            "https://gitlab.com/api/v4",
        ),
        (
            "git@altssh.gitlab.com:acme/models",
            "gitlab.com",
            "acme/models",
            "gitlab",
            "https://gitlab.com/api/v4",
        ),
        (
            "git@codeberg.org:acme/models.git",
            "codeberg.org",
            "acme/models",
            "gitea",
            "https://codeberg.org/api/v1",
        ),
        ("git@bitbucket.org:acme/models.git", "bitbucket.org", "acme/models", "bitbucket", ""),
        (
            "https://git.corp:8443/acme/models",
            "git.corp:8443",
            "acme/models",
            "gitea",
            "https://git.corp:8443/api/v1",
        ),
        ("https://git.corp:443/acme/models", "git.corp", "acme/models", "gitea", "https://git.corp/api/v1"),
        ("http://git.corp/acme/models", "git.corp", "acme/models", "gitea", "http://git.corp/api/v1"),
        (
            "ssh://git@git.corp:2222/acme/models.git",
            "git.corp",
            "acme/models",
            "gitea",
            "https://git.corp/api/v1",
        ),
        (
            "ssh://git@[fe80::1]:22/acme/models",
            "[fe80::1]",
            "acme/models",
            "gitea",
            "https://[fe80::1]/api/v1",
        ),
        ("git@[fe80::1]:acme/models", "[fe80::1]", "acme/models", "gitea", "https://[fe80::1]/api/v1"),
        ("git.corp:/acme/models", "git.corp", "acme/models", "gitea", "https://git.corp/api/v1"),
    ],
)
def test_a_remotes_url_says_where_the_api_is(url: str, host: str, path: str, kind: str, api: str) -> None:
    place = locate(url, env=NONE)
    assert place is not None
    assert (place.host, place.path, place.kind, place.api) == (host, path, kind, api)


@pytest.mark.parametrize(
    "url",
    [
        "", ".", "/srv/models.git", "../models.git", "./a:b/c", "models", "file:///srv/acme/models.git",
        "https://github.com", "https://github.com/", "https://github.com/models", "git@github.com:",
        "https:///acme/models", "https://git.corp:port/acme/models", "https://git.corp/acme/../models",
        "https://git.corp/acme/%2e%2e/models", "https://git.corp//models", "ftp://git.corp/acme/models",
        "https://git.corp\\@evil.example/acme/models", "git@evil example:acme/models", "https://git.corp/a/b\nc",
        "https://git.corp/a/b%0ac", "https://[fe80::1/acme/models",
    ],
)  # fmt: skip
def test_what_is_no_repository_on_a_host_is_nowhere(url: str) -> None:
    assert locate(url, env=NONE) is None


@pytest.mark.parametrize(
    ("kind", "url", "place"),
    [
        (
            "github",
            "git@ghe.corp:a/b",
            Place("https", "ghe.corp", "a/b", "github", "https://ghe.corp/api/v3"),
        ),
        (
            "gitlab",
            "git@git.corp:a/b/c",
            Place("https", "git.corp", "a/b/c", "gitlab", "https://git.corp/api/v4"),
        ),
        (
            "forgejo",
            "git@git.corp:a/b",
            Place("https", "git.corp", "a/b", "gitea", "https://git.corp/api/v1"),
        ),
        (
            "gitea+https://web.corp:3000/git/",
            "ssh://git@ssh.corp:22/a/b",
            Place("https", "web.corp:3000", "a/b", "gitea", "https://web.corp:3000/git/api/v1", "/git", True),
        ),
        (
            "gitlab+https://git.corp/gitlab",
            "https://git.corp/gitlab/a/b.git",
            Place("https", "git.corp", "a/b", "gitlab", "https://git.corp/gitlab/api/v4", "/gitlab", True),
        ),
    ],
)
def test_the_user_may_say_what_a_host_is(kind: str, url: str, place: Place) -> None:
    assert locate(url, kind, {}) == place
    assert locate(url, env={"MUSTER_FORGE": kind}) == place
    assert locate(url, kind, {"MUSTER_FORGE": "none"}) == place


def test_the_user_may_say_that_there_is_no_forge() -> None:
    assert locate("https://github.com/a/b", env={"MUSTER_FORGE": "none"}) is None
    assert locate("https://github.com/a/b", "none", {}) is None


def test_the_variable_says_nothing_of_a_well_known_host() -> None:
    place = locate("https://github.com/a/b", env={"MUSTER_FORGE": "gitea+https://git.corp"})
    assert place is not None and place.api == "https://api.github.com"


@pytest.mark.parametrize(
    "kind", ["bazaar", "gitea+git.corp", "gitea+ssh://git.corp", "gitea+https://", "+https://a"]
)
def test_a_kind_that_says_nothing_is_invalid(kind: str) -> None:
    with pytest.raises(Invalid):
        locate("https://git.corp/a/b", kind, {})


ACTIONS = {"GITHUB_SERVER_URL": "https://ghe.corp", "GITHUB_API_URL": "https://ghe.corp/api/v3"}
FORGEJO = {"GITHUB_SERVER_URL": "https://ghe.corp/git", "GITHUB_API_URL": "https://ghe.corp/git/api/v1"}
GITLAB = {"CI_SERVER_URL": "https://ghe.corp:8443/lab", "CI_API_V4_URL": "https://ghe.corp:8443/lab/api/v4"}


@pytest.mark.parametrize(
    ("env", "url", "kind", "api", "path"),
    [
        (ACTIONS, "https://ghe.corp/a/b", "github", "https://ghe.corp/api/v3", "a/b"),
        (ACTIONS, "git@ghe.corp:a/b.git", "github", "https://ghe.corp/api/v3", "a/b"),
        (FORGEJO, "https://ghe.corp/git/a/b", "gitea", "https://ghe.corp/git/api/v1", "a/b"),
        (GITLAB, "https://ghe.corp:8443/lab/a/b/c", "gitlab", "https://ghe.corp:8443/lab/api/v4", "a/b/c"),
        (GITLAB, "git@ghe.corp:a/b/c", "gitlab", "https://ghe.corp:8443/lab/api/v4", "a/b/c"),
    ],
)
def test_ci_says_what_its_own_host_is(env: dict[str, str], url: str, kind: str, api: str, path: str) -> None:
    place = locate(url, env=env)
    assert place is not None
    assert (place.kind, place.api, place.path, place.named) == (kind, api, path, True)


def test_ci_says_nothing_of_another_host() -> None:
    place = locate("http://127.0.0.1:9/a/b", env={**ACTIONS, **GITLAB})
    assert place == Place("http", "127.0.0.1:9", "a/b", None)


def test_an_unknown_host_is_asked_what_it_is(world: Any) -> None:
    if world.kind == "github":  # its meta page is not among what the tests' GitHub answers
        world.server.canned.append(forges_answer())
    place = locate(f"{world.server.base}/{world.repository.path}.git", env={})
    assert place is not None
    assert (place.kind, place.api, place.named) == (world.kind, world.server.api, False)
    assert all("Authorization" not in seen.headers for seen in world.server.seen)


def forges_answer() -> Any:
    from support.forges.server import Canned

    return Canned(200, '{"installed_version": "3.17.0"}', {"X-GitHub-Request-Id": "1"})


def test_a_host_that_is_no_forge_has_no_page_and_is_not_asked() -> None:
    place = locate("http://127.0.0.1:9/a/b", env={})
    assert place is not None and place.kind is None and place.page("x", "main") == ""
    with pytest.raises(Unavailable, match="not a forge that muster can ask") as raised:
        forges.connect(place, "token", env={})
    assert "MUSTER_FORGE" in raised.value.hint


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("github", "https://git.corp/a/b/compare/release%231...proposals/50%25%20%26?expand=1"),
        ("gitea", "https://git.corp/a/b/compare/release%231...proposals/50%25%20%26"),
        (
            "gitlab",
            "https://git.corp/a/b/-/merge_requests/new?merge_request%5Bsource_branch%5D=proposals%2F50%25%20%26"
            "&merge_request%5Btarget_branch%5D=release%231",
        ),
        (
            "bitbucket",
            "https://git.corp/a/b/pull-requests/new?source=proposals%2F50%25%20%26&dest=release%231",
        ),
    ],
)
def test_a_page_opens_the_proposal_in_a_browser(kind: str, page: str) -> None:
    place = locate("https://ann:secret@git.corp/a/b.git", kind, {})
    assert place is not None and place.page("proposals/50% &", "release#1") == page


@pytest.mark.parametrize("url", ["http://git.corp:3000/a/b", "https://git.corp:3000/a/b"])
def test_a_page_is_as_secure_as_the_remote(url: str) -> None:
    place: Callable[..., Place | None] = locate
    found = place(url, "gitea", {})
    assert found is not None and found.page("x", "main") == f"{url}/compare/main...x"
