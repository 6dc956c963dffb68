"""What a merge would make, without a work tree: for judging a proposal by what it leads to."""

from __future__ import annotations

from ...core.errors import Unavailable
from .process import Git

_MERGER = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "muster", "EMAIL": "muster@localhost", "DATE": "@0 +0000"}.items()
}


def is_ancestor(git: Git, base: str, head: str) -> bool:
    """Tell whether a commit is in the past of another, as far as that is there."""
    return git.ask("merge-base", "--is-ancestor", base, head).returncode == 0


def fork(git: Git, a: str, b: str) -> str | None:
    """Return the last commit that both have, None if their histories share none."""

    def asked() -> str | None:
        return git.decide("merge-base", a, b).stdout.decode().strip() or None

    if (found := asked()) is None:
        walk(git, a, b)
        found = asked()
    return found


def walk(git: Git, *revisions: str) -> None:
    """Have all commits that revisions name; Unavailable if some are missing and cannot be mended.

    Older gits take a commit whose parents are missing for one that has none, and find no common past: doubt that.
    """
    git.run("rev-list", "--quiet", *revisions)


def merged(git: Git, base: str, head: str) -> tuple[str, tuple[str, ...]]:
    """Return the commit that merging head into base makes, and no paths; or base, and the paths in conflict.

    The commit is head where base is its ancestor, and else one that no ref names and git prunes in time.
    """
    if not is_ancestor(git, base, head):
        walk(git, head, f"^{base}")
    if is_ancestor(git, base, head):
        return head, ()
    try:
        done = git.decide("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, head)
    except Unavailable as error:
        hint = "merge the base into the branch, then check again; or use git 2.38 or newer"
        raise Unavailable(f"{head[:12]} cannot be merged into {base[:12]}: {error}", hint) from error
    tree, *paths = (field.decode(errors="surrogateescape") for field in done.stdout.split(b"\0") if field)
    if done.returncode == 1:
        return base, tuple(paths)
    commit = git.run("commit-tree", "-p", base, "-p", head, "-m", "merge", tree, env=_MERGER)
    return commit.decode().strip(), ()
