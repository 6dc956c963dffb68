"""What kind of model a file or directory is, what it says about itself, how to load it: one row per format.

A format is recognised by content, and by the name's suffix only where no content speaks. Describing runs
nothing, unpickles nothing, and needs no machine-learning library; loading imports the format's library, and
refuses formats that can run code unless the caller says `trust=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ...core.errors import Invalid, MusterError, NotFound, Refused, Unavailable
from ...core.models import Described, Signature
from . import boosters, directories, gguf, mlmodel, onnx, pickles, safetensors, zips
from .cards import sections
from .reading import files_in, head, is_file, plain, read_text, requirements_of

__all__ = ["FORMATS", "Format", "describe", "load", "sections"]

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MODEL_CARDS = ("MODEL_CARD.md", "README.md")
_MAX_FILES = 1000  # directly inside a directory; one with more is not looked through


def _path_itself(path: Path, trust: bool) -> Path:
    """Return path: the format's own library takes it from here."""
    return path


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `load` takes the path and whether the caller trusts it.

    `library` is the module that load imports, and `extra` the extra of muster-registry that brings it. A
    format that `runs_code` can run code from the file when it is loaded. `suffixes` decide where the content
    does not: a file named so that is nothing else is a damaged file of this format.
    """

    name: str
    looks_like: Callable[[Path], bool]
    describe: Callable[[Path], Described]
    load: Callable[[Path, bool], Any] = _path_itself
    library: str | None = None
    extra: str | None = None
    runs_code: bool = False
    is_directory: bool = False
    suffixes: tuple[str, ...] = ()


FORMATS: tuple[Format, ...] = (
    Format(
        "mlflow", mlmodel.is_mlflow, mlmodel.describe, mlmodel.load,
        library="mlflow", extra="mlflow", runs_code=True, is_directory=True,
    ),
    Format("huggingface", directories.is_huggingface, directories.describe_huggingface, is_directory=True),
    Format("tensorflow", directories.is_tensorflow, directories.describe_tensorflow, is_directory=True),
    Format(
        "skops", zips.is_skops, zips.describe_skops, zips.load_skops,
        library="skops.io", extra="skops", suffixes=(".skops",),
    ),
    Format("keras", zips.is_keras, zips.describe_keras, suffixes=(".keras",)),
    Format("torch", pickles.is_torch, pickles.describe_torch, runs_code=True),
    Format("gguf", gguf.is_gguf, gguf.describe, suffixes=(".gguf",)),
    Format(
        "safetensors", safetensors.is_safetensors, safetensors.describe, safetensors.load,
        library="safetensors", extra="safetensors", suffixes=(".safetensors",),
    ),
    Format(
        "xgboost", boosters.is_xgboost, boosters.describe_xgboost, boosters.load_xgboost,
        library="xgboost", extra="xgboost",
    ),
    Format(
        "lightgbm", boosters.is_lightgbm, boosters.describe_lightgbm, boosters.load_lightgbm,
        library="lightgbm", extra="lightgbm",
    ),
    Format(
        "joblib", pickles.is_joblib, pickles.describe_joblib, pickles.load_joblib,
        library="joblib", extra="sklearn", runs_code=True, suffixes=(".joblib",),
    ),
    Format(
        "pickle", pickles.is_pickle, pickles.describe_pickle, pickles.load_pickle,
        runs_code=True, suffixes=(".pkl", ".pickle"),
    ),
    Format(
        "onnx", onnx.is_onnx, onnx.describe, onnx.load,
        library="onnxruntime", extra="onnx", suffixes=(".onnx",),
    ),
    Format("file", Path.is_file, lambda path: Described("file")),
    Format("directory", Path.is_dir, lambda path: Described("directory"), is_directory=True),
)  # fmt: skip
_BY_NAME = {row.name: row for row in FORMATS}
_MODELS = tuple(row for row in FORMATS if row.name not in ("file", "directory"))


def describe(path: Path, format: str | None = None) -> Described:
    """Return what path says about itself; the format is found out if none is given.

    A directory that is no format of its own but holds one model file is described by that file. NotFound if
    path is not there; Invalid if the format is unknown, the content contradicts it, or is damaged.
    """
    row, place = _find(path, format)
    try:
        described = row.describe(place)
        return _finish(place, _with_surroundings(path, place, described) if path.is_dir() else described)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def load(format: str, path: Path, *, trust: bool = False) -> Any:
    """Return the model in path as the format's library gives it, or path itself if none is used here.

    Refused if loading could run code from the file and the caller does not say `trust=True`; Unavailable if a
    library is missing; Invalid, chained to the library's own error, if the file does not load.
    """
    row = _row(format)
    if row.runs_code and not trust:
        raise Refused(
            f"{path.name}: loading {format} can run any code that is in the file",
            hint="If you trust whoever made it, load it with trust=True.",
        )
    _, place = _find(path, format)
    if row.library:
        _import(row)
    try:
        return row.load(place, trust)
    except MusterError:
        raise
    except ImportError as error:
        raise Unavailable(
            f"{path.name} needs a library that is not installed: {error}",
            hint="Install what the version's requirements list.",
        ) from error
    except Exception as error:
        raise Invalid(f"{path.name} does not load as {format}: {type(error).__name__}: {error}") from error


def _import(row: Format) -> None:
    try:
        import_module(str(row.library))
    except ImportError as error:
        raise Unavailable(
            f"loading {row.name} needs {row.library}, which is not installed",
            hint=f"pip install 'muster-registry[{row.extra}]'",
        ) from error


def _row(format: str) -> Format:
    if format not in _BY_NAME:
        raise Invalid(f"there is no format {format!r}", hint=f"The formats are {', '.join(_BY_NAME)}.")
    return _BY_NAME[format]


def _find(path: Path, format: str | None) -> tuple[Format, Path]:
    """Return the format of path, and the file or directory that it is the format of."""
    wanted = _row(format) if format else None
    try:
        if not path.exists():
            raise NotFound(f"{path}: there is no such file or directory")
        if not path.is_file() and not path.is_dir():
            raise Invalid(f"{path}: a model is a file or a directory, and this is neither")
        if wanted is None or wanted in _MODELS:
            _refuse_pointers(path)
        return _find_given(path, wanted) if wanted else _detect(path)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def _find_given(path: Path, wanted: Format) -> tuple[Format, Path]:
    if _recognise(path, (wanted,)):
        return wanted, path
    if path.is_dir() and wanted in _MODELS:
        found = [file for file in _candidates(path) if _recognise(file, (wanted,))]
        if len(found) == 1:
            return wanted, found[0]
        if found:
            names = ", ".join(file.name for file in found)
            raise Invalid(
                f"{path}: several files in it are {wanted.name}: {names}", hint="Give the path of one."
            )
    found_row, _ = _detect(path)
    raise Invalid(f"{path}: this is not {wanted.name}; it looks like {found_row.name}")


def _detect(path: Path) -> tuple[Format, Path]:
    """Return path's format; for a directory that is no format of its own, that of its one model file."""
    if row := _recognise(path, _MODELS):
        return row, path
    if path.is_file():
        return _BY_NAME["file"], path
    found = [(row, file) for file in _candidates(path) if (row := _recognise(file, _MODELS))]
    return found[0] if len(found) == 1 else (_BY_NAME["directory"], path)


def _recognise(path: Path, rows: tuple[Format, ...]) -> Format | None:
    """Return the first of rows that the content shows path to be, or else the one its suffix names."""
    rows = tuple(row for row in rows if row.is_directory == path.is_dir())
    by_content = (row for row in rows if row.looks_like(path))
    by_suffix = (row for row in rows if path.suffix.lower() in row.suffixes)
    return next(by_content, None) or next(by_suffix, None)


def _candidates(directory: Path) -> list[Path]:
    """Return the files of directory that could be the model."""
    files = files_in(directory)
    return files if len(files) <= _MAX_FILES else []


def _refuse_pointers(path: Path) -> None:
    """Refuse a checkout in which Git LFS has left its pointers in place of the files."""
    for file in _candidates(path) if path.is_dir() else [path]:
        if head(file, len(_LFS_POINTER)) == _LFS_POINTER:
            raise Invalid(f"{file.name} is a pointer of Git LFS, not the file", hint="Run `git lfs pull`.")


def _finish(place: Path, described: Described) -> Described:
    """Return described with nothing in it that a manifest could not hold."""
    given = described.signature
    sides = (given.inputs, given.outputs, given.params) if given else ()
    signature = Signature(*(side and tuple(plain(place, side)) for side in sides)) if given else None
    return replace(
        described,
        signature=signature,
        requirements=tuple(plain(place, described.requirements)),
        extra=plain(place, described.extra),
    )


def _with_surroundings(path: Path, place: Path, described: Described) -> Described:
    """Return described with what lies beside the model: its requirements, if a file lists them; a card."""
    requirements, extra = described.requirements, dict(described.extra)
    if described.format != "mlflow" and is_file(listed := path / "requirements.txt"):
        requirements = requirements_of(read_text(listed).splitlines())
    if place != path:
        extra["file"] = place.name
    card = next((name for name in _MODEL_CARDS if is_file(path / name)), None)
    headings = sections(path / card) if card else ()
    return replace(
        described, requirements=requirements, model_card=card, extra=extra, model_card_sections=headings
    )
