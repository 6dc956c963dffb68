"""A change made into a commit, in the object store only: no ref, index or file moves.

One `git fast-import` writes blobs, trees and commit, at a cost that does not grow with the repository. Its
language needs a ref to build on; that ref is reset to nothing in the same stream, so it never comes to exist,
and a process killed at any point leaves unreachable objects (which git prunes after two weeks) and nothing
else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from ...core.errors import Invalid
from ...core.snapshot import Change
from .process import Git

_FEW = 12  # files: with the directories above them they are fewer objects than git's fastimport.unpackLimit
_REF = b"refs/muster/building"
_IDENTITY = re.compile(r"(?P<name>[^<>\n\0]*[^<>\n\0 ]) <(?P<email>[^<>\n\0]*)>")
_QUOTED = re.compile(rb'[\\"\n]')


def write_commit(git: Git, parent: str | None, change: Change, author: str, at: datetime) -> str:
    """Return a new commit that carries out change on parent, signed if the user's configuration says so."""
    identity = _IDENTITY.fullmatch(author)
    if identity is None:
        raise Invalid(f"{author!r} is not an author: write 'Name <email>'")
    if change.special:
        raise ValueError(f"{', '.join(sorted(change.special))}: not a plain file")
    if "\0" in change.message:
        raise Invalid("a commit message cannot contain a NUL character")
    stamp = f"{int(at.astimezone(timezone.utc).timestamp())} +0000"
    nothing = "0" * (len(parent) if parent else _oid_length(git))
    stream = b"".join(_commands(parent, change, f"{author} {stamp}", nothing))
    # Of few objects git keeps no pack, so that to compress it is wasted: a directory may have megabytes.
    packed = ("-c", "pack.compression=0") if len(change.files) <= _FEW else ()
    # On a file system that folds case, git would take models/Bikes for models/bikes.
    commit = (
        git.run("-c", "core.ignoreCase=false", *packed, "fast-import", "--quiet", "--done", stdin=stream)
        .decode()
        .strip()
    )
    if not _signs(git):
        return commit
    # The same commit once more with a signature, which fast-import cannot make.
    parents = () if parent is None else (parent,)
    who = {**identity.groupdict(), "date": f"@{stamp}"}
    return _commit_tree(git, commit, parents, change.message, who, "-S")


def _commands(parent: str | None, change: Change, identity: str, nothing: str) -> Iterator[bytes]:
    who = identity.encode(errors="replace")
    yield b"commit %s\nmark :1\nauthor %s\ncommitter %s\n" % (_REF, who, who)
    yield _content(_message(change.message))
    if parent is not None:
        yield b"from %s\n" % parent.encode()
    # Deletions first: in `a` -> `a/b` the file has to go before the directory comes.
    yield from (b"D %s\n" % _path(path) for path, content in change.files.items() if content is None)
    for path, content in change.files.items():
        if content is not None:
            yield b"M 100644 inline %s\n" % _path(path)
            yield _content(content)
    yield b"\nreset %s\nfrom %s\n\nget-mark :1\ndone\n" % (_REF, nothing.encode())


def _content(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _message(message: str) -> bytes:
    return message.rstrip("\n").encode(errors="replace") + b"\n"


def _path(path: str) -> bytes:
    """Quote a path as fast-import reads it, a C string; ValueError for one no checkout should hold."""
    if "\0" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in path.split("/")):
        raise ValueError(f"{path!r} cannot be a path in a git repository")
    escaped = {b"\\": b"\\\\", b'"': b'\\"', b"\n": b"\\n"}
    raw = path.encode(errors="surrogateescape")
    return b'"' + _QUOTED.sub(lambda match: escaped[match[0]], raw) + b'"'


def _oid_length(git: Git) -> int:
    return 64 if git.run("rev-parse", "--show-object-format").strip() == b"sha256" else 40


def _signs(git: Git) -> bool:
    return git.ask("config", "--type=bool", "--get", "commit.gpgSign").stdout.strip() == b"true"


def write_merge(
    git: Git, tree_of: str, parents: Sequence[str], message: str, author: str, at: datetime
) -> str:
    """Return a new commit on parents with the files of the commit tree_of, signed as `write_commit` does it."""
    identity = _IDENTITY.fullmatch(author)
    if identity is None:
        raise Invalid(f"{author!r} is not an author: write 'Name <email>'")
    stamp = f"@{int(at.astimezone(timezone.utc).timestamp())} +0000"
    signed = ("-S",) if _signs(git) else ()
    return _commit_tree(git, tree_of, parents, message, {**identity.groupdict(), "date": stamp}, *signed)


def _commit_tree(
    git: Git, tree_of: str, parents: Sequence[str], message: str, identity: Mapping[str, str], *options: str
) -> str:
    roles = ("AUTHOR", "COMMITTER")
    env = {f"GIT_{role}_{key.upper()}": value for role in roles for key, value in identity.items()}
    named = (argument for parent in parents for argument in ("-p", parent))
    made = git.run(
        *("-c", "i18n.commitEncoding=UTF-8", "commit-tree", *options, *named, f"{tree_of}^{{tree}}"),
        stdin=_message(message),
        env=env,
    )
    return made.decode().strip()
