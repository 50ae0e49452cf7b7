"""Bins of equal width for numbers and times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

BINS = 20
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Bins:
    """count bins from low, each as wide as the others; the last one holds its upper edge too."""

    low: float
    width: float
    count: int
    of_type: str = ""  # of dates: edges are in seconds and are shown as dates

    def sql(self, number: str) -> str:
        """Counts by bin, as a map."""
        place = f"floor(({number} - ({self.low!r}::DOUBLE)) / {self.width!r}::DOUBLE)"
        # greatest and least pass NULL over.
        inside = f"greatest(0, least({self.count - 1}, {place}))::UTINYINT"
        return f"histogram(CASE WHEN {number} IS NOT NULL THEN {inside} END)"

    def filled(self, found: dict[int, int]) -> dict[str, list[Any]]:
        """The edges, one more than the counts, and the counts."""
        edges: list[Any] = [self.low + at * self.width for at in range(self.count + 1)]
        if self.of_type:
            edges = [moment(edge, self.of_type) for edge in edges]
        return {"edges": edges, "counts": [found.get(at, 0) for at in range(self.count)]}


def bins_of(low: Any, high: Any, *, is_whole: bool = False, of_type: str = "") -> Bins | None:
    """Bins over what lies from low to high; one per value where whole numbers or days are few."""
    if low is None or high is None:
        return None
    start, end = float(low), float(high)
    unit = 1.0 if is_whole else float(_DAY_S) if of_type == "DATE" else 0.0
    if unit and (end - start) / unit < BINS:
        return Bins(start, unit, round((end - start) / unit) + 1, of_type)
    width = (end - start) / BINS
    if not math.isfinite(end - start) or start + width == start:
        # One value, or a span that doubles cannot divide.
        return (
            Bins(start, max(end - start, 1.0), 1, of_type) if math.isfinite(end - start) else None
        )
    return Bins(start, width, BINS, of_type)


def moment(seconds: float, of_type: str) -> str | None:
    """ISO 8601 of seconds since 1970, None outside the years that Python knows."""
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return when.date().isoformat() if of_type == "DATE" else when.strftime("%Y-%m-%d %H:%M:%S")
