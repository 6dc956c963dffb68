"""A machine-learning model registry that lives in a git repository.

The public names are imported when they are first asked for, so that `import muster` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.errors import (
        Conflict,
        Finding,
        Integrity,
        Invalid,
        MusterError,
        NotFound,
        Refused,
        Unavailable,
    )
    from .core.models import ModelVersion, RegisteredModel
    from .registry import Registry, load

_HOME = {
    **dict.fromkeys(
        ("Conflict", "Finding", "Integrity", "Invalid", "MusterError", "NotFound", "Refused", "Unavailable"),
        ".core.errors",
    ),
    **dict.fromkeys(("ModelVersion", "RegisteredModel"), ".core.models"),
    **dict.fromkeys(("Registry", "load"), ".registry"),
}

__all__ = [
    "Conflict",
    "Finding",
    "Integrity",
    "Invalid",
    "ModelVersion",
    "MusterError",
    "NotFound",
    "Refused",
    "RegisteredModel",
    "Registry",
    "Unavailable",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
