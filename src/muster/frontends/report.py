"""Values as people and programs read them: plain text and JSON. Everything a stranger may have written is made safe."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.compare import Comparison
    from ..core.diagnosis import Diagnosis
    from ..core.errors import Finding
    from ..core.events import Event
    from ..core.history import Entry
    from ..core.models import ArtifactFile, Code, Copied, ModelVersion, RegisteredModel, Signature
    from ..core.plans import Plan
    from ..core.policy import Gate, Policy
    from ..core.proposals import Proposal
    from ..core.replay import Replayed
    from ..core.snapshot import Change
    from ..holding import Held


def safe(text: str, lines: bool = False) -> str:
    """Return text with every character that a terminal obeys, or that changes direction, shown as an escape.

    So are the marks of a command to the runner of a CI job, which reads what is printed: GitHub's takes `::name::` at
    the beginning of a line, and `##[name]` anywhere in one. `lines` keeps line feeds.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if c == "\n" and lines else _visible(c) for c in text)
    return _CI_COMMAND.sub(r"\1\\x3a", text).replace("##[", r"##\x5b")


_CI_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _visible(character: str) -> str:
    return character if _is_visible(character) else character.encode("unicode_escape").decode()


def plain(value: Any) -> Any:
    """Return value as JSON can write it: dataclasses become objects, tuples lists, times text."""
    if is_dataclass(value) and not isinstance(value, type):
        from ..core.models import (
            ModelVersion,  # many dataclasses: whoever prints nothing of them need not have them
        )

        if isinstance(value, ModelVersion):
            return version_document(value)
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def to_json(value: Any) -> str:
    """Return value as indented JSON; what `safe` would escape in it is escaped, too, as JSON does it.

    ValueError for a number that is not finite.
    """
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False).replace("##[", r"##\u005b")
    if text.isascii():
        return text
    return "".join(c if c == "\n" or _is_visible(c) else json.dumps(c)[1:-1] for c in text)


def version_document(version: ModelVersion) -> dict[str, Any]:
    """Return a version as one flat object: its manifest, its annotations and what points at it."""
    manifest = plain(version.manifest)
    annotations = plain(version.annotations)
    first = {"model": version.model, "version": version.version, "label": version.label}
    seen = {"stage": version.stage, "aliases": list(version.aliases), "commit": version.commit}
    return {**first, **seen, "problem": version.problem, "digest": version.digest, **annotations, **manifest}


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return a plan as one object."""
    files = {path: _file_change(plan.change, path, plan.before.files) for path in sorted(plan.change.files)}
    return {
        "base": plan.before.commit,
        "message": plan.change.message,
        "events": plain(plan.events),
        "files": files,
        "findings": plain(plan.findings),
        "review": list(plan.review),
    }


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan: what it means, which files it writes, and what stands in its way."""
    if not plan.change:
        yield "nothing to do: it is so already"
        return
    yield from (f"  {safe(str(event))}" for event in plan.events)
    for path in sorted(plan.change.files):
        yield f"  {_file_change(plan.change, path, plan.before.files)[0].upper()} {safe(path)}"
    yield from (f"  finding: {safe(str(finding))}" for finding in plan.findings)
    yield from (f"  review:  {safe(reason)}" for reason in plan.review)


def _file_change(change: Change, path: str, before: Mapping[str, bytes]) -> str:
    return "deleted" if change.files[path] is None else "modified" if path in before else "added"


def event_lines(found: Iterable[Event]) -> Iterator[str]:
    """Yield one line per event."""
    return (safe(str(event)) for event in found)


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield one line per finding, as compilers write them."""
    return (safe(str(finding)) for finding in findings)


def proposal_table(proposals: Iterable[Proposal]) -> Iterator[str]:
    """Yield the lines of a table of proposals."""
    rows = [(p.id, p.title, p.author, p.opened_at, p.url) for p in proposals]
    return table(rows, ("ID", "PROPOSAL", "BY", "SINCE", "PAGE")) if rows else iter(["nothing waits"])


def approval_lines(proposal: Proposal) -> Iterator[str]:
    """Yield one line for each approval of a proposal."""
    for approval in proposal.approvals or ():
        void = "" if approval.head == proposal.head else ", and void: something was pushed since"
        yield safe(f"approved by {approval.by} at {approval.head[:12]}{void}")


def table(rows: Iterable[Sequence[object]], head: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as what is in them; empty ones are left out."""
    columns = zip(head, *rows, strict=True)
    shown = [column for column in columns if len(column) == 1 or any(c not in (None, "") for c in column[1:])]
    cells = [[safe("" if c is None else str(c)) for c in row] for row in zip(*shown, strict=True)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True))
        yield line.rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def model_table(models: Iterable[RegisteredModel]) -> Iterator[str]:
    """Yield the lines of a table of models."""
    rows = (
        (
            m.name,
            m.latest,
            ", ".join(f"{s}: {_numbers(v)}" for s, v in m.stages.items()),
            ", ".join(f"@{a}: {v}" for a, v in m.aliases.items()),
            m.problem or m.description.partition("\n")[0],
        )
        for m in models
    )
    return table(rows, ("MODEL", "LATEST", "STAGES", "ALIASES", "DESCRIPTION"))


def version_table(versions: Sequence[ModelVersion]) -> Iterator[str]:
    """Yield the lines of a table of versions, with the first few metrics they have."""
    metrics = sorted({key for v in versions for key in v.metrics})[:4]
    rows = (
        (
            str(v),
            v.label,
            "yanked" if v.yanked is not None else v.stage,
            ", ".join(f"@{a}" for a in v.aliases),
            *(f"{v.metrics[k]:.6g}" if k in v.metrics else "" for k in metrics),
            v.manifest.created_at[:10],
            v.problem or v.description.partition("\n")[0],
        )
        for v in versions
    )
    head = ("VERSION", "LABEL", "STAGE", "ALIASES", *(k.upper() for k in metrics), "CREATED", "DESCRIPTION")
    return table(rows, head)


def registered_line(version: ModelVersion, events: Iterable[Event]) -> str:
    """Return what a registration came to in a line."""
    kinds = {event.kind for event in events}
    if "version_registered" not in kinds:
        return "these files are registered already: nothing to do (--allow-duplicate registers them again)"
    made = "a new model, " if "model_created" in kinds else ""
    files = f"{len(version.manifest.files)} file{'s' if len(version.manifest.files) != 1 else ''}"
    formats = ", ".join(version.manifest.formats)
    return safe(
        f"registered: {made}{formats}, {size(version.manifest.size)} in {files}, {version.digest[:19]}"
    )


def diagnosis_line(found: Diagnosis) -> str:
    """Return the line of one diagnosis."""
    fix = "" if found.ok or not found.fix else f"  -> {safe(found.fix)}"
    mark = {True: "ok  ", False: "FAIL", None: "?   "}[found.ok]
    return f"{mark}  {found.what:<12} {safe(found.words)}{fix}"


def model_lines(model: RegisteredModel) -> Iterator[str]:
    """Yield the lines that show one model."""
    yield from _fields(
        model=model.name,
        description=model.description,
        owners=", ".join(model.owners),
        tags=_pairs(model.tags),
        stages=", ".join(f"{s}: {_numbers(v)}" for s, v in model.stages.items()),
        aliases=", ".join(f"@{a}: {v}" for a, v in model.aliases.items()),
        versions=_numbers(model.versions),
        deleted=_numbers(model.deleted),
        formerly=", ".join(model.formerly),
    )


def version_lines(version: ModelVersion) -> Iterator[str]:
    """Yield the lines that show one version."""
    m, lineage = version.manifest, version.manifest.lineage
    yield from _fields(
        version=str(version),
        label=version.label,
        yanked=version.yanked,
        stage=version.stage,
        aliases=", ".join(f"@{a}" for a in version.aliases),
        description=version.description,
        tags=_pairs(version.tags),
        created=f"{m.created_at} by {m.created_by}",
        format=", ".join(f"{a.format}{_in_brackets(a.flavors)}" for a in m.artifacts),
        digest=m.digest,
        size=f"{size(m.size)} in {len(m.files)} file{'s' if len(m.files) != 1 else ''}",
        metrics=_pairs({k: f"{v:g}" for k, v in m.metrics.items()}),
        params=_pairs(m.params),
        inputs=_columns(m.signature, "inputs"),
        outputs=_columns(m.signature, "outputs"),
        requirements=", ".join(m.requirements),
        model_card=m.model_card,
        source=lineage.source,
        run=_words(lineage.run),
        pipeline=_words(lineage.pipeline),
        code=_code(lineage.code),
        data=", ".join(f"{d.name} ({d.uri})" for d in lineage.data),
        parents=", ".join(f"{p.model}/{p.version}" for p in lineage.parents),
        copied_from=_copied(lineage.copied_from),
        evaluations=", ".join(
            f"{e.name} {'passed' if e.passed else 'FAILED'} {e.at[:10]}"
            for e in version.annotations.evaluations
        ),
        commit=version.commit,
    )


def _copied(origin: Copied | None) -> str:
    if origin is None:
        return ""
    return f"{origin.registry} {origin.model}/{origin.version} at {origin.commit[:12]}"


def history_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield the lines of a history: when and who, and below it what and why."""
    for entry in entries:
        yield f"{entry.at}  {entry.commit[:12]}  {safe(entry.author.partition(' <')[0])}"
        yield from (f"    {safe(str(event))}" for event in entry.events)
        if not entry.events:
            yield f"    {safe(entry.subject)}"
        if entry.reason:
            yield f"    because: {safe(entry.reason)}"


def comparison_lines(difference: Comparison) -> Iterator[str]:
    """Yield the lines of a comparison: metrics first, then whatever else differs."""
    if difference.same_content:
        yield f"{difference.a} and {difference.b} have the same files"
    metrics = [
        (r.name, _number(r.a), _number(r.b), _signed(r.delta), _percent(r.relative))
        for r in difference.metrics
    ]
    if metrics:
        yield from table(metrics, ("METRIC", difference.a, difference.b, "DELTA", "CHANGE"))
    yield f"signature: {difference.signature}"
    yield from (f"    {safe(reason)}" for reason in difference.signature_reasons)
    for name in ("params", "tags", "requirements", "lineage"):
        rows = [r for r in getattr(difference, name) if r.change != "same"]
        if rows:
            yield f"{name}:"
            yield from (f"    {safe(f'{r.name}: {_side(r.a)} -> {_side(r.b)}')}" for r in rows)
    if difference.formats.change != "same":
        yield f"format: {safe(f'{difference.formats.a} -> {difference.formats.b}')}"
    changed = [r for r in difference.files if r.change != "same"]
    total = len(difference.files)
    yield f"files: {len(changed)} of {total} differ; {_signed(difference.size_delta)} bytes"
    for row in changed:
        sizes = f"{_file_size(row.a)} -> {_file_size(row.b)}"
        yield f"    {row.change:<8} {safe(row.name)}  {sizes}"


def policy_lines(policy: Policy) -> Iterator[str]:
    """Yield the lines of a policy: each pointer, and each demand in words."""
    for kind, gates in (("stage", policy.stages), ("alias", policy.aliases)):
        for name, gate in gates.items():
            demands = list(gate_words(gate)) or ["anybody may move it"]
            yield f"{kind} {safe(name)}"
            yield from (f"    {safe(words)}" for words in demands)


def gate_words(gate: Gate) -> Iterator[str]:
    """Yield each demand of a gate in words."""
    from ..core.demands import in_words

    if gate.exclusive:
        yield "holds one version at a time"
    if gate.needs_review:
        yield "moves only by a reviewed proposal"
    if gate.approvals:
        yield f"needs {gate.approvals} approval{'s' if gate.approvals > 1 else ''} by owners"
    if gate.from_stages:
        yield f"only from {' or '.join(gate.from_stages)}"
    if gate.soak:
        yield f"only after {in_words(gate.soak)} there"
    if gate.signature:
        kind = (
            " that serves every caller of the version it replaces" if gate.signature == "compatible" else ""
        )
        yield f"needs a signature{kind}"
    if gate.formats:
        yield f"formats: {', '.join(gate.formats)}"
    if gate.model_card:
        sections = f" with the sections {', '.join(gate.card_sections)}" if gate.card_sections else ""
        yield f"needs a model card{sections}"
    if gate.max_size is not None:
        yield f"at most {size(gate.max_size)}"
    for key, value in gate.tags.items():
        yield f"tag {key} = {value}"
    for name, bound in gate.metrics.items():
        yield f"metric {name}: {', '.join(_bound_words(bound))}"
    for evaluation in gate.evaluations:
        yield f"evaluation {evaluation.name} passed{evaluation}"
    if gate.rollback_review is not None:
        how = "only by a reviewed proposal" if gate.rollback_review else "directly, with a reason"
        yield f"may go back to a version that was there before: {how}"


def replay_lines(moves: Iterable[Replayed]) -> Iterator[str]:
    """Yield the lines of past moves that a policy would have blocked: when, who and what, and below it why."""
    for move in moves:
        who, what = move.author.partition(" <")[0], f"{move.pointer.model}/{move.version}"
        into = f"@{move.pointer.name}" if move.pointer.kind == "alias" else move.pointer.name
        yield f"{move.at}  {move.commit[:12]}  {safe(f'{who}  {what} -> {into}')}"
        yield from (f"    {safe(reason)}" for reason in move.unmet)


def hold_lines(found: Iterable[Held]) -> Iterator[str]:
    """Yield a line for each pointer that waits for a person."""
    for held in found:
        hold = held.hold
        away = ", ".join(map(str, hold.versions))
        yield safe(f"{held.pointer}: rolled back from {away} at {hold.at} by {hold.by}: {hold.reason}")


def size(count: int) -> str:
    """Return a number of bytes in the unit that suits it, such as 1.5 MB (powers of ten)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.6g}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:+.1%}"


def _side(value: object) -> str:
    return "-" if value is None else str(value)


def _file_size(file: ArtifactFile | None) -> str:
    return "-" if file is None else size(file.size)


def _bound_words(bound: Any) -> Iterator[str]:
    if bound.min is not None:
        yield f"at least {bound.min:g}"
    if bound.max is not None:
        yield f"at most {bound.max:g}"
    yield from (f"drops by at most {most} against the version it replaces" for most in bound.max_drop)
    yield from (f"rises by at most {most} against the version it replaces" for most in bound.max_rise)


def _fields(**values: str | None) -> Iterator[str]:
    for name, value in values.items():
        if value:
            yield f"{name.replace('_', ' ') + ':':<14}{safe(value)}"


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def _numbers(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _in_brackets(values: Sequence[str]) -> str:
    return f" ({', '.join(values)})" if values else ""


def _code(code: Code | None) -> str:
    return f"{code.repo} {code.commit[:12]}{' (dirty)' if code.dirty else ''}".strip() if code else ""


def _words(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(f"{k} {v}" for k, v in plain(value).items() if v)


def _columns(signature: Signature | None, part: str) -> str:
    columns = getattr(signature, part, None)
    if columns is None:
        return ""
    return ", ".join(f"{c.get('name', '-')}: {_type(c)}" for c in columns)


def _type(column: Mapping[str, Any]) -> str:
    spec = column.get("tensor-spec")
    return (
        f"{spec.get('dtype')}{spec.get('shape')}"
        if isinstance(spec, Mapping)
        else str(column.get("type", "?"))
    )
