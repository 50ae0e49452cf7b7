"""Rows of a table of runs: plain records, without SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlpi.tracking.records import Run

Value = float | str


@dataclass(slots=True)
class RunRow:
    """One run with the values of the columns shown, by their text ("metrics.loss")."""

    run: Run
    is_deleted: bool = False
    values: dict[str, Value] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    child_count: int = 0
    depth: int = 0
    cursor: Sequence[Value] = ()
    parent_id: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the runs of a group; NaN left out."""

    count: int
    mean: float
    least: float
    most: float


@dataclass(slots=True)
class Group:
    """Runs that share a value; None are those without it."""

    value: str | None
    count: int
    running: int
    failed: int
    spreads: dict[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyCount:
    """A param, metric or tag, and how many of the runs looked at have it."""

    kind: str
    key: str
    count: int

    @property
    def text(self) -> str:
        return f"{self.kind}.{self.key}"
