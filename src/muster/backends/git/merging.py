"""What a merge would make, without a work tree: for judging a proposal by what it leads to."""

from __future__ import annotations

from ...core.errors import Unavailable
from .process import Git, words

_MERGER = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "muster", "EMAIL": "muster@localhost", "DATE": "@0 +0000"}.items()
}


def merged(git: Git, base: str, head: str) -> tuple[str, tuple[str, ...]]:
    """Return the commit that merging head into base makes, and no paths; or base, and the paths in conflict.

    The commit is head where base is its ancestor, and else one that no ref names and git prunes in time.
    """
    if git.ask("merge-base", "--is-ancestor", base, head).returncode == 0:
        return head, ()
    done = git.ask("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base, head)
    if done.returncode not in (0, 1):
        hint = "merge the base into the branch, then check again; or use git 2.38 or newer"
        raise Unavailable(f"git cannot merge {head[:12]} into {base[:12]}: {words(done)}", hint)
    tree, *paths = (field.decode(errors="surrogateescape") for field in done.stdout.split(b"\0") if field)
    if done.returncode == 1:
        return base, tuple(paths)
    commit = git.run("commit-tree", "-p", base, "-p", head, "-m", "merge", tree, env=_MERGER)
    return commit.decode().strip(), ()
