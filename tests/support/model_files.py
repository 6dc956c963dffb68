"""Real model files, written by the libraries that own the formats, or by hand where those are too heavy."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)
TARGET = ROWS[:, 0] * 2 + 1


@cache
def estimator() -> Any:
    from sklearn.linear_model import Ridge

    return Ridge().fit(ROWS, TARGET)


@cache
def pipeline() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, [0, 1] * 5)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(estimator()))


def write_joblib(path: Path) -> None:
    import joblib

    joblib.dump(pipeline(), path)


def write_compressed_joblib(path: Path) -> None:
    import joblib

    joblib.dump(pipeline(), path, compress=("gzip", 3))


def write_skops(path: Path) -> None:
    import skops.io

    skops.io.dump(pipeline(), path)


@cache
def onnx_bytes(classifier: bool = False) -> bytes:
    import onnx
    from skl2onnx import to_onnx

    model = to_onnx(pipeline() if classifier else estimator(), ROWS[:1], target_opset=18)
    onnx.helper.set_model_props(model, {"team": "bikes"})
    return bytes(model.SerializeToString())


def write_onnx(path: Path) -> None:
    path.write_bytes(onnx_bytes())


def write_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    tensors = {
        "w": np.ones((4, 8), np.float32),
        "b": np.zeros(8, np.float16),
        "scale": np.array(2.0),
    }
    save_file(tensors, path, metadata={"format": "np"})


def write_xgboost(path: Path) -> None:
    import xgboost

    data = xgboost.DMatrix(ROWS, TARGET)
    xgboost.train({"max_depth": 2, "objective": "reg:squarederror"}, data, 2).save_model(path)


def write_lightgbm(path: Path) -> None:
    import lightgbm

    options = {"objective": "regression", "verbose": -1, "num_leaves": 3, "min_data_in_leaf": 1}
    lightgbm.train(options, lightgbm.Dataset(ROWS, TARGET), 2).save_model(path)


def write_keras(path: Path) -> None:
    """Write the members that Keras 3.15 writes for a Sequential model."""
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "net", "layers": []}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1", "date_saved": "2026-11-20@21:17:00"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(64))


def write_torch(path: Path) -> None:
    """Write the layout of torch.save by hand: a pickle that refers to storages beside it."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", "0") if isinstance(obj, bytearray) else None

    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("net/data.pkl", "w") as file:
            Pickler(file, 2).dump({"weight": bytearray(4)})
        archive.writestr("net/data/0", bytes(4))
        archive.writestr("net/version", "3\n")


def write_gguf(path: Path) -> None:
    """Write version 3 as its specification says: four values, and one tensor of 4 x 8 floats."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    values = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.context_length") + struct.pack("<II", 4, 128),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.5),
    ]
    tensor = text("weight") + struct.pack("<IQQIQ", 2, 4, 8, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values)) + b"".join(values) + tensor
    path.write_bytes(header + bytes(-len(header) % 32) + bytes(128))


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "model.pkl": ("pickle", write_pickle),
    "model.joblib": ("joblib", write_joblib),
    "model.joblib.gz": ("joblib", write_compressed_joblib),
    "model.skops": ("skops", write_skops),
    "model.onnx": ("onnx", write_onnx),
    "model.safetensors": ("safetensors", write_safetensors),
    "model.json": ("xgboost", write_xgboost),
    "model.ubj": ("xgboost", write_xgboost),
    "model.txt": ("lightgbm", write_lightgbm),
    "model.keras": ("keras", write_keras),
    "model.pt": ("torch", write_torch),
    "model.gguf": ("gguf", write_gguf),
}


@cache
def contents(name: str) -> bytes:
    """Return the bytes of the file of FILES with this name, written once."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / name
        FILES[name][1](path)
        return path.read_bytes()


MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: cloudpickle
    sklearn_version: 1.5.0
metadata:
  team: bikes
mlflow_version: 2.14.1
model_size_bytes: 843
model_uuid: 708ea184972148b58fe401f8f1b81b73
run_id: 8f1b81b73708ea184972148b58fe401f
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  type: dataframe
signature:
  inputs: '[{"type": "double", "name": "temp", "required": true}, {"type": "long",
    "name": "humidity", "required": true}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-20 21:10:39.133927'
"""
CONDA = """\
channels:
- conda-forge
dependencies:
- python=3.11.7
- pip<=26.3
- pip:
  - mlflow==2.14.1
  - scikit-learn==1.5.0
name: mlflow-env
"""


def write_mlflow(directory: Path, mlmodel: str | bytes = MLMODEL) -> Path:
    """Write a directory as MLflow 2.14 lays it out; the model's own file is a real pickle."""
    directory.mkdir()
    (directory / "MLmodel").write_bytes(mlmodel.encode() if isinstance(mlmodel, str) else mlmodel)
    (directory / "requirements.txt").write_text("mlflow==2.14.1\nscikit-learn==1.5.0")
    (directory / "conda.yaml").write_text(CONDA)
    (directory / "input_example.json").write_text('{"columns": ["temp", "humidity"], "data": [[1.0, 2]]}')
    write_pickle(directory / "model.pkl")
    return directory
