"""Whose name a forge is asked in: real gh, glab and credential helpers, if small ones, and who gets which token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from muster.backends.forges import Place, connect, locate
from muster.backends.forges.tokens import find_token
from muster.backends.git import GitRepository
from muster.core.errors import Refused
from support.gitcli import git

pytestmark = pytest.mark.slow

EVERY = {
    name: f"<{name}>"
    for name in (
        *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
        *("GITLAB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN", "CI_JOB_TOKEN", "BITBUCKET_TOKEN"),
    )
}


def place(url: str, kind: str | None = None) -> Place:
    found = locate(url, kind, {"MUSTER_FORGE": "gitlab"})
    assert found is not None
    return found


def found(where: Place, env: dict[str, str], **how: Any) -> str | None:
    try:
        return find_token(where, env={"PATH": "", **env}, **how)
    except Refused:
        return None


@pytest.mark.parametrize(
    ("where", "env", "token"),
    [
        (place("git@github.com:a/b"), {}, "<GH_TOKEN>"),
        (place("git@github.com:a/b"), {"GH_TOKEN": ""}, "<GITHUB_TOKEN>"),
        (place("git@acme.ghe.com:a/b"), {}, "<GH_TOKEN>"),
        (place("git@gitlab.com:a/b"), {}, "<GITLAB_TOKEN>"),
        (place("git@codeberg.org:a/b"), {}, "<GITEA_TOKEN>"),
        (place("git@codeberg.org:a/b"), {"GITEA_TOKEN": " "}, "<FORGEJO_TOKEN>"),
        (place("git@git.corp:a/b", "github+https://git.corp"), {}, "<GH_ENTERPRISE_TOKEN>"),
        (place("git@git.corp:a/b", "gitlab+https://git.corp"), {}, "<GITLAB_TOKEN>"),
        (place("git@git.corp:a/b", "gitea+https://git.corp"), {}, "<GITEA_TOKEN>"),
        (place("git@git.corp:a/b", "github"), {"GH_HOST": "git.corp"}, "<GH_ENTERPRISE_TOKEN>"),
        (place("git@git.corp:a/b", "gitlab"), {"GITLAB_HOST": "https://git.corp"}, "<GITLAB_TOKEN>"),
        (place("git@git.corp:a/b", "gitea"), {"GITEA_SERVER_URL": "https://git.corp/x"}, "<GITEA_TOKEN>"),
    ],
)
def test_a_variable_speaks_for_the_hosts_it_is_meant_for(
    where: Place, env: dict[str, str], token: str
) -> None:
    assert found(where, {**EVERY, **env}) == token


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@pytest.mark.parametrize(
    "env",
    [
        {},
        {"GH_HOST": "other.corp", "GITLAB_HOST": "other.corp", "GITEA_HOST": "other.corp"},
        {"GH_HOST": "git.corp:8443", "GITLAB_HOST": "git.corp:8443", "GITEA_HOST": "git.corp:8443"},
        {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com"},
        {"GITHUB_SERVER_URL": "https://git.corp"},
    ],
)
def test_a_host_that_only_says_itself_what_it_is_gets_no_variable(kind: str, env: dict[str, str]) -> None:
    assert found(place("git@git.corp:a/b", kind), {**EVERY, **env}) is None


def test_in_actions_the_runners_token_is_for_its_own_server() -> None:
    actions = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://git.corp",
        "GITHUB_API_URL": "https://git.corp/api/v1",
    }
    here, other = locate("https://git.corp/a/b", env=actions), place("git@gitlab.com:a/b")
    assert here is not None
    assert found(here, {**actions, "GITHUB_TOKEN": "runner's"}) == "runner's"
    assert found(other, {**actions, "GITHUB_TOKEN": "runner's"}) is None


def test_what_is_given_goes_before_what_is_found_and_ours_before_theirs() -> None:
    where = place("git@github.com:a/b")
    env = {**EVERY, "MUSTER_TOKEN": "<MUSTER_TOKEN>\n"}
    assert found(where, env, token="given") == "given"
    assert found(where, env) == "<MUSTER_TOKEN>"
    assert found(where, {}, credential=lambda url: f"for {url}") == "for https://github.com/a/b"


def test_where_there_is_none_it_says_where_it_looked_and_what_was_not_meant() -> None:
    with pytest.raises(Refused, match="no token for git.corp") as raised:
        find_token(
            place("git@git.corp:a/b", "gitlab"),
            credential=lambda url: None,
            env={"PATH": "", "GITLAB_TOKEN": "x"},
        )
    hint = raised.value.hint
    assert "looked at: MUSTER_TOKEN, glab config get token -h git.corp, git's credential helpers" in hint
    assert "GITLAB_TOKEN may be for another host" in hint and "MUSTER_FORGE=gitlab+https://git.corp" in hint


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A gh that knows ghe.corp and a glab that knows git.corp; like the true ones they answer for variables too."""
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "gh").write_text(
        '#!/bin/sh\necho "$PWD $*" >> "$LOG"\n'
        'for t in "$GH_TOKEN" "$GITHUB_TOKEN" "$GH_ENTERPRISE_TOKEN"; do test -n "$t" && echo "$t" && exit 0; done\n'
        'test "$*" = "auth token --hostname ghe.corp:8443" && echo stored-by-gh && exit 0\n'
        'echo "no oauth token found" >&2; exit 1\n'
    )
    (bin / "glab").write_text(
        '#!/bin/sh\necho "$PWD $*" >> "$LOG"\n'
        'test -n "$GITLAB_TOKEN" && echo "$GITLAB_TOKEN" && exit 0\n'
        'test "$*" = "config get token -h git.corp" && echo stored-by-glab\nexit 0\n'
    )
    for tool in bin.iterdir():
        tool.chmod(0o755)
    return bin


def test_gh_and_glab_are_asked_for_the_host_and_without_the_variables(tools: Path, tmp_path: Path) -> None:
    env = {**EVERY, "PATH": f"{tools}:/usr/bin:/bin", "LOG": str(tmp_path / "log")}
    assert found(place("https://ghe.corp:8443/a/b", "github"), env) == "stored-by-gh"
    assert found(place("git@git.corp:a/b", "gitlab"), env) == "stored-by-glab"
    assert found(place("git@evil.example:a/b", "github"), env) is None
    assert found(place("git@evil.example:a/b", "gitlab"), env) is None
    assert all(line.startswith("/ ") for line in (tmp_path / "log").read_text().splitlines())


@pytest.mark.parametrize("script", ["sleep 1; exit 1", "echo two words", "echo; exit 0", "exec /nowhere"])
def test_a_tool_that_has_none_is_passed_over(tmp_path: Path, script: str) -> None:
    tool = tmp_path / "gh"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert found(place("git@ghe.corp:a/b", "github"), env, credential=lambda url: "git's") == "git's"


def test_gits_credential_helpers_are_asked_and_nobody_else(work: Path, tmp_path: Path, sealed: Path) -> None:
    asked = tmp_path / "asked"
    git(
        work,
        "config",
        "--global",
        "credential.https://git.corp.helper",
        f"!f() {{ echo $1 >> {asked}; echo password=stored; echo username=x; }}; f",
    )
    git(work, "config", "--global", "core.askPass", f"echo asked >> {asked}; echo no")
    repository = GitRepository(work)
    assert repository.credential("https://git.corp/a/b") == "stored"
    assert repository.credential("https://other.corp/a/b") is None
    assert repository.credential("https://git.corp/a/b\nhost=git.corp") is None
    assert asked.read_text() == "get\n"


def test_the_credentials_of_a_location_are_a_token_for_its_host_only(tmp_path: Path) -> None:
    with GitRepository("https://ann:s%40crt@git.corp:8443/a/b.git", cache=tmp_path) as repository:
        assert repository.remote_url() == "https://git.corp:8443/a/b.git"
        assert repository.credential("https://git.corp:8443/a/b") == "s@crt"
        for other in ("https://git.corp/a/b", "https://evil.example/a/b", "http://git.corp:8443/a/b"):
            assert repository.credential(other) is None


def test_the_remotes_url_is_where_git_pushes_to(clone: Path, bare: Path, tmp_path: Path) -> None:
    repository = GitRepository(clone)
    assert repository.remote_url() == bare.as_uri()
    git(clone, "remote", "set-url", "origin", "corp:acme/models")
    git(clone, "config", "--global", "url.https://ann:secret@git.corp/.insteadOf", "corp:")
    assert repository.remote_url() == "https://git.corp/acme/models"
    git(clone, "config", "url.git@push.corp:.pushInsteadOf", "corp:")
    assert repository.remote_url() == "git@push.corp:acme/models"
    git(clone, "remote", "set-url", "--push", "origin", "ssh://git@other.corp/x/y")
    assert repository.remote_url() == "ssh://git@other.corp/x/y"
    git(clone, "config", "branch.main.remote", "https://ann:secret@url.corp/a/b")
    assert repository.remote_url() == "https://url.corp/a/b"
    git(clone, "branch", "--unset-upstream")
    assert repository.remote_url() is None
    assert GitRepository(bare).remote_url() is None
    assert GitRepository("corp:acme/models", cache=tmp_path).remote_url() == "https://git.corp/acme/models"


def test_a_forge_sees_the_token_that_is_for_it_and_no_other(world: Any, start: Any) -> None:
    other = start({"github": "gitlab", "gitlab": "gitea", "gitea": "github"}[world.kind])
    variables = {"github": "GH_ENTERPRISE_TOKEN", "gitlab": "GITLAB_TOKEN", "gitea": "GITEA_TOKEN"}
    env = {variables[w.kind]: w.server.users["ann"] for w in (world, other)}
    for each in (world, other):
        where = locate(f"{each.server.base}/{each.repository.path}", f"{each.kind}+{each.server.base}", {})
        assert where is not None
        assert connect(where, env={"PATH": "", **env}).proposals() == []
    for each, foreign in ((world, other), (other, world)):
        assert each.server.seen
        for seen in each.server.seen:
            assert env[variables[each.kind]] in seen.headers["Authorization"]
            assert env[variables[foreign.kind]] not in str(seen)
