"""Where a repository's parts are, how its branch is configured, making one, and the state of training code.

Paths come from `git rev-parse`, the repository's own configuration through GitPython. What the user's and the
system's configuration may also set is asked of git, as GitPython reads neither GIT_CONFIG_GLOBAL nor
GIT_CONFIG_SYSTEM.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import Invalid, NotFound
from .address import redact
from .process import Git, pathspec, require_git, words

if TYPE_CHECKING:
    from ...core.models import Code

_HEADS = "refs/heads/"
BRANCH = re.compile(r"(?!-)[^\x00-\x20\x7f~^:?*\[\\]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """`common` is what all linked work trees share; `top` is this work tree's, None in a bare repository."""

    common: Path
    top: Path | None

    @property
    def root(self) -> Path:
        """What relative paths in the repository's configuration are relative to."""
        return self.top or self.common

    def is_grafted(self) -> bool:
        """Tell whether git was told of other parents than commits have: a shallow clone, or by grafts."""
        return any((self.common / name).exists() for name in ("shallow", "info/grafts"))


@dataclass(frozen=True, slots=True)
class Upstream:
    """The branch of a remote that a local branch follows. `remote` is a configured name, or a URL."""

    remote: str
    ref: str


def start_of(path: Path) -> Path:
    """Return the directory to run git in for a path: a work tree's `.git` stands for the work tree."""
    if path.name == ".git":
        return path.parent
    return path.parent if path.is_file() else path


def find_layout(git: Git, location: str) -> Layout:
    """Return where the parts are; NotFound if git was not started in a repository."""
    ask = ("rev-parse", "--path-format=absolute")
    done = git.ask(*ask, "--git-common-dir", "--show-toplevel")
    if not done.stdout:
        raise NotFound(
            f"{location} is not a git repository: {words(done)}", hint="make one with `muster init`"
        )
    if not done.stdout.startswith(b"/"):
        require_git()  # before 2.31 git prints an option it does not know, and goes on
    if done.returncode:  # a bare repository: git failed at the second question
        return Layout(_path(done.stdout), None)
    common, top = done.stdout.splitlines(keepends=True)[:2]
    if common + top != done.stdout:  # a directory has a line feed in its name
        top = git.ask(*ask, "--show-toplevel").stdout
        common = done.stdout.removesuffix(top)
    return Layout(_path(common), _path(top))


def upstream_of(layout: Layout, branch: str) -> Upstream | None:
    """Return what branch follows in another repository; None if it follows nothing there."""
    remote, merge = _configured(layout, f'branch "{branch}"', "remote", "merge")
    if remote in ("", ".") or not merge.startswith(_HEADS):
        return None
    if remote.startswith("-"):
        raise Invalid(f"branch.{branch}.remote is {remote!r}: a remote cannot begin with '-'")
    return Upstream(remote, merge)


def origin_of(layout: Layout) -> str:
    """Return the address of the remote called origin, without credentials; "" if there is none."""
    (origin,) = _configured(layout, 'remote "origin"', "url")
    return redact(origin)


def create(path: Path, branch: str = "main", bare: bool = False) -> None:
    """Make path a repository whose first branch is branch. One that exists is left as it is."""
    path.mkdir(parents=True, exist_ok=True)
    here = Git(path)
    done = here.ask("rev-parse", "--path-format=absolute", "--git-dir")
    if done.returncode == 0 and _path(done.stdout) in (path.resolve(), path.resolve() / ".git"):
        return
    if here.ask("check-ref-format", "--branch", branch).returncode:
        raise Invalid(f"{branch!r} cannot name a branch")
    here.run("init", "--quiet", f"--initial-branch={branch}", *(["--bare"] if bare else []), ".")


def check_branch(branch: str) -> None:
    """Raise Invalid for what cannot name a branch."""
    if (
        not BRANCH.fullmatch(branch)
        or ".." in branch
        or "@{" in branch
        or branch.endswith(("/", ".lock", "."))
    ):
        raise Invalid(f"{branch!r} cannot name a branch")


def code_state(path: Path) -> Code | None:
    """Return the commit of the repository path lies in, and whether something uncommitted was on top of it.

    None outside a repository and before the first commit. path itself does not make it dirty when it is an
    output: a file, or a directory that holds no tracked file.
    """
    path = path.resolve()
    git = Git(start_of(path))
    if git.ask("rev-parse", "--git-dir").returncode:
        return None
    layout = find_layout(git, str(path))
    head = git.ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    if layout.top is None or head.returncode:
        return None
    from ...core.models import Code

    return Code(origin_of(layout), head.stdout.decode().strip(), _is_dirty(layout.top, path))


def _is_dirty(top: Path, path: Path) -> bool:
    git = Git(top)
    inside = os.path.relpath(path, top)
    output = path.is_file() or not git.run("ls-files", "-z", "--", pathspec(inside))
    excluded = (pathspec(inside, "exclude"),) if output and inside != os.curdir else ()
    return bool(git.run("status", "--porcelain", "-z", "--", ".", *excluded))


def _configured(layout: Layout, section: str, *options: str) -> list[str]:
    """Return settings of the repository's own configuration, "" for each that is not set."""
    require_git()  # GitPython fails to import without git
    from git.config import GitConfigParser

    with GitConfigParser([layout.common / "config"], read_only=True) as parser:
        return [str(parser.get_value(section, option, default="")) for option in options]


def _path(line: bytes) -> Path:
    return Path(os.fsdecode(line.removesuffix(b"\n")))
