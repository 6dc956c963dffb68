"""Rules about models and their versions: what is registered stays, and says what is true of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import dvcfile, filelist, names
from .errors import Finding, Invalid
from .judgement import Case
from .models import digest_of
from .snapshot import Snapshot


def version_is_immutable(case: Case) -> Iterator[Finding]:
    """A manifest and its .dvc file never change; they go only when a tombstone takes their place, which stays."""
    place = case.place
    if place is None or place.kind not in ("version", "dvc", "tombstone") or case.path not in case.before:
        return
    if case.data == case.before.files[case.path] or (case.data is None and _moved(case, place)):
        return
    if place.kind == "tombstone":
        message = "a tombstone stays as it is, so that its number is not used again"
        yield case.finding(version_is_immutable, message)
    elif case.data is not None:
        message = "a registered version cannot be changed"
        yield case.finding(version_is_immutable, message, fix="register a new one")
    elif (tombstone := names.path("tombstone", place.model, place.number)) not in case.after:
        message = f"a version goes only with a tombstone at {tombstone}"
        yield case.finding(version_is_immutable, message, fix="use `muster delete`, which leaves a tombstone")


def _moved(case: Case, place: names.Place) -> bool:
    """Whether a file went, as it was, with its whole model to another name."""
    new = case.after.renamed_to(place.model)
    return new is not None and case.after.files.get(
        names.path(place.kind, new, place.name)
    ) == case.before.files.get(case.path)


def former_name_stays(case: Case) -> Iterator[Finding]:
    """A rename takes a whole model to a new name, and the old name says for ever where it went."""
    place, path = case.place, case.path
    if place is None or place.kind != "model":
        return
    original = case.judgement.original
    if original.renamed_to(place.model) is not None and case.data != original.files[path]:
        yield case.finding(former_name_stays, "a name that a rename left behind is not used again")
    elif (
        case.data is not None
        and (to := case.document.value.get("renamed_to")) is not None
        and path in original
    ):
        card = names.path("model", to)
        if any(True for _ in original.children(names.model_directory(to))):
            yield case.finding(former_name_stays, f"the name {to!r} was taken already", "renamed_to")
        elif card not in case.after or place.model not in _formerly(case.after, to):
            message = f"{card} does not say that {to!r} was called {place.model!r}"
            yield case.finding(former_name_stays, message, "renamed_to")
    if case.data is not None:
        for n, name in enumerate(case.document.value.get("formerly", [])):
            if present_name(case.after, name) != place.model:
                message = f"{names.path('model', name)} does not say that {name!r} was renamed to this"
                yield case.finding(former_name_stays, message, "formerly", n)


def present_name(snapshot: Snapshot, model: str) -> str:
    """Return what the model that was once called model is called at snapshot."""
    seen = {model}
    while (to := snapshot.renamed_to(model)) is not None and to not in seen:
        seen.add(model := to)
    return model


def _formerly(snapshot: Snapshot, model: str) -> list[Any]:
    path = names.path("model", model)
    card = snapshot.document(path) if path in snapshot else None
    former = card.get("formerly") if isinstance(card, dict) else None
    return former if isinstance(former, list) else []


def model_is_declared(case: Case) -> Iterator[Finding]:
    """Whatever lies in a model's directory belongs to a model that has a model.yaml."""
    if case.place is None or not case.is_a("version", "dvc", "annotations", "alias", "stage", "label"):
        return
    card = names.path("model", case.place.model)
    if card not in case.after:
        yield case.finding(model_is_declared, f"{card} is missing")
    elif (to := case.after.renamed_to(case.place.model)) is not None:
        yield case.finding(model_is_declared, f"the model is called {to!r} now: nothing may stay here")


def model_file_fits_its_place(case: Case) -> Iterator[Finding]:
    """A model.yaml says the name that its path says."""
    if case.place is None or not case.is_a("model"):
        return
    if (says := case.document.value["name"]) != case.place.model:
        message = f"says {says!r}, and lies at {case.place.model!r}"
        yield case.finding(model_file_fits_its_place, message, "name")


def version_fits_its_place(case: Case) -> Iterator[Finding]:
    """A manifest says the model and the number that its path says."""
    if not case.is_a("version") or case.place is None:
        return
    if case.manifest.version != case.place.number:
        message = f"says version {case.manifest.version}, and lies at {case.place.number}"
        yield case.finding(version_fits_its_place, message, "version")
    model = case.manifest.model
    if model != case.place.model and model not in _formerly(case.after, case.place.model):
        message = f"says model {model!r}, and lies at {case.place.model!r}"
        yield case.finding(version_fits_its_place, message, "model")


def number_follows(case: Case) -> Iterator[Finding]:
    """A new version's number is the one after the last, and was never used; a tombstone stands for one version."""
    if not case.is_a("version", "tombstone") or case.place is None or case.path in case.before:
        return
    model, number = case.place.model, case.place.number
    if case.place.kind == "tombstone" and names.path("version", model, number) in case.after:
        yield case.finding(number_follows, f"version {number} has a tombstone, and is there")
    elif case.place.kind == "version" and names.path("tombstone", model, number) in case.after:
        yield case.finding(number_follows, f"{number} was a version that has been deleted", "version")
    last = names.path("version", model, number - 1), names.path("tombstone", model, number - 1)
    if number > 1 and not any(path in case.after for path in last):
        yield case.finding(number_follows, f"there is no version {number - 1} before it")


def version_is_whole(case: Case) -> Iterator[Finding]:
    """A manifest and its .dvc file come together and agree on sizes and number of files."""
    if not case.is_a("version", "dvc") or case.place is None:
        return
    model, number = case.place.model, case.place.number
    other = names.path("dvc" if case.place.kind == "version" else "version", model, number)
    if other not in case.after:
        yield case.finding(version_is_whole, f"{other} is missing")
    elif case.place.kind == "version":
        found, _ = dvcfile.read(case.after.document(other), other)
        if found is None:
            return  # its own finding says so
        if not found.oid.endswith(".dir"):
            yield Finding(
                other, version_is_whole.__name__, "must be a directory: run `dvc add` on the directory"
            )
        elif (found.size, found.nfiles) != (case.manifest.size, len(case.manifest.files)):
            there = f"{found.nfiles} files of {found.size} bytes"
            message = f"{other} has {there}; the manifest {len(case.manifest.files)} of {case.manifest.size}"
            yield case.finding(version_is_whole, message, "artifacts")


def digest_is_of_its_files(case: Case) -> Iterator[Finding]:
    """Each artifact's size and digest are those of its files, whose paths are safe, distinct and inside it."""
    if not case.is_a("version"):
        return
    for n, artifact in enumerate(case.manifest.artifacts):
        where = ("artifacts", n)
        if artifact.size != (size := sum(f.size for f in artifact.files)):
            yield case.finding(
                digest_is_of_its_files, f"its files have {size} bytes together", *where, "size"
            )
        if artifact.digest != (digest := digest_of(artifact.files)):
            yield case.finding(digest_is_of_its_files, f"its files' digest is {digest}", *where, "digest")
        for k, file in enumerate(artifact.files):
            if artifact.path not in (".", file.path) and not file.path.startswith(f"{artifact.path}/"):
                message = f"{file.path!r} is not inside {artifact.path!r}"
                yield case.finding(digest_is_of_its_files, message, *where, "files", k)
    for path, problem in filelist.problems_with_paths(f.path for f in case.manifest.files):
        yield case.finding(digest_is_of_its_files, f"file {path!r} {problem}", "artifacts")


def files_it_names_exist(case: Case) -> Iterator[Finding]:
    """A model card and an input example are files of the version."""
    if case.is_a("version"):
        there = {f.path for f in case.manifest.files}
        for key in ("model_card", "input_example"):
            named = getattr(case.manifest, key)
            if named is not None and named not in there:
                yield case.finding(files_it_names_exist, f"{named!r} is not a file of this version", key)


def parents_exist(case: Case) -> Iterator[Finding]:
    """The versions a version was made from are, or were, in this registry, whatever their model is called now."""
    if case.is_a("version"):
        for n, parent in enumerate(case.manifest.lineage.parents):
            model = present_name(case.after, parent.model)
            paths = [names.path(kind, model, parent.version) for kind in ("version", "tombstone")]
            if not any(path in case.after for path in paths):
                message = f"{parent.model}/{parent.version} is not in this registry"
                yield case.finding(parents_exist, message, "lineage", "parents", n)


def annotations_have_a_version(case: Case) -> Iterator[Finding]:
    """Annotations belong to a version that exists."""
    if case.is_a("annotations") and case.place is not None:
        path = names.path("version", case.place.model, case.place.number)
        if path not in case.after:
            yield case.finding(annotations_have_a_version, f"{path} does not exist")


def evaluations_only_grow(case: Case) -> Iterator[Finding]:
    """Verdicts are added at the end of a version's evaluations; none that is there is changed or taken away."""
    place = case.place
    if place is None or place.kind != "annotations" or case.path not in case.before:
        return
    model = case.after.renamed_to(place.model) or place.model
    if names.path("version", model, place.number) not in case.after:
        return  # they go with their version
    old = _evaluations(case.before, case.path)
    new = _evaluations(case.after, names.path("annotations", model, place.number))
    for n, verdict in enumerate(old):
        if n >= len(new) or new[n] != verdict:
            message = f"verdict {n + 1} was {'changed' if n < len(new) else 'taken away'}"
            where = ("evaluations", n) if case.data is not None else ()
            fix = "leave it as it is, and add a newer one"
            yield case.finding(evaluations_only_grow, message, *where, fix=fix)
            return


def _evaluations(snapshot: Snapshot, path: str) -> list[Any]:
    """The verdicts in an annotations file; none where nobody can read them."""
    try:
        document = snapshot.document(path) if path in snapshot else None
    except Invalid:
        return []
    verdicts = document.get("evaluations") if isinstance(document, dict) else None
    return verdicts if isinstance(verdicts, list) else []
