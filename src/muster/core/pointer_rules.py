"""Rules about what points at versions: aliases, stages and labels, and the policy that guards them."""

from __future__ import annotations

from collections.abc import Iterator

from . import holds, names
from .errors import Finding, command
from .judgement import Case, Judgement
from .policy import ARCHIVED, Pointer, unmet
from .version_rules import moved_along


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


def label_is_no_stage(case: Case) -> Iterator[Finding]:
    """No label is called as a stage is, so that bikes/production is never a version nobody promoted."""
    name = case.place.name if case.place is not None and case.is_a("label") else ""
    if name.casefold() in case.judgement.declared_folded:
        yield case.finding(label_is_no_stage, f"{name!r} is a stage in {names.REGISTRY}")


def stage_is_declared(case: Case) -> Iterator[Finding]:
    """Versions are in stages that registry.yaml declares, spelled as it spells them."""
    if case.place is None or not case.is_a("stage"):
        return
    if case.place.name not in case.judgement.declared_stages:
        known = ", ".join(sorted(case.judgement.declared_stages)) or "none"
        message = f"{names.REGISTRY} declares no stage {case.place.name!r} (it has {known})"
        yield case.finding(stage_is_declared, message)


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
    if len(mine) > 1 and case.judgement.policy_after(model).gate("stage", stage).exclusive:
        yield case.finding(version_is_in_one_stage, f"{stage} holds one version at a time", "versions")


def policy_is_sound(case: Case) -> Iterator[Finding]:
    """Gates speak of stages that are declared, and stage names can be names."""
    if not case.is_a("registry", "model"):
        return
    policy = case.document.value.get("policy", {}) if case.is_a("model") else case.document.value
    root: tuple[str | int, ...] = ("policy",) if case.is_a("model") else ()
    known = case.judgement.declared_folded | {"none"}
    for kind in ("stages", "aliases"):
        for name, gate in (policy.get(kind) or {}).items():
            if problem := _problem_with_pointer_name(kind, name, case.is_a("model"), case.judgement):
                yield case.finding(policy_is_sound, problem, *root, kind, name)
            for n, source in enumerate((gate or {}).get("from", [])):
                if source.casefold() not in known:
                    where = (*root, kind, name, "from", n)
                    yield case.finding(policy_is_sound, f"no stage {source!r} is declared", *where)


def _problem_with_pointer_name(kind: str, name: str, of_model: bool, judgement: Judgement) -> str | None:
    if kind == "aliases":
        return None if name == "*" else names.problem_with_alias(name)
    if name.startswith("@"):
        return "a stage's name cannot begin with '@': that is how an alias is written"
    if of_model and name not in judgement.declared_stages:
        return f"{names.REGISTRY} declares no stage {name!r}"
    if name.casefold() in (names.LATEST, "none"):
        return f"{name!r} has a meaning of its own and cannot be a stage"
    if sum(name.casefold() == stage.casefold() for stage in judgement.declared_stages) > 1:
        return f"{name!r} is declared twice, in upper and in lower case"
    return names.problem_with_label(name)


def gates_pass(case: Case) -> Iterator[Finding]:
    """A version enters a stage or an alias only through the gate that stood there before the change."""
    place = case.place
    if place is None or place.kind not in ("alias", "stage") or case.data is None:
        return
    pointer = Pointer("alias" if place.kind == "alias" else "stage", place.model, place.name)
    already = pointer.holders(case.before)
    key = "versions" if place.kind == "stage" else "version"
    gained = [version for version in pointer.holders(case.after) if version not in already]
    if gained and (problem := case.judgement.problem_with_policy(place.model)):
        message = f"the policy that guards {pointer} cannot be read, so nothing may pass: {problem}"
        yield case.finding(gates_pass, message, key, fix="mend the policy in a change of its own")
        return
    for version in gained:
        for demand in unmet(case.before, case.after, pointer, version, case.judgement.evidence):
            message = f"{place.model}/{version} may not enter {place.name}: {demand}"
            yield case.finding(gates_pass, message, key, fix=demand.fix)


def held_pointers_wait_for_a_person(case: Case) -> Iterator[Finding]:
    """After a rollback no automation moves a pointer on, or takes its hold away, until a person has lifted it."""
    place = case.place
    if place is None or place.kind not in ("alias", "stage", "hold"):
        return
    pointer = holds.pointer_at(place)
    if holds.path_of(pointer) not in case.before or not case.judgement.is_automatic:
        return
    hold = holds.hold_from(case.before.document(holds.path_of(pointer)))
    if place.kind != "hold":
        back = case.judgement.evidence.held
        already = pointer.holders(case.before)
        gained = (n for n in pointer.holders(case.after) if n not in already)
        forward = [n for n in gained if n in hold.versions or back is None or not back(pointer, n)]
    elif case.data is None:
        forward = [] if moved_along(case, place) else [0]
    else:
        forward = sorted({*hold.versions} - {*holds.hold_from(case.document.value, case.path).versions})
    if forward:
        fix = f"a person lifts it: {command('hold', 'lift', str(pointer))} --reason ..."
        what = f"held since {hold.by} rolled {hold.versions[0]} back at {hold.at}: {hold.reason}"
        yield case.finding(held_pointers_wait_for_a_person, f"{pointer} waits for a person, {what}", fix=fix)
