"""What a model answered about one task, as results in Label Studio's JSON. Pure."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.labels.config.config import Control, LabelConfig

Data = Mapping[str, Any]
Size = tuple[int, int]


class Unfit(Exception):
    """An answer that cannot be turned into results; says why, in words."""


@dataclass(frozen=True, slots=True)
class Guess:
    """results: Label Studio's; score: 0 to 1 where the model told, None where not."""

    results: list[dict[str, Any]]
    score: float | None


def guess(
    config: LabelConfig,
    control: Control,
    answer: Any,
    *,
    score: float | None = None,
    data: Data,
    size: Size | None = None,
) -> Guess:
    """answer: plain JSON; size: of the picture in pixels, (width, height). Raises Unfit.

    An answer may be a label (or its number), a list of labels, spans, boxes, a text or a number,
    as the control needs it; {"label": …, "score": …}; or Label Studio's own {"result": […]}.
    """
    if isinstance(answer, Mapping) and isinstance(answer.get("result"), list):
        return Guess([_named(one) for one in answer["result"]], _score(answer, score))
    name = control.tag.name
    if name == "Choices":
        return _choices(control, answer, score)
    if name == "RectangleLabels":
        return _boxes(control, answer, score, size)
    if control.tag.is_region:
        return _spans(config, control, answer, score, data)
    if isinstance(answer, Mapping):
        score = _score(answer, score)
        answer = _first(answer, "text", "answer", "value", "label", "rating", "number", "selected")
    if name == "TextArea":
        texts = answer if isinstance(answer, list) else [answer]
        return Guess([_result(control, {"text": [str(one) for one in texts]})], score)
    if name == "Pairwise":
        return Guess([_result(control, {"selected": answer})], score)
    number = _number(answer)
    if name == "Rating":
        number = round(number)
    return Guess([_result(control, {control.tag.value_key: number})], score)


def label_of(control: Control, answer: Any) -> str:
    """The label that an answer names: as it is written, or its number from 0. Raises Unfit."""
    keys = [label.key for label in control.labels]
    text = str(int(answer)) if isinstance(answer, float) and answer.is_integer() else str(answer)
    if text in keys:
        return text
    by_value = {label.value: label.key for label in control.labels}
    if text in by_value:
        return by_value[text]
    folded = {key.casefold(): key for key in keys}
    if text.casefold() in folded:
        return folded[text.casefold()]
    if text.isdecimal() and int(text) < len(keys) and not isinstance(answer, bool):
        return keys[int(text)]
    if control.dynamic_field is not None:
        return text
    raise Unfit(f"{text[:60]!r} is no label of {control.name}")


def _choices(control: Control, answer: Any, score: float | None) -> Guess:
    if isinstance(answer, Mapping):
        score = _score(answer, score)
        answer = _first(answer, "labels", "label", "choices", "choice", "class", "prediction")
    if isinstance(answer, list) and answer and isinstance(answer[0], Mapping):
        best = answer if control.is_multiple else answer[:1]
        scores = [found for one in best if (found := _score(one, None)) is not None]
        score = sum(scores) / len(scores) if scores else score
        answer = [_first(one, "label", "choice", "class") for one in best]
    names = answer if isinstance(answer, list) else [answer]
    if not names:
        raise Unfit("it named no label")
    chosen = list(dict.fromkeys(label_of(control, one) for one in names))
    return Guess([_result(control, {"choices": chosen})], score)


def _spans(
    config: LabelConfig, control: Control, answer: Any, score: float | None, data: Data
) -> Guess:
    """Spans of a text; a label alone is of all of it."""
    text = data.get(config.objects[control.to_names[0]].field or "")
    if isinstance(answer, Mapping):
        score = _score(answer, score)
        answer = answer.get("spans", answer.get("entities", answer))
    if not isinstance(answer, list):
        if not isinstance(text, str):
            raise Unfit("a label alone needs a text to be of")
        label = _first(answer, "label", "class") if isinstance(answer, Mapping) else answer
        answer = [{"start": 0, "end": len(text), "label": label}]
    results, scores = [], []
    for one in answer:
        span = _span(one)
        value: dict[str, Any] = {
            "start": span["start"],
            "end": span["end"],
            control.tag.value_key: [label_of(control, span["label"])],
        }
        if isinstance(text, str):
            value["text"] = text[span["start"] : span["end"]]
        results.append(_result(control, value, span["score"]))
        scores += [span["score"]] if span["score"] is not None else []
    return Guess(results, sum(scores) / len(scores) if scores else score)


def _span(one: Any) -> dict[str, Any]:
    if isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 3:
        one = dict(zip(("start", "end", "label"), one, strict=True))
    if not isinstance(one, Mapping):
        raise Unfit("a span must be [start, end, label] or an object with these")
    return {
        "start": int(_number(one.get("start"))),
        "end": int(_number(one.get("end"))),
        "label": _first(one, "label", "entity_group", "entity", "labels"),
        "score": _score(one, None),
    }


def _boxes(control: Control, answer: Any, score: float | None, size: Size | None) -> Guess:
    """Boxes as objects in percent, or as detectors give them: boxes, labels and scores apart."""
    if isinstance(answer, Mapping) and "boxes" in answer:
        boxes = _apart(answer, size)
    elif isinstance(answer, list):
        boxes = [dict(_mapping(one)) for one in answer]
    elif isinstance(answer, Mapping):
        boxes = [dict(answer)]
    else:  # a class alone: of all of the picture
        boxes = [{"x": 0, "y": 0, "width": 100, "height": 100, "label": answer, "score": score}]
    results, scores = [], []
    for one in boxes:
        value: dict[str, Any] = {
            name: _number(one.get(name)) for name in ("x", "y", "width", "height")
        }
        value["rotation"] = _number(one.get("rotation", 0))
        value[control.tag.value_key] = [label_of(control, _first(one, "label", "class"))]
        found = _result(control, value, _score(one, None))
        if size is not None:
            found |= {"original_width": size[0], "original_height": size[1], "image_rotation": 0}
        results.append(found)
        scores += [found["score"]] if "score" in found else []
    return Guess(results, sum(scores) / len(scores) if scores else score)


def _apart(answer: Mapping[str, Any], size: Size | None) -> list[dict[str, Any]]:
    """{"boxes": [[left, top, right, bottom], …] in pixels, "labels": […], "scores": […]}."""
    corners, labels = answer["boxes"], answer.get("labels")
    scores: list[Any] = answer.get("scores") or [None] * len(corners)
    if not isinstance(labels, list) or not len(corners) == len(labels) == len(scores):
        raise Unfit("boxes, labels and scores must be lists of one length")
    if size is None:
        raise Unfit("boxes in pixels need a picture whose size is known")
    across, down = 100 / size[0], 100 / size[1]
    found = []
    for box, label, sure in zip(corners, labels, scores, strict=True):
        left, top, right, bottom = (_number(one) for one in box)
        left, right = max(0.0, left), min(float(size[0]), right)
        top, bottom = max(0.0, top), min(float(size[1]), bottom)
        found.append(
            {
                "x": left * across,
                "y": top * down,
                "width": max(0.0, right - left) * across,
                "height": max(0.0, bottom - top) * down,
                "label": label,
                "score": sure,
            }
        )
    return found


def _result(control: Control, value: dict[str, Any], score: float | None = None) -> dict[str, Any]:
    found = {
        "id": secrets.token_hex(5),
        "from_name": control.name,
        "to_name": control.to_names[0],
        "type": control.type,
        "value": value,
    }
    return found if score is None else {**found, "score": score}


def _named(one: Any) -> dict[str, Any]:
    """One of Label Studio's own results, with an id."""
    return {"id": secrets.token_hex(5), **_mapping(one)}


def _mapping(one: Any) -> Mapping[str, Any]:
    if not isinstance(one, Mapping):
        raise Unfit(f"{str(one)[:60]!r} is no object")
    return one


def _first(one: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if one.get(name) is not None:
            return one[name]
    raise Unfit(f"an object with {' or '.join(names)} is asked for")


def _score(one: Mapping[str, Any], other: float | None) -> float | None:
    for name in ("score", "probability", "confidence"):
        value = one.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return other


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Unfit(f"{str(value)[:60]!r} is no number") from None
    if not math.isfinite(number):
        raise Unfit(f"{number} is no number")
    return number
