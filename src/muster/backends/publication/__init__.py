"""Where a published index is put: a directory, or whatever fsspec reaches by a URL. Neither knows what an index is."""

from .target import Rehearsal, Tally, Target, open_target

__all__ = ["Rehearsal", "Tally", "Target", "open_target"]
