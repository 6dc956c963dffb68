"""Moving a branch of a local repository: by compare-and-swap, and with its files where it is checked out.

Moving only the ref of a checked-out branch would show its user every file of the change as a staged deletion.
So the files move first, as a fast-forward that refuses to overwrite what the user has not committed, and then
the ref. A process killed between the two leaves a journal, from which the next one takes the files back:

    <common directory>/muster.journal    {"worktree": path, "ref": name, "old": id or null, "new": id}
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...core.errors import Refused
from .layout import Layout
from .lock import locked
from .objects import hash_object
from .process import Done, Git, pathspec, words
from .remote import judge

_LOCK_SECONDS = 60
_SHOWN_PATHS = 20
_ASKED_PATHS = 500  # they go on a command line
_MINE = "commit, stash or move away your edits of these files, then try again; or use --propose"


@dataclass(frozen=True, slots=True)
class _Move:
    """A ref's move that takes a work tree with it."""

    worktree: str
    ref: str
    old: str | None
    new: str


def move_branch(git: Git, layout: Layout, ref: str, new: str, old: str | None) -> None:
    """Move ref from old (None: it must not exist) to new, and its files with it where it is checked out.

    Conflict if ref is somewhere else; Refused if local edits are in the way or git says no. Then nothing has
    moved.
    """
    with locked(layout.common / "muster.lock", _LOCK_SECONDS):
        worktree = _worktree_of(git, layout, ref)
        if worktree is None:
            done = _swap(git, ref, new, old)
        else:
            _recover(git, layout)
            done = _move_with_files(git, layout, _Move(worktree, ref, old, new))
        if done.returncode:
            judge(tip_of(git, ref), new, old, ref.removeprefix("refs/heads/"), done)


def delete_ref(git: Git, layout: Layout, ref: str, old: str) -> None:
    """Delete ref while it is at old; a branch that is checked out somewhere stays. Conflict if it is elsewhere."""
    with locked(layout.common / "muster.lock", _LOCK_SECONDS):
        if _worktree_of(git, layout, ref) is None:
            done = git.ask("update-ref", "-d", ref, old)
            if done.returncode and (now := tip_of(git, ref)) is not None:
                judge(now, "", old, ref.removeprefix("refs/heads/"), done)


def recover(git: Git, layout: Layout) -> None:
    """Take back the files that a killed process moved ahead of their branch, if there are any."""
    with locked(layout.common / "muster.lock", _LOCK_SECONDS):
        _recover(git, layout)


def tip_of(git: Git, ref: str) -> str | None:
    """Return the commit a local ref is at, None if there is no such ref."""
    return (
        git.ask("rev-parse", "--quiet", "--verify", "--end-of-options", ref).stdout.decode().strip() or None
    )


def _move_with_files(git: Git, layout: Layout, move: _Move) -> Done:
    """Move files, then the ref, and the files back if the ref would not move. Return how it ended."""
    here = Git(Path(move.worktree))
    if tip_of(git, move.ref) != move.old:
        return _failure("it has moved")
    if untracked := _untracked_in_the_way(here, move):
        raise Refused(_named(move, untracked), hint=_MINE)
    journal = layout.common / "muster.journal"
    _write(journal, json.dumps(asdict(move)))
    done = _move_files(here, move.old, move.new)
    if done.returncode:
        journal.unlink()
        edited = _edited(here, move)
        raise Refused(_named(move, edited) if edited else f"{move.worktree}: {words(done)}", hint=_MINE)
    done = _swap(here, move.ref, move.new, move.old)
    if done.returncode and tip_of(git, move.ref) != move.new:
        _move_files(here, move.new, move.old)
    journal.unlink()
    return done


def _recover(git: Git, layout: Layout) -> None:
    journal = layout.common / "muster.journal"
    if not journal.exists():
        return
    move = _Move(**json.loads(journal.read_text()))
    if tip_of(git, move.ref) == move.old and Path(move.worktree).is_dir():
        done = _move_files(Git(Path(move.worktree)), move.new, move.old)
        if done.returncode:
            raise Refused(
                f"a change to {move.worktree} was interrupted, and could not be taken back: {words(done)}",
                hint=f"look at `git -C {move.worktree} status`, and restore or commit what it shows",
            )
    journal.unlink()


def _move_files(here: Git, old: str | None, new: str | None) -> Done:
    """Take index and files from old to new. Edits elsewhere stay; any in the way make it fail untouched."""
    empty = hash_object("tree", b"", like=old or new or "")
    move = ("read-tree", "-m", "-u", old or empty, new or empty)
    done = here.ask(*move)
    if (
        done.returncode
    ):  # perhaps a file was touched and is unchanged: git only sees its time until it looks again
        here.ask("update-index", "-q", "--refresh")
        done = here.ask(*move)
    return done


def _swap(git: Git, ref: str, new: str, old: str | None) -> Done:
    command = f"update {ref}\0{new}\0{old}\0" if old else f"create {ref}\0{new}\0"
    return git.ask("update-ref", "-m", "muster", "--stdin", "-z", stdin=command.encode())


def _worktree_of(git: Git, layout: Layout, ref: str) -> str | None:
    """Return the work tree in which ref is checked out, if its directory is still there."""
    if layout.top is not None and git.ask("symbolic-ref", "--quiet", "HEAD").stdout.decode().strip() == ref:
        return str(layout.top)  # which `worktree list` does not know for a submodule
    listed = os.fsdecode(git.run("worktree", "list", "--porcelain"))
    for block in listed.split("\n\n"):
        lines = block.split("\n")
        if f"branch {ref}" in lines and "bare" not in lines:
            worktree = lines[0].removeprefix("worktree ")
            return worktree if Path(worktree).is_dir() else None
    return None


def _untracked_in_the_way(here: Git, move: _Move) -> list[str]:
    """Return the untracked files in the way. `read-tree` would spare them, but not those that are ignored."""
    top = Path(move.worktree)
    places: set[str] = set()
    for path in _changed(here, move, "--diff-filter=A"):
        above = [str(parent) for parent in Path(path).parents if str(parent) != "."]
        places.update(
            [path], (place for place in above if (top / place).is_symlink() or (top / place).is_file())
        )
    there = sorted(place for place in places if os.path.lexists(top / place))
    return _listed(here, ("ls-files", "-z", "--others"), there)


def _edited(here: Git, move: _Move) -> list[str]:
    """Return the paths of the change that have uncommitted edits."""
    ask = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    return [line[3:] for line in _listed(here, ask, _changed(here, move))]


def _changed(here: Git, move: _Move, *options: str) -> list[str]:
    empty = hash_object("tree", b"", like=move.new)
    ask = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-relative", *options)
    return _paths(here.run(*ask, move.old or empty, move.new))


def _listed(here: Git, ask: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Run a command that lists something on paths, on as many at a time as a command line takes."""
    batches = (paths[start : start + _ASKED_PATHS] for start in range(0, len(paths), _ASKED_PATHS))
    return [line for batch in batches for line in _paths(here.run(*ask, "--", *map(pathspec, batch)))]


def _paths(listed: bytes) -> list[str]:
    return [os.fsdecode(path) for path in listed.split(b"\0") if path]


def _named(move: _Move, paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
    return f"uncommitted edits in {move.worktree} are in the way: {', '.join(paths[:_SHOWN_PATHS])}{more}"


def _failure(reason: str) -> Done:
    return Done(args=(), returncode=1, stdout=b"", stderr=reason.encode())


def _write(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    draft = path.with_suffix(".tmp")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
