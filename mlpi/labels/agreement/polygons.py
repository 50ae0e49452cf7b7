"""Areas of polygons and of what two of them share, exact for simple ones; plain floats only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

Point = tuple[float, float]
Polygon = tuple[Point, ...]
MOST_POINTS = 80  # longer outlines are compared by so many of their points
ROUND = 36  # corners that stand for an ellipse


@lru_cache(maxsize=512)
def area(points: Polygon) -> float:
    """Of what lies inside by the even-odd rule, also where an outline crosses itself."""
    return shared(points, points)


def shared(one: Polygon, other: Polygon) -> float:
    """The area that two polygons have in common, by the even-odd rule.

    Both are cut into upright slabs at every corner and crossing. Inside a slab no edge begins, ends
    or crosses another, so what they share at its middle times its width is exact.
    """
    left = max(min(x for x, _ in one), min(x for x, _ in other))
    right = min(max(x for x, _ in one), max(x for x, _ in other))
    if right <= left:
        return 0.0
    first, second = _edges(one), _edges(other)
    cuts = {left, right}
    cuts.update(x for x, _ in one if left < x < right)
    cuts.update(x for x, _ in other if left < x < right)
    for edges in ((first, second), (first, first), (second, second)):
        cuts.update(x for x in _crossings(*edges) if left < x < right)
    at = sorted(cuts)
    total = 0.0
    for begin, end in pairwise(at):
        middle = (begin + end) / 2
        total += (end - begin) * _overlap(_inside(first, middle), _inside(second, middle))
    return total


def thinned(points: Polygon) -> Polygon:
    """At most MOST_POINTS of its points, evenly taken."""
    if len(points) <= MOST_POINTS:
        return points
    return tuple(points[number * len(points) // MOST_POINTS] for number in range(MOST_POINTS))


def turned_box(x: float, y: float, width: float, height: float, degrees: float) -> Polygon:
    """A box's corners, turned clockwise about (x, y), its own first corner."""
    turn = math.radians(degrees)
    right, down = math.cos(turn), math.sin(turn)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return tuple((x + a * right - b * down, y + a * down + b * right) for a, b in corners)


def ellipse(x: float, y: float, across: float, along: float, degrees: float) -> Polygon:
    """A polygon of an ellipse's area about (x, y); across, along: its radii."""
    turn = math.radians(degrees)
    right, down = math.cos(turn), math.sin(turn)
    # A polygon inside of a circle is smaller than it: grown to its area.
    grown = math.sqrt(2 * math.pi / (ROUND * math.sin(2 * math.pi / ROUND)))
    found = []
    for number in range(ROUND):
        angle = 2 * math.pi * number / ROUND
        a, b = across * grown * math.cos(angle), along * grown * math.sin(angle)
        found.append((x + a * right - b * down, y + a * down + b * right))
    return tuple(found)


_Edge = tuple[float, float, float, float]  # from left to right; upright ones bound no slab


def _edges(points: Polygon) -> list[_Edge]:
    found = []
    x0, y0 = points[-1]
    for x1, y1 in points:
        if x0 < x1:
            found.append((x0, y0, x1, y1))
        elif x1 < x0:
            found.append((x1, y1, x0, y0))
        x0, y0 = x1, y1
    return sorted(found)


def _crossings(first: Sequence[_Edge], second: Sequence[_Edge]) -> list[float]:
    """Where edges cross, by their x."""
    found = []
    for ax, ay, bx, by in first:
        slope = (by - ay) / (bx - ax)
        for cx, cy, dx, dy in second:
            if cx >= bx:
                break  # they are in order: all that follow begin farther right
            if dx <= ax:
                continue
            other = (dy - cy) / (dx - cx)
            if slope == other:
                continue
            x = (cy - ay + slope * ax - other * cx) / (slope - other)
            if max(ax, cx) < x < min(bx, dx):
                found.append(x)
    return found


def _inside(edges: Sequence[_Edge], x: float) -> list[tuple[float, float]]:
    """The stretches of an upright line that lie inside."""
    at = []
    for ax, ay, bx, by in edges:
        if ax >= x:
            break
        if bx > x:
            at.append(ay + (by - ay) * (x - ax) / (bx - ax))
    at.sort()
    return list(zip(at[::2], at[1::2], strict=False))


def _overlap(first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> float:
    total, i, j = 0.0, 0, 0
    while i < len(first) and j < len(second):
        total += max(0.0, min(first[i][1], second[j][1]) - max(first[i][0], second[j][0]))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return total
