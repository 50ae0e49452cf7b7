"""Time series as TensorBoard lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from tensorboard.data import provider

from mlpi.boards.library import Run
from mlpi.boards.reader.columns import Places, Points
from mlpi.boards.reader.events import KIND_NAMES
from mlpi.boards.reader.run import Held
from mlpi.boards.stock import values
from mlpi.boards.stock.metadata import Described

UNKNOWN_KINDS = [KIND_NAMES.index(name) for name in values.UNKNOWN]


class One(NamedTuple):
    """A time series. held: what the run had when it was looked at; the reader may begin anew."""

    run: Run
    held: Held
    tag: str
    described: Described

    def points(self) -> Points:
        series = self.held.series.get(self.tag)
        return Points.none() if series is None else series.points()

    def places(self) -> Places:
        """Without kinds that TensorBoard does not know."""
        series = self.held.entries.get(self.tag)
        if series is None:
            return Places.none()
        places = series.points()
        return places.at(~np.isin(places.kinds, UNKNOWN_KINDS))

    def columns(self) -> Points | Places:
        """Where this series has its steps and wall times."""
        return self.points() if self.tag in self.held.series else self.places()


class _Lazy:
    """A time series whose largest step and time are looked up when somebody asks."""

    _one: One

    def _describe(self, one: One) -> dict[str, Any]:
        self._one = one
        described = one.described
        return {
            "max_step": None,
            "max_wall_time": None,
            "plugin_content": described.content,
            "description": described.description,
            "display_name": described.display_name,
        }

    @property
    def max_step(self) -> int | None:
        steps = self._one.columns().steps
        return int(steps.max()) if len(steps) else None

    @property
    def max_wall_time(self) -> float | None:
        wall_times = self._one.columns().wall_times
        return float(wall_times.max()) if len(wall_times) else None


class ScalarSeries(_Lazy, provider.ScalarTimeSeries):  # type: ignore[misc]
    def __init__(self, one: One) -> None:
        super().__init__(**self._describe(one))


class TensorSeries(_Lazy, provider.TensorTimeSeries):  # type: ignore[misc]
    def __init__(self, one: One) -> None:
        super().__init__(**self._describe(one))


class BlobSeries(_Lazy, provider.BlobSequenceTimeSeries):  # type: ignore[misc]
    def __init__(self, one: One, most_blobs: Callable[[One], int | None]) -> None:
        self._most_blobs = most_blobs
        super().__init__(**self._describe(one), max_length=None)

    @property
    def max_length(self) -> int | None:
        return self._most_blobs(self._one)
