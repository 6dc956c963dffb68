"""A machine-learning model registry that lives in a git repository."""

from .core.errors import Conflict, Finding, Integrity, Invalid, MusterError, NotFound, Refused, Unavailable
from .core.models import ModelVersion, RegisteredModel
from .registry import Registry, load

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
