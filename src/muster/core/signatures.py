"""Whether a model may take another's place: its callers can send what they send, and read what they read.

The rules for what is sent are MLflow's schema enforcement (`_enforce_schema` and `_enforce_params_schema`
of mlflow/models/utils.py, as of 3.17). A column or param that the model does not declare is ignored; a
property that an object does not declare is refused. integer widens to long and double, and float to double;
long does not, as a double holds 53 bits. Params widen integer and long to float and double as well. A
tensor's dtype and shape are exact, but for -1. For what is returned MLflow has no rule: here nothing may
go, change its type or become optional, and more may come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from .models import Signature

Verdict = Literal["same", "compatible", "incompatible", "unknown"]
Part = Literal["input", "output", "param"]
Columns: TypeAlias = Sequence[Mapping[str, Any]]
Specs: TypeAlias = Mapping[str, Mapping[str, Any]]

_COLUMN_WIDENINGS: Final = frozenset({("integer", "long"), ("integer", "double"), ("float", "double")})
_WIDENINGS: Final[Mapping[Part, frozenset[tuple[str, str]]]] = {
    "input": _COLUMN_WIDENINGS,
    "output": frozenset(),
    "param": _COLUMN_WIDENINGS | {("integer", "float"), ("long", "float"), ("long", "double")},
}


@dataclass(frozen=True, slots=True)
class SignatureDifference:
    """One difference. `breaking`: a caller of the old model could fail with the new one.

    `name` is the column's, tensor's or param's; `.property`, `[]` for an array's items or `{}` for a map's
    values follow. `#1` is the first of those without names.
    """

    part: Part
    name: str
    message: str
    breaking: bool


def signature_compatibility(old: Signature | None, new: Signature | None) -> tuple[Verdict, tuple[str, ...]]:
    """Judge whether new may take old's place; say what breaks, what is unknown, or else what differs."""
    differences = signature_differences(old, new)
    if breaking := tuple(d.message for d in differences if d.breaking):
        return "incompatible", breaking
    if unknown := _unknown(old, new):
        return "unknown", unknown
    return ("compatible" if differences else "same"), tuple(d.message for d in differences)


def signature_differences(old: Signature | None, new: Signature | None) -> tuple[SignatureDifference, ...]:
    """Return every difference in what both declare; a part that either leaves out is not compared."""
    if old is None or new is None:
        return ()
    return (
        *_schemas("input", old.inputs, new.inputs),
        *_schemas("output", old.outputs, new.outputs),
        *_params(old.params or (), new.params or ()),
    )


def _unknown(old: Signature | None, new: Signature | None) -> tuple[str, ...]:
    """Say which part only one of the signatures declares, or that there is nothing to compare."""
    reasons = [
        f"the {which} version has no signature" for which, s in (("old", old), ("new", new)) if s is None
    ]
    if old is None or new is None:
        return tuple(reasons)
    parts = (("inputs", old.inputs, new.inputs), ("outputs", old.outputs, new.outputs))
    if all(before is None and after is None for _, before, after in parts):
        return ("neither signature declares inputs or outputs",)
    return tuple(
        f"the {'old' if before is None else 'new'} signature does not declare its {part}"
        for part, before, after in parts
        if (before is None) != (after is None)
    )


def _schemas(part: Part, old: Columns | None, new: Columns | None) -> Iterator[SignatureDifference]:
    if old is None or new is None:
        return
    named = [all(column.get("name") is not None for column in columns) for columns in (old, new)]
    if old and new and named[0] != named[1]:
        before, after = ("name", "position") if named[0] else ("position", "name")
        message = f"{part}s were told apart by {before}, and are now by {after}"
        yield SignatureDifference(part, "", message, breaking=True)
        return
    yield from _members(part, _by_name(old, all(named)), _by_name(new, all(named)))


def _by_name(columns: Columns, named: bool) -> Specs:
    return {str(column["name"]) if named else f"#{at}": column for at, column in enumerate(columns, 1)}


def _members(part: Part, old: Specs, new: Specs, within: str = "") -> Iterator[SignatureDifference]:
    """Compare columns, or the properties of the object `within`."""
    for name, spec in old.items():
        path = f"{within}.{name}" if within else name
        if name not in new:
            breaking = part == "output" or within != ""
            ending = "" if breaking else ", and ignored where it is still sent"
            yield SignatureDifference(part, path, f"{part} {path!r} is gone{ending}", breaking)
            continue
        yield from _requirement(part, path, _required(spec), _required(new[name]))
        yield from _types(part, path, spec, new[name])
    for name, spec in new.items():
        if name not in old:
            path = f"{within}.{name}" if within else name
            yield _added(part, path, spec)


def _added(part: Part, path: str, spec: Mapping[str, Any]) -> SignatureDifference:
    """More may be returned by name; more by position changes what the caller gets back as a whole."""
    if part == "output":
        return SignatureDifference(part, path, f"output {path!r} is new", path.startswith("#"))
    needed = "required" if _required(spec) else "optional"
    return SignatureDifference(part, path, f"{part} {path!r} is new and {needed}", needed == "required")


def _requirement(part: Part, path: str, old: bool, new: bool) -> Iterator[SignatureDifference]:
    if old != new:
        before, after = ("required", "optional") if old else ("optional", "required")
        message = f"{part} {path!r} was {before} and is now {after}"
        yield SignatureDifference(part, path, message, breaking=new if part == "input" else old)


def _required(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("required", True))


def _types(
    part: Part, path: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[SignatureDifference]:
    match _type(old), _type(new):
        case "array", "array":
            yield from _types(part, f"{path}[]", _inner(old, "items"), _inner(new, "items"))
        case "map", "map":
            yield from _types(part, f"{path}{{}}", _inner(old, "values"), _inner(new, "values"))
        case "object", "object":
            yield from _members(part, _inner(old, "properties"), _inner(new, "properties"), path)
        case _ if (before := _spelled(old)) != (after := _spelled(new)):
            message = f"{part} {path!r} was {before} and is now {after}"
            yield SignatureDifference(part, path, message, not _fits(part, old, new))


def _fits(part: Part, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Tell whether an old value does where the new type is declared; for outputs, the other way round."""
    sent, taken = (new, old) if part == "output" else (old, new)
    if _type(taken) == "any":
        return True
    if _type(sent) == _type(taken) == "tensor":
        return _tensor_fits(sent, taken) or (part == "input" and _ragged(taken))
    return (_type(sent), _type(taken)) in _WIDENINGS[part]


def _type(spec: Mapping[str, Any]) -> str:
    return str(spec.get("type") or spec.get("dtype") or "unknown")


def _inner(spec: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = spec.get(key)
    return value if isinstance(value, Mapping) else {}


def _spelled(spec: Mapping[str, Any]) -> str:
    """Return a type in words; those of scalars are their names."""
    tensor = _inner(spec, "tensor-spec")
    if not tensor:
        return _type(spec)
    return f"a tensor of {tensor.get('dtype')} {_shape(tensor)}"


def _shape(tensor: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(tensor.get("shape") or ())


def _tensor_fits(sent: Mapping[str, Any], taken: Mapping[str, Any]) -> bool:
    """Tell whether every tensor of sent's dtype and shape is one of taken's."""
    before, after = _inner(sent, "tensor-spec"), _inner(taken, "tensor-spec")
    sizes, wanted = _shape(before), _shape(after)
    same_rank = len(sizes) == len(wanted)
    return (
        before.get("dtype") == after.get("dtype")
        and same_rank
        and all(want in (-1, size) for size, want in zip(sizes, wanted, strict=True))
    )


def _ragged(taken: Mapping[str, Any]) -> bool:
    """Tell whether taken is how MLflow declares ragged arrays, which it does not check at all."""
    tensor = _inner(taken, "tensor-spec")
    return tensor.get("dtype") == "object" and _shape(tensor) == (-1,)


def _params(old: Columns, new: Columns) -> Iterator[SignatureDifference]:
    """Compare params. Those left out take their default, so a new one is harmless if it has one."""
    before, after = ({str(p.get("name", "")): p for p in params} for params in (old, new))
    for name in before:
        if name not in after:
            message = f"param {name!r} is gone, and ignored where it is still sent"
            yield SignatureDifference("param", name, message, breaking=False)
    for name, spec in after.items():
        if name not in before:
            lacks = "default" not in spec
            message = f"param {name!r} is new and has {'no' if lacks else 'a'} default"
            yield SignatureDifference("param", name, message, lacks)
            continue
        yield from _types("param", name, before[name], spec)
        for key, breaking in (("shape", True), ("default", False)):
            if before[name].get(key) != spec.get(key):
                change = f"{key} was {before[name].get(key)!r} and is now {spec.get(key)!r}"
                yield SignatureDifference("param", name, f"param {name!r}: its {change}", breaking)
