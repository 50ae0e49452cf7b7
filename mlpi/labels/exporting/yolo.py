"""YOLO: a text file for each image, with a class and numbers from 0 to 1 a line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting import classes
from mlpi.labels.exporting.images import (
    box_of,
    corners,
    image_of,
    label_of,
    path_of,
    points_of,
    stem_of,
)
from mlpi.labels.exporting.items import Item, Value
from mlpi.labels.exporting.packing import Images
from mlpi.labels.exporting.spool import Drawer
from mlpi.labels.exporting.texts import field_of

_KEYS = ("rectanglelabels", "polygonlabels", "labels")


class Yolo:
    """Label files in a drawer; of a task with several annotations the oldest one's."""

    def __init__(
        self,
        config: LabelConfig,
        drawer: Drawer,
        packed: Images | None = None,
        *,
        is_turned: bool = False,
    ) -> None:
        """packed: with the images themselves. is_turned: boxes as four corners (OBB)."""
        self._drawer, self._packed, self._is_turned = drawer, packed, is_turned
        self._field = field_of(config)
        self._points = classes.ordered_key_points(config) or classes.key_points(config)
        self.classes = classes.boxed_classes(config) if self._points else classes.classes(config)

    def take(self, items: Iterable[Item]) -> None:
        for one in items:
            image = image_of(one, self._field)
            if not image:
                continue
            path = self._packed.take(image) if self._packed else path_of(image)
            name = f"labels/{stem_of(path)}.txt"
            if not one.output:
                if name not in self._drawer:
                    self._drawer.put(name, b"")
            elif self._points:
                self._drawer.put(name, "\n".join(self._with_points(one)).encode())
            else:
                lines = [line for value in one.values for line in self._lines(value)]
                self._drawer.put(name, "".join(f"{line}\n" for line in lines).encode())

    def _lines(self, value: Value) -> list[str]:
        names = [name for key in _KEYS for name in value.get(key) or ()]
        numbers = self._numbers(value) if names else None
        ids = [self.classes.id_of(name) for name in names]
        if numbers is None:
            return []
        return [" ".join(map(str, (number, *numbers))) for number in ids]

    def _numbers(self, value: Value) -> list[float] | None:
        """x and y of the middle, width and height; or the corners of a polygon or a turned box."""
        if "rectanglelabels" in value or "labels" in value:
            if self._is_turned:
                found = corners(value)
                return None if found is None else [one for point in found for one in point]
            box = box_of(value)
            if box is None:
                return None
            x, y, width, height = box
            return [(x + width / 2) / 100, (y + height / 2) / 100, width / 100, height / 100]
        points = points_of(value)
        return [one / 100 for point in points for one in point] if points else None

    def _with_points(self, one: Item) -> list[str]:
        """A line for each box, with x, y and 2 for each of its key points, zeros without."""
        boxes: dict[Any, list[Any]] = {}
        found: dict[Any, dict[str, tuple[float, float, int]]] = {}
        for value in one.values:
            name = label_of(value, "rectanglelabels")
            box = box_of(value)
            if value["type"] == "RectangleLabels" and name in self.classes.ids and box is not None:
                x, y, width, height = (number / 100.0 for number in box)
                middle = [x + width / 2.0, y + height / 2.0, width, height]
                boxes[value["_id"]] = [self.classes.ids[name], *middle]
                found[value["_id"]] = {}
        for value in one.values:
            name = label_of(value, "keypointlabels")
            if name is not None and value["_parent"] in found:
                point = (value["x"] / 100.0, value["y"] / 100.0, 2)
                found[value["_parent"]][name] = point
        absent = (0.0, 0.0, 0)
        return [
            " ".join(
                map(str, [*box, *(n for k in self._points for n in found[key].get(k, absent))])
            )
            for key, box in boxes.items()
        ]

    def finish(self, now: datetime) -> None:
        """Add classes.txt and notes.json. now: when it is made."""
        names = "".join(f"{one['name']}\n" for one in self.classes.categories)
        info = {"year": now.year, "version": "1.0", "contributor": "mlpi"}
        notes = {"categories": self.classes.categories, "info": info}
        self._drawer.put("classes.txt", names.encode())
        self._drawer.put("notes.json", orjson.dumps(notes, option=orjson.OPT_INDENT_2))
