"""The committed `.dvc/config`: which parts of DVC's configuration a registry may carry, and how it is read.

    [core]
        remote = storage
    ['remote "storage"']
        url = s3://models/registry
        region = eu-central-1

A line is a section, `key = value`, a comment or empty. DVC reads the same file with ConfigObj, which knows
lists, interpolation and multi-line strings besides; whatever the two could read differently is refused.
Keys that run commands, name files or carry credentials belong in each user's own configuration, never seen
here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .errors import Finding, Invalid
from .names import DVC_CONFIG

RULE = "dvc_config_is_plain"
MAX_BYTES = 64 << 10
SCHEMES = frozenset(
    {"s3", "gs", "azure", "oss", "ssh", "hdfs", "webhdfs", "http", "https", "webdav", "webdavs"}
)

_SECTION = re.compile(r"\[\s*(?:(core|cache)|(')?remote\s*\"([A-Za-z0-9][A-Za-z0-9_.-]*)\"(?(2)'))\s*\]")
_ITEM = re.compile(r"([A-Za-z_]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"',#](?:[^,#]*[^\s,#])?))\s*(?:#.*)?")
_TYPES = re.compile(r"(type\s*=\s*)([a-z]+(?:\s*,\s*[a-z]+)+)(\s*(?:#.*)?)", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_LINK_TYPES = frozenset({"reflink", "copy", "hardlink", "symlink"})

Check = Callable[[str], "str | None"]


@dataclass(frozen=True, slots=True)
class DvcConfig:
    """What a registry's DVC configuration says. Keys and remotes' names are in lower case."""

    core: Mapping[str, str] = field(default_factory=dict)
    cache: Mapping[str, str] = field(default_factory=dict)
    remotes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def remote(self) -> str | None:
        """The name of the remote that DVC uses by default."""
        name = self.core.get("remote")
        return None if name is None else name.lower()


def parse_config(data: bytes) -> DvcConfig:
    """Return what the committed configuration says; Invalid with every finding if it is not plain."""
    config, problems = _judge(data)
    if problems:
        findings = [Finding(DVC_CONFIG, RULE, message, line) for line, message in problems]
        raise Invalid("The registry's DVC configuration is not one that muster uses.", findings)
    return config


def problems_with_config(path: str, data: bytes) -> Iterator[Finding]:
    """Yield what is wrong with data as the configuration committed at path."""
    for line, message in _judge(data)[1]:
        yield Finding(path, RULE, message, line)


Problems = list[tuple[int, str]]  # line, counted from 1 (0 for the file), and message
Sections = dict[tuple[str, str], dict[str, tuple[int, str]]]  # ("remote", name): key: (line, value)


def _judge(data: bytes) -> tuple[DvcConfig, Problems]:
    if len(data) > MAX_BYTES:
        return DvcConfig(), [(0, f"it has {len(data)} bytes: {MAX_BYTES} at most are read")]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return DvcConfig(), [(0, "it is not UTF-8 text")]
    sections, problems = _read(text)
    problems += [problem for place, items in sections.items() for problem in _section_problems(place, items)]
    config = DvcConfig(
        core=_values(sections.get(("core", ""), {})),
        cache=_values(sections.get(("cache", ""), {})),
        remotes=MappingProxyType(
            {n: _values(items) for (kind, n), items in sections.items() if kind == "remote"}
        ),
    )
    if config.remote is not None and config.remote not in config.remotes:
        line = sections["core", ""]["remote"][0]
        problems.append((line, f"`remote` names {config.remote!r}, which this file does not describe"))
    return config, sorted(problems)


def _values(items: Mapping[str, tuple[int, str]]) -> Mapping[str, str]:
    return MappingProxyType({key: value for key, (_, value) in items.items()})


def _read(text: str) -> tuple[Sections, Problems]:
    """Return the sections of text, and every line that cannot be read or is said twice."""
    sections: Sections = {}
    problems: Problems = []
    here: dict[str, tuple[int, str]] | None = None
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        line = raw.strip(" \t")
        if any(c != "\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in line):
            problems.append((number, "a control character or an invisible one"))
        elif line.startswith("["):
            here = {}
            problems += _open(line, number, sections, here)
        elif line and not line.startswith("#"):
            problems += _assign(line, number, here)
    return sections, problems


def _open(line: str, number: int, sections: Sections, here: dict[str, tuple[int, str]]) -> Problems:
    match = _SECTION.fullmatch(line.partition("#")[0].rstrip())
    if match is None:
        return [(number, f"{line!r} is not a section that a registry may configure")]
    place = (match[1], "") if match[1] else ("remote", match[3].lower())
    if place in sections:
        return [(number, f"{line!r} is there twice")]
    sections[place] = here
    return []


def _assign(line: str, number: int, here: dict[str, tuple[int, str]] | None) -> Problems:
    if types := _TYPES.fullmatch(line):  # the one list that DVC's documentation writes without quotes
        line = f'{types[1]}"{types[2]}"'
    match = _ITEM.fullmatch(line)
    if match is None:
        return [(number, f"{line!r} is not `key = value`, with quotes around a value that has commas or #")]
    if here is None:
        return [(number, f"{match[1]!r} stands before the first section")]
    key, value = match[1].lower(), next((v for v in match.groups()[1:] if v is not None), "")
    if key in here:
        return [(number, f"{key!r} is there twice")]
    here[key] = (number, value)
    return [(number, "%(...)s is not expanded")] if "%(" in value else []


def _section_problems(
    place: tuple[str, str], items: Mapping[str, tuple[int, str]]
) -> Iterator[tuple[int, str]]:
    kind, name = place
    scheme = _scheme_of(items["url"][1]) if kind == "remote" and "url" in items else ""
    if kind == "remote" and "url" not in items:
        yield 0, f"the remote {name!r} has no url"
    for key, (line, value) in items.items():
        schemes, check = KEYS[kind].get(key, (frozenset(), _anything))
        if not schemes:
            yield (
                line,
                f"`{key}` cannot be set here: it belongs in each user's own DVC configuration, or nowhere",
            )
        elif kind == "remote" and scheme in SCHEMES | {""} and scheme not in schemes:
            yield line, f"`{key}` means nothing to a {scheme or 'directory'} remote, and DVC would refuse it"
        elif problem := check(value):
            yield line, f"`{key}` {problem}"


def _scheme_of(url: str) -> str:
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def _url(value: str) -> str | None:
    scheme = _scheme_of(value)
    if "::" in re.sub(r"\[[0-9A-Fa-f:.]+\]", "", value):
        return "cannot be a chain of file systems"
    if scheme and scheme not in SCHEMES:
        return f"cannot begin with {scheme}: (a path, or one of {', '.join(sorted(SCHEMES))})"
    if not scheme:
        return "is empty" if not value.strip() else None
    return _problem_with_authority(value, users=scheme in ("ssh", "hdfs"))


def _endpoint(value: str) -> str | None:
    if _scheme_of(value) not in ("http", "https"):
        return "must begin with https:// or http://"
    return _problem_with_authority(value, users=False)


def _problem_with_authority(url: str, users: bool) -> str | None:
    """Say what is wrong with a URL's host, or with what stands around it."""
    if "?" in url or "#" in url or "%" in url or "\\" in url:
        return "cannot have a query, a fragment, an escape or a backslash"
    rest = url.partition(":")[2]
    if not rest.startswith("//"):
        return "must have // after its scheme"
    match = _AUTHORITY.fullmatch(rest[2:].partition("/")[0])
    if match is None:
        return "must name a host or a bucket, and carry no password"
    if match["user"] and not users:
        return "cannot carry a user's name"
    from urllib.parse import urlsplit

    try:
        port = urlsplit(url).port
    except ValueError:
        return "has a port that is none"
    return "has a port that is none" if port == 0 else None


def _flag(value: str) -> str | None:
    return None if value.lower() in ("true", "false") else "must be true or false"


def _count(value: str) -> str | None:
    return None if re.fullmatch(r"[1-9][0-9]{0,5}", value) else "must be a whole number above zero"


def _port(value: str) -> str | None:
    return _count(value) or (None if int(value) < 65536 else "must be a port")


def _word(value: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]*", value) else "must be one word"


def _method(value: str) -> str | None:
    return None if value.upper() in ("POST", "PUT") else "must be POST or PUT"


def _links(value: str) -> str | None:
    kinds = {kind.strip() for kind in value.split(",")}
    return None if kinds <= _LINK_TYPES else f"can be {', '.join(sorted(_LINK_TYPES))}"


def _anything(value: str) -> str | None:
    return None


_ALWAYS = frozenset({""})
_EVERY = SCHEMES | {""}
_HTTP = frozenset({"http", "https"})
KEYS: Mapping[str, Mapping[str, tuple[frozenset[str], Check]]] = {
    "core": {
        "remote": (_ALWAYS, _word),
        "analytics": (_ALWAYS, _flag),
        "autostage": (_ALWAYS, _flag),
        "check_update": (_ALWAYS, _flag),
    },
    "cache": {"type": (_ALWAYS, _links)},
    "remote": {  # key: (the schemes for which DVC's own schema knows it, what it may be)
        "url": (_EVERY, _url),
        "jobs": (_EVERY, _count),
        "verify": (_EVERY - {"hdfs"}, _flag),
        "endpointurl": (frozenset({"s3", "gs"}), _endpoint),
        "region": (frozenset({"s3"}), _word),
        "sse": (frozenset({"s3"}), _word),
        "sse_kms_key_id": (frozenset({"s3"}), _word),
        "allow_anonymous_login": (frozenset({"s3", "gs", "azure"}), _flag),
        "projectname": (frozenset({"gs"}), _word),
        "account_name": (frozenset({"azure"}), _word),
        "oss_endpoint": (frozenset({"oss"}), _word),
        "user": (frozenset({"ssh"}), _word),
        "port": (frozenset({"ssh"}), _port),
        "max_sessions": (frozenset({"ssh"}), _count),
        "method": (_HTTP, _method),
        "timeout": (frozenset({"ssh", "azure", "webdav", "webdavs"}), _count),
        "read_timeout": (_HTTP | {"s3", "azure"}, _count),
        "connect_timeout": (_HTTP | {"s3"}, _count),
        "connection_timeout": (frozenset({"azure"}), _count),
    },
}
