"""The grammar of names and references, and where each thing lives in the repository.

No other module spells a path. `locate` and `path_of` are each other's inverse, and so are `encode` and
`decode`, and `parse_reference` and `str(Reference)`.

    registry.yaml                        registry
    models/<model>/model.yaml            model
    models/<model>/versions/3.yaml       version       the manifest
    models/<model>/versions/3.dvc        dvc           the DVC file of the directory versions/3/
    models/<model>/versions/3.deleted.yaml  tombstone
    models/<model>/versions/.gitignore   ignore        what `dvc add` writes
    models/<model>/annotations/3.yaml    annotations
    models/<model>/aliases/champion.yaml alias
    models/<model>/stages/production.yaml   stage
    models/<model>/labels/1.4.0.yaml     label
    models/<model>/holds/production.yaml    hold       on a stage, or on an alias: %40champion.yaml

A name is 1 to 128 printable characters other than `/` and `:`; a model's and an alias's have no `@` either.
Letters, digits, `.`, `_` and `-` of ASCII stand for themselves in a path; every other character is percent-encoded as
UTF-8 (RFC 3986, section 2.1).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

REGISTRY = "registry.yaml"
DVC_CONFIG = ".dvc/config"
DVC_LOCAL_CONFIG = ".dvc/config.local"
MODELS = "models"
LATEST = "latest"
SCHEME = "models:/"
MAX_NAME = 128
MAX_SEGMENT = 200  # bytes of an encoded name: file systems stop at 255, and suffixes follow

Kind = Literal[
    "registry",
    "model",
    "version",
    "dvc",
    "tombstone",
    "ignore",
    "annotations",
    "alias",
    "stage",
    "label",
    "hold",
]
POINTERS: tuple[Kind, ...] = ("alias", "stage", "label")

_SEGMENT = r"(?:[A-Za-z0-9_.-]|%[0-9A-F]{2})+"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*")  # what stands for itself
_NUMBER = r"[1-9][0-9]{0,8}"
_WHOLE_NUMBER = re.compile(_NUMBER)
_LAYOUT = re.compile(
    rf"{MODELS}/(?P<model>{_SEGMENT})/(?:"
    r"(?P<card>model)\.yaml"
    r"|versions/(?P<ignore>\.gitignore)"
    rf"|versions/(?P<tombstone>{_NUMBER})\.deleted\.yaml"
    rf"|versions/(?P<version>{_NUMBER})\.yaml"
    rf"|versions/(?P<dvc>{_NUMBER})\.dvc"
    rf"|annotations/(?P<annotations>{_NUMBER})\.yaml"
    rf"|aliases/(?P<alias>{_SEGMENT})\.yaml"
    rf"|stages/(?P<stage>{_SEGMENT})\.yaml"
    rf"|labels/(?P<label>{_SEGMENT})\.yaml"
    rf"|holds/(?P<hold>{_SEGMENT})\.yaml"
    r")"
)
_PATTERNS: dict[Kind, str] = {
    "model": "model.yaml",
    "version": "versions/{}.yaml",
    "dvc": "versions/{}.dvc",
    "tombstone": "versions/{}.deleted.yaml",
    "ignore": "versions/.gitignore",
    "annotations": "annotations/{}.yaml",
    "alias": "aliases/{}.yaml",
    "stage": "stages/{}.yaml",
    "label": "labels/{}.yaml",
    "hold": "holds/{}.yaml",
}
_NUMERAL = re.compile(r"[vV]?\d+")  # in the digits of any script
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))]
)
# Letters of other scripts that are drawn like a Latin one, and so could pass for it (Unicode TS #39, "confusables").
_CONFUSABLE = str.maketrans(
    "аеорсухіјѕԁһԛԝоαορντυιкмтнвАВЕКМНОРСТХΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwoaopvtuikmthbABEKMHOPCTXABEZHIKMNOPTYX",
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a path in the repository holds. `name` is a version number, an alias, a stage or a label.

    Of a hold it is a stage, or an alias with its @.
    """

    kind: Kind
    model: str = ""
    name: str = ""

    @property
    def number(self) -> int:
        """The version number of a version, dvc, tombstone or annotations file."""
        return int(self.name)


def encode(name: str) -> str:
    """Return the path segment that stands for name.

    Half a surrogate pair, which no name may contain, gives a segment that nothing decodes.
    """
    if _PLAIN.fullmatch(name):
        return name
    from urllib.parse import quote

    return quote(name, safe="", errors="surrogatepass").replace("~", "%7E")


def decode(segment: str) -> str:
    """Return the name that segment stands for; ValueError if it is not how `encode` writes a name."""
    if _PLAIN.fullmatch(segment):
        return segment
    from urllib.parse import unquote

    name = unquote(segment, errors="strict")
    if encode(name) != segment:
        raise ValueError(f"{segment!r} is not the canonical encoding of a name")
    return name


@lru_cache(1 << 16)  # whoever plans, tells and judges a change asks of each of its paths
def locate(path: str) -> Place | None:
    """Tell what lives at path, or None when nothing of the registry may live there."""
    if path == REGISTRY:
        return Place("registry")
    match = _LAYOUT.fullmatch(path)
    if match is None:
        return None
    kind = match.lastgroup or ""
    try:
        model = decode(match["model"])
        if kind == "card":
            return Place("model", model)
        if kind == "ignore":
            return Place("ignore", model)
        return Place(kind, model, decode(match[kind]))  # type: ignore[arg-type]
    except ValueError:
        return None


def path_of(place: Place) -> str:
    """Return the path at which place lives."""
    if place.kind == "registry":
        return REGISTRY
    return f"{model_directory(place.model)}/{_PATTERNS[place.kind].format(encode(place.name))}"


@lru_cache(1 << 16)
def path(kind: Kind, model: str, name: str | int = "") -> str:
    """Return the path of one thing of a model, such as `path("version", "bikes", 3)`."""
    return path_of(Place(kind, model, str(name)))


def number_in(kind: Kind, file_name: str) -> int | None:
    """Return the version number in a file name of this kind, such as 3 in `3.dvc`; None for another kind's file."""
    stem, _, suffix = file_name.partition(".")
    fits = _WHOLE_NUMBER.fullmatch(stem) is not None and _PATTERNS[kind].endswith("/{}." + suffix)
    return int(stem) if fits else None


def numbers_in(kind: Kind, file_names: Iterable[str]) -> list[int]:
    """Return what `number_in` finds in many file names of one directory."""
    suffix = _PATTERNS[kind].rpartition("/{}")[2]
    stems = (name[: -len(suffix)] for name in file_names if name.endswith(suffix))
    return [int(stem) for stem in stems if _WHOLE_NUMBER.fullmatch(stem)]


def paths(kind: Kind, model: str, numbers: Iterable[int]) -> Iterator[str]:
    """Yield the paths of many versions' files of one kind, in their order."""
    before, after = path(kind, model, "x").rsplit("x", 1)
    return (f"{before}{number}{after}" for number in numbers)


def model_directory(model: str) -> str:
    """Return the directory that holds everything about model."""
    return f"{MODELS}/{encode(model)}"


def directory(kind: Kind, model: str) -> str:
    """Return the directory in which things of this kind live, such as `models/bikes/aliases`."""
    return path(kind, model, "x").rpartition("/")[0]


def artifact_directory(model: str, version: int) -> str:
    """Return the directory that holds a version's files where somebody pulled them."""
    return f"{model_directory(model)}/versions/{version}"


def problem_with_name(name: str) -> str | None:
    """Say why name may not name a model, an alias, a stage or a label; None if it may."""
    if not name:
        return "a name cannot be empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters, this one has {len(name)}"
    if bad := next((c for c in name if c in "/:" or _is_invisible(c)), None):
        return f"a name cannot contain {bad!r}"
    if name[0] in ".-" or name[-1] == "." or name != name.strip():
        return "a name cannot begin with '.' or '-', end with '.', or begin or end with a space"
    if len(encode(name)) > MAX_SEGMENT:
        return f"a name takes at most {MAX_SEGMENT} bytes once percent-encoded"
    if unicodedata.normalize("NFC", name) != name:
        return "a name must be in Unicode normal form NFC"
    if len(scripts := _scripts(name)) > 1:
        return f"a name cannot mix letters of several scripts ({', '.join(sorted(scripts))})"
    if name.split(".")[0].lower() in _WINDOWS_DEVICES:
        return f"{name!r} is reserved on Windows"
    return None


def problem_with_model_name(name: str) -> str | None:
    """Say why name may not name a model; None if it may."""
    if "@" in name:
        return "a model's name cannot contain '@': an alias follows it"
    return problem_with_name(name)


def problem_with_alias(name: str) -> str | None:
    """Say why name may not be an alias; None if it may."""
    if name.casefold() == LATEST or _NUMERAL.fullmatch(unicodedata.normalize("NFKC", name)):
        return f"{name!r} would read as a version: choose another alias"
    if "@" in name:
        return "an alias cannot contain '@'"
    return problem_with_name(name)


def problem_with_label(label: str) -> str | None:
    """Say why label may not label a version; None if it may."""
    if label.casefold() == LATEST or unicodedata.normalize("NFKC", label).isdecimal():
        return f"{label!r} would read as a version number: a label is something else, such as 1.4.0"
    return problem_with_name(label)


def fold(name: str) -> str:
    """Return what name is compared by: two names with one folding look too much alike to coexist."""
    while (plainer := _plainer(name)) != name:  # what casefold makes of a letter may be one to look at again
        name = plainer
    return name


def _plainer(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name)
    bare = "".join(c for c in plain if not unicodedata.combining(c))  # first: an accent may hide a Latin look
    return re.sub(r"[-_. ]+", "-", bare.translate(_CONFUSABLE).casefold())


@dataclass(frozen=True, slots=True)
class Reference:
    """What a user types to name a version: `bikes/3`, `bikes@champion`, `bikes/production`, `bikes/latest`.

    `kind` is "version" (value is its number), "alias", "latest", "name" (a stage or a label; which of them
    only the registry can tell) or "model" (value is empty).
    """

    model: str
    kind: Literal["model", "version", "alias", "latest", "name"] = "model"
    value: str = ""

    def __str__(self) -> str:
        if self.kind == "model":
            return self.model
        return f"{self.model}{'@' if self.kind == 'alias' else '/'}{self.value}"


@lru_cache(maxsize=1024)  # of a deployment that asks the same question again and again
def parse_reference(text: str) -> Reference:
    """Read a reference, with or without the `models:/` prefix that MLflow writes; ValueError if it is none."""
    body = text.removeprefix(SCHEME)
    model, slash, rest = body.partition("/")
    if slash:
        kind: Literal["version", "latest", "name"] = "name"
        if re.fullmatch(_NUMBER, rest):
            kind = "version"
        elif rest.casefold() == LATEST:
            kind, rest = "latest", LATEST
        reference = Reference(model, kind, rest)
    else:
        model, at, alias = body.rpartition("@")
        reference = Reference(model, "alias", alias) if at else Reference(body)
        if at and alias.casefold() == LATEST:
            reference = Reference(model, "latest", LATEST)
    if problem := problem_with_name(reference.model):
        raise ValueError(f"{text!r} is not a reference: {problem}")
    if reference.kind in ("alias", "name") and (problem := problem_with_name(reference.value)):
        raise ValueError(f"{text!r} is not a reference: {problem}")
    return reference


def _is_invisible(character: str) -> bool:
    return character != " " and unicodedata.category(character)[0] in "CZ"


def _scripts(name: str) -> set[str]:
    """The scripts of name's letters, by the first word of each letter's Unicode name; CJK's count as one."""
    first = {unicodedata.name(c, "UNKNOWN").split(" ")[0] for c in name if unicodedata.category(c)[0] == "L"}
    return {"CJK" if s in ("HIRAGANA", "KATAKANA", "HANGUL", "IDEOGRAPHIC") else s for s in first}
