"""Directories that are one model: Hugging Face's (config.json and safetensors) and TensorFlow's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import Invalid
from ...core.models import Described
from . import safetensors
from .reading import corrupt, files_in, inside, is_file, mapping, parse_json, present, read_text

_CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_MAX_INDEX = 16 << 20


def is_huggingface(path: Path) -> bool:
    """Tell whether path has weights in safetensors and a config.json that names the model's type."""
    if not is_file(path / _CONFIG) or not _weights(path):
        return False
    try:
        config = _json(path / _CONFIG)
    except Invalid:
        return False
    return isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list)


def is_tensorflow(path: Path) -> bool:
    """Tell whether path is a directory that tf.saved_model.save wrote."""
    return is_file(path / "saved_model.pb") and (path / "variables").is_dir()


def describe_huggingface(path: Path) -> Described:
    """Return what config.json and the weights say; Invalid if a part of the weights is missing."""
    config = _json(path / _CONFIG)
    _check_index(path)
    tensors = [safetensors.header(file)[0] for file in _weights(path)]
    names = config.get("architectures")
    facts = {name: config.get(name) for name in ("model_type", "transformers_version")}
    return Described(
        "huggingface",
        flavors=("transformers",) if facts["transformers_version"] else (),
        extra=present(
            architectures=[n for n in names if isinstance(n, str)] if isinstance(names, list) else None,
            **{name: value for name, value in facts.items() if isinstance(value, str)},
            custom_code=True if "auto_map" in config else None,
            parameters=sum(map(safetensors.parameters, tensors)),
        ),
    )


def _weights(path: Path) -> list[Path]:
    return [file for file in files_in(path) if file.suffix == ".safetensors"]


def _json(file: Path, limit: int = 1 << 20) -> Mapping[str, Any]:
    return mapping(file, parse_json(file, read_text(file, limit), "it"), "its content")


def _check_index(path: Path) -> None:
    """Refuse a model whose index names files that are not there."""
    index = path / _INDEX
    if not is_file(index):
        return
    places = mapping(index, _json(index, _MAX_INDEX).get("weight_map"), "weight_map")
    for name in {str(place) for place in places.values()}:
        if not is_file(inside(index, name, "a file of weights")):
            raise corrupt(index, f"it names {name}, which is not there")


def describe_tensorflow(path: Path) -> Described:
    """Return that path is a SavedModel, and whether Keras wrote it."""
    return Described(
        "tensorflow",
        flavors=("tensorflow",),
        extra=present(keras=is_file(path / "keras_metadata.pb") or None),
    )
