"""The formats in which labels go out, and which of them a configuration can be written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.errors import MlpiError
from mlpi.labels.config.config import LabelConfig

GUIDE = "https://labelstud.io/guide/export.html"


class FormatUnknown(MlpiError):
    """There is no such format."""

    status = 400
    code = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True, slots=True)
class Format:
    """use: what it is for, in a line. ending: of its one file; "zip" where it is several."""

    name: str
    title: str
    description: str
    use: str
    ending: str
    anchor: str = ""
    tags: tuple[str, ...] = ()

    @property
    def has_images(self) -> bool:
        """Whether the images that lie on this server are packed with the labels."""
        return self.name.endswith(WITH_IMAGES)

    @property
    def is_archive(self) -> bool:
        return self.ending == "zip"

    @property
    def media_type(self) -> str:
        """As Label Studio names it: application/json, application/csv, application/zip."""
        return f"application/{self.ending}"

    def told(self, *, fits: bool) -> dict[str, Any]:
        """As /api/projects/{id}/export/formats lists it."""
        found: dict[str, Any] = {
            "title": self.title,
            "description": self.description,
            "link": f"{GUIDE}#{self.anchor or self.name}",
        }
        if self.tags:
            found["tags"] = list(self.tags)
        found["name"] = self.name
        if not fits:
            found["disabled"] = True
        return found


WITH_IMAGES = "_WITH_IMAGES"  # how the name of such a format ends
_IMAGES = ("image segmentation", "object detection")
_TEXT = ("sequence labeling", "text tagging", "named entity recognition")
FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(
            "JSON",
            "JSON",
            "All tasks with all that was said of them, in Label Studio's own JSON.",
            "Everything; what mlpi and Label Studio import again.",
            "json",
        ),
        Format(
            "JSON_MIN",
            "JSON-MIN",
            "One object for each annotation: the task's data, and the answers by control.",
            "The answers alone, for a script.",
            "json",
            "JSON-MIN",
        ),
        Format(
            "CSV",
            "CSV",
            "One row for each annotation; columns are the task's data and the controls.",
            "A spreadsheet, pandas, a dataset in the checks room.",
            "csv",
        ),
        Format(
            "TSV",
            "TSV",
            "One row for each annotation, with tabs between the columns.",
            "The same with tabs, for shells and databases.",
            "csv",
        ),
        Format(
            "PARQUET",
            "Parquet",
            "One row for each annotation, in columns with types.",
            "Large tables: typed, compressed, read by pandas, DuckDB and Spark.",
            "parquet",
            "CSV",
        ),
        Format(
            "CONLL2003",
            "CONLL2003",
            "One token a line with its B-, I- or O tag.",
            "Training of taggers that read CoNLL.",
            "conll",
            tags=_TEXT,
        ),
        Format(
            "SPACY",
            "spaCy",
            "One text a line as JSON, with its spans and categories.",
            "Training with spaCy or Prodigy (JSON Lines).",
            "jsonl",
            "spaCy",
            tags=(*_TEXT, "text classification"),
        ),
        Format(
            "COCO",
            "COCO",
            "One JSON file of images, categories and boxes, polygons or key points, in pixels.",
            "Detectron2, MMDetection, torchvision.",
            "zip",
            tags=(*_IMAGES, "keypoints"),
        ),
        Format(
            "COCO_WITH_IMAGES",
            "COCO with Images",
            "COCO, with the images that lie on this server in images/.",
            "The same with the pictures: a training set in one file.",
            "zip",
            "COCO",
            tags=(*_IMAGES, "keypoints"),
        ),
        Format(
            "YOLO",
            "YOLO",
            "One text file an image: class and box or polygon, from 0 to 1, and classes.txt.",
            "Ultralytics and Darknet.",
            "zip",
            tags=(*_IMAGES, "keypoints"),
        ),
        Format(
            "YOLO_WITH_IMAGES",
            "YOLO with Images",
            "YOLO, with the images that lie on this server in images/.",
            "The same with the pictures, as Ultralytics trains on.",
            "zip",
            "YOLO",
            tags=(*_IMAGES, "keypoints"),
        ),
        Format(
            "YOLO_OBB",
            "YOLOv8 OBB",
            "One text file an image: class and the four corners of boxes that may be turned.",
            "Ultralytics, for boxes that are turned.",
            "zip",
            "YOLO",
            tags=_IMAGES,
        ),
        Format(
            "YOLO_OBB_WITH_IMAGES",
            "YOLOv8 OBB with Images",
            "YOLOv8 OBB, with the images that lie on this server in images/.",
            "The same with the pictures.",
            "zip",
            "YOLO",
            tags=_IMAGES,
        ),
        Format(
            "VOC",
            "Pascal VOC XML",
            "One XML file an image with its boxes in pixels.",
            "Tools that read Pascal VOC.",
            "zip",
            "Pascal-VOC-XML",
            tags=_IMAGES,
        ),
    )
}
# Written for any configuration, however many objects a task shows.
ANY = ("JSON", "JSON_MIN", "CSV", "TSV", "PARQUET")


def format_named(name: str) -> Format:
    """Raises FormatUnknown with the list of those there are."""
    found = FORMATS.get(name)
    if found is None:
        raise FormatUnknown(
            f"{name[:40]!r} is not supported export format.",
            advice=f"Supported are {', '.join(FORMATS)}.",
            field="export_type",
        )
    return found


def fitting(config: LabelConfig) -> list[Format]:
    """The formats that a configuration can be written in."""
    return [one for one in FORMATS.values() if fits(config, one)]


def fits(config: LabelConfig, one: Format) -> bool:
    """Whether a configuration has what a format is about."""
    if one.name in ANY:
        return True
    name = one.name.removesuffix(WITH_IMAGES)
    fields = {shown.field or shown.value for shown in config.objects.values()}
    objects = {shown.tag.name for shown in config.objects.values()}
    controls = {control.tag.name for control in config.controls.values()}
    if len(fields) > 1:  # which of them would the file be about?
        return False
    if name == "CONLL2003":
        return "Text" in objects and "Labels" in controls
    if name == "SPACY":
        return "Text" in objects and bool(controls & {"Labels", "Choices"})
    if "Image" not in objects:
        return False
    has_boxes = "RectangleLabels" in controls or {"Rectangle", "Labels"} <= controls
    has_polygons = "PolygonLabels" in controls or {"Polygon", "Labels"} <= controls
    if name == "VOC":
        return has_boxes
    if name == "YOLO_OBB":
        return has_boxes or has_polygons
    if "KeyPointLabels" in controls and "RectangleLabels" not in controls:
        return False
    return has_boxes or has_polygons
