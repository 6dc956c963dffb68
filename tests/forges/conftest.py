"""A forge of each kind on loopback, its repository pushed to by real git, and people who ask it in their own names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from muster.backends import forges
from muster.backends.forges.gitea import Gitea
from muster.backends.forges.github import GitHub
from muster.backends.forges.gitlab import GitLab
from support.forges import contracts, hub, lab, tea
from support.forges.server import ForgeServer, serving
from support.forges.state import Repository
from support.gitcli import git

BOTS = {"github": hub.BOT, "gitlab": "project_7_bot_1a2b", "gitea": "gitea-actions"}
PATHS = {"github": "acme/models", "gitlab": "acme/ml/models", "gitea": "acme/models"}


@dataclass(frozen=True)
class World:
    """A forge, its repository, and a clone of it whose main has one commit and proposals/a one more."""

    kind: str
    server: ForgeServer
    repository: Repository
    clone: Path

    def place(self, url: str | None = None) -> forges.Place:
        place = forges.locate(url or f"{self.server.base}/{self.repository.path}.git", self.kind, {})
        assert place is not None
        return place

    def ask(self, who: str) -> GitHub | GitLab | Gitea:
        return forges.connect(self.place(), self.server.users[who], env={})

    @property
    def bot(self) -> str:
        return BOTS[self.kind]

    def push(self, branch: str, name: str = "file", content: str = "content") -> str:
        """Push one more commit to a branch, which begins at main; return it."""
        known = git(self.clone, "for-each-ref", "--format=%(refname)", f"refs/heads/{branch}")
        git(self.clone, "switch", "--quiet", *([branch] if known else ["--create", branch, "main"]))
        (self.clone / name).write_text(content)
        git(self.clone, "add", name)
        git(self.clone, "commit", "--quiet", "--allow-empty", f"--message={branch}: {content}")
        git(self.clone, "push", "--quiet", "origin", branch)
        return git(self.clone, "rev-parse", branch)

    def answer(self, id: str) -> str:
        """Return what the forge now says of a proposal, as it says it."""
        import requests

        path = quote(self.repository.path, safe="" if self.kind == "gitlab" else "/")
        where = f"projects/{path}/merge_requests" if self.kind == "gitlab" else f"repos/{path}/pulls"
        authorization = {"Authorization": f"Bearer {self.server.users['ann']}"}
        found = requests.get(f"{self.server.api}/{where}/{id}", headers=authorization, timeout=10)
        assert found.status_code == 200
        return found.text

    def tip(self, branch: str = "main") -> str:
        return str(self.repository.tip(branch))


def _server(kind: str, root: Path, users: dict[str, str], repository: Repository, timed: bool) -> ForgeServer:
    if kind == "github":
        return ForgeServer(root, users, hub.Hub(), hub.contract(), repository)
    if kind == "gitlab":
        return ForgeServer(root, users, lab.Lab(timed), contracts.GitLabContract(), repository)
    return ForgeServer(root, users, tea.Tea(), contracts.GiteaContract(), repository)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Start a forge of a kind, with ann, bob and a bot who may write, and eve who may not."""
    with contextlib.ExitStack() as running:

        def begin(kind: str, timed: bool = True) -> World:
            top = tmp_path / kind
            users = {name: f"token-of-{name}-on-{kind}" for name in ("ann", "bob", "eve", BOTS[kind])}
            path = PATHS[kind]
            heads = "refs/merge-requests/{}/head" if kind == "gitlab" else "refs/pull/{}/head"
            repository = Repository(top, path, ("ann", "bob", BOTS[kind]), ("ann",), heads)
            repository.directory.parent.mkdir(parents=True)
            git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(repository.directory))
            server = running.enter_context(serving(_server(kind, top, users, repository, timed)))
            clone = tmp_path / f"{kind}-clone"
            git(tmp_path, "clone", "--quiet", server.url(f"{path}.git", "ann"), str(clone))
            git(clone, "commit", "--quiet", "--allow-empty", "--message=first")
            git(clone, "push", "--quiet", "origin", "main")
            world = World(kind, server, repository, clone)
            world.push("proposals/a")
            return world

        yield begin


@pytest.fixture(params=["github", "gitlab", "gitea"])
def world(request: pytest.FixtureRequest, start: Callable[..., World]) -> World:
    return start(request.param)


@pytest.fixture
def github(start: Callable[..., World]) -> World:
    return start("github")


@pytest.fixture
def gitlab(start: Callable[..., World]) -> World:
    return start("gitlab")


@pytest.fixture
def gitea(start: Callable[..., World]) -> World:
    return start("gitea")
