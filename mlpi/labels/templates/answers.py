"""Sample answers to a sample task: one of each control, that passes the checks of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from mlpi.labels.config.config import Control, LabelConfig, number_in
from mlpi.labels.results import ResultInvalid, check_results
from mlpi.labels.templates.samples import HEIGHT, WIDTH

WORDS = 7  # characters of a sample span
_BOX = {"x": 20.0, "y": 20.0, "width": 40.0, "height": 40.0, "rotation": 0.0}
_ELLIPSE = {"x": 50.0, "y": 50.0, "radiusX": 20.0, "radiusY": 20.0, "rotation": 0.0}
_POINT = {"x": 50.0, "y": 50.0, "width": 1.0}
_POLYGON = {"points": [[20.0, 20.0], [60.0, 20.0], [40.0, 60.0]]}
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("Rectangle", "RectangleLabels"), _BOX),
    **dict.fromkeys(("Ellipse", "EllipseLabels"), _ELLIPSE),
    **dict.fromkeys(("KeyPoint", "KeyPointLabels"), _POINT),
    **dict.fromkeys(("Polygon", "PolygonLabels"), _POLYGON),
}


def sample_results(config: LabelConfig, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A result of each control; of none that has nothing to say of such data."""
    found = []
    for control in config.controls.values():
        value = _value(config, control, data)
        if value is None:
            continue
        one: dict[str, Any] = {
            "id": str(uuid4()),
            "from_name": control.name,
            "to_name": control.to_names[0],
            "type": control.type,
            "value": value,
        }
        if control.tag.name in _SHAPES:
            size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
            one.update(size)
        try:
            check_results(config, [one], data)
        except ResultInvalid:
            continue  # its labels come from data that a sample does not have
        found.append(one)
    return found


def _value(config: LabelConfig, control: Control, data: Mapping[str, Any]) -> dict[str, Any] | None:
    name, key = control.tag.name, control.tag.value_key
    labels = _labels(control, data)
    if name in _SHAPES:
        return {**_SHAPES[name], **({key: labels[:1]} if key else {})}
    if control.tag.is_region:
        return {**_span(config, control, data), key: labels[:1]}
    if name == "Choices":
        return {"choices": labels[:1]}
    if name == "Taxonomy":
        return {"taxonomy": [list(control.labels[0].path)]} if control.labels else None
    plain: Mapping[str, Callable[[], Any]] = {
        "TextArea": lambda: ["A sample answer"],
        "Rating": lambda: 1,
        "Number": lambda: number_in(control, "min") or number_in(control, "max") or 1.0,
        "Pairwise": lambda: "left",
        "Ranker": lambda: _ranking(config, control, data),
    }
    return {key: plain[name]()} if name in plain else None


def _labels(control: Control, data: Mapping[str, Any]) -> list[str]:
    if control.labels:
        return [one.key for one in control.labels]
    offered = data.get(control.dynamic_field or "") or []
    return [str(one.get("alias") or one["value"]) for one in offered if "value" in one]


def _span(config: LabelConfig, control: Control, data: Mapping[str, Any]) -> dict[str, Any]:
    shown = config.objects[control.to_names[0]]
    content = data.get(shown.field or "")
    match shown.tag.name:
        case "Audio":
            return {"start": 0.1, "end": 0.5, "channel": 0}
        case "Paragraphs":
            key = shown.attributes.get("textKey", "text")
            text = str(content[0].get(key, "")) if isinstance(content, list) and content else ""
            place = {"start": "0", "end": "0", "startOffset": 0, "endOffset": len(text)}
            return {**place, "text": text}
        case "HyperText":
            place = {"start": "/p[1]/b[1]/text()[1]", "end": "/p[1]/b[1]/text()[1]"}
            return {**place, "startOffset": 0, "endOffset": len(shown.field or "")}
    text = str(content or "")[:WORDS]
    return {"start": 0, "end": len(text), "text": text}


def _ranking(config: LabelConfig, control: Control, data: Mapping[str, Any]) -> dict[str, Any]:
    items = data.get(config.objects[control.to_names[0]].field or "")
    ids = [str(one["id"]) for one in items] if isinstance(items, list) else []
    return {control.labels[0].value if control.labels else "rank": ids}
