"""The rules. One table, asked the same way before a commit, for a pull request and over a whole registry.

A rule is a function of one changed file, named by what is true when it holds. It reads that file and what lies next
to it, so judging a change costs what the change costs, not what the registry has grown to. Policy and gates are those
of the state *before* the change. Nothing here runs git or DVC: a tree is judged before either may touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import dvcconfig, dvcfile, filelist, manifest, names, schema
from .errors import Finding, Invalid, NotFound
from .events import Event, events, with_renames
from .manifest import Document
from .models import Manifest, digest_of
from .policy import ARCHIVED, Evidence, Pointer, Policy, unmet
from .snapshot import Change, Snapshot

MAX_FILES = 100_000  # paths one change may touch
MAX_BYTES = manifest.MAX_BYTES  # bytes one file may have
_POLICY_FILES = (names.REGISTRY, names.DVC_CONFIG, "CODEOWNERS", "docs/CODEOWNERS", ".gitlab-ci.yml")
_POLICY_DIRECTORIES = (".dvc/", ".github/", ".gitea/", ".forgejo/", ".gitlab/")
_DVC_FILES = (".dvcignore", ".dvc/.gitignore", names.DVC_CONFIG)


class Judgement:
    """A change being judged: both states, and what several rules ask of them, worked out once."""

    def __init__(self, before: Snapshot, after: Snapshot, change: Change, evidence: Evidence) -> None:
        self.before, self.after, self.change, self.evidence = before, after, change, evidence

    @cached_property
    def events(self) -> list[Event]:
        """What the change means."""
        return events(self.before, self.change, self.after)

    @cached_property
    def folded_models(self) -> dict[str, list[str]]:
        """The models after the change, by what their names are compared by."""
        folded: dict[str, list[str]] = {}
        for name in self.after.models():
            folded.setdefault(names.fold(name), []).append(name)
        return folded

    @cached_property
    def declared_stages(self) -> frozenset[str]:
        """The stages registry.yaml declares after the change."""
        return frozenset(self.after.declared_stages())


@dataclass(frozen=True)
class Case:
    """One changed file under judgement. `place` is None outside the registry's layout."""

    judgement: Judgement
    path: str
    place: names.Place | None

    @property
    def before(self) -> Snapshot:
        """The state before the change."""
        return self.judgement.before

    @property
    def after(self) -> Snapshot:
        """The state after it."""
        return self.judgement.after

    @cached_property
    def data(self) -> bytes | None:
        """The file's new content; None if the change deletes it."""
        return self.judgement.change.files.get(self.path)

    @cached_property
    def document(self) -> Document:
        """The file's new content, parsed; Invalid if it is not strict YAML."""
        return manifest.parse_marked(self.data or b"", self.path)

    @cached_property
    def manifest(self) -> Manifest:
        """The file's new content as a version manifest."""
        return manifest.manifest_from(self.document.value, self.path)

    def is_a(self, *kinds: str) -> bool:
        """Tell whether the file is one of these kinds and still there after the change."""
        return self.place is not None and self.place.kind in kinds and self.data is not None

    def finding(self, rule: Callable[..., Any], message: str, *where: str | int, fix: str = "") -> Finding:
        """Return a finding of rule at a part of the document, at the whole file if where is empty."""
        line, column = self.document.place(where) if where else (0, 0)
        return Finding(self.path, rule.__name__, message, line, column, fix)


Rule = Callable[[Case], Iterator[Finding]]


def file_is_plain(case: Case) -> Iterator[Finding]:
    """Every file is a plain file of bounded size: no link, submodule or executable."""
    if what := case.judgement.change.special.get(case.path):
        yield case.finding(file_is_plain, f"this is a {what}: only plain, small files belong in a registry")


def path_is_known(case: Case) -> Iterator[Finding]:
    """Every file below models/ has a place in the layout; elsewhere nothing may steer DVC."""
    if case.data is None:
        return
    base = case.path.rpartition("/")[2]
    if case.path.startswith(f"{names.MODELS}/"):
        if case.place is None:
            yield case.finding(path_is_known, "nothing of the registry lives at this path")
    elif case.path.startswith(".dvc/") and case.path not in _DVC_FILES:
        yield case.finding(path_is_known, "nothing but config and .gitignore may be committed below .dvc/")
    elif base in ("dvc.yaml", "dvc.lock") or (base == ".dvcignore" and case.path != ".dvcignore"):
        yield case.finding(
            path_is_known, f"{base} could make DVC run commands: it does not belong in a registry"
        )
    elif "/.dvc/" in f"/{case.path}" and not case.path.startswith(".dvc/"):
        yield case.finding(path_is_known, "a DVC project inside the registry")


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
    if problem:
        yield case.finding(name_is_valid, problem)


def schema_matches(case: Case) -> Iterator[Finding]:
    """Every file is strict YAML and matches the schema of its kind."""
    if case.is_a(*schema.KINDS) and case.place is not None:
        yield from schema.problems(case.place.kind, case.document, case.path)


def version_is_immutable(case: Case) -> Iterator[Finding]:
    """A manifest and its .dvc file never change; they go only when a tombstone takes their place."""
    if (
        case.place is None
        or case.path not in case.before
        or case.place.kind not in ("version", "dvc", "tombstone")
    ):
        return
    if case.place.kind == "tombstone" and case.data != case.before.files[case.path]:
        yield case.finding(
            version_is_immutable, "a tombstone stays as it is, so that its number is not used again"
        )
    elif case.data is not None:
        if case.data != case.before.files[case.path]:
            fix = "register a new one"
            yield case.finding(version_is_immutable, "a registered version cannot be changed", fix=fix)
    elif not _buried_or_moved(case):
        tombstone = names.path("tombstone", case.place.model, case.place.number)
        fix = "use `muster delete`, which leaves a tombstone"
        yield case.finding(
            version_is_immutable, f"a version goes only with a tombstone at {tombstone}", fix=fix
        )


def _buried_or_moved(case: Case) -> bool:
    """Whether a deleted file's version has its tombstone, or moved with its whole model to another name."""
    place = case.place
    if place is None or names.path("tombstone", place.model, place.number) in case.after:
        return True
    card = names.path("model", place.model)
    trace = case.after.document(card) if card in case.after else None
    new = trace.get("renamed_to") if isinstance(trace, dict) else None
    return isinstance(new, str) and case.after.files.get(
        names.path(place.kind, new, place.number)
    ) == case.before.files.get(case.path)


def version_fits_its_place(case: Case) -> Iterator[Finding]:
    """A manifest says the model and the number that its path says."""
    if not case.is_a("version") or case.place is None:
        return
    if case.manifest.version != case.place.number:
        message = f"says version {case.manifest.version}, and lies at {case.place.number}"
        yield case.finding(version_fits_its_place, message, "version")
    if case.manifest.model != case.place.model and case.manifest.model not in _former_names(case):
        message = f"says model {case.manifest.model!r}, and lies at {case.place.model!r}"
        yield case.finding(version_fits_its_place, message, "model")


def _former_names(case: Case) -> list[str]:
    card = names.path("model", case.place.model if case.place else "")
    document = case.after.document(card) if card in case.after else None
    return list(document.get("formerly", [])) if isinstance(document, dict) else []


def number_follows(case: Case) -> Iterator[Finding]:
    """A new version's number is the one after the last, and was never used."""
    if not case.is_a("version") or case.place is None or case.path in case.before:
        return
    model, number = case.place.model, case.place.number
    if names.path("tombstone", model, number) in case.after:
        yield case.finding(number_follows, f"{number} was a version that has been deleted", "version")
    last = names.path("version", model, number - 1), names.path("tombstone", model, number - 1)
    if number > 1 and not any(path in case.after for path in last):
        yield case.finding(number_follows, f"there is no version {number - 1} before it", "version")


def model_is_declared(case: Case) -> Iterator[Finding]:
    """Whatever lies in a model's directory belongs to a model that has a model.yaml."""
    if case.is_a("version", "dvc", "annotations", "alias", "stage", "label") and case.place is not None:
        card = names.path("model", case.place.model)
        if card not in case.after:
            yield case.finding(model_is_declared, f"{card} is missing")


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
    """The versions a version was made from are, or were, in this registry."""
    if case.is_a("version"):
        for n, parent in enumerate(case.manifest.lineage.parents):
            model = _now_called(case.after, parent.model)
            paths = [names.path(kind, model, parent.version) for kind in ("version", "tombstone")]
            if not any(path in case.after for path in paths):
                message = f"{parent.model}/{parent.version} is not in this registry"
                yield case.finding(parents_exist, message, "lineage", "parents", n)


def _now_called(snapshot: Snapshot, model: str) -> str:
    """What model is called now, whatever it was renamed to since."""
    passed = set[str]()
    while model not in passed and (card := names.path("model", model)) in snapshot:
        passed.add(model)
        document = snapshot.document(card)
        to = document.get("renamed_to") if isinstance(document, dict) else None
        model = to if isinstance(to, str) else model
    return model


def dvc_file_is_plain(case: Case) -> Iterator[Finding]:
    """A .dvc file describes one output beside it, and can make DVC do nothing else."""
    if case.data is not None and case.path.endswith(".dvc"):
        _, findings = dvcfile.read(case.document.value, case.path)
        yield from findings


def dvc_config_is_plain(case: Case) -> Iterator[Finding]:
    """The committed DVC configuration names remotes, and neither credentials nor commands."""
    if case.data is not None and case.path == names.DVC_CONFIG:
        yield from dvcconfig.problems_with_config(case.path, case.data)


def version_file_has_a_version(case: Case) -> Iterator[Finding]:
    """Annotations belong to a version that exists."""
    if case.is_a("annotations") and case.place is not None:
        path = names.path("version", case.place.model, case.place.number)
        if path not in case.after:
            yield case.finding(version_file_has_a_version, f"{path} does not exist")


def pointer_resolves(case: Case) -> Iterator[Finding]:
    """An alias, a stage or a label points at versions that exist, and that are not yanked."""
    if not case.is_a("alias", "stage", "label") or case.place is None:
        return
    key = "versions" if case.place.kind == "stage" else "version"
    held = case.document.value[key]
    for version in held if isinstance(held, list) else [held]:
        if names.path("version", case.place.model, version) not in case.after:
            yield case.finding(pointer_resolves, f"version {version} does not exist", key)
        elif case.place.kind == "label" or case.place.name.casefold() == ARCHIVED:
            continue
        elif (why := case.after.annotations(case.place.model, version).yanked) is not None:
            yield case.finding(pointer_resolves, f"version {version} is yanked: {why}", key)


def nothing_points_at_it(case: Case) -> Iterator[Finding]:
    """A version that is deleted or yanked is no longer pointed at."""
    place = case.place
    if place is None or place.kind not in ("version", "annotations"):
        return
    gone = place.kind == "version" and case.data is None
    yanked = place.kind == "annotations" and case.data is not None and "yanked" in case.document.value
    if not gone and not yanked:
        return
    model, number = place.model, place.number
    pointers = [f"{model}@{alias}" for alias in case.after.aliases_of(model, number)]
    stage = case.after.stage_of(model, number)
    if stage is not None and (gone or stage.casefold() != ARCHIVED):
        pointers.append(f"{model}/{stage}")
    if pointers:
        done = "deleted" if gone else "yanked"
        yield case.finding(
            nothing_points_at_it, f"{', '.join(pointers)} still points at the {done} version {number}"
        )


def label_is_the_versions(case: Case) -> Iterator[Finding]:
    """A manifest's label and the label's file say the same, so that a label is unique and never moves."""
    place = case.place
    if place is None:
        return
    if case.is_a("version") and case.manifest.label is not None:
        path = names.path("label", place.model, case.manifest.label)
        if path not in case.after:
            yield case.finding(label_is_the_versions, f"{path} is missing", "label")
        elif case.after.label(place.model, case.manifest.label) != place.number:
            yield case.finding(label_is_the_versions, f"{path} names another version", "label")
    if case.is_a("label"):
        number = case.document.value["version"]
        if case.after.manifest(place.model, number).label != place.name:
            message = f"version {number} does not say this label"
            yield case.finding(label_is_the_versions, message, "version")
    elif place.kind == "label" and case.data is None:
        number = case.before.label(place.model, place.name)
        if names.path("version", place.model, number) in case.after:
            yield case.finding(label_is_the_versions, f"version {number} still has this label")


def stage_is_declared(case: Case) -> Iterator[Finding]:
    """Versions are in stages that registry.yaml declares, spelled as it spells them."""
    if (
        case.is_a("stage")
        and case.place is not None
        and case.place.name not in case.judgement.declared_stages
    ):
        known = ", ".join(sorted(case.judgement.declared_stages)) or "none"
        yield case.finding(
            stage_is_declared, f"{names.REGISTRY} declares no stage {case.place.name!r} (it has {known})"
        )


def version_is_in_one_stage(case: Case) -> Iterator[Finding]:
    """A version is in one stage at most, and an exclusive stage holds one version."""
    if not case.is_a("stage") or case.place is None:
        return
    model, stage = case.place.model, case.place.name
    mine = set(case.document.value["versions"])
    for other in case.after.pointers("stage", model):
        if other != stage and (both := mine & set(case.after.stage(model, other))):
            message = f"version {min(both)} is in {other} too"
            yield case.finding(version_is_in_one_stage, message, "versions")
    if len(mine) > 1 and Policy.of(case.after, model).gate("stage", stage).exclusive:
        yield case.finding(version_is_in_one_stage, f"{stage} holds one version at a time", "versions")


def names_are_distinct(case: Case) -> Iterator[Finding]:
    """No two models, and no two aliases of a model, have names that look alike."""
    if case.place is None or case.data is None or case.path in case.before:
        return
    name = case.place.name or case.place.model
    if case.place.kind == "model":
        alike = [n for n in case.judgement.folded_models.get(names.fold(name), []) if n != name]
    elif case.place.kind in ("alias", "label", "stage"):
        there = case.after.pointers(case.place.kind, case.place.model)
        alike = [n for n in there if n != name and n.casefold() == name.casefold()]
    else:
        return
    for other in alike:
        yield case.finding(names_are_distinct, f"{name!r} looks too much like {other!r}, which exists")


def model_file_fits_its_place(case: Case) -> Iterator[Finding]:
    """A model.yaml says the name that its path says."""
    if (
        case.is_a("model")
        and case.place is not None
        and (says := case.document.value["name"]) != case.place.model
    ):
        yield case.finding(
            model_file_fits_its_place, f"says {says!r}, and lies at {case.place.model!r}", "name"
        )


def policy_is_sound(case: Case) -> Iterator[Finding]:
    """Gates speak of stages that are declared, and stage names can be names."""
    if not case.is_a("registry", "model"):
        return
    policy = case.document.value.get("policy", {}) if case.is_a("model") else case.document.value
    root: tuple[str | int, ...] = ("policy",) if case.is_a("model") else ()
    for kind in ("stages", "aliases"):
        for name, gate in (policy.get(kind) or {}).items():
            if problem := _problem_with_pointer_name(kind, name, case.is_a("model"), case.judgement):
                yield case.finding(policy_is_sound, problem, *root, kind, name)
            for source in (gate or {}).get("from", []):
                declared = {s.casefold() for s in case.judgement.declared_stages} | {"none"}
                if source.casefold() not in declared:
                    yield case.finding(
                        policy_is_sound, f"no stage {source!r} is declared", *root, kind, name, "from"
                    )


def _problem_with_pointer_name(kind: str, name: str, of_model: bool, judgement: Judgement) -> str | None:
    if kind == "aliases":
        return None if name == "*" else names.problem_with_alias(name)
    if of_model and name not in judgement.declared_stages:
        return f"{names.REGISTRY} declares no stage {name!r}"
    if name.casefold() in (names.LATEST, "none"):
        return f"{name!r} has a meaning of its own and cannot be a stage"
    return names.problem_with_label(name)


def gates_pass(case: Case) -> Iterator[Finding]:
    """A version enters a stage or an alias only through the gate that stood there before the change."""
    place = case.place
    if place is None or place.kind not in ("alias", "stage") or case.data is None:
        return
    pointer = Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)
    already = pointer.holders(case.before)
    for version in pointer.holders(case.after):
        if version not in already:
            for demand in unmet(case.before, case.after, pointer, version, case.judgement.evidence):
                message = f"{place.model}/{version} may not enter {place.name}: {demand}"
                yield case.finding(gates_pass, message, "versions" if place.kind == "stage" else "version")


CHECKS: tuple[Rule, ...] = (
    file_is_plain,
    path_is_known,
    ignore_file_ignores_artifacts_only,
    name_is_valid,
    dvc_config_is_plain,
    dvc_file_is_plain,
    schema_matches,
    version_is_immutable,
    model_is_declared,
    model_file_fits_its_place,
    version_fits_its_place,
    number_follows,
    version_is_whole,
    digest_is_of_its_files,
    files_it_names_exist,
    parents_exist,
    version_file_has_a_version,
    pointer_resolves,
    nothing_points_at_it,
    label_is_the_versions,
    stage_is_declared,
    version_is_in_one_stage,
    names_are_distinct,
    policy_is_sound,
    gates_pass,
)


def policy_and_data_are_apart(judgement: Judgement) -> Iterator[Finding]:
    """Policy, DVC's configuration, CODEOWNERS and workflows never change together with models.

    A reader approves one or the other; and a state without a registry.yaml is a registry being born.
    """
    if names.REGISTRY not in judgement.before:
        return
    policy = [p for p in judgement.change.files if p in _POLICY_FILES or p.startswith(_POLICY_DIRECTORIES)]
    models = [p for p in judgement.change.files if p.startswith(f"{names.MODELS}/")]
    tightened = [e for e in judgement.events if e.kind == "model_changed" and "policy changed" in e.text]
    moves = [e for e in judgement.events if e.kind in ("stage_changed", "alias_set", "alias_removed")]
    if (policy and models) or (tightened and moves):
        path = policy[0] if policy else names.path("model", tightened[0].model)
        message = "policy and models change together: make it two changes, so that each is judged by what was before"
        yield Finding(path, policy_and_data_are_apart.__name__, message)


def registry_is_declared(judgement: Judgement) -> Iterator[Finding]:
    """There is a registry.yaml."""
    if names.REGISTRY not in judgement.after and judgement.change.files:
        fix = "run `muster init`"
        yield Finding(
            names.REGISTRY,
            registry_is_declared.__name__,
            "this file makes a registry, and is missing",
            fix=fix,
        )


CHANGE_CHECKS: tuple[Callable[[Judgement], Iterator[Finding]], ...] = (
    registry_is_declared,
    policy_and_data_are_apart,
)


def check(
    before: Snapshot, change: Change, evidence: Evidence | None = None, after: Snapshot | None = None
) -> list[Finding]:
    """Return everything wrong with change to before, by path; a path's judgement ends at its first broken rule.

    `after` is the state with the change applied where the caller has it at hand. To judge a whole registry, let
    `before` be empty and the change be all of it: then the rules are asked and, there being no policy before, no gates.
    """
    after = after or before.apply(change)
    judgement = Judgement(_renamed(before, change), after, change, evidence or Evidence())
    findings: list[Finding] = []
    for path in sorted({*change.files, *change.special}):
        findings += _check_path(judgement, path)
    for rule in CHANGE_CHECKS:
        try:
            findings += rule(judgement)
        except (Invalid, NotFound):
            continue  # the file it could not read has its own finding, or was never changed
    return findings


def _renamed(before: Snapshot, change: Change) -> Snapshot:
    try:
        return with_renames(before, change)
    except Invalid:
        return before  # the model.yaml it could not read has its own finding


def _check_path(judgement: Judgement, path: str) -> list[Finding]:
    case = Case(judgement, path, names.locate(path))
    for rule in CHECKS:
        try:
            found = list(rule(case))
        except Invalid as error:
            found = list(error.findings) or [case.finding(rule, str(error))]
        except NotFound as error:
            found = [case.finding(rule, str(error))]
        if found:
            return found
    return []
