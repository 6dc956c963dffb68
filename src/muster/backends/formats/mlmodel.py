"""MLflow's model directories: the file MLmodel (YAML), and the requirements beside it.

As `mlflow.<flavor>.save_model` of MLflow 2 and 3 writes them. MLmodel holds no metrics and no parameters:
MLflow keeps those with the run, which `run_id` names where a run logged the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import Invalid
from ...core.models import Described, Run, Signature
from .reading import (
    corrupt,
    inside,
    is_file,
    mapping,
    parse_json,
    parse_yaml,
    plain,
    present,
    read_text,
    requirements_of,
    text_or_none,
)  # fmt: skip

_FILE = "MLmodel"
_PYTHON = "python_function"
_FACTS = ("mlflow_version", "model_id", "model_uuid", "utc_time_created")


def is_mlflow(path: Path) -> bool:
    """Tell whether the directory holds an MLmodel file."""
    return is_file(path / _FILE)


def describe(path: Path) -> Described:
    """Return what an MLmodel file says."""
    file, document = path / _FILE, _document(path)
    run = text_or_none(file, document.get("run_id"), "run_id")
    facts = {name: text_or_none(file, document.get(name), name) for name in _FACTS}
    return Described(
        "mlflow",
        flavors=_flavors(file, document),
        signature=_signature(file, document),
        input_example=_input_example(file, document),
        requirements=_requirements(path),
        run=Run(run, tracker="mlflow") if run else None,
        extra=present(**facts, metadata=mapping(file, document.get("metadata"), "metadata")),
    )


def _document(path: Path) -> Mapping[str, Any]:
    file = path / _FILE
    return mapping(file, parse_yaml(file, read_text(file)), "its content")


def _flavors(file: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    flavors = mapping(file, document.get("flavors"), "flavors")
    if not flavors:
        raise corrupt(file, "it names no flavor, so nothing can load the model")
    return tuple(flavors)


def _signature(file: Path, document: Mapping[str, Any]) -> Signature | None:
    """Return the signature, of which MLmodel holds each side as a string of JSON; a model may have none."""
    sides = mapping(file, document.get("signature"), "signature")
    inputs, outputs, params = (_side(file, sides, name) for name in ("inputs", "outputs", "params"))
    if inputs is None and outputs is None and params is None:
        return None
    return Signature(inputs, outputs, params)


def _side(file: Path, sides: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...] | None:
    text = text_or_none(file, sides.get(name), f"signature.{name}")
    if text is None:
        return None
    columns = plain(file, parse_json(file, text, f"signature.{name}"))
    if columns is None:
        return None
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise corrupt(file, f"signature.{name} is not a list of columns or tensors")
    return tuple(columns)


def _input_example(file: Path, document: Mapping[str, Any]) -> str | None:
    example = mapping(file, document.get("saved_input_example_info"), "saved_input_example_info")
    name = text_or_none(file, example.get("artifact_path"), "saved_input_example_info.artifact_path")
    return name if name and is_file(inside(file, name, "the input example's path")) else None


def _requirements(path: Path) -> tuple[str, ...]:
    """Return what requirements.txt asks for; in an older model without one, the pip part of conda.yaml."""
    if is_file(file := path / "requirements.txt"):
        return requirements_of(read_text(file).splitlines())
    if not is_file(file := path / "conda.yaml"):
        return ()
    parts = mapping(file, parse_yaml(file, read_text(file)), "its content").get("dependencies")
    if not isinstance(parts, list):
        raise corrupt(file, "dependencies is not a list")
    pip = [part["pip"] for part in parts if isinstance(part, dict) and "pip" in part]
    lines = [line for part in pip for line in (part if isinstance(part, list) else [part])]
    if not all(isinstance(line, str) for line in lines):
        raise corrupt(file, "its pip section is not a list of strings")
    return requirements_of(lines)


def load(path: Path, trust: bool) -> Any:
    """Return the model as MLflow's pyfunc, or as its own flavor loads it if it has none. Runs its code."""
    flavors = _flavors(path / _FILE, _document(path))
    if _PYTHON in flavors:
        return import_module("mlflow.pyfunc").load_model(str(path))
    if not re.fullmatch(r"[a-z][a-z_]*", flavors[0]):
        raise Invalid(f"{path.name}: MLflow has no flavor named {flavors[0]!r}")
    return import_module(f"mlflow.{flavors[0]}").load_model(str(path))
