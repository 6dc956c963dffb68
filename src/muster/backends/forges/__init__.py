"""Forges: where proposals are opened, looked at, approved and merged. One module each, unaware of each other."""

from __future__ import annotations

from .protocol import Forge

__all__ = ["Forge"]
