"""What differs between commits, and which commits there are: `diff-tree`, `ls-tree` and `log`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone

from ...core.errors import Invalid
from ...core.snapshot import Change
from .objects import FILE_MODES, Blobs, ObjectPipe, hash_object
from .process import Git, pathspec

SYMBOLIC_LINK, SUBMODULE, EXECUTABLE = "120000", "160000", "100755"
_FORMAT = "tformat:%H%x00%P%x00%an <%ae>%x00%ct%x00%B"
_HEADER_FIELDS = 5
_FEW, _MANY = (
    32,
    1024,
)  # commits that are named on one command line: whoever asks may want no more than the first
# Settings could bend what is printed, and so could a .gitmodules file, by hiding a submodule.
_WHOLE = ("-z", "--no-renames", "--no-relative", "--ignore-submodules=none")
_RAW = (*_WHOLE, "--raw", "--no-abbrev")
_PLAIN = (
    "--no-mailmap",
    "--no-show-signature",
    "--no-notes",
    "--no-decorate",
    "--no-color",
    "--encoding=UTF-8",
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?P<time>[T ]\d{2}:\d{2}(:\d{2})?(?P<zone>Z|[+-]\d{2}:\d{2})?)?")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One commit, and the paths it changed against its first parent among those that were asked for."""

    commit: str
    parents: tuple[str, ...]
    author: str  # "Name <email>"
    at: str  # when it was committed: UTC, RFC 3339 with seconds and a Z
    message: str
    paths: tuple[str, ...]

    @property
    def parent(self) -> str | None:
        """The first parent; None for a first commit."""
        return self.parents[0] if self.parents else None


@dataclass(frozen=True, slots=True)
class _Difference:
    """One path of a raw diff. `mode` and `oid` are the new ones, None where the path is deleted."""

    path: str
    mode: str | None
    oid: str | None


def entries(git: Git, commit: str) -> Iterator[tuple[str, str, int]]:
    """Yield (path, mode, size in bytes) of all that a commit holds; a submodule's size is 0."""
    for field in git.stream("ls-tree", "-r", "-l", "-z", "--full-tree", commit):
        meta, _, path = field.partition(b"\t")
        mode, _kind, _oid, size = meta.decode().split()
        yield _text(path), mode, 0 if size == "-" else int(size)


def diff(git: Git, pipe: ObjectPipe, base: str | None, head: str, max_paths: int, max_bytes: int) -> Change:
    """Return what head has that base has not. Invalid if more than max_paths paths differ."""
    empty = hash_object("tree", b"", like=head)
    fields = git.stream("diff-tree", "-r", *_RAW, base or empty, head)
    found: list[_Difference] = []
    count = 0
    for count, difference in enumerate(_differences(fields), 1):
        if count <= max_paths:
            found.append(difference)
    if count > max_paths:
        raise Invalid(
            f"{count} paths differ between {(base or 'nothing')[:12]} and {head[:12]}; "
            f"at most {max_paths} are judged at once",
            hint="split the change",
        )
    special = {d.path: why for d in found if (why := _why_special(d))}
    plain = {d.path: d.oid for d in found if d.path not in special}
    sizes = _sizes(git, [oid for oid in plain.values() if oid is not None])
    for path, oid in plain.items():
        if oid is not None and sizes[oid] > max_bytes:
            special[path] = f"{sizes[oid]} bytes"
    small = {path: oid for path, oid in plain.items() if path not in special}
    return Change(Blobs(pipe, small, sizes), special=special)


def changed(git: Git, base: str, head: str) -> Iterator[str]:
    """Yield the path of everything that differs in head from base. Reads directories, and no file."""
    for field in git.stream("diff-tree", "-r", *_WHOLE, "--name-only", base, head):
        yield _text(field)


def log(
    git: Git,
    commit: str,
    paths: Sequence[str],
    limit: int | None,
    oldest_first: bool = False,
    since: str | None = None,
) -> Iterator[LogEntry]:
    """Yield the commits of the first-parent line that touch paths (all, if none are given), newest first.

    With `since`, only those that it does not have. For `oldest_first` git goes through them all before it gives the
    first; what it keeps meanwhile is small.
    """
    most = () if limit is None else (f"--max-count={limit}",)
    order = ("--reverse",) if oldest_first else ()
    old = () if since is None else (f"^{since}",)
    fields = git.stream(
        *("log", *_RAW, *_PLAIN, f"--format={_FORMAT}", *most, *order),
        *(
            "--first-parent",
            "--diff-merges=first-parent",
            "--end-of-options",
            commit,
            *old,
            "--",
            *map(pathspec, paths),
        ),
    )
    with closing(fields):
        yield from _log_entries(fields)


def line(git: Git, commit: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commits of the first-parent line, newest first, each with all the paths that it changed."""
    fields = git.stream(
        *("log", *_RAW, *_PLAIN, "--format=tformat:%H", "--first-parent", "--diff-merges=first-parent"),
        *("--end-of-options", commit, "--"),
    )
    with closing(fields):
        for header, touched in _grouped(fields, 1):
            yield header[0].decode(), tuple(touched)


def logged(git: Git, commits: Sequence[str], paths: Sequence[str]) -> Iterator[LogEntry]:
    """Yield those among commits that touch paths against their first parents, as `log` does, in the order given."""
    begin, count = 0, _FEW
    while begin < len(commits):
        fields = git.stream(
            *("log", *_RAW, *_PLAIN, f"--format={_FORMAT}", "--first-parent", "--diff-merges=first-parent"),
            *("--no-walk=unsorted", "--end-of-options", *commits[begin : begin + count]),
            *("--", *map(pathspec, paths)),
        )
        with closing(fields):
            yield from (entry for entry in _log_entries(fields) if entry.paths)
        begin, count = begin + count, min(2 * count, _MANY)


def between(git: Git, base: str, head: str, limit: int) -> list[LogEntry]:
    """Return the commits that head has and base has not, children after their parents, without paths.

    Of more than limit, the limit newest.
    """
    fields = git.stream(
        *("log", "-z", "--no-patch", *_PLAIN, f"--format={_FORMAT}", "--topo-order", f"--max-count={limit}"),
        *("--end-of-options", head, f"^{base}"),
    )
    with closing(fields):
        return list(_log_entries(fields))[::-1]


def first(git: Git, commit: str) -> str:
    """Return the commit with which the first-parent line of commit begins."""
    return git.run("rev-list", "--first-parent", "--max-parents=0", commit).decode().strip()


def reaches(git: Git, commit: str, depth: int) -> bool:
    """Tell whether the first-parent line of commit has more than depth commits."""
    return bool(git.run("rev-list", "--first-parent", "--max-count=1", f"--skip={depth}", commit))


def commit_at(git: Git, tip: str, moment: datetime) -> str | None:
    """Return the last commit of tip's first-parent line that was committed at or before moment."""
    before = f"--before={moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    return git.run("rev-list", "-1", "--first-parent", before, tip).decode().strip() or None


def parse_moment(text: str) -> datetime | None:
    """Read a date (its last second, UTC) or a date and time (UTC unless it says otherwise), else None."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if not match["time"]:
        moment = datetime.combine(moment.date(), time()) + timedelta(days=1, seconds=-1)
    return moment if match["zone"] else moment.replace(tzinfo=timezone.utc)


def _log_entries(fields: Iterator[bytes]) -> Iterator[LogEntry]:
    return (_entry(header, touched) for header, touched in _grouped(fields, _HEADER_FIELDS))


def _grouped(fields: Iterator[bytes], width: int) -> Iterator[tuple[list[bytes], list[str]]]:
    """Group `log`'s fields: those of a header, then two for each path, the first with a colon in front."""
    header: list[bytes] = []
    touched: list[str] = []
    for field in fields:
        if len(header) < width:
            header.append(field)
        elif field.lstrip(b"\n").startswith(b":"):
            touched.append(_text(next(fields)))
        else:
            yield header, touched
            header, touched = [field], []
    if header:
        yield header, touched


def _entry(header: list[bytes], touched: list[str]) -> LogEntry:
    commit, parents, author, seconds, message = (field.decode(errors="replace") for field in header)
    at = datetime.fromtimestamp(int(seconds), timezone.utc)
    when = f"{at:%Y-%m-%dT%H:%M:%SZ}"
    return LogEntry(commit, tuple(parents.split()), author, when, message.rstrip("\n"), tuple(touched))


def _differences(fields: Iterator[bytes]) -> Iterator[_Difference]:
    """Pair up a raw diff's fields: `:<old mode> <mode> <old id> <id> <status>`, then the path."""
    for field in fields:
        _old_mode, mode, _old_oid, oid, status = field.decode().split()
        gone = status == "D"
        yield _Difference(_text(next(fields)), None if gone else mode, None if gone else oid)


def _why_special(difference: _Difference) -> str | None:
    if difference.mode == SYMBOLIC_LINK:
        return "symbolic link"
    if difference.mode == SUBMODULE:
        return "submodule"
    if difference.mode == EXECUTABLE and difference.path.startswith("models/"):
        return "executable file"
    if difference.mode is not None and difference.mode not in FILE_MODES:
        return f"entry of mode {difference.mode}"
    return None


def _sizes(git: Git, oids: Sequence[str]) -> Mapping[str, int]:
    """Bytes of each blob, from one process that reads no content."""
    if not oids:
        return {}
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    lines = git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer", stdin=asked).decode()
    return {oid: int(size) for oid, size in (line.split(" ") for line in lines.splitlines())}


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
