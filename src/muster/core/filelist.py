"""DVC's list of the files in a directory (a `.dir` object), and which file names an artifact may have.

The list is one line of JSON, `[{"md5": "<32 hex>", "relpath": "a/b"}, ...]`, sorted by relpath; its md5 plus
`.dir` names it. A list comes from storage that is not trusted, so only exactly what DVC writes is read.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

MAX_BYTES = 64 << 20  # of a list: some half a million files
MAX_PART = 255  # bytes of one part of a path: file systems stop there
MAX_PATH = 1024  # bytes of a path

_ENTRY = re.compile(rb'\{"md5": "([0-9a-f]{32})", "relpath": ("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")\}')
_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?", re.DOTALL)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_OF_GIT = frozenset({".git", "git~1"})
_OF_DVC = frozenset({".dvc", ".dvcignore", "dvc.yaml", "dvc.lock"})


def dump(files: Mapping[str, str]) -> bytes:
    """Return the list of files (relpath -> md5) as DVC writes it."""
    entries = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    return json.dumps(entries, sort_keys=True).encode()


def parse(data: bytes) -> dict[str, str]:
    """Return relpath -> md5 of a list; ValueError if it is none, or names what no artifact may have."""
    files: dict[str, str] = {}
    for path, md5 in _entries(data):
        if path in files:
            raise ValueError(f"{path!r} is listed twice")
        files[path] = md5
    for path, problem in problems_with_paths(files):
        raise ValueError(f"{path!r} {problem}")
    if dump(files) != data:
        raise ValueError("it is not sorted, or not written as DVC writes it")
    return files


def problems_with_paths(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (path, what is wrong with it) for the files of one artifact, one by one and then all together.

    What is accepted can be laid out on any common file system as that many files below one directory.
    """
    seen: dict[str, tuple[str, bool]] = {}
    for path in paths:
        problem = problem_with_path(path) or _collision(path, seen)
        if problem:
            yield path, problem


def problem_with_path(path: str) -> str | None:
    """Say why an artifact may not have a file of this name; None if it may. Parts are separated by `/`."""
    if any(unicodedata.category(c) in _INVISIBLE for c in path):
        return "contains a control character or an invisible one"
    if "\\" in path:
        return "contains a backslash"
    if path.startswith("/") or _DRIVE.match(path):
        return "is an absolute path"
    if len(path.encode()) > MAX_PATH:
        return f"is longer than {MAX_PATH} bytes"
    return next(filter(None, map(_problem_with_part, path.split("/"))), None)


def _problem_with_part(part: str) -> str | None:
    bare = part.casefold().rstrip(". ")  # Windows drops these, so `.git.` would be `.git` there
    if part in ("", ".", ".."):
        return f"has a part that is {part!r}"
    if bare in _OF_GIT:
        return "would be part of a git repository"
    if bare in _OF_DVC or bare.endswith(".dvc"):
        return "would be read by DVC as part of a project"
    if part[-1] in ". ":
        return "has a part that ends with a dot or a space"
    if ":" in part:
        return "contains a colon"
    if _DEVICE.fullmatch(bare):
        return "is reserved on Windows"
    if len(part.encode()) > MAX_PART:
        return f"has a part of more than {MAX_PART} bytes"
    return None


def _collision(path: str, seen: dict[str, tuple[str, bool]]) -> str | None:
    """Say what path collides with, and note it in seen: folded name -> (name, whether it is a file)."""
    end = -1
    while end != len(path):
        end = path.find("/", end + 1)
        end = len(path) if end < 0 else end
        name, is_file = path[:end], end == len(path)
        earlier = seen.get(folded := _fold(name))
        if earlier is None:
            seen[folded] = name, is_file
        elif earlier[0] != name:
            return f"differs from {earlier[0]!r} by case or accents' encoding only"
        elif earlier[1] != is_file:
            return f"needs {name!r} to be both a file and a directory"
        elif is_file:
            return "is there twice"
    return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _entries(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield (relpath, md5), entry by entry: a hostile list cannot make anything else be built."""
    if not data.startswith(b"[") or not data.endswith(b"]"):
        raise ValueError("it is not a list")
    at, last = 1, len(data) - 1
    while at < last:
        match = _ENTRY.match(data, at)
        if match is None:
            raise ValueError(f"at byte {at} it is not an entry of md5 and relpath")
        yield json.loads(match[2]), match[1].decode()
        at = match.end()
        if at < last:
            if data[at : at + 2] != b", " or at + 2 == last:
                raise ValueError(f"at byte {at} it is not a list of entries")
            at += 2
