"""Gradient boosting: XGBoost's JSON and UBJSON, LightGBM's text. Looked at from both ends, never as a whole.

XGBoost sorts its keys: `{"learner":{"attributes":...` comes first, the objective and the version come last.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ...core.models import Described
from .reading import KIB, MIB, corrupt, head, present

_JSON = re.compile(rb'\s*\{\s*"learner"\s*:\s*\{\s*"attributes"\s*:')
_UBJSON = re.compile(rb"\{L\0{7}\x07learner\{L\0{7}\x0aattributes\{")
_JSON_VERSION = re.compile(rb'"version"\s*:\s*\[\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\]\s*\}\s*\Z')
_UBJSON_VERSION = re.compile(rb"L\0{7}\x07version\[#L\0{7}\x03i(.)i(.)i(.)\}\Z", re.DOTALL)
_JSON_OBJECTIVE = re.compile(rb'"objective"\s*:\s*\{\s*"name"\s*:\s*"([\w:.-]{1,100})"')
_UBJSON_OBJECTIVE = re.compile(rb"objective\{L\0{7}\x04nameSL\0{7}.([\w:.-]{1,100})L\0", re.DOTALL)
_LIGHTGBM = re.compile(rb"tree\r?\nversion=v\d{1,4}\r?\n")
_LIGHTGBM_FACTS = re.compile(r"^(version|num_class|max_feature_idx|objective)=(.{1,200}?)\r?$", re.MULTILINE)


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - size))
        return file.read(size)


def is_xgboost(path: Path) -> bool:
    """Tell whether path begins as an XGBoost model in JSON or UBJSON does."""
    start = head(path, KIB)
    return bool(_UBJSON.match(start) or _JSON.match(start))


def is_lightgbm(path: Path) -> bool:
    """Tell whether path begins as LightGBM's text models do."""
    return bool(_LIGHTGBM.match(head(path, KIB)))


def describe_xgboost(path: Path) -> Described:
    """Return the version of XGBoost that wrote path, and the objective; Invalid if its end is missing."""
    binary, tail = head(path, 2) == b"{L", _tail(path, 64 * KIB)
    version = (_UBJSON_VERSION if binary else _JSON_VERSION).search(tail)
    if version is None:
        raise corrupt(path, "it does not end as an XGBoost model does, with the version")
    numbers = [part[0] if binary else int(part) for part in version.groups()]
    objective = (_UBJSON_OBJECTIVE if binary else _JSON_OBJECTIVE).search(tail)
    return Described(
        "xgboost",
        flavors=("xgboost",),
        extra=present(
            xgboost_version=".".join(map(str, numbers)),
            encoding="ubjson" if binary else "json",
            objective=objective[1].decode("ascii", "replace") if objective else None,
        ),
    )


def describe_lightgbm(path: Path) -> Described:
    """Return what the first lines of a LightGBM model say; Invalid if its last ones are missing."""
    if b"end of parameters" not in _tail(path, MIB):
        raise corrupt(path, "it does not end as a LightGBM model does")
    lines = head(path, 64 * KIB).decode("utf-8", "replace").partition("\nTree=")[0]
    facts = dict(_LIGHTGBM_FACTS.findall(lines))
    last = facts.pop("max_feature_idx", "")
    facts["num_features"] = int(last) + 1 if re.fullmatch(r"[0-9]{1,9}", last, re.ASCII) else None
    return Described("lightgbm", flavors=("lightgbm",), extra=present(**facts))


def load_xgboost(path: Path, trust: bool) -> Any:
    """Return an xgboost.Booster."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(path)
    return booster


def load_lightgbm(path: Path, trust: bool) -> Any:
    """Return a lightgbm.Booster."""
    import lightgbm

    return lightgbm.Booster(model_file=path)
