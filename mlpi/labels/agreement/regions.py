"""Places in texts, sounds and images, and how much two of them are the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.labels.agreement import polygons
from mlpi.labels.agreement.polygons import Polygon

POINT_REACH = 0.1  # of the image's diagonal: points as far apart have nothing in common
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Region:
    """kind: what it may be compared to. labels: what it is called.

    frame: the stretch or box around it; outline: its corners where it is no upright box.
    """

    kind: tuple[str, ...]
    labels: frozenset[str]
    frame: Box
    outline: Polygon | None = None
    reach: float = 0.0


def region_of(one: Mapping[str, Any], labels: frozenset[str]) -> Region | None:
    """The place that a checked result is about; None when it is about the whole object.

    Images are measured in pixels when the result says how many there are, else in percent.
    """
    value = one["value"]
    about = str(one.get("to_name"))
    if "points" in value:
        wide, high = _scale(one)
        corners = tuple((x * wide, y * high) for x, y in value["points"])
        return _shape(about, labels, polygons.thinned(corners))
    if "radiusX" in value:
        return _ellipse(one, about, labels)
    if "height" in value:
        return _box(one, about, labels)
    if "x" in value:
        wide, high = _scale(one)
        x, y = value["x"] * wide, value["y"] * high
        reach = POINT_REACH * math.hypot(100 * wide, 100 * high)
        return Region((about, "point"), labels, (x, y, x, y), reach=reach)
    if "start" in value:
        return _span(about, value, labels)
    return None


def effort(one: Region, other: Region) -> int:
    """What comparing two places costs, in comparisons of upright boxes."""
    if one.outline is None and other.outline is None:
        return 1
    return 1 + len(one.outline or "four") * len(other.outline or "four")


def likeness(one: Region, other: Region, *, is_rough: bool = False) -> float:
    """Intersection over union of two places of one kind, 0 to 1; of points: by their distance.

    is_rough: of the upright boxes around them.
    """
    if one.kind[1] == "point":
        far = math.hypot(one.frame[0] - other.frame[0], one.frame[1] - other.frame[1])
        return max(0.0, 1 - far / one.reach)
    left, top = max(one.frame[0], other.frame[0]), max(one.frame[1], other.frame[1])
    right, bottom = min(one.frame[2], other.frame[2]), min(one.frame[3], other.frame[3])
    if one.frame == other.frame and one.outline == other.outline:
        return 1.0
    if right <= left or bottom <= top:
        return 0.0
    if is_rough or (one.outline is None and other.outline is None):
        common = (right - left) * (bottom - top)
        whole = _size(one.frame) + _size(other.frame) - common
    else:
        first, second = _corners(one), _corners(other)
        common = polygons.shared(first, second)
        whole = polygons.area(first) + polygons.area(second) - common
    return min(1.0, max(0.0, common / whole)) if whole > 0 else 0.0


def _size(frame: Box) -> float:
    return (frame[2] - frame[0]) * (frame[3] - frame[1])


def _corners(one: Region) -> Polygon:
    if one.outline is not None:
        return one.outline
    left, top, right, bottom = one.frame
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _scale(one: Mapping[str, Any]) -> tuple[float, float]:
    """Pixels of one percent; turned shapes have no form without them."""
    wide, high = one.get("original_width"), one.get("original_height")
    if isinstance(wide, int | float) and isinstance(high, int | float) and wide > 0 and high > 0:
        return wide / 100, high / 100
    return 1.0, 1.0


def _box(one: Mapping[str, Any], about: str, labels: frozenset[str]) -> Region:
    value = one["value"]
    wide, high = _scale(one)
    x, y = value["x"] * wide, value["y"] * high
    width, height = value["width"] * wide, value["height"] * high
    turn = value.get("rotation", 0) or 0
    if turn % 360:
        return _shape(about, labels, polygons.turned_box(x, y, width, height, turn))
    return Region((about, "area"), labels, (x, y, x + width, y + height))


def _ellipse(one: Mapping[str, Any], about: str, labels: frozenset[str]) -> Region:
    value = one["value"]
    wide, high = _scale(one)
    return _shape(
        about,
        labels,
        polygons.ellipse(
            value["x"] * wide,
            value["y"] * high,
            value["radiusX"] * wide,
            value["radiusY"] * high,
            value.get("rotation", 0) or 0,
        ),
    )


def _shape(about: str, labels: frozenset[str], outline: Polygon) -> Region:
    return Region((about, "area"), labels, _frame(outline), outline)


def _frame(outline: Sequence[tuple[float, float]]) -> Box:
    across, down = [x for x, _ in outline], [y for _, y in outline]
    return min(across), min(down), max(across), max(down)


def _span(about: str, value: Mapping[str, Any], labels: frozenset[str]) -> Region:
    """Characters or seconds. In HTML and dialogues offsets count within one place: spans that
    begin and end in others have nothing in common, unless offsets in the whole are told too."""
    offsets = value.get("globalOffsets")
    if isinstance(offsets, dict) and "start" in offsets and "end" in offsets:
        return _stretch((about, "span"), labels, offsets["start"], offsets["end"])
    if "startOffset" in value:
        where = (about, "span", str(value["start"]), str(value["end"]))
        return _stretch(where, labels, value["startOffset"], value.get("endOffset", 0))
    if isinstance(value["start"], str):
        return _stretch((about, "span", value["start"], str(value["end"])), labels, 0, 1)
    channel = str(value.get("channel", ""))
    return _stretch((about, "span", channel), labels, value["start"], value["end"])


def _stretch(kind: tuple[str, ...], labels: frozenset[str], start: float, end: float) -> Region:
    return Region(kind, labels, (float(start), 0.0, float(end), 1.0))
