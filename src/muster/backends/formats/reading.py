"""Reading files nobody vouches for: every size is capped, every type is checked, nothing in them is run.

What a file claims about itself is believed only as far as the file bears it out; the rest is `Invalid`, with
the file's name. `plain` returns strings, finite numbers, booleans, None, lists, and mappings by string.
"""

from __future__ import annotations

import json
import lzma
import math
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from ...core.errors import Invalid

KIB, MIB = 1 << 10, 1 << 20
MAX_TEXT = MIB  # bytes of a text file: MLmodel, requirements.txt, config.json
MAX_COLLECTIONS = 2_000_000  # lists and mappings in one JSON document, some 200 bytes of memory each
MAX_NODES = 50_000  # values in one YAML or JSON document, aliases counted as often as they are used
MAX_DEPTH = 64
MAX_DIRECTORY = 4 * MIB  # bytes of a zip file's directory: some 60,000 members
MAX_STRING = 4 * KIB  # characters of one value worth keeping in a manifest
MAX_ENTRIES = 100  # values of one mapping worth keeping in a manifest
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which UTF-8 cannot write
_ZIP_ERRORS = (
    BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, KeyError, NotImplementedError,
    RuntimeError, ValueError, OverflowError,
)  # fmt: skip


def corrupt(path: Path, why: str) -> Invalid:
    """Return the error that says path is not what its kind of file has to be."""
    return Invalid(
        f"{path.name}: {why}",
        hint="It is damaged, incomplete, or of another format: save the model again, or name the format.",
    )


def is_file(path: Path) -> bool:
    """Tell whether path is a regular file: no link, which could lead out of the artifact, and no device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def files_in(directory: Path) -> list[Path]:
    """Return the regular, visible files directly inside directory, by name."""
    with os.scandir(directory) as entries:
        names = [e.name for e in entries if e.is_file(follow_symlinks=False) and not e.name.startswith(".")]
    return [directory / name for name in sorted(names)]


def head(path: Path, size: int = 4 * KIB) -> bytes:
    """Return the first size bytes of path, or all of it if it is shorter."""
    with path.open("rb") as file:
        return file.read(size)


def read_text(path: Path, limit: int = MAX_TEXT) -> str:
    """Return path's text, which must be UTF-8 and at most limit bytes long."""
    data = head(path, limit + 1)
    if len(data) > limit:
        raise corrupt(path, f"it is larger than {limit} bytes, the most that is read of such a file")
    return decode(path, data, "it")


def decode(path: Path, data: bytes, what: str) -> str:
    """Return data as text; Invalid, naming what it is, if it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise corrupt(path, f"{what} is not UTF-8 text (byte {error.start})") from error


def parse_json(path: Path, text: str | bytes, what: str) -> Any:
    """Return the JSON in text. As Python writes it, it may have NaN and infinities: see `plain`."""
    if isinstance(text, bytes):
        text = decode(path, text, what)
    if text.count("[") + text.count("{") > MAX_COLLECTIONS:
        raise corrupt(path, f"{what} has more than {MAX_COLLECTIONS} lists and mappings")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise corrupt(path, f"{what} is not sound JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key occurs twice in one mapping")
    return keys


def parse_yaml(path: Path, text: str) -> Any:
    """Return the YAML in text, in plain values. It may have aliases, as PyYAML writes them, if they are few.

    The events are looked at before anything is built: PyYAML would follow merge keys and nesting to the end.
    """
    import yaml

    try:
        depth = 0
        for number, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if number > 2 * MAX_NODES or depth > MAX_DEPTH:
                raise corrupt(path, "it is nested too deep, or has too many values")
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                raise corrupt(path, "it has a merge key ('<<'), which no such file needs")
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise corrupt(path, f"it is not sound YAML: {' '.join(str(error).split())}") from error
    return plain(path, document)


def plain(path: Path, value: Any) -> Any:
    """Return value as strings, finite numbers, booleans, None, lists and mappings by string; else Invalid."""
    seen = count(1)

    def copy(value: Any, where: str, depth: int) -> Any:
        if next(seen) > MAX_NODES or depth > MAX_DEPTH:
            raise corrupt(path, f"{where or 'it'} is nested too deep, or has too many values")
        if isinstance(value, Mapping):
            return {
                _key(path, k, where): copy(v, f"{where}.{k}".lstrip("."), depth + 1) for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [copy(item, where, depth + 1) for item in value]
        return _scalar(path, value, where)

    return copy(value, "", 0)


def _key(path: Path, key: Any, where: str) -> str:
    if not isinstance(key, str | int) or len(str(key)) > MAX_STRING:
        raise corrupt(path, f"a key in {where or 'it'} is no short string")
    return str(_scalar(path, str(key), f"a key in {where or 'it'}"))


def _scalar(path: Path, value: Any, where: str) -> Any:
    if isinstance(value, str) and not _SURROGATE.search(value):
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() < 64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, date):
        return value.isoformat()
    kind = (
        "a finite number of 64 bits"
        if isinstance(value, int | float)
        else "text, a number, a list or a mapping"
    )
    raise corrupt(path, f"{where or 'its content'} is not {kind}")


def mapping(path: Path, value: Any, what: str) -> Mapping[str, Any]:
    """Return value if it is a mapping, an empty one for None; else Invalid, naming what it is."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise corrupt(path, f"{what} is not a mapping")
    return value


def text_or_none(path: Path, value: Any, what: str) -> str | None:
    """Return value if it is a string or None; else Invalid, naming what it is."""
    if value is not None and not isinstance(value, str):
        raise corrupt(path, f"{what} is not a string")
    return value or None


def present(**values: Any) -> dict[str, Any]:
    """Return those of values that say something: neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "", (), [], {})}


def brief(values: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of values that are short enough for a manifest, the first hundred of them."""
    short = {k: v for k, v in values.items() if len(k) <= MAX_STRING and len(v) <= MAX_STRING}
    return dict(list(short.items())[:MAX_ENTRIES])


def inside(path: Path, relative: str, what: str) -> Path:
    """Return the place of relative in path's directory; Invalid if it leads out of it."""
    parts = re.split(r"[/\\]", relative)
    if not relative or ".." in parts or not parts[0] or ":" in parts[0] or "\0" in relative:
        raise corrupt(path, f"{what} {relative!r} is not a path inside the artifact")
    return path.parent.joinpath(*parts)


def requirements_of(lines: list[str]) -> tuple[str, ...]:
    """Return the requirements among the lines of pip's file, without options, comments, or logins in URLs."""
    joined = re.sub(r"\\\r?\n", " ", "\n".join(lines)).splitlines()
    stripped = (re.split(r"(?:^|\s)#|\s--", line, maxsplit=1)[0].strip() for line in joined)
    bare = (re.sub(r"(https?://)[^/@\s]*@", r"\1", line) for line in stripped)
    return tuple(line for line in bare if line and not line.startswith("-"))


def pinned(package: str, version: Any) -> tuple[str, ...]:
    """Return the requirement of exactly this version of package; none if version does not look like one."""
    sound = isinstance(version, str) and re.fullmatch(r"[0-9][0-9A-Za-z.+!-]{0,63}", version)
    return (f"{package}=={version}",) if sound else ()


@contextmanager
def open_zip(path: Path) -> Iterator[ZipFile]:
    """Open path as a zip file; whatever turns out wrong with it inside the block is Invalid."""
    try:
        _check_zip_directory(path)
        with ZipFile(path) as archive:
            yield archive
    except _ZIP_ERRORS as error:
        raise corrupt(path, f"it is not a sound zip file: {error}") from error


def _check_zip_directory(path: Path) -> None:
    """Refuse a huge directory, all of which `ZipFile` would read (APPNOTE.TXT 4.3.14 to 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise BadZipFile("its directory is missing")
    length = struct.unpack_from("<I", tail, at + 12)[0]
    big = tail.rfind(b"PK\6\6", 0, at)
    if length == 0xFFFFFFFF and big >= 0 and at - big >= 56:
        length = struct.unpack_from("<Q", tail, big + 40)[0]
    if length > MAX_DIRECTORY:
        raise BadZipFile(f"its directory of {length} bytes is larger than any model needs")


def member(path: Path, archive: ZipFile, name: str, limit: int) -> bytes:
    """Return a member's content, of which at most limit bytes are ever unpacked; Invalid if it is larger."""
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise corrupt(path, f"its member {name} unpacks to more than {limit} bytes")
    return data


def member_names(path: Path) -> frozenset[str]:
    """Return the names of path's members if it is a sound zip file, else nothing."""
    if head(path, 4) != b"PK\3\4":
        return frozenset()
    try:
        with open_zip(path) as archive:
            return frozenset(archive.namelist())
    except Invalid:
        return frozenset()
