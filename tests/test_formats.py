"""What each format says about itself, and how it loads: on files that the formats' own libraries wrote."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from muster.backends.formats import FORMATS, describe, load
from muster.core.errors import Invalid, NotFound, Refused, Unavailable
from muster.core.models import Described
from support import model_files
from support.model_files import FILES, ROWS, contents


def put(directory: Path, name: str) -> Path:
    path = directory / name
    path.write_bytes(contents(name))
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / "renamed.bin"
    path.write_bytes(contents(name))
    expected = FILES[name][0]
    assert describe(path).format == describe(path, expected).format == expected


@pytest.mark.parametrize("name", FILES)
def test_a_directory_with_one_model_file_is_described_by_that_file(name: str, tmp_path: Path) -> None:
    put(tmp_path, name)
    (tmp_path / "notes.md").write_text("# notes")
    (tmp_path / "README.md").write_text("# a model")
    (tmp_path / "requirements.txt").write_text("numpy==2.4.6\n")
    described = describe(tmp_path)
    assert described.format == FILES[name][0]
    assert described.extra["file"] == name
    assert described.model_card == "README.md"
    assert described.requirements == ("numpy==2.4.6",)


def test_a_directory_with_several_model_files_is_a_directory_unless_the_format_is_given(
    tmp_path: Path,
) -> None:
    put(tmp_path, "model.onnx")
    put(tmp_path, "model.skops")
    assert describe(tmp_path).format == "directory"
    assert describe(tmp_path, "onnx").extra["file"] == "model.onnx"
    (tmp_path / "other.onnx").write_bytes(contents("model.onnx"))
    with pytest.raises(Invalid, match=r"several files in it are onnx: model\.onnx, other\.onnx"):
        describe(tmp_path, "onnx")


def test_a_model_card_of_its_own_name_comes_before_the_readme(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# a repository")
    (tmp_path / "MODEL_CARD.md").write_text("# a model")
    assert describe(tmp_path).model_card == "MODEL_CARD.md"


def test_anything_else_is_a_file_or_a_directory(tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text("1,2,3\n")
    assert describe(tmp_path / "weights.csv") == Described("file")
    assert describe(tmp_path) == Described("directory")
    assert describe(put(tmp_path, "model.onnx"), "file") == Described("file")


def test_an_unknown_format_is_invalid_and_the_known_ones_are_listed(tmp_path: Path) -> None:
    for call in (lambda: describe(tmp_path, "onix"), lambda: load("onix", tmp_path)):
        with pytest.raises(Invalid, match="there is no format 'onix'") as caught:
            call()
        assert all(row.name in caught.value.hint for row in FORMATS)


def test_a_format_that_the_content_contradicts_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="this is not skops; it looks like onnx"):
        describe(put(tmp_path, "model.onnx"), "skops")
    with pytest.raises(Invalid, match="this is not file; it looks like directory"):
        describe(tmp_path / "..", "file")


def test_a_path_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        describe(tmp_path / "nothing")


def test_a_pickle_names_its_estimator_and_what_loading_it_would_import(tmp_path: Path) -> None:
    import sklearn

    described = describe(put(tmp_path, "model.pkl"))
    assert described.flavors == ("sklearn",)
    assert described.requirements == (f"scikit-learn=={sklearn.__version__}",)
    assert described.extra["estimator"] == "sklearn.linear_model._ridge.Ridge"
    assert "sklearn.linear_model._ridge.Ridge" in described.extra["imports"]


@pytest.mark.parametrize("compression", [0, "zlib", "gzip", "bz2", "xz", "lzma"])
def test_joblib_is_read_past_its_arrays_whatever_the_compression(compression: Any, tmp_path: Path) -> None:
    import joblib
    import sklearn

    joblib.dump(model_files.pipeline(), tmp_path / "model", compress=compression and (compression, 3))
    described = describe(tmp_path / "model")
    assert described.format == "joblib"
    assert described.extra.get("compression", 0) == compression
    assert described.extra["estimator"] == "sklearn.pipeline.Pipeline"
    assert described.requirements == (f"scikit-learn=={sklearn.__version__}",)


def test_joblib_is_read_past_arrays_of_every_kind(tmp_path: Path) -> None:
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(3).fit(ROWS, np.array(["no", "yes"] * 5, dtype=object))
    model.notes_ = {
        "text": np.array(["a", "bcd"]),
        "bytes": np.array([b"a", b"bcd"]),
        "date": np.array(["2026-11-20"], dtype="M8[D]"),
        "columns": np.asfortranarray(np.ones((3, 2))),
        "nothing": np.empty((0, 3)),
        "record": np.zeros(2, dtype=[("x", "<i4"), ("y", "<f8")]),
        "objects": np.zeros(2, dtype=[("x", "<i4"), ("y", "O")]),
        "scalar": np.array(1.5),
    }
    joblib.dump(model, tmp_path / "model.joblib")
    described = describe(tmp_path / "model.joblib")
    assert described.extra["estimator"] == "sklearn.ensemble._forest.RandomForestClassifier"
    assert described.requirements and "partly_read" not in described.extra


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_every_protocol_is_read(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model_files.pipeline(), protocol))
    described = describe(tmp_path / "model.pkl")
    assert (described.format, described.extra["protocol"]) == ("pickle", protocol if protocol > 1 else 0)
    assert described.extra["estimator"] == "sklearn.pipeline.Pipeline"
    assert described.requirements


@pytest.mark.parametrize(("package", "name"), [("xgboost", "XGBRegressor"), ("lightgbm", "LGBMRegressor")])
def test_a_pickled_booster_names_its_estimator(package: str, name: str, tmp_path: Path) -> None:
    regressor = getattr(__import__(package), name)(n_estimators=200, verbosity=0).fit(
        ROWS, model_files.TARGET
    )
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(regressor))
    described = describe(tmp_path / "model.pkl")
    assert described.flavors == (package,)
    assert described.extra["estimator"] == f"{package}.sklearn.{name}"
    assert "partly_read" not in described.extra


def test_lz4_is_named_and_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(b"\x04\x22\x4d\x18" + bytes(20))
    assert describe(tmp_path / "model.joblib").extra == {"compression": "lz4"}


def test_a_pickle_of_something_else_names_no_estimator(tmp_path: Path) -> None:
    (tmp_path / "rows.pkl").write_bytes(pickle.dumps({"ridge": model_files.estimator()}))
    described = describe(tmp_path / "rows.pkl")
    assert described.flavors == described.requirements == ()
    assert "estimator" not in described.extra


def test_skops_names_its_estimator_and_versions(tmp_path: Path) -> None:
    import sklearn
    import skops

    described = describe(put(tmp_path, "model.skops"))
    assert described.flavors == ("sklearn",)
    assert described.requirements == (f"scikit-learn=={sklearn.__version__}",)
    assert described.extra == {"skops_version": skops.__version__, "estimator": "sklearn.pipeline.Pipeline"}


def test_an_onnx_signature_has_mlflow_s_shape(tmp_path: Path) -> None:
    described = describe(put(tmp_path, "model.onnx"))
    assert described.signature is not None
    tensor = {"dtype": "float32", "shape": [-1, 3]}
    assert described.signature.inputs == ({"name": "X", "type": "tensor", "tensor-spec": tensor},)
    outputs = described.signature.outputs
    assert outputs == (
        {"name": "variable", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1]}},
    )
    assert described.extra["producer"].startswith("skl2onnx ")
    assert described.extra["opsets"]["ai.onnx"] == 18
    assert described.extra["metadata"] == {"team": "bikes"}


def test_onnx_outputs_that_are_no_tensors_are_listed_and_not_forced_into_a_signature(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_files.onnx_bytes(classifier=True))
    described = describe(tmp_path / "model.onnx")
    assert described.signature is not None and described.signature.outputs is None
    assert described.extra["outputs"] == {
        "output_label": "tensor(int64)",
        "output_probability": "seq(map(int64,tensor(float)))",
    }


def onnx_model(**names: Any) -> Any:
    """Return y = x + w, with w listed as an input too, as old exporters do."""
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", inputs, outputs, [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, **names)


def test_onnx_weights_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    import onnx

    onnx.save(onnx_model(model_version=-1), tmp_path / "model.onnx")
    described = describe(tmp_path / "model.onnx")
    assert described.signature is not None and described.signature.inputs is not None
    assert [column["name"] for column in described.signature.inputs] == ["x"]
    assert described.extra["model_version"] == -1
    session = load("onnx", tmp_path / "model.onnx")
    assert session.run(None, {"x": np.zeros((2, 3), np.float32)})[0].tolist() == np.ones((2, 3)).tolist()


def test_onnx_weights_in_another_file_are_noted_and_must_be_there(tmp_path: Path) -> None:
    import onnx

    place = {"save_as_external_data": True, "location": "model.onnx.data", "size_threshold": 0}
    onnx.save(onnx_model(), tmp_path / "model.onnx", **place)
    described = describe(tmp_path)
    assert (described.format, described.extra["external_data"]) == ("onnx", ["model.onnx.data"])
    assert load("onnx", tmp_path).get_inputs()[0].name == "x"
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(Invalid, match=r"its weights are in model\.onnx\.data, which is not beside it"):
        describe(tmp_path)


def test_every_onnx_element_type_has_the_name_that_onnx_gives_it() -> None:
    import onnx

    from muster.backends.formats.onnx import _TYPES

    for name, number in onnx.TensorProto.DataType.items():
        if 0 < number < len(_TYPES):
            assert _TYPES[number] == name.lower()


def test_safetensors_counts_tensors_and_parameters(tmp_path: Path) -> None:
    assert describe(put(tmp_path, "model.safetensors")).extra == {
        "metadata": {"format": "np"},
        "tensors": 3,
        "parameters": 41,
        "dtypes": {"F16": 1, "F32": 1, "F64": 1},
    }


def test_an_empty_safetensors_file_is_sound(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({}, tmp_path / "model.safetensors")
    assert describe(tmp_path / "model.safetensors").extra == {"tensors": 0, "parameters": 0, "dtypes": {}}


def test_gguf_says_its_architecture_and_size(tmp_path: Path) -> None:
    assert describe(put(tmp_path, "model.gguf")).extra == {
        "metadata": {"general.architecture": "llama", "llama.context_length": 128},
        "version": 3,
        "tensors": 1,
        "parameters": 32,
    }


@pytest.mark.parametrize(("name", "encoding"), [("model.json", "json"), ("model.ubj", "ubjson")])
def test_xgboost_says_its_version_and_objective(name: str, encoding: str, tmp_path: Path) -> None:
    import xgboost

    assert describe(put(tmp_path, name)).extra == {
        "xgboost_version": xgboost.__version__,
        "encoding": encoding,
        "objective": "reg:squarederror",
    }


def test_lightgbm_says_its_objective_and_features(tmp_path: Path) -> None:
    extra = describe(put(tmp_path, "model.txt")).extra
    assert extra == {"version": "v4", "num_class": "1", "num_features": 3, "objective": "regression"}


def test_keras_says_its_version_and_class(tmp_path: Path) -> None:
    described = describe(put(tmp_path, "model.keras"))
    assert described.requirements == ("keras==3.15.1",)
    assert (described.extra["class_name"], described.extra["name"]) == ("Sequential", "net")


def test_torch_is_told_from_torchscript(tmp_path: Path) -> None:
    import zipfile

    path = put(tmp_path, "model.pt")
    assert describe(path).extra["torchscript"] is False
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/constants.pkl", pickle.dumps(()))
    assert describe(path).extra["torchscript"] is True


def huggingface(directory: Path, **index: str) -> Path:
    (directory / "config.json").write_text(
        '{"architectures": ["BertModel"], "model_type": "bert", "transformers_version": "5.0.0", "eps": NaN}'
    )
    put(directory, "model.safetensors")
    if index:
        (directory / "model.safetensors.index.json").write_text(str({"weight_map": index}).replace("'", '"'))
    return directory


def test_a_hugging_face_directory_says_its_architecture_and_size(tmp_path: Path) -> None:
    described = describe(huggingface(tmp_path, w="model.safetensors"))
    assert (described.format, described.flavors) == ("huggingface", ("transformers",))
    assert described.extra == {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "transformers_version": "5.0.0",
        "parameters": 41,
    }


def test_a_hugging_face_directory_with_a_missing_shard_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"it names model-00002\.safetensors, which is not there"):
        describe(huggingface(tmp_path, w="model-00002.safetensors"))


def test_a_tensorflow_directory_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    (tmp_path / "variables").mkdir()
    assert describe(tmp_path).format == "tensorflow"


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.joblib.gz", "model.pt"])
def test_a_format_that_can_run_code_does_not_load_without_trust(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, name)
    with pytest.raises(Refused, match="can run any code") as caught:
        load(FILES[name][0], path)
    assert "trust=True" in caught.value.hint


@pytest.mark.parametrize(("name", "truth"), [("model.pkl", "Ridge"), ("model.joblib", "Pipeline")])
def test_a_trusted_pickle_loads(name: str, truth: str, tmp_path: Path) -> None:
    model = load(FILES[name][0], put(tmp_path, name), trust=True)
    assert type(model).__name__ == truth and len(model.predict(ROWS)) == 10


def test_skops_loads_known_types_and_asks_for_trust_in_others(tmp_path: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    assert len(load("skops", put(tmp_path, "model.skops")).predict(ROWS)) == 10
    skops.io.dump(FunctionTransformer(put), tmp_path / "other.skops")
    with pytest.raises(Refused, match=r"does not know to be safe: test_formats\.put"):
        load("skops", tmp_path / "other.skops")
    assert load("skops", tmp_path / "other.skops", trust=True).func is put


def test_onnx_loads_as_a_session_that_predicts_as_the_estimator_does(tmp_path: Path) -> None:
    (prediction,) = load("onnx", put(tmp_path, "model.onnx")).run(None, {"X": ROWS})
    assert np.allclose(prediction[:, 0], model_files.estimator().predict(ROWS), atol=1e-3)


def test_safetensors_loads_as_arrays(tmp_path: Path) -> None:
    tensors = load("safetensors", put(tmp_path, "model.safetensors"))
    assert {name: array.shape for name, array in tensors.items()} == {"w": (4, 8), "b": (8,), "scale": ()}


@pytest.mark.parametrize(("name", "features"), [("model.json", 3), ("model.ubj", 3), ("model.txt", 3)])
def test_boosters_load(name: str, features: int, tmp_path: Path) -> None:
    booster = load(FILES[name][0], put(tmp_path, name))
    count = booster.num_features if name != "model.txt" else booster.num_feature
    assert count() == features


@pytest.mark.parametrize("name", ["model.keras", "model.gguf"])
def test_a_format_that_another_tool_opens_loads_as_its_path(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, name)
    assert load(FILES[name][0], path) == load("file", path) == path
    assert load("directory", tmp_path) == tmp_path


def test_a_file_that_does_not_load_is_invalid_and_says_why(tmp_path: Path) -> None:
    data = bytearray(contents("model.skops"))
    data[data.index(b"\x93NUMPY")] ^= 0xFF
    (tmp_path / "model.skops").write_bytes(data)
    with pytest.raises(Invalid, match=r"model\.skops does not load as skops") as caught:
        load("skops", tmp_path / "model.skops")
    assert caught.value.__cause__ is not None


def test_a_model_whose_own_module_is_missing_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cno_such_module\nModel\n.")
    with pytest.raises(Unavailable, match=r"needs a library that is not installed: .*no_such_module"):
        load("pickle", tmp_path / "model.pkl", trust=True)


MISSING = """
import sys
from pathlib import Path
for library in ("skops", "joblib", "onnxruntime", "safetensors", "xgboost", "lightgbm", "mlflow"):
    sys.modules[library] = None  # how Python itself marks a module that cannot be imported
from muster.backends.formats import FORMATS, load
from muster.core.errors import Unavailable
try:
    load(sys.argv[1], Path(sys.argv[2]), trust=True)
except Unavailable as error:
    print(error.hint)
"""


@pytest.mark.parametrize(("name", "extra"), [
    ("model.skops", "skops"), ("model.joblib", "sklearn"), ("model.onnx", "onnx"), ("model.json", "xgboost"),
    ("model.safetensors", "safetensors"), ("model.txt", "lightgbm"),
])  # fmt: skip
def test_a_missing_library_is_unavailable_and_names_the_extra(name: str, extra: str, tmp_path: Path) -> None:
    path = put(tmp_path, name)
    command = [sys.executable, "-c", MISSING, FILES[name][0], str(path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == f"pip install 'muster-registry[{extra}]'"


LIGHT = """
import sys
from pathlib import Path
from muster.backends.formats import describe
for path in sys.argv[1:]:
    describe(Path(path))
heavy = "sklearn onnx onnxruntime mlflow torch numpy joblib skops safetensors xgboost lightgbm pandas".split()
print([name for name in heavy if name in sys.modules])
"""


def test_describing_imports_no_machine_learning_library(tmp_path: Path) -> None:
    paths = [str(put(tmp_path, name)) for name in FILES]
    paths.append(str(model_files.write_mlflow(tmp_path / "mlflow")))
    command = [sys.executable, "-c", LIGHT, *paths]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
