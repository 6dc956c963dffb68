"""Keeping a registry well: what `muster doctor` looks at, and what `muster fmt` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .core import dvcconfig, manifest, names, schema
from .core.diagnosis import Diagnosis
from .core.errors import Invalid, MusterError, NotFound, Refused
from .core.snapshot import Snapshot

if TYPE_CHECKING:
    from .registry import Registry


@dataclass(frozen=True, slots=True)
class Formatted:
    """The paths that were changed, and those that were left as they are, with the reason."""

    changed: tuple[str, ...]
    kept: Mapping[str, str]


def diagnose(registry: Registry) -> Iterator[Diagnosis]:
    """Yield each thing a registry needs, and how to mend what is wrong."""
    yield _look("repository", lambda: _repository(registry), "say where it is: muster -R PATH")
    yield _look("identity", lambda: registry.author)
    yield _look("leftovers", lambda: _leftovers(registry))
    try:
        snapshot = registry.upstream()
    except MusterError as error:
        yield Diagnosis("upstream", False, str(error), error.hint)
        return
    yield _look("registry", lambda: _registry(snapshot), "run `muster init`")
    yield _look("dvc config", lambda: _remote(snapshot), "run `muster init`, or `dvc remote add`")
    yield _look("artifacts", lambda: _artifacts(registry, snapshot), "check the remote and your credentials")
    yield _look("rules", lambda: _rules(registry), "run `muster check`")


def diagnose_forge(registry: Registry) -> Iterator[Diagnosis]:
    """Yield each setting by which the forge guards the registry's branch, and what it should be."""
    try:
        settings = registry.proposals.settings()
    except MusterError as error:
        yield Diagnosis("forge", False, str(error).partition("\n")[0], error.hint)
        return
    for setting in settings:
        yield Diagnosis(setting.name, setting.ok, setting.found, f"set it to: {setting.wanted}")


def _look(what: str, ask: Callable[[], str], fix: str = "") -> Diagnosis:
    try:
        return Diagnosis(what, True, ask())
    except MusterError as error:
        return Diagnosis(what, False, str(error).partition("\n")[0], error.hint or fix)


def _repository(registry: Registry) -> str:
    commit = registry.snapshot().commit
    return f"{registry.location} at {commit[:12]}" if commit else f"{registry.location}, without a commit yet"


def _registry(snapshot: Snapshot) -> str:
    document = snapshot.document(names.REGISTRY)
    name = document.get("name") if isinstance(document, dict) else None
    return f"{name}, stages {', '.join(snapshot.declared_stages())}"


def _remote(snapshot: Snapshot) -> str:
    data = snapshot.files.get(names.DVC_CONFIG)
    if data is None:
        raise NotFound(f"{names.DVC_CONFIG} is missing")
    if findings := list(dvcconfig.problems_with_config(names.DVC_CONFIG, data)):
        raise Invalid(str(findings[0]))
    return f"remote {dvcconfig.parse_config(data).remote}"


def _artifacts(registry: Registry, snapshot: Snapshot) -> str:
    """Ask the store for the files of one version: a directory that is not mounted answers like an empty one."""
    store, nothing = registry.store(), "0" * 32
    newest = (
        (model, snapshot.versions(model)[-1]) for model in snapshot.models() if snapshot.versions(model)
    )
    model, number = next(newest, ("", 0))
    lacking = store.missing([snapshot.artifact_oid(model, number) if model else nothing])
    place = store.uri(nothing).rpartition("/files/")[0]
    if model and lacking:
        raise NotFound(f"{place} does not have the files of {model}/{number}")
    return f"{place} answers"


def _rules(registry: Registry) -> str:
    if findings := registry.check():
        raise Invalid(f"{len(findings)} findings, the first: {findings[0]}")
    return "every rule holds"


def _leftovers(registry: Registry) -> str:
    registry.recover()
    return "no write is half done"


def format_files(registry: Registry, paths: tuple[str, ...], only_look: bool) -> Formatted:
    """Write files of the registry's work tree in canonical form: those named, or every one there is.

    Refused where there is no work tree. A registered manifest is passed over, a file with comments kept.
    """
    top = registry.work_tree
    if top is None:
        raise Refused(f"{registry.location} has no working tree to write in", "run it in a clone")
    registered = registry.snapshot()
    changed: list[str] = []
    kept: dict[str, str] = {}
    for path in [_inside(top, p) for p in paths] or sorted(_registry_files(top)):
        place = names.locate(path)
        if place is None or place.kind not in schema.KINDS:
            kept[path] = "it is no YAML file of the registry"
            continue
        data = (top / path).read_bytes()
        if place.kind in ("version", "tombstone") and path in registered:
            continue
        if manifest.has_comments(data):
            if paths:
                kept[path] = "it has comments of its own, which would be lost"
            continue
        text = manifest.canonical(manifest.parse(data, path), place.kind, schema.fields(place.kind))
        if text != data:
            changed.append(path)
            if not only_look:
                (top / path).write_bytes(text)
    return Formatted(tuple(changed), kept)


def _registry_files(top: Path) -> Iterator[str]:
    for pattern in (names.REGISTRY, f"{names.MODELS}/*/*.yaml", f"{names.MODELS}/*/*/*.yaml"):
        for path in top.glob(pattern):
            name = path.relative_to(top).as_posix()
            if (place := names.locate(name)) is not None and place.kind in schema.KINDS:
                yield name


def _inside(top: Path, path: str) -> str:
    full = Path(path).resolve()
    if not full.is_file():
        raise NotFound(f"there is no file {path}")
    if not full.is_relative_to(top.resolve()):
        raise Invalid(f"{path} is not in the working tree {top}")
    return full.relative_to(top.resolve()).as_posix()
