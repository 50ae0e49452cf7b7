"""COCO: one JSON file of images, categories and what lies on them, in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import orjson

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting import classes
from mlpi.labels.exporting.classes import Classes
from mlpi.labels.exporting.images import (
    box_of,
    image_of,
    label_of,
    path_of,
    points_of,
    size_of,
    upright,
)
from mlpi.labels.exporting.items import Item, Value
from mlpi.labels.exporting.packing import Images
from mlpi.labels.exporting.spool import blocks
from mlpi.labels.exporting.texts import field_of

_KEYS = ("rectanglelabels", "polygonlabels", "keypointlabels", "labels")


@dataclass
class _List:
    """A JSON list in a file, and how many it has."""

    file: IO[bytes]
    count: int = 0

    def add(self, one: dict[str, Any]) -> None:
        self.file.write((b",\n" if self.count else b"") + orjson.dumps(one))
        self.count += 1


class Coco:
    """Collects images and annotations in files; `parts` is the whole."""

    def __init__(
        self,
        config: LabelConfig,
        images: IO[bytes],
        annotations: IO[bytes],
        packed: Images | None = None,
    ) -> None:
        """images, annotations: files to collect them in. packed: with the images themselves."""
        self._packed = packed
        self._field = field_of(config)
        self._classes: Classes = classes.with_key_points(classes.classes(config), config)
        self._points = classes.ordered_key_points(config) or classes.key_points(config)
        self._images, self._annotations = _List(images), _List(annotations)

    def take(self, items: Iterable[Item]) -> None:
        for one in items:
            self._take(one)

    def _take(self, one: Item) -> None:
        image, image_id = image_of(one, self._field), self._images.count
        path = self._packed.take(image) if self._packed else path_of(image)
        size: tuple[float, float] | None = self._packed.size_of(path) if self._packed else None
        if size is not None or not one.output:
            self._add_image(path, image_id, size)
        if not one.output:
            return
        points: list[Value] = []
        for value in one.values:
            name = label_of(value, *_KEYS)
            if name is None:
                continue
            if size is None:
                size = size_of(value)
                if size is None:
                    continue
                self._add_image(path, image_id, size)
            category_id = self._classes.id_of(name)
            if "keypointlabels" in value:
                points.append(value)
                continue
            made = _polygon(value, size) if "polygonlabels" in value else _box(value, size)
            if made is not None:
                self._add(image_id, category_id, made)
        if points and self._points:
            self._add_points(image_id, points)

    def _add_image(self, path: str, image_id: int, size: tuple[float, float] | None) -> None:
        width, height = size or (None, None)
        self._images.add({"width": width, "height": height, "id": image_id, "file_name": path})

    def _add(self, image_id: int, category_id: int, made: dict[str, Any]) -> None:
        about = {"id": self._annotations.count, "image_id": image_id, "category_id": category_id}
        self._annotations.add({**about, **made, "ignore": 0, "iscrowd": 0})

    def _add_points(self, image_id: int, values: Sequence[Value]) -> None:
        """All key points of an image as one annotation: x, y and 2 for each, zeros without."""
        flat = [0] * (3 * len(self._points))
        for value in values:
            size = size_of(value)
            if size is None:
                continue
            for label in value["keypointlabels"]:
                if label in self._points:
                    at = 3 * self._points.index(label)
                    x, y = value["x"] / 100 * size[0], value["y"] / 100 * size[1]
                    flat[at : at + 3] = [round(x), round(y), 2]
        seen = [flat[at : at + 2] for at in range(0, len(flat), 3) if flat[at + 2]]
        xs, ys = [x for x, _ in seen] or [0], [y for _, y in seen] or [0]
        self._annotations.add(
            {
                "id": self._annotations.count,
                "image_id": image_id,
                "category_id": self._classes.ids.get(self._points[0], 0),
                "keypoints": flat,
                "num_keypoints": len(seen),
                "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
                "iscrowd": 0,
            }
        )

    def parts(self, now: datetime) -> Iterator[bytes]:
        """The file. now: when it is made."""
        yield b'{"images":[\n'
        yield from blocks(self._images.file)
        yield b'\n],"categories":' + orjson.dumps(self._classes.categories)
        yield b',"annotations":[\n'
        yield from blocks(self._annotations.file)
        info = {
            "year": now.year,
            "version": "1.0",
            "description": "",
            "contributor": "mlpi",
            "url": "",
            "date_created": str(now),
        }
        yield b'\n],"info":' + orjson.dumps(info) + b"}"


def _box(value: Value, size: tuple[float, float]) -> dict[str, Any] | None:
    if box_of(value) is None:
        return None
    across, down = size_of(value) or size
    found = upright(value)
    assert found is not None
    x, width = (one * across / 100 for one in (found[0], found[2]))
    y, height = (one * down / 100 for one in (found[1], found[3]))
    return {"segmentation": [], "bbox": [x, y, width, height], "area": width * height}


def _polygon(value: Value, size: tuple[float, float]) -> dict[str, Any] | None:
    points = [(x / 100 * size[0], y / 100 * size[1]) for x, y in points_of(value)]
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return {
        "segmentation": [[one for point in points for one in point]],
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "area": _area(points),
    }


def _area(points: Sequence[tuple[float, float]]) -> float:
    """Of a polygon, by the shoelace formula."""
    before = [points[-1], *points[:-1]]
    return abs(sum(x * b - y * a for (x, y), (a, b) in zip(points, before, strict=True))) / 2
