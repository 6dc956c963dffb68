"""Rules about files as such: what may lie where, under which name, in which form."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from . import dvcconfig, dvcfile, manifest, names, schema
from .errors import Finding
from .judgement import Case, compared_by

MAX_BYTES = manifest.MAX_BYTES  # bytes one file may have
_DVC_FILES = (".dvcignore", ".dvc/.gitignore", names.DVC_CONFIG)
_OURS = (names.MODELS, ".dvc", ".dvcignore", names.REGISTRY)
_SHORT = {"dvc~1": ".dvc", "git~1": ".git"}  # what Windows calls them besides


def file_is_plain(case: Case) -> Iterator[Finding]:
    """Every file is a plain file of bounded size: no link, submodule or executable."""
    if what := case.judgement.change.special.get(case.path):
        yield case.finding(file_is_plain, f"this is a {what}: only plain, small files belong in a registry")
    elif case.data is not None and len(case.data) > MAX_BYTES:
        yield case.finding(
            file_is_plain, f"{len(case.data)} bytes are more than the {MAX_BYTES} a file may have"
        )


def path_is_known(case: Case) -> Iterator[Finding]:
    """Every file below models/ has a place in the layout; elsewhere nothing may steer DVC or git."""
    if case.data is None:
        return
    if problem := _problem_with_path(case.path, case.place):
        yield case.finding(path_is_known, problem)


def _problem_with_path(path: str, place: names.Place | None) -> str | None:
    first, _, rest = path.partition("/")
    parts = [_as_anywhere(part) for part in path.split("/")]
    if ".git" in parts:
        return "would be part of a git repository"
    if parts[0] in _OURS and first != parts[0]:
        return f"on some file systems this is {parts[0]}, and would take its place"
    if first == names.MODELS and rest:
        return None if place else "nothing of the registry lives at this path"
    if first == ".dvc" and path not in _DVC_FILES:
        return "nothing but config and .gitignore may be committed below .dvc/"
    if parts[-1] in ("dvc.yaml", "dvc.lock") or (parts[-1] == ".dvcignore" and path != ".dvcignore"):
        return f"{parts[-1]} could make DVC run commands: it does not belong in a registry"
    if ".dvc" in parts[1:]:
        return "a DVC project inside the registry"
    return None


def _as_anywhere(part: str) -> str:
    """What a part of a path may come to on a file system that ignores case, invisible letters, or dots at the end."""
    visible = "".join(c for c in part if unicodedata.category(c) != "Cf")
    folded = unicodedata.normalize("NFC", visible).casefold().partition(":")[0].rstrip(". ")
    return _SHORT.get(folded, folded)


def ignore_file_ignores_artifacts_only(case: Case) -> Iterator[Finding]:
    """The .gitignore beside the manifests names artifact directories and nothing else."""
    if case.is_a("ignore"):
        for number, line in enumerate((case.data or b"").decode(errors="replace").splitlines(), 1):
            if line.strip() and not (line.startswith("/") and line[1:].rstrip("/").isdecimal()):
                message = f"{line[:60]!r} is not the directory of a version, such as /3"
                yield Finding(case.path, ignore_file_ignores_artifacts_only.__name__, message, number, 1)


def name_is_valid(case: Case) -> Iterator[Finding]:
    """Models, aliases and labels have names that every file system and every reader can tell apart."""
    if case.place is None or case.data is None:
        return
    problem = None
    match case.place.kind:
        case "model":
            problem = names.problem_with_model_name(case.place.model)
        case "alias":
            problem = names.problem_with_alias(case.place.name)
        case "label":
            problem = names.problem_with_label(case.place.name)
        case "hold" if case.place.name.startswith("@"):
            problem = names.problem_with_alias(case.place.name[1:])
        case "hold":
            problem = names.problem_with_label(case.place.name)
    if problem:
        yield case.finding(name_is_valid, problem)


def dvc_config_is_plain(case: Case) -> Iterator[Finding]:
    """The committed DVC configuration names remotes, and neither credentials nor commands."""
    if case.data is not None and case.path == names.DVC_CONFIG:
        yield from dvcconfig.problems_with_config(case.path, case.data)


def dvc_file_is_plain(case: Case) -> Iterator[Finding]:
    """A .dvc file describes one output beside it, and can make DVC do nothing else."""
    if case.data is not None and case.path.endswith(dvcfile.SUFFIX):
        _, findings = dvcfile.read(case.document.value, case.path)
        yield from findings


def schema_matches(case: Case) -> Iterator[Finding]:
    """Every file is strict YAML and matches the schema of its kind."""
    if case.is_a(*schema.KINDS) and case.place is not None:
        yield from schema.problems(case.place.kind, case.document, case.path)


def names_are_distinct(case: Case) -> Iterator[Finding]:
    """No two models, and no two aliases, stages or labels of a model, have names that look alike."""
    place = case.place
    if place is None or case.data is None or case.path in case.judgement.original:
        return
    name = place.name or place.model
    match place.kind:
        case "model":
            alike = [n for n in case.judgement.folded_models.get(names.fold(name), []) if n != name]
        case "alias" | "label" | "stage":
            there = case.judgement.pointers_folded(place.kind, place.model)
            alike = [n for n in there.get(compared_by(place.kind, name), []) if n != name]
        case _:
            return
    for other in alike:
        yield case.finding(names_are_distinct, f"{name!r} looks too much like {other!r}, which exists")
