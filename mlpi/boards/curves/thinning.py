"""Curves of few points that look like curves of all: each bucket keeps its least and most."""

from __future__ import annotations

from typing import NamedTuple

from mlpi.boards.reader.arrays import Array, Floats, Ints
from mlpi.boards.reader.columns import Points

ALONG = ("step", "relative", "time")
ODD_OF_BUCKET = 3  # NaN, +inf and -inf, one of each at most


class Curve(NamedTuple):
    """Points in the order of their place along x: (m,) each.

    means: (m,) float64, of the finite values of each point's bucket, to be smoothed; None where
    nothing was left out. total: how many points there were; start: wall time of the first, s.
    """

    steps: Ints
    times: Floats
    values: Floats
    means: Floats | None
    total: int
    start: float

    @property
    def points(self) -> Points:
        return Points(self.steps, self.times, self.values)


def ordered(points: Points, along: str) -> Points:
    """The points by their place along x; those at the same place stay in the files' order."""
    import numpy as np  # noqa: PLC0415

    at = points.steps if along == "step" else points.wall_times
    if len(at) < 2 or bool((at[1:] >= at[:-1]).all()):
        return points
    return points.at(np.argsort(at, kind="stable"))


def place(points: Points, along: str, start: float) -> Floats | Ints:
    """Where points lie along x: steps, Unix seconds, or seconds since start."""
    if along == "step":
        return points.steps
    return points.wall_times - start if along == "relative" else points.wall_times


def thinned(
    points: Points,
    along: str,
    limit: int,
    window: tuple[float, float] | None = None,
) -> Curve:
    """At most limit points, or all when there are no more.

    First and last are kept, and of each bucket of as many points the least and the most, and what
    is not finite: the first NaN, +inf and -inf of a bucket. So a curve that is not finite all over
    may have some more. window: of the place along x, with one point more at either side.
    """
    import numpy as np  # noqa: PLC0415

    total = len(points.steps)
    start = float(points.wall_times.min()) if total else 0.0
    points = ordered(points, along)
    if window is not None:
        at = place(points, along, start)
        first, last = (
            np.searchsorted(at, window[0], "left"),
            np.searchsorted(at, window[1], "right"),
        )
        points = points.at(slice(max(0, int(first) - 1), int(last) + 1))
    count = len(points.steps)
    if count <= limit:
        return Curve(*points, None, total, start)
    buckets = max(1, limit // 2 - 1)
    begins = np.arange(buckets) * count // buckets
    kept, means = _of_buckets(points.values, begins)
    number = np.searchsorted(begins, kept, "right") - 1
    return Curve(*points.at(kept), means[number], total, start)


def _of_buckets(values: Floats, begins: Ints) -> tuple[Ints, Floats]:
    """Which points are kept, in order, and each bucket's mean of finite values."""
    import numpy as np  # noqa: PLC0415

    count = len(values)
    finite = np.isfinite(values)
    is_all = bool(finite.all())
    low = values if is_all else np.where(finite, values, np.inf)
    high = values if is_all else np.where(finite, values, -np.inf)
    sizes = np.diff(begins, append=count)
    least = _first_equal(low, np.minimum.reduceat(low, begins), sizes, begins)
    most = _first_equal(high, np.maximum.reduceat(high, begins), sizes, begins)
    parts = [np.array([0, count - 1]), least, most]
    if is_all:
        sums = np.add.reduceat(values, begins, dtype=np.float64)
        return np.unique(np.concatenate(parts)), sums / sizes
    for is_kind in (np.isnan(values), values == np.inf, values == -np.inf):
        where = np.flatnonzero(is_kind)
        bucket = np.searchsorted(begins, where, "right")
        parts.append(where[np.unique(bucket, return_index=True)[1]])
    counts = np.add.reduceat(finite, begins, dtype=np.int64)
    sums = np.add.reduceat(np.where(finite, values, 0), begins, dtype=np.float64)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.unique(np.concatenate(parts)), means


def _first_equal(values: Array, of_bucket: Array, sizes: Ints, begins: Ints) -> Ints:
    """The first place in each bucket where its least (or most) stands."""
    import numpy as np  # noqa: PLC0415

    where = np.flatnonzero(values == np.repeat(of_bucket, sizes))
    bucket = np.searchsorted(begins, where, "right")
    found: Ints = where[np.unique(bucket, return_index=True)[1]]
    return found
