"""The rules. One table, asked the same way before a commit, for a pull request and over a whole registry.

A rule is a function of one file, named by what is true when it holds. It reads that file and what lies next to it, so
judging a change costs what the change costs, not what the registry has grown to. Policy and gates are those of the
state *before* the change. Nothing here runs git or DVC: a tree is judged before either may touch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import codeowners, names
from .errors import Finding, Invalid, NotFound
from .judgement import Case, Judgement, Rule
from .layout_rules import (
    MAX_BYTES,
    dvc_config_is_plain,
    dvc_file_is_plain,
    file_is_plain,
    ignore_file_ignores_artifacts_only,
    name_is_valid,
    names_are_distinct,
    path_is_known,
    schema_matches,
)
from .pointer_rules import (
    gates_pass,
    label_is_no_stage,
    label_is_the_versions,
    nothing_points_at_it,
    pointer_resolves,
    policy_is_sound,
    stage_is_declared,
    version_is_in_one_stage,
)
from .policy import Evidence
from .snapshot import Change, Snapshot
from .version_rules import (
    annotations_have_a_version,
    digest_is_of_its_files,
    evaluations_only_grow,
    files_it_names_exist,
    former_name_stays,
    model_file_fits_its_place,
    model_is_declared,
    number_follows,
    parents_exist,
    version_fits_its_place,
    version_is_immutable,
    version_is_whole,
)

__all__ = ["CHANGE_CHECKS", "CHECKS", "MAX_BYTES", "MAX_FILES", "check"]

MAX_FILES = 100_000  # paths one change may touch
_POLICY_FILES = (
    *(names.REGISTRY, ".dvcignore", ".gitattributes", ".gitlab-ci.yml"),
    *("CODEOWNERS", "docs/CODEOWNERS"),
)
_POLICY_DIRECTORIES = (".dvc/", ".github/", ".gitea/", ".forgejo/", ".gitlab/")

CHECKS: tuple[Rule, ...] = (
    file_is_plain,
    path_is_known,
    ignore_file_ignores_artifacts_only,
    name_is_valid,
    dvc_config_is_plain,
    dvc_file_is_plain,
    schema_matches,
    former_name_stays,
    version_is_immutable,
    model_is_declared,
    model_file_fits_its_place,
    version_fits_its_place,
    number_follows,
    version_is_whole,
    digest_is_of_its_files,
    files_it_names_exist,
    parents_exist,
    annotations_have_a_version,
    evaluations_only_grow,
    pointer_resolves,
    nothing_points_at_it,
    label_is_the_versions,
    label_is_no_stage,
    stage_is_declared,
    version_is_in_one_stage,
    names_are_distinct,
    policy_is_sound,
    gates_pass,
)


def registry_is_declared(judgement: Judgement) -> Iterator[Finding]:
    """There is a registry.yaml."""
    if names.REGISTRY not in judgement.after and judgement.change:
        message = "this file makes a registry, and is missing"
        yield Finding(names.REGISTRY, registry_is_declared.__name__, message, fix="run `muster init`")


def policy_and_data_are_apart(judgement: Judgement) -> Iterator[Finding]:
    """Policy, DVC's configuration, CODEOWNERS and workflows never change together with models.

    A reader approves one or the other. The block of CODEOWNERS that is derived from the models may change with them.
    A state without a registry.yaml is a registry being born.
    """
    if names.REGISTRY not in judgement.before:
        return
    paths = {*judgement.change.files, *judgement.change.special}
    policy = sorted(p for p in paths if _is_policy(p) and not _is_derived(judgement, p))
    models = any(p.startswith(f"{names.MODELS}/") for p in paths)
    guards = sorted(p for p in paths if p.endswith("/model.yaml") and _policy_changes(judgement, p))
    moves = guards and any(
        e.kind in ("stage_changed", "alias_set", "alias_removed") for e in judgement.events
    )
    if (policy and models) or moves:
        path = (policy or guards)[0]
        message = "policy and models change together: make it two changes, so that each is judged by what was before"
        yield Finding(path, policy_and_data_are_apart.__name__, message)


def codeowners_are_current(judgement: Judgement) -> Iterator[Finding]:
    """Where CODEOWNERS has a block of models' owners, it says what the models say."""
    yield from codeowners.stale(judgement.original, judgement.after, judgement.change)


def _is_policy(path: str) -> bool:
    return path in _POLICY_FILES or path.startswith(_POLICY_DIRECTORIES)


def _is_derived(judgement: Judgement, path: str) -> bool:
    """Whether nothing of a file changes but the block of owners, of which `codeowners_are_current` sees that it is so."""
    if path not in codeowners.PATHS or path in judgement.change.special:
        return False
    return codeowners.only_block_differs(judgement.original.files.get(path), judgement.after.files.get(path))


def _policy_changes(judgement: Judgement, path: str) -> bool:
    """Whether the model.yaml at path, on both sides of the change, has another policy after it."""
    if path not in judgement.before or path not in judgement.after:
        return False
    try:
        old, new = judgement.before.document(path), judgement.after.document(path)
        return bool(old.get("policy") != new.get("policy"))
    except (Invalid, AttributeError):
        return True  # nobody can tell


CHANGE_CHECKS: tuple[Callable[[Judgement], Iterator[Finding]], ...] = (
    registry_is_declared,
    policy_and_data_are_apart,
    codeowners_are_current,
)


def check(
    before: Snapshot, change: Change, evidence: Evidence | None = None, after: Snapshot | None = None
) -> list[Finding]:
    """Return everything wrong with change to before, by path; a path's judgement ends at its first broken rule.

    `after` is the state with the change applied where the caller has it at hand. To judge a whole registry, let
    `before` be empty and the change be all of it: then the rules are asked and, there being no policy before, no gates.
    """
    judgement = Judgement(before, after or before.apply(change), change, evidence or Evidence())
    findings: list[Finding] = []
    for path in sorted({*change.files, *change.special, *_judged_again(judgement)}):
        findings += _check_path(judgement, path)
    for rule in CHANGE_CHECKS:
        findings += rule(judgement)
    return list(dict.fromkeys(findings))


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


def _judged_again(judgement: Judgement) -> Iterator[str]:
    """The files that did not change, and that what did change could make wrong.

    So what a change may leave behind is what a whole registry may consist of.
    """
    after, change = judgement.after, judgement.change
    for path in change.files:
        match names.locate(path):
            case names.Place("registry"):
                if _stages(judgement.original) != _stages(after):
                    yield from (p for model in after.models() for p in _guarded(after, model))
            case names.Place("model", model):
                if after.has_model(model):
                    yield from _guarded(after, model)
                else:
                    yield from after.below(names.model_directory(model))
            case names.Place("version" | "dvc", model, number) if change.files[path] is None:
                yield from _named(judgement, model, int(number))


def _stages(state: Snapshot) -> object:
    """What registry.yaml says of stages at state; None if it cannot be read, which has its own finding."""
    try:
        return state.registry.get("stages")
    except Invalid:
        return None


def _guarded(state: Snapshot, model: str) -> Iterator[str]:
    """The files of model that its policy and the declared stages have a say in."""
    yield names.path("model", model)
    for kind in ("stage", "label"):
        yield from (names.path(kind, model, name) for name in state.pointers(kind, model))


def _named(judgement: Judgement, model: str, number: int) -> Iterator[str]:
    """The files that speak of a version."""
    paths = [names.path(kind, model, number) for kind in ("version", "dvc", "annotations")]
    try:
        if (label := judgement.original.manifest(model, number).label) is not None:
            paths.append(names.path("label", model, label))
    except (Invalid, NotFound):
        pass  # then its label is not known
    yield from (path for path in paths if path in judgement.after)
