"""The files that ship beside the code: JSON Schemas and the registry template.

In a wheel they lie inside the package; in a checkout, at the top of the repository. They are read as package data,
so this is as much part of the program as its modules are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def directory(name: str) -> Path:
    """Return the directory "schemas" or "registry-template"."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent.parent / name


def schema(name: str) -> bytes:
    """Return the JSON Schema called name, such as "version"."""
    return (directory("schemas") / f"{name}.schema.json").read_bytes()


def template() -> dict[str, bytes]:
    """Return the files of the registry template by path."""
    top = directory("registry-template")
    return {p.relative_to(top).as_posix(): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}
