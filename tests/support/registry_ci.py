"""What tests of a registry's CI share."""

from __future__ import annotations

from pathlib import Path

from muster import Registry
from muster.core.operations import SetStage

TOP = Path(__file__).parents[2]
PRODUCTION = "models/bikes/stages/production.yaml"


def promotion(server: Path) -> str:
    """Propose to put bikes/2 into production, and return the commit that does it."""
    with Registry(server) as registry:
        return registry.propose(SetStage("bikes", 2, "production")).commit
