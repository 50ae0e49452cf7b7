"""Histograms as rows (left, right, count), and their distributions."""

from __future__ import annotations

from mlpi.boards.kinds.errors import ContentError
from mlpi.boards.kinds.messages import double, walk
from mlpi.boards.kinds.tensors import doubles, numbers
from mlpi.boards.reader.arrays import Floats
from mlpi.boards.reader.wire import FIXED64

MOST_BUCKETS = 100_000
# Widths of one standard deviation around the median of a normal distribution, and the tails:
# percentiles times 100, as TensorBoard's distributions have them.
BASIS_POINTS = (0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000)


def histogram(data: bytes, form: str) -> Floats:
    """(k, 3) float64 rows of left edge, right edge and count; k may be 0.

    form: `histogram` for a HistogramProto, else a tensor. Raises ContentError, WireError.
    """
    if form == "histogram":
        return _of_proto(data)
    rows = numbers(data)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ContentError(f"a tensor of shape {list(rows.shape)} is no histogram")
    return _bounded(rows)


def _of_proto(data: bytes) -> Floats:
    """As TensorBoard does: empty buckets at both ends go, and the outer edges are what was seen."""
    import numpy as np  # noqa: PLC0415

    least = most = 0.0
    listed: dict[int, list[tuple[int, int, int]]] = {}
    for number, wire, begin, end in walk(data):
        if number == 1 and wire == FIXED64:
            least = double(data, begin)
        elif number == 2 and wire == FIXED64:
            most = double(data, begin)
        elif number in (6, 7):
            listed.setdefault(number, []).append((wire, begin, end))
    limits, counts = doubles(data, listed.get(6, [])), doubles(data, listed.get(7, []))
    filled = np.flatnonzero(counts > 0)
    if not len(filled):
        return np.zeros((0, 3))
    start, end = int(filled[0]), int(filled[-1])
    inner = limits[start:end]
    if len(inner) != end - start:
        raise ContentError(f"it has {len(counts)} buckets and {len(limits)} limits")
    rows = np.column_stack(
        [
            np.concatenate([[least], inner]),
            np.concatenate([inner, [most]]),
            counts[start : end + 1],
        ]
    )
    with np.errstate(over="ignore"):
        # TensorBoard keeps them as float32.
        return _bounded(rows.astype(np.float32).astype(np.float64))


def _bounded(rows: Floats) -> Floats:
    if len(rows) > MOST_BUCKETS:
        raise ContentError(f"it has more than {MOST_BUCKETS:,} buckets")
    return rows


def distribution(rows: Floats) -> list[float]:
    """The value below which each of BASIS_POINTS of what was counted lies, by interpolation.

    rows: (k, 3) of left edge, right edge and count.
    """
    import numpy as np  # noqa: PLC0415

    if not rows.size:
        return [0.0] * len(BASIS_POINTS)
    least, most = float(rows[0][0]), float(rows[-1][1])
    counts, rights = rows[:, 2], rows[:, 1].tolist()
    with np.errstate(all="ignore"):
        weights = (counts * BASIS_POINTS[-1] / (counts.sum() or 1.0)).cumsum()
        found: list[float] = []
        for point in BASIS_POINTS:
            at = int(np.searchsorted(weights, point, side="right"))
            while at < len(weights) and weights[at] == (weights[at - 1] if at else 0.0):
                at += 1  # an empty bucket
            if at >= len(weights):
                break
            before = float(weights[at - 1]) if at else 0.0
            low = max(rights[at - 1], least) if at and before else least
            high = min(rights[at], most)
            found.append(low + (point - before) * (high - low) / (float(weights[at]) - before))
    return found + [most] * (len(BASIS_POINTS) - len(found))


def rebinned(rows: Floats, edges: Floats) -> Floats:
    """Counts in other buckets: each row's spread evenly over its width.

    rows: (k, 3); edges: (n + 1,) rising, around all of them. Returns (n,). Rows that are not
    finite count nothing.
    """
    import numpy as np  # noqa: PLC0415

    count = len(edges) - 1
    rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 2] > 0)] if rows.size else rows
    if not rows.size:
        return np.zeros(count)
    left = np.minimum(rows[:, 0], rows[:, 1])
    right = np.maximum(rows[:, 0], rows[:, 1])
    is_point = right <= left
    at = np.clip(np.searchsorted(edges, left[is_point], side="right") - 1, 0, count - 1)
    totals = np.bincount(at, rows[is_point, 2], count)
    left, right, weight = left[~is_point], right[~is_point], rows[~is_point, 2]
    if len(left):
        # How much of each row lies below each edge.
        low, high = left[:, None], right[:, None]
        below = np.clip((edges[None, :] - low) / (high - low), 0, 1)
        totals = totals + np.diff(weight @ below)
    return totals


def span(every: list[Floats]) -> tuple[float, float] | None:
    """From the least to the greatest edge of buckets that counted something; None: none did."""
    import numpy as np  # noqa: PLC0415

    edges = [
        rows[np.isfinite(rows).all(axis=1) & (rows[:, 2] > 0), :2].ravel()
        for rows in every
        if rows.size
    ]
    joined = np.concatenate(edges) if edges else np.zeros(0)
    return (float(joined.min()), float(joined.max())) if len(joined) else None
