"""MLflow's directories: as MLflow 2 wrote them, and as the installed MLflow writes and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster.backends.formats import describe, load
from muster.core.errors import Invalid, Refused, Unavailable
from muster.core.models import Run, Signature
from support.model_files import FILES, MLMODEL, ROWS, contents, estimator, write_mlflow


def test_an_mlmodel_says_flavors_signature_example_requirements_and_run(tmp_path: Path) -> None:
    described = describe(write_mlflow(tmp_path / "model"))
    assert described.format == "mlflow"
    assert described.flavors == ("python_function", "sklearn")
    assert described.signature == Signature(
        inputs=(
            {"type": "double", "name": "temp", "required": True},
            {"type": "long", "name": "humidity", "required": True},
        ),
        outputs=({"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}},),
    )
    assert described.input_example == "input_example.json"
    assert described.requirements == ("mlflow==2.14.1", "scikit-learn==1.5.0")
    assert described.run == Run("8f1b81b73708ea184972148b58fe401f", tracker="mlflow")
    assert described.extra == {
        "mlflow_version": "2.14.1",
        "model_uuid": "708ea184972148b58fe401f8f1b81b73",
        "utc_time_created": "2026-11-20 21:10:39.133927",
        "metadata": {"team": "bikes"},
    }


def test_an_mlmodel_with_nothing_but_a_flavor_is_enough(tmp_path: Path) -> None:
    described = describe(write_mlflow(tmp_path / "model", "flavors:\n  sklearn: {}\n"))
    assert (described.flavors, described.signature, described.run) == (("sklearn",), None, None)


def test_an_example_that_is_named_but_not_there_is_none(tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model")
    (directory / "input_example.json").unlink()
    assert describe(directory).input_example is None


def test_requirements_come_from_conda_yaml_where_there_is_no_requirements_txt(tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model")
    (directory / "requirements.txt").unlink()
    assert describe(directory).requirements == ("mlflow==2.14.1", "scikit-learn==1.5.0")
    (directory / "conda.yaml").unlink()
    assert describe(directory).requirements == ()


def test_requirements_are_free_of_options_comments_and_logins(tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model")
    (directory / "requirements.txt").write_text(
        "# pinned\n"
        "--extra-index-url https://user:token@pypi.example/simple\n"
        "-r more.txt\n"
        "numpy==2.4.6  # fast\n"
        "requests[socks]>=2 ; python_version < '3.13' \\\n    --hash=sha256:00\n"
        "mine @ git+https://user:token@git.example/mine@v1#egg=mine\n"
        "other @ git+ssh://git@git.example/other\n"
        "\n"
    )
    assert describe(directory).requirements == (
        "numpy==2.4.6",
        "requests[socks]>=2 ; python_version < '3.13'",
        "mine @ git+https://git.example/mine@v1#egg=mine",
        "other @ git+ssh://git@git.example/other",
    )


@pytest.mark.parametrize(("conda", "words"), [
    ("dependencies: [{pip: [1]}]", "pip section is not a list of strings"),
    ("dependencies: {pip: 1}", "dependencies is not a list"),
    ("dependencies: 1", "dependencies is not a list"),
    ("[", "not sound YAML"),
])  # fmt: skip
def test_a_conda_yaml_that_is_none_is_invalid(conda: str, words: str, tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model")
    (directory / "requirements.txt").unlink()
    (directory / "conda.yaml").write_text(conda)
    with pytest.raises(Invalid, match=rf"conda\.yaml: .*{words}"):
        describe(directory)


def test_aliases_as_pyyaml_writes_them_are_read(tmp_path: Path) -> None:
    import yaml

    shared = ["a", "b"]
    text = yaml.safe_dump(yaml.safe_load(MLMODEL) | {"metadata": {"train": shared, "test": shared}})
    assert "&id001" in text
    described = describe(write_mlflow(tmp_path / "model", text))
    assert described.extra["metadata"] == {"train": ["a", "b"], "test": ["a", "b"]}


def test_an_mlflow_model_does_not_load_without_trust(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="can run any code"):
        load("mlflow", write_mlflow(tmp_path / "model"))


@pytest.mark.slow
def test_a_flavor_that_is_no_module_of_mlflow_is_not_imported(tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model", "flavors:\n  sklearn.../os: {}\n")
    with pytest.raises(Invalid, match="MLflow has no flavor named"):
        load("mlflow", directory, trust=True)
    directory = write_mlflow(tmp_path / "other", "flavors:\n  no_such_flavor: {}\n")
    with pytest.raises(Unavailable, match="no_such_flavor"):
        load("mlflow", directory, trust=True)


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep MLflow from calling home, and from writing anywhere but below the tests' directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("DO_NOT_TRACK", "true")
        patch.setenv("MLFLOW_TRACKING_URI", tmp_path_factory.mktemp("mlruns").as_uri())
        yield


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that mlflow.sklearn itself saved."""
    import mlflow.sklearn
    import pandas
    from mlflow.models import infer_signature

    directory = tmp_path_factory.mktemp("mlflow") / "model"
    frame = pandas.DataFrame(ROWS.astype("float64"), columns=["a", "b", "c"])
    signature = infer_signature(frame, estimator().predict(ROWS), params={"scale": 1.5})
    mlflow.sklearn.save_model(
        estimator(), directory, signature=signature, input_example=frame[:2], serialization_format="pickle",
        metadata={"team": "bikes"}, pip_requirements=["scikit-learn==1.9.1"],
    )  # fmt: skip
    return directory


@pytest.mark.slow
def test_what_mlflow_saves_is_described_as_mlflow_itself_reads_it(saved: Path) -> None:
    from mlflow.models import Model

    theirs, ours = Model.load(str(saved)), describe(saved)
    assert ours.flavors == tuple(theirs.flavors)
    assert ours.signature is not None and ours.signature.inputs is not None
    assert list(ours.signature.inputs) == theirs.signature.inputs.to_dict()
    assert list(ours.signature.outputs or ()) == json.loads(theirs.signature.outputs.to_json())
    assert list(ours.signature.params or ()) == json.loads(theirs.signature.params.to_json())
    assert ours.input_example == theirs.saved_input_example_info["artifact_path"]
    assert ours.requirements == tuple((saved / "requirements.txt").read_text().split())
    assert "scikit-learn==1.9.1" in ours.requirements
    assert ours.extra["model_uuid"] == theirs.model_uuid
    assert ours.extra["metadata"] == theirs.metadata


@pytest.mark.slow
def test_what_mlflow_saves_loads_as_pyfunc(saved: Path) -> None:
    import pandas

    frame = pandas.DataFrame(ROWS.astype("float64"), columns=["a", "b", "c"])
    predicted = load("mlflow", saved, trust=True).predict(frame)
    assert predicted.tolist() == pytest.approx(estimator().predict(ROWS).tolist())


@pytest.mark.slow
def test_a_model_without_pyfunc_loads_by_its_own_flavor(saved: Path, tmp_path: Path) -> None:
    import shutil

    import yaml

    directory = Path(shutil.copytree(saved, tmp_path / "model"))
    document: dict[str, Any] = yaml.safe_load((directory / "MLmodel").read_text())
    del document["flavors"]["python_function"]
    (directory / "MLmodel").write_text(yaml.safe_dump(document))
    assert type(load("mlflow", directory, trust=True)).__name__ == "Ridge"


@pytest.mark.slow
def test_an_onnx_signature_is_one_that_mlflow_reads_back(tmp_path: Path) -> None:
    from mlflow.types import Schema

    (tmp_path / "model.onnx").write_bytes(contents("model.onnx"))
    signature = describe(tmp_path / "model.onnx", FILES["model.onnx"][0]).signature
    assert signature is not None
    for side in (signature.inputs, signature.outputs):
        assert side is not None
        assert json.loads(Schema.from_json(json.dumps(side)).to_json()) == list(side)
