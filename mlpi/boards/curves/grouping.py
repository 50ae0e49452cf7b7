"""Runs as groups: the mean of their curves, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlpi.boards.curves.thinning import ordered, place
from mlpi.boards.patterns import compiled
from mlpi.boards.reader.arrays import Floats, Ints
from mlpi.boards.reader.columns import Points
from mlpi.boards.tree import natural

FOLDER, TOP, BY_PATTERN = "folder", "top", "~"
PLACES = 500  # along x


class Band(NamedTuple):
    """A group's curve: (m,) float64 each. runs: how many were there at each place."""

    at: Floats
    mean: Floats
    low: Floats
    high: Floats
    deviation: Floats
    runs: Ints


def groups(way: str, names: Sequence[str]) -> dict[str, list[str]]:
    """Names by group, groups in the order of their keys.

    way: 'folder' for all of a name but its last part, 'top' for its first part, '~REGEX' for what
    the regular expression captures (or finds, without a capture); a name that it does not find is
    in no group. Raises Invalid.
    """
    pattern = compiled(way[1:], field="group") if way.startswith(BY_PATTERN) else None
    found: dict[str, list[str]] = {}
    for name in names:
        if pattern is None:
            key = name.rpartition("/")[0] if way == FOLDER else name.partition("/")[0]
            key = key or "(workspace)"
        else:
            match = pattern.search(name)
            if match is None:
                continue
            key = " ".join(part for part in match.groups() if part) or match[0]
        found.setdefault(key, []).append(name)
    return {key: found[key] for key in sorted(found, key=natural)}


def band(curves: Sequence[Points], along: str) -> Band | None:
    """Mean, least, most and standard deviation over runs; None when no value is finite.

    At up to 500 places: those of the points if there are no more, otherwise the middles of as many
    intervals, in which each run counts with the mean of its points. Between its points a run is
    taken as a straight line; before its first and after its last it does not count.
    """
    import numpy as np  # noqa: PLC0415

    lines = [line for line in (_line(points, along) for points in curves) if len(line[0])]
    if not lines:
        return None
    at = np.unique(np.concatenate([line[0] for line in lines]))
    if len(at) > PLACES:
        edges = np.linspace(at[0], at[-1], PLACES + 1)
        at = (edges[1:] + edges[:-1]) / 2
        lines = [_binned(*line, edges) for line in lines]
    values = np.stack([np.interp(at, *line, left=np.nan, right=np.nan) for line in lines])
    known = ~np.isnan(values)
    runs = known.sum(axis=0)
    is_any = runs > 0
    at, values, known, runs = at[is_any], values[:, is_any], known[:, is_any], runs[is_any]
    mean = np.where(known, values, 0).sum(axis=0) / runs
    spread = np.where(known, values - mean, 0)
    return Band(
        at,
        mean,
        np.where(known, values, np.inf).min(axis=0),
        np.where(known, values, -np.inf).max(axis=0),
        np.sqrt((spread**2).sum(axis=0) / runs),
        runs,
    )


def _line(points: Points, along: str) -> tuple[Floats, Floats]:
    """Finite values by place, each place once with the mean of its values."""
    import numpy as np  # noqa: PLC0415

    start = float(points.wall_times.min()) if len(points.wall_times) else 0.0
    points = ordered(points, along)
    points = points.at(np.isfinite(points.values))
    x = place(points, along, start).astype(np.float64)
    y = points.values.astype(np.float64)
    if len(x) < 2 or bool((x[1:] > x[:-1]).all()):
        return x, y
    once, number = np.unique(x, return_inverse=True)
    return once, np.bincount(number, y) / np.bincount(number)


def _binned(x: Floats, y: Floats, edges: Floats) -> tuple[Floats, Floats]:
    import numpy as np  # noqa: PLC0415

    number = np.clip(np.searchsorted(edges, x, "right") - 1, 0, len(edges) - 2)
    counts = np.bincount(number, minlength=len(edges) - 1)
    has = counts > 0
    sums = np.bincount(number, y, minlength=len(edges) - 1)
    middles = (edges[1:] + edges[:-1]) / 2
    return middles[has], sums[has] / counts[has]
