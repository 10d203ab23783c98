"""What a scenario returns: timed rows, numbers with their limits, why something is missing."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Fact", "Outcome", "Row", "find_row", "paired_difference"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One contestant's repetitions of one step, in the order of the rounds."""

    name: str
    seconds: tuple[float, ...] = ()
    """Wall clock, one entry a round."""
    cpu_seconds: tuple[float, ...] = ()
    """User and system time of the process and all it waited for: steadier on a busy machine."""
    failure: str | None = None
    """The end of what the program printed, when it did not do its work."""

    @property
    def median(self) -> float:
        """Median wall clock in seconds; NaN for a row without repetitions."""
        return statistics.median(self.seconds) if self.seconds else float("nan")

    @property
    def cpu_median(self) -> float:
        """Median processor time in seconds; NaN for a row without repetitions."""
        return statistics.median(self.cpu_seconds) if self.cpu_seconds else float("nan")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One number, and what it may be at most."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept, which it is not unmeasured; None without a limit."""
        return None if self.limit is None else self.value <= self.limit

    @property
    def measured(self) -> bool:
        """Whether there is a value at all."""
        return not math.isnan(self.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one scenario found out."""

    scenario: str
    title: str
    rows: tuple[Row, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = field(default=())
    skipped: str | None = None
    """The reason, when the scenario could not be measured here."""


def find_row(rows: Sequence[Row], name: str) -> Row:
    """Return the row of that name, or an empty failed one, so that facts become NaN."""
    return next((row for row in rows if row.name == name), Row(name=name, failure="not measured"))


def paired_difference(row: Row, floor: Row) -> float:
    """Return the median over rounds of ``row`` minus ``floor`` in ms; NaN when either is missing.

    Both ran in every round within moments of each other, so a slow minute moves both.
    """
    pairs = [here - there for here, there in zip(row.seconds, floor.seconds, strict=False)]
    return statistics.median(pairs) * 1e3 if pairs else float("nan")
