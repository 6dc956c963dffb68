"""From what a user says, what the files say and how they were stored, to what is registered."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np
import pytest

from muster import resources
from muster.core import checks
from muster.core import operations as ops
from muster.core.errors import Conflict, Invalid
from muster.core.manifest import parse
from muster.core.models import Code, Described, Lineage, Manifest, Run, Signature, Stored, StoredFile
from muster.core.registration import BESIDE, Registration, placeholder, request
from muster.core.snapshot import EMPTY, Change, Snapshot
from muster.core.template import lay_down
from support.registry import ANN, NOON, SIGNATURE, after, stored, valid

FOUND = Described(
    "onnx",
    ("onnx", "python_function"),
    SIGNATURE,
    "example.json",
    ("onnxruntime",),
    {"rmse": 1.0, "mae": 2.0},
    {"lr": 0.1},
    Run("r1", "mlflow", "7", "http://tracker"),
    "README.md",
    {"producer": "skl2onnx"},
)
CODE = Code("https://example.com/train", "ab" * 20, dirty=True)
KEPT = Stored("0" * 32 + ".dir", (StoredFile("model.onnx", 3, "ab" * 32, "cd" * 16),))
TWO = Stored("0" * 32 + ".dir", (*KEPT.files, StoredFile("CARD.md", 4, "ef" * 32, "01" * 16)))


def registered(kept: Stored = KEPT, found: Described = FOUND, is_file: bool = True, **said: Any) -> Manifest:
    path = PurePath(said.pop("path", "out/model.onnx"))
    return request(Registration("bikes", path, **said), found, kept, ANN, NOON, CODE, is_file).manifest


def test_what_the_files_say_is_taken_over() -> None:
    manifest = registered()
    assert (manifest.model, manifest.created_by, manifest.created_at) == ("bikes", ANN, NOON)
    assert (manifest.signature, manifest.input_example) == (SIGNATURE, "example.json")
    assert (manifest.requirements, manifest.model_card) == (("onnxruntime",), "README.md")
    assert (manifest.metrics, manifest.params) == ({"rmse": 1.0, "mae": 2.0}, {"lr": 0.1})
    assert (manifest.lineage.run, manifest.lineage.code) == (FOUND.run, CODE)
    assert manifest.extra == {"producer": "skl2onnx"}


def test_what_a_user_says_goes_before_what_the_files_say() -> None:
    code = Code("mine")
    manifest = registered(
        label="1.0",
        metrics={"rmse": 9.0},
        params={"depth": 3},
        signature=Signature(),
        input_example="x.json",
        requirements=("numpy",),
        lineage=Lineage(source="s3://x", code=code),
        extra={"producer": "me"},
    )
    assert (manifest.metrics, manifest.params) == ({"rmse": 9.0, "mae": 2.0}, {"lr": 0.1, "depth": 3})
    assert (manifest.signature, manifest.input_example, manifest.requirements) == (
        Signature(),
        "x.json",
        ("numpy",),
    )
    assert (manifest.lineage.source, manifest.lineage.code) == ("s3://x", code)
    assert (manifest.label, manifest.extra) == ("1.0", {"producer": "me"})


@pytest.mark.parametrize(
    ("said", "run"),
    [
        (None, FOUND.run),
        (Run("r1"), FOUND.run),
        (Run("r1", "wandb"), Run("r1", "wandb", "7", "http://tracker")),
        (Run("r2"), Run("r2")),
    ],
)
def test_a_run_that_is_named_is_filled_up_with_what_the_files_say_of_it(said: Run | None, run: Run) -> None:
    assert registered(lineage=Lineage(run=said)).lineage.run == run


def test_a_file_is_an_artifact_of_one_file_and_a_directory_is_all_of_it() -> None:
    (one,) = registered().artifacts
    assert (one.path, one.format, one.size, one.flavors) == (
        "model.onnx",
        "onnx",
        3,
        ("onnx", "python_function"),
    )
    (all_of_it,) = registered(TWO, is_file=False).artifacts
    assert (all_of_it.path, all_of_it.size, len(all_of_it.files)) == (".", 7, 2)


def test_a_card_from_elsewhere_is_an_artifact_of_its_own_beside_a_file() -> None:
    manifest = registered(TWO, model_card=PurePath("docs/CARD.md"))
    assert [(a.path, a.format) for a in manifest.artifacts] == [("model.onnx", "onnx"), ("CARD.md", BESIDE)]
    assert manifest.model_card == "CARD.md"
    inside = registered(TWO, model_card=PurePath("docs/CARD.md"), is_file=False, path="out")
    assert ([a.path for a in inside.artifacts], inside.model_card) == (["."], "CARD.md")


@pytest.mark.parametrize(
    ("path", "card", "inside", "beside"),
    [
        ("out", "out/README.md", "README.md", {}),
        ("out", "out/docs/README.md", "docs/README.md", {}),
        ("README.md", "README.md", "README.md", {}),
        ("out", "README.md", None, {"README.md": PurePath("README.md")}),
        ("out", "outer/README.md", None, {"README.md": PurePath("outer/README.md")}),
        ("out", None, None, {}),
    ],
)
def test_a_card_is_inside_or_beside(
    path: str, card: str | None, inside: str | None, beside: dict[str, PurePath]
) -> None:
    said = Registration("m", PurePath(path), model_card=PurePath(card) if card else None)
    assert (said.card_inside, said.beside) == (inside, beside)


def test_what_is_registered_passes_the_rules() -> None:
    found = Described("onnx", signature=SIGNATURE, run=FOUND.run)
    said = Registration(
        "cars", PurePath("model.onnx"), label="1.0", tags={"a": "b"}, aliases=("next",), stage="staging"
    )
    wanted = request(said, found, stored(b"abc"), ANN, NOON, CODE, True)
    assert checks.check(valid(), ops.plan(valid(), wanted)) == []


def test_numbers_of_numpy_are_numbers() -> None:
    numbers = {"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(0.25), "d": 4}
    wanted = request(
        Registration("m", PurePath("x"), metrics=numbers, params={**numbers, "e": np.bool_(True), "f": "x"}),
        *(Described("onnx"), stored(b"abc"), ANN, NOON, None, True),
    )
    written = parse(ops.plan(valid(), wanted).files["models/m/versions/1.yaml"] or b"")
    assert written["metrics"] == {"a": 0.5, "b": 3, "c": 0.25, "d": 4}
    assert written["params"] == {**written["metrics"], "e": True, "f": "x"}
    assert isinstance(written["metrics"]["b"], int)


def test_what_is_no_number_is_refused_before_anything_is_stored() -> None:
    said = Registration("m", PurePath("x"), metrics={"rmse": float("nan")})
    wanted = request(said, Described("onnx"), placeholder(said), ANN, NOON, None, True)
    with pytest.raises(Invalid, match="nan is not a finite number"):
        ops.plan(valid(), wanted)


def test_a_placeholder_is_no_version_there_is() -> None:
    assert ops.find_version(valid(), "bikes", placeholder(Registration("bikes", PurePath("x")))) is None


# --- what `muster init` lays down ---


def test_the_template_is_a_valid_registry_made_out_to_its_name_and_remote() -> None:
    change = lay_down(EMPTY, resources.template(), "Our models: 'best'", "s3://bucket/models")
    assert checks.check(EMPTY, change) == []
    now = after(EMPTY, change)
    assert now.document("registry.yaml")["name"] == "Our models: 'best'"
    assert b"url = s3://bucket/models" in now.files[".dvc/config"]
    assert change.message == "Set up the model registry Our models: 'best'"


def test_what_is_there_already_stays() -> None:
    there = Snapshot("0" * 40, {"README.md": b"mine", ".gitignore": b"*.log\n", "CODEOWNERS": b"* @me\n"})
    change = lay_down(there, resources.template(), "x", "../store")
    assert not {"README.md", "CODEOWNERS"} & set(change.files)
    ignored = (change.files[".gitignore"] or b"").splitlines()
    assert ignored[0] == b"*.log"
    assert b"/models/*/versions/[0-9]*/" in ignored
    again = lay_down(
        Snapshot(None, {".gitignore": change.files[".gitignore"] or b""}), resources.template(), "x", "y"
    )
    assert again.files[".gitignore"] == change.files[".gitignore"]


def test_a_registry_is_laid_down_once() -> None:
    with pytest.raises(Conflict, match="a registry already"):
        lay_down(valid(), resources.template(), "x", "y")


def test_the_template_has_no_name_that_is_special() -> None:
    assert (
        checks.check(EMPTY, Change(lay_down(EMPTY, resources.template(), "\\1 \\g<0>", "/srv/\\1").files))
        == []
    )
