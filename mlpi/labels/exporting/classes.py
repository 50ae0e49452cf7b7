"""Classes of image formats: numbered in the order of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mlpi.labels.config.config import LabelConfig


@dataclass
class Classes:
    """categories: {"id", "name"} each, as they are written; ids: by name."""

    categories: list[dict[str, Any]] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)

    def add(self, number: int, name: str) -> None:
        self.categories.append({"id": number, "name": name})
        self.ids[name] = number

    def id_of(self, name: str) -> int:
        """A class's number; one that the configuration no longer has comes behind the others."""
        if name not in self.ids:
            self.add(len(self.categories), name)
        return self.ids[name]


def classes(config: LabelConfig) -> Classes:
    """All labels and choices, each once, in their order; category="7" chooses a number."""
    found = Classes()
    labels = [label for control in config.controls.values() for label in control.labels]
    for label in labels:
        number = label.attributes.get("category", "").strip()
        if re.fullmatch(r"-?\d{1,9}", number) and label.key not in found.ids:
            found.add(int(number), label.key)
    free = _free(set(found.ids.values()))
    for label in labels:
        if label.key not in found.ids:
            found.add(next(free), label.key)
    return found


def _free(taken: set[int]) -> Iterator[int]:
    return (number for number in count() if number not in taken)


def key_points(config: LabelConfig) -> list[str]:
    """The names of all key points, in their order; none when the configuration has none."""
    return _labels_of(config, "KeyPointLabels")


def ordered_key_points(config: LabelConfig) -> list[str]:
    """Key points by their model_index; those without one are left out."""
    by_index: dict[int, str] = {}
    for control in config.controls.values():
        for label in control.labels if control.tag.name == "KeyPointLabels" else ():
            index = label.attributes.get("model_index", "").strip()
            if re.fullmatch(r"-?\d{1,9}", index):
                by_index.setdefault(int(index), label.key)
    return [by_index[index] for index in sorted(by_index)]


def boxed_classes(config: LabelConfig) -> Classes:
    """For YOLO with key points: the labels of boxes, which have key points."""
    found, points = Classes(), key_points(config)
    for number, name in enumerate(_labels_of(config, "RectangleLabels")):
        found.categories.append({"id": number, "name": name, "keypoints": points})
        found.ids[name] = number
    return found


def with_key_points(found: Classes, config: LabelConfig) -> Classes:
    """For COCO: all key points become one class, "default"; unchanged when there are none."""
    points = key_points(config)
    if not points:
        return found
    kept = [one for one in found.categories if one["name"] not in points]
    number = max((one["id"] for one in kept), default=-1) + 1
    merged = {
        "id": number,
        "name": "default",
        "supercategory": "default",
        "keypoints": points,
        "skeleton": [],
    }
    ids = {one["name"]: one["id"] for one in kept} | dict.fromkeys(points, number)
    return Classes([*kept, merged], ids)


def _labels_of(config: LabelConfig, tag: str) -> list[str]:
    return list(
        dict.fromkeys(
            label.key
            for control in config.controls.values()
            if control.tag.name == tag
            for label in control.labels
        )
    )
