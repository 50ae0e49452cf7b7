"""The room's card on the dashboard: figures, the latest runs, a curve of the newest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlpi.boards.library import Run
from mlpi.boards.manage.facts import State, changed_at, state_of
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.service import BoardsService, Shown

NEWEST = 4
SPARK_POINTS = 60
MOST_POINTS = 100_000  # of a curve that is read for it: some milliseconds
# What people look at first, in this order, wherever it stands in a tag's name.
_FIRST = ("loss", "accuracy", "acc", "reward", "error")


@dataclass(frozen=True, slots=True)
class Line:
    """A run in the list."""

    shown: Shown
    state: State
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Spark:
    """A small curve. path: points of a polyline in a box of 100 × 24."""

    tag: str
    path: str
    last: float


class BoardsCard:
    """A curve is drawn again when its run has changed."""

    def __init__(self, service: BoardsService) -> None:
        self._service = service
        self._kept: dict[str, tuple[tuple[str, int], Spark | None]] = {}

    def context(self, workspace: str) -> dict[str, Any]:
        """What the card's template shows."""
        newest = sorted(self._service.listed(workspace), key=lambda one: -one.run.changed_at)
        lines = [Line(one, state_of(one.run), changed_at(one.run)) for one in newest[:NEWEST]]
        return {
            "totals": self._service.totals(workspace),
            "newest": lines,
            "spark": self._spark(workspace, newest[0].run) if newest else None,
        }

    def _spark(self, workspace: str, run: Run) -> Spark | None:
        state = (run.name, run.version)
        kept = self._kept.get(workspace)
        if kept is None or kept[0] != state:
            kept = self._kept[workspace] = (state, spark_of(run))
        return kept[1]


def spark_of(run: Run) -> Spark | None:
    """The curve that people look at first; None when it has none that is read quickly."""
    curves = {
        tag: series
        for tag, series in list(run.reader.held.series.items())
        if 2 <= len(series) <= MOST_POINTS
    }
    if not curves:
        return None
    tag = min(curves, key=_rank)
    try:
        values = curves[tag].points().values
    except SegmentGone:
        return None
    every = max(1, math.ceil(len(values) / SPARK_POINTS))
    picked = [float(value) for value in values[::-1][::every][::-1]]
    finite = [value for value in picked if math.isfinite(value)]
    if len(finite) < 2:
        return None
    least, span = min(finite), (max(finite) - min(finite)) or 1.0
    path = " ".join(
        f"{100 * number / (len(finite) - 1):.1f},{22 - 20 * (value - least) / span:.1f}"
        for number, value in enumerate(finite)
    )
    return Spark(tag, path, float(values[-1]))


def _rank(tag: str) -> tuple[int, int, str]:
    name = tag.lower()
    first = next((number for number, word in enumerate(_FIRST) if word in name), len(_FIRST))
    return first, len(tag), tag
