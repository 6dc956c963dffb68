"""A `.dvc` file of one output, as DVC writes it for a version's directory of files.

    outs:
    - md5: <32 hex>.dir
      size: 1234
      nfiles: 2
      hash: md5
      path: '3'

Nothing else may stand in one: DVC runs commands, reads files and sends credentials because of other keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Finding

RULE = "dvc_file_is_plain"
SUFFIX = ".dvc"

_OID = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_KEYS = frozenset({"md5", "size", "nfiles", "hash", "path", "isexec"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_NUMBER = re.compile(
    r"[0-9]+(?:e[0-9]+)?|0b[01]+"
)  # what is written in these letters and YAML reads as a number
_WORDS = frozenset({"true", "false", "null"})


@dataclass(frozen=True, slots=True)
class DvcFile:
    """One output: its address in the artifact store, its bytes and files, and its name.

    `nfiles` is None for a single file, whose `oid` has no `.dir`.
    """

    oid: str
    size: int
    nfiles: int | None
    path: str


def dump(file: DvcFile) -> bytes:
    """Return the `.dvc` file that `dvc add` would write.

    ValueError for a `path` other than a number, or a word of letters, digits, `.`, `_` and `-`.
    """
    nfiles = "" if file.nfiles is None else f"  nfiles: {file.nfiles}\n"
    return (
        f"outs:\n- md5: {_scalar(file.oid)}\n  size: {file.size}\n{nfiles}"
        f"  hash: md5\n  path: {_scalar(file.path, name=True)}\n"
    ).encode()


def read(document: Any, path: str) -> tuple[DvcFile | None, list[Finding]]:
    """Return the output that document, the parsed YAML of the file at path, describes, or what is wrong."""
    findings = [Finding(path, RULE, message) for message in _problems(document, path)]
    if findings:
        return None, findings
    out = document["outs"][0]
    return DvcFile(out["md5"], out["size"], out.get("nfiles"), out["path"]), []


def _scalar(text: str, name: bool = False) -> str:
    if _NUMBER.fullmatch(text):
        return f"'{text}'"
    if name and (not _NAME.fullmatch(text) or text.lower() in _WORDS):
        raise ValueError(f"{text!r} does not name an output that muster writes")
    return text


def _problems(document: Any, path: str) -> Iterator[str]:
    if not isinstance(document, Mapping) or set(document) != {"outs"}:
        yield "a .dvc file holds `outs` and nothing else"
        return
    outs = document["outs"]
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], Mapping):
        yield "a .dvc file has exactly one output"
        return
    yield from _problems_with_output(outs[0], path)


def _problems_with_output(out: Mapping[Any, Any], path: str) -> Iterator[str]:
    for key in sorted(str(k) for k in out if k not in _KEYS):
        yield f"an output cannot have `{key}`"
    name = path.rpartition("/")[2].removesuffix(SUFFIX)
    if out.get("path") != name:
        yield f"`path` must be the string {name!r}: the output beside this file, named as it is"
    if out.get("hash") != "md5":
        yield "`hash` must be md5"
    if not isinstance(oid := out.get("md5"), str) or not _OID.fullmatch(oid):
        yield "`md5` must be a string: 32 lower-case hexadecimal digits, and .dir for a directory"
    if not _is_count(out.get("size")):
        yield "`size` must be a whole number of bytes"
    if not isinstance(out.get("isexec", False), bool):
        yield "`isexec` must be true or false"
    if isinstance(oid, str) and oid.endswith(".dir"):
        if not _is_count(out.get("nfiles")):
            yield "`nfiles` must be the number of files in the directory"
    elif "nfiles" in out:
        yield "`nfiles` belongs to a directory only"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
