"""Demands of a gate that take more than a word: evaluations with their freshness and judges, a model card's sections.

A verdict's date and judge are what whoever wrote the annotation says they are; what is judged here is that claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .models import Evaluation, Manifest
from .proposals import identities

AHEAD = timedelta(minutes=5)  # how far another machine's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Unmet:
    """A demand that is not met: why, and what to do, "" where that is plain."""

    why: str
    fix: str = ""

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class EvaluationDemand:
    """An evaluation that must have passed: within `max_age`, where that is given, and as judged by one of `by`.

    With no `by` anybody may judge.
    """

    name: str
    max_age: timedelta | None = None
    by: tuple[str, ...] = ()

    def __str__(self) -> str:
        judges = f" by {' or '.join(self.by)}" if self.by else ""
        return judges + (f" within {in_words(self.max_age)}" if self.max_age is not None else "")

    def unmet(self, verdicts: Iterable[Evaluation], now: datetime | None) -> Iterator[str]:
        """Yield why the newest verdict that counts is no fresh pass."""
        mine = [verdict for verdict in verdicts if verdict.name == self.name]
        if problem := self._problem(self.newest(mine, now), now):
            void = dict.fromkeys(filter(None, (self._void(verdict, now) for verdict in mine[-10:])))
            aside = "".join(f"; {why}" for why in void)
            yield f"evaluation {self.name} must have passed{self}, and {problem}{aside}"

    def newest(self, verdicts: Iterable[Evaluation], now: datetime | None) -> tuple[datetime, bool] | None:
        """Return when the newest verdict that counts was given, and whether it is a pass; None without one.

        Of two of one moment it is the later in the list.
        """
        newest: tuple[datetime, bool] | None = None
        for verdict in verdicts:
            at = _moment(verdict.at)
            if at is None or verdict.name != self.name or self._void(verdict, now):
                continue
            if newest is None or at >= newest[0]:
                newest = at, verdict.passed
        return newest

    def _void(self, verdict: Evaluation, now: datetime | None) -> str:
        """Why a verdict does not count; "" if it does."""
        at = _moment(verdict.at)
        if at is None:
            return f"the date of a verdict is not one: {verdict.at!r:.40}"
        if now is not None and at > now + AHEAD:
            return f"the verdict of {verdict.at} is dated in the future"
        if self.by and not identities(verdict.by) & identities(*self.by):
            return f"the verdict of {verdict.by} is not counted"
        return ""

    def _problem(self, newest: tuple[datetime, bool] | None, now: datetime | None) -> str:
        if newest is None:
            return "is missing"
        at, passed = newest
        if not passed:
            return "has failed"
        if self.max_age is not None and (now is None or now - at > self.max_age):
            return f"last did on {at:%Y-%m-%d %H:%M} UTC"
        return ""


def evaluations_from(entries: Iterable[Any]) -> tuple[EvaluationDemand, ...]:
    """Return the demands in a gate's list of evaluations: names, or mappings with name, max_age and by."""
    return tuple(
        EvaluationDemand(entry)
        if isinstance(entry, str)
        else EvaluationDemand(
            entry["name"],
            duration(entry["max_age"]) if "max_age" in entry else None,
            tuple(entry.get("by", ())),
        )
        for entry in entries
    )


def both(a: Iterable[EvaluationDemand], b: Iterable[EvaluationDemand]) -> tuple[EvaluationDemand, ...]:
    """Return the demands of both; of two with one name and the same judges, the one with the shorter age.

    Two with other judges stay two: a verdict that only some of them give could hide a newer one of the others, and
    then the sum would let pass what one of its parts does not.
    """
    kept: dict[object, EvaluationDemand] = {}
    for demand in (*a, *b):
        key = demand.name, identities(*demand.by)
        there = kept.setdefault(key, demand)
        ages = [d.max_age for d in (there, demand) if d.max_age is not None]
        kept[key] = EvaluationDemand(there.name, min(ages, default=None), there.by)
    return tuple(kept.values())


def card_from(spec: bool | Mapping[str, Any]) -> tuple[bool, tuple[str, ...]]:
    """Return whether a gate demands a model card, and the sections it must have."""
    return (spec, ()) if isinstance(spec, bool) else (True, tuple(spec.get("sections", ())))


def missing_sections(wanted: Iterable[str], manifest: Manifest) -> tuple[str, ...]:
    """Return the sections that a version's model card lacks, as far as its manifest recorded them."""
    there = {_section(heading) for heading in manifest.model_card_sections}
    return tuple(section for section in wanted if _section(section) not in there)


def united(a: Iterable[str], b: Iterable[str]) -> tuple[str, ...]:
    """Return the sections in either, each once."""
    kept: dict[str, str] = {}
    for section in (*a, *b):
        kept.setdefault(_section(section), section)
    return tuple(kept.values())


def duration(text: str) -> timedelta:
    """Read `30s`, `24h`, `30m`, `7d` or `2w`; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a length of time such as 24h")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def in_words(length: timedelta) -> str:
    """Return a length of time in the unit that suits it, such as 24 hours or 7 days."""
    minutes = length.total_seconds() / 60
    for unit, size, least in (("day", 24 * 60, 48 * 60), ("hour", 60, 60), ("minute", 1, 0)):
        if minutes >= least:
            count = minutes / size
            return f"{count:g} {unit}{'s' if count != 1 else ''}"
    return "no time"


def _section(heading: str) -> str:
    """What headings are compared by."""
    return " ".join(heading.split()).rstrip(": ").casefold()


def _moment(text: str) -> datetime | None:
    """The moment an annotation says, such as 2026-05-01T09:30:00Z; None if it says none."""
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
