"""ONNX models, read without the onnx library and without their weights: a 2 GB model costs kilobytes.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (ModelProto, GraphProto,
TypeProto).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.models import Described, Signature
from .protobuf import BYTES, VARINT, Field, Malformed, Message
from .reading import MAX_STRING, brief, corrupt, inside, is_file, present

_IR_VERSION, _GRAPH, _OPSETS, _METADATA = 1, 7, 8, 14
_MODEL_FIELDS = dict.fromkeys((_IR_VERSION, 5), VARINT) | dict.fromkeys(
    (2, 3, 4, 6, _GRAPH, _OPSETS, _METADATA, 20, 25, 26), BYTES
)
# The order of TensorProto.DataType, and numpy's own names of those types that it has.
_TYPES = (
    "?", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "double",
    "uint32", "uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
    "float8e5m2fnuz", "uint4", "int4", "float4e2m1",
)  # fmt: skip
_NUMPY = {name: name for name in _TYPES[1:16]} | {"float": "float32", "double": "float64", "string": "str"}
_MAX_NESTED_TYPES = 8


@dataclass(slots=True)
class _Model:
    """What is kept of a ModelProto."""

    texts: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    inputs: list[tuple[str, Any]] = field(default_factory=list)
    outputs: list[tuple[str, Any]] = field(default_factory=list)
    weights: set[str] = field(default_factory=set)
    external: set[str] = field(default_factory=set)


def is_onnx(path: Path) -> bool:
    """Tell whether path is, from its first byte to its last, a ModelProto that has a graph."""
    seen = set()
    with path.open("rb") as file:
        message = Message(file, path.stat().st_size)
        try:
            for item in message.fields(0, message.size):
                if item.wire != _MODEL_FIELDS.get(item.number):
                    return False
                seen.add(item.number)
        except Malformed:
            return False
    return _GRAPH in seen and bool(seen & {_IR_VERSION, _OPSETS})


def describe(path: Path) -> Described:
    """Return what an ONNX model says about itself; Invalid if it is none, or weights of it are missing."""
    model = _Model()
    with path.open("rb") as file:
        message = Message(file, path.stat().st_size)
        try:
            for item in message.fields(0, message.size):
                _model_field(message, item, model)
        except Malformed as error:
            raise corrupt(path, f"it is not a sound ONNX model: {error}") from error
    if not model.opsets or not model.outputs:
        raise corrupt(path, "it is not a sound ONNX model: it has no operator set or no output")
    for name in sorted(model.external):
        if not is_file(inside(path, name, "the file of its weights")):
            raise corrupt(path, f"its weights are in {name}, which is not beside it")
    return _described(model)


def _model_field(message: Message, item: Field, model: _Model) -> None:
    if item.number in (_IR_VERSION, 5) and item.wire == VARINT:
        model.numbers[item.number] = item.value - (item.value >> 63 << 64)  # two's complement
    elif item.number in (2, 3, 4):
        model.texts[item.number] = message.text(item, MAX_STRING)
    elif item.number == _GRAPH:
        for part in message.fields(item.start, item.end):
            _graph_field(message, part, model)
    elif item.number == _OPSETS:
        domain, version = "", 0
        for part in message.fields(item.start, item.end):
            if part.number == 1:
                domain = message.text(part, MAX_STRING)
            elif part.number == 2:
                version = part.value
        model.opsets[domain or "ai.onnx"] = version
    elif item.number == _METADATA:
        key, value = _pair(message, item)
        model.metadata[key] = value


def _graph_field(message: Message, item: Field, model: _Model) -> None:
    if item.number == 5:
        _weight(message, item, model)
    elif item.number == 15:  # a sparse weight is named by its values
        for part in message.fields(item.start, item.end):
            if part.number == 1:
                _weight(message, part, model)
    elif item.number in (11, 12):
        (model.inputs if item.number == 11 else model.outputs).append(_value(message, item))


def _weight(message: Message, item: Field, model: _Model) -> None:
    for part in message.fields(item.start, item.end):
        if part.number == 8:
            model.weights.add(message.text(part, MAX_STRING))
        elif part.number == 13:
            key, value = _pair(message, part)
            if key == "location":
                model.external.add(value)


def _pair(message: Message, item: Field) -> tuple[str, str]:
    """Return a StringStringEntryProto; one character more than is kept of a text that is too long to keep."""
    texts = {1: "", 2: ""}
    for part in message.fields(item.start, item.end):
        if part.number in texts:
            texts[part.number] = message.text(part, MAX_STRING + 1)
    return texts[1], texts[2]


def _value(message: Message, item: Field) -> tuple[str, Any]:
    """Return a ValueInfoProto as its name, and its type: see `_type`."""
    name, kind = "", "?"
    for part in message.fields(item.start, item.end):
        if part.number == 1:
            name = message.text(part, MAX_STRING)
        elif part.number == 2:
            kind = _type(message, part, _MAX_NESTED_TYPES)
    return name, kind


def _type(message: Message, item: Field, depth: int) -> Any:
    """Return a TypeProto: a tensor as (element type, shape or None), else text: `seq(tensor(float))`."""
    if not depth:
        raise Malformed("a type is nested too deep")
    for part in message.fields(item.start, item.end):
        if part.number == 1:
            return _tensor(message, part)
        if part.number in (4, 5, 8, 9):
            return _container(message, part, depth)
    return "?"


def _container(message: Message, item: Field, depth: int) -> str:
    if item.number == 8:
        return f"sparse_tensor({_tensor(message, item)[0]})"
    key, inner = "", "?"
    for part in message.fields(item.start, item.end):
        if item.number == 5 and part.number == 1:
            key = f"{_element(part)},"
        elif part.number == (2 if item.number == 5 else 1):
            inner = _spelled(_type(message, part, depth - 1))
    kind = {4: "seq", 5: "map", 9: "optional"}[item.number]
    return f"{kind}({key}{inner})"


def _spelled(kind: Any) -> str:
    return kind if isinstance(kind, str) else f"tensor({kind[0]})"


def _tensor(message: Message, item: Field) -> tuple[str, list[int] | None]:
    element, shape = "?", None
    for part in message.fields(item.start, item.end):
        if part.number == 1:
            element = _element(part)
        elif part.number == 2 and part.wire == BYTES:
            shape = [_dimension(message, d) for d in message.fields(part.start, part.end) if d.number == 1]
    return element, shape


def _element(item: Field) -> str:
    return _TYPES[item.value] if item.value < len(_TYPES) else "?"


def _dimension(message: Message, item: Field) -> int:
    """Return a dimension's size, -1 when it is free: named, unsaid or negative."""
    fixed = [p.value for p in message.fields(item.start, item.end) if p.number == 1 and p.wire == VARINT]
    return fixed[0] if fixed and fixed[0] < 1 << 63 else -1


def _described(model: _Model) -> Described:
    inputs = [(name, kind) for name, kind in model.inputs if name not in model.weights]
    listed = {
        side: {name: _spelled(kind) for name, kind in values}
        for side, values in (("inputs", inputs), ("outputs", model.outputs))
        if _tensors(values) is None
    }
    return Described(
        "onnx",
        signature=Signature(_tensors(inputs), _tensors(model.outputs)),
        extra=present(
            ir_version=model.numbers.get(1),
            opsets=model.opsets,
            producer=" ".join(filter(None, (model.texts.get(2), model.texts.get(3)))),
            domain=model.texts.get(4),
            model_version=model.numbers.get(5) or None,
            metadata=brief(model.metadata),
            external_data=sorted(model.external),
            **listed,
        ),
    )


def _tensors(values: list[tuple[str, Any]]) -> tuple[Mapping[str, Any], ...] | None:
    """Return values as MLflow writes tensors; None if it has no word for one of them."""
    if not all(isinstance(kind, tuple) and kind[0] in _NUMPY and kind[1] is not None for _, kind in values):
        return None
    return tuple(
        {"name": name, "type": "tensor", "tensor-spec": {"dtype": _NUMPY[kind[0]], "shape": kind[1]}}
        for name, kind in values
    )


def load(path: Path, trust: bool) -> Any:
    """Return an onnxruntime session on the CPU."""
    import onnxruntime

    describe(path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
