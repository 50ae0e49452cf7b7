"""Pascal VOC: an XML file for each image, with its boxes in whole pixels."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting.images import (
    box_of,
    image_of,
    label_of,
    name_of,
    path_of,
    size_of,
    stem_of,
)
from mlpi.labels.exporting.items import Item
from mlpi.labels.exporting.spool import Drawer
from mlpi.labels.exporting.texts import field_of

CHANNELS = 3  # images are not opened: nearly all have three


class Voc:
    """Annotation files in a drawer; of a task with several annotations the oldest one's."""

    def __init__(self, config: LabelConfig, drawer: Drawer) -> None:
        self._field, self._drawer = field_of(config), drawer

    def take(self, items: Iterable[Item]) -> None:
        for one in items:
            image, values = image_of(one, self._field), one.values
            size = size_of(values[0]) if values else None
            if image and size is not None:
                text = _document(one, name_of(path_of(image)), size)
                self._drawer.put(f"Annotations/{stem_of(path_of(image))}.xml", text.encode())


def _document(one: Item, name: str, size: tuple[float, float]) -> str:
    width, height = size
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotation>",
        _tag("folder", "images"),
        _tag("filename", name),
        "<source>",
        _tag("database", "MyDatabase"),
        _tag("annotation", "COCO2017"),
        _tag("image", "flickr"),
        _tag("flickrid", "NULL"),
        _tag("annotator", str(one.annotator)),
        "</source>",
        "<owner>",
        _tag("flickrid", "NULL"),
        _tag("name", "Label Studio"),
        "</owner>",
        "<size>",
        _tag("width", str(width)),
        _tag("height", str(height)),
        _tag("depth", str(CHANNELS)),
        "</size>",
        _tag("segmented", "0"),
    ]
    for value in one.values:
        label = label_of(value, "rectanglelabels", "labels")
        box = box_of(value)
        if label is None or box is None:
            continue
        left, across = (int(number / 100 * width) for number in (box[0], box[2]))
        top, down = (int(number / 100 * height) for number in (box[1], box[3]))
        lines += [
            "<object>",
            _tag("name", label),
            _tag("pose", "Unspecified"),
            _tag("truncated", "0"),
            _tag("difficult", "0"),
            "<bndbox>",
            _tag("xmin", str(left)),
            _tag("ymin", str(top)),
            _tag("xmax", str(left + across)),
            _tag("ymax", str(top + down)),
            "</bndbox>",
            "</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"
