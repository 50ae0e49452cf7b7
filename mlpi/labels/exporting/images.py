"""What image formats call an image, and where boxes lie on it."""

from __future__ import annotations

import hashlib
import math
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mlpi.labels.exporting.items import Item, Value

LONGEST_STEM = 251  # with ".txt" it is a file name of 255
FOLDER = "images"
_CORNERS = ("x", "y", "width", "height")


def image_of(one: Item, field: str) -> str:
    """A task's image, as the task names it; the last one of a list."""
    found = one.input.get(field)
    if isinstance(found, list):
        found = found[-1] if found else ""
    return found if isinstance(found, str) else ""


def path_of(image: str) -> str:
    """Where an image lies beside the export: its own name; of one on the web, made unlike others.

    A web address gets eight digits of its hash before its name, as in Label Studio's exports.
    """
    parts = urlsplit(image)
    if image.startswith(("/data/", "data/upload/", "upload/")):
        inner = parse_qs(parts.query).get("d")
        return f"{FOLDER}/{PurePosixPath(unquote(inner[0] if inner else parts.path)).name}"
    if parts.scheme not in ("", "http", "https"):
        return f"{FOLDER}/{PurePosixPath(parts.path).name}"
    return f"{FOLDER}/{mark_of(image)}__{parts.path.rsplit('/', 1)[-1]}"


def mark_of(image: str) -> str:
    """Eight digits that tell an image's address from others."""
    return hashlib.md5(image.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:8]


def name_of(path: str) -> str:
    """The file name of `path_of`; nothing in it leads out of a folder, on Windows neither."""
    name = path.rsplit("/", 1)[-1].replace("\\", "_")
    return "".join(letter for letter in name if letter.isprintable())


def stem_of(path: str) -> str:
    """Its file name without its ending, short enough for another ending."""
    name = name_of(path)
    stem = name.rpartition(".")[0] or name
    return stem[:LONGEST_STEM]


def size_of(value: Value) -> tuple[float, float] | None:
    """The width and height in pixels of the image that a value was drawn on."""
    width, height = value.get("original_width"), value.get("original_height")
    if not _is_number(width) or not _is_number(height) or not width or not height:
        return None
    return width, height


def box_of(value: Value) -> tuple[float, float, float, float] | None:
    """x, y, width, height in percent as drawn; None for what is no box."""
    if not all(_is_number(value.get(name)) for name in _CORNERS):
        return None
    x, y, width, height = (value[name] for name in _CORNERS)
    return x, y, width, height


def upright(value: Value) -> tuple[float, float, float, float] | None:
    """The smallest box along the axes around one that may be turned, in percent."""
    found = box_of(value)
    turn = value.get("rotation") or 0
    if found is None or not turn:
        return found
    x, y, width, height = found
    if not width:
        return found
    alpha, beta = math.atan(height / width), math.radians(turn)
    radius = math.hypot(width / 2, height / 2)
    # x and y are where the upper left corner is after the turn: the middle follows from it.
    middle_x = x - radius * (math.cos(math.pi - alpha - beta) + math.cos(alpha)) + width / 2
    middle_y = y + radius * (math.sin(math.pi - alpha - beta) - math.sin(alpha)) + height / 2
    angles = (alpha + beta, math.pi - alpha + beta, math.pi + alpha + beta, beta - alpha)
    xs = [middle_x + radius * math.cos(angle) for angle in angles]
    ys = [middle_y + radius * math.sin(angle) for angle in angles]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def corners(value: Value) -> list[tuple[float, float]] | None:
    """The four corners of a box that may be turned, from 0 to 1, clockwise from the upper left."""
    found, size = box_of(value), size_of(value)
    if found is None or size is None or not _is_number(value.get("rotation")):
        return None
    across, down = size
    x, width = (one / 100 * across for one in (found[0], found[2]))
    y, height = (one / 100 * down for one in (found[1], found[3]))
    turn = math.radians(value["rotation"])
    cos, sin = math.cos(turn), math.sin(turn)
    return [
        (at_x / across, at_y / down)
        for at_x, at_y in (
            (x, y),
            (x + width * cos, y + width * sin),
            (x + width * cos - height * sin, y + width * sin + height * cos),
            (x - height * sin, y + height * cos),
        )
    ]


def points_of(value: Value) -> list[tuple[float, float]]:
    """A polygon's corners in percent."""
    return [(x, y) for x, y in value.get("points") or ()]


def label_of(value: Value, *keys: str) -> str | None:
    """The first label under the first of the keys that has one."""
    for key in keys:
        if value.get(key):
            return str(value[key][0])
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
