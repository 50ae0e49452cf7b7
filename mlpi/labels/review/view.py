"""An annotation as a page shows it: the task with what was marked in it, and the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from mlpi.labels.agreement import percent
from mlpi.labels.agreement.regions import Region, region_of
from mlpi.labels.config.config import LabelConfig, ObjectTag
from mlpi.labels.config.reading import read_config
from mlpi.labels.models import LabelAnnotation, LabelTask
from mlpi.labels.overview import labels_in

LONGEST = 6000  # characters of a text that are shown
MOST_SHAPES = 300
COLOURS = 6  # --c1 … --c6


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text. labels: of the spans that cover it; colour: 1 to 6, 0 for none."""

    text: str
    labels: str
    colour: int


@dataclass(frozen=True, slots=True)
class Shape:
    """points: of an SVG polygon over an image of 100 by 100; a point has a centre alone."""

    points: str
    labels: str
    colour: int
    x: float
    y: float
    is_point: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One object of the task. kind: text, image or other; src: an image of this host, or ""."""

    name: str
    kind: str
    pieces: Sequence[Piece] = ()
    src: str = ""
    shapes: Sequence[Shape] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What an annotation says: marked in the objects, and (control, its answer) about all of it.

    differs: the controls in which people do not agree.
    """

    annotation: LabelAnnotation
    shown: Sequence[Shown]
    answers: Sequence[tuple[str, str]]
    differs: frozenset[str] = frozenset()


def said(config_text: str, task: LabelTask, annotation: LabelAnnotation) -> Said:
    """One annotation."""
    config = read_config(config_text)
    data = json.loads(task.data)
    results = json.loads(annotation.result)
    return Said(annotation, _shown(config, data, results), _answers(results))


def side_by_side(
    config_text: str, task: LabelTask, annotations: Sequence[LabelAnnotation]
) -> Sequence[Said]:
    """All of a task, at most a dozen, each with what people do not agree on."""
    annotations = annotations[-percent.MOST_COMPARED :]
    read = [percent.read(json.loads(one.result)) for one in annotations]
    patience = percent.Patience()
    differs = {
        name
        for one, other in combinations(read, 2)
        for name, score in percent.by_control(one, other, patience).items()
        if score < 1
    }
    return [
        Said(one.annotation, one.shown, one.answers, frozenset(differs))
        for one in (said(config_text, task, annotation) for annotation in annotations)
    ]


def colours(config: LabelConfig) -> Mapping[str, int]:
    """A number from 1 to 6 for each label."""
    names = [label.key for control in config.controls.values() for label in control.labels]
    return {name: number % COLOURS + 1 for number, name in enumerate(dict.fromkeys(names))}


def _shown(
    config: LabelConfig, data: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> list[Shown]:
    hues = colours(config)
    return [
        _object(one, data.get(one.field) if one.field else one.value, results, hues)
        for one in config.objects.values()
    ]


def _object(
    one: ObjectTag,
    content: object,
    results: Sequence[Mapping[str, Any]],
    hues: Mapping[str, int],
) -> Shown:
    mine = [each for each in results if each.get("to_name") == one.name and "value" in each]
    if one.tag.name == "Image":
        src = content if isinstance(content, str) else ""
        is_ours = src.startswith(("/", "data:image/")) and not src.startswith("//")
        shapes = [_shape(each, hues) for each in mine[:MOST_SHAPES]]
        found = [shape for shape in shapes if shape is not None]
        return Shown(one.name, "image", _whole(src), src if is_ours else "", found)
    if one.tag.name == "Text" and isinstance(content, str | int | float):
        return Shown(one.name, "text", _marked(str(content), mine, hues))
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return Shown(one.name, "other", _whole(text))


def _whole(text: str) -> list[Piece]:
    return [Piece(text if len(text) <= LONGEST else text[:LONGEST] + "…", "", 0)]


def _marked(
    text: str, results: Sequence[Mapping[str, Any]], hues: Mapping[str, int]
) -> list[Piece]:
    """The text cut where a span begins or ends."""
    spans = []
    for one in results:
        start, end = one["value"].get("start"), one["value"].get("end")
        if isinstance(start, int | float) and isinstance(end, int | float):
            labels = labels_in(one)
            spans.append((int(start), int(end), ", ".join(labels), labels[:1]))
    cut = text[:LONGEST]
    edges = {0, len(cut)}
    edges.update(at for start, end, *_ in spans for at in (start, end) if 0 < at < len(cut))
    pieces = []
    for begin, end in pairwise(sorted(edges)):
        over = [one for one in spans if one[0] <= begin and one[1] >= end]
        names = [one[2] for one in over if one[2]]
        first = over[-1][3] if over else []
        colour = (hues.get(first[0], 1) if first else 1) if over else 0
        pieces.append(Piece(cut[begin:end], " + ".join(names), colour))
    return [*pieces, Piece("…", "", 0)] if len(text) > LONGEST else pieces


def _shape(one: Mapping[str, Any], hues: Mapping[str, int]) -> Shape | None:
    labels = labels_in(one)
    place = region_of(one, frozenset(labels))
    if place is None or place.kind[1] == "span":
        return None
    wide, high = one.get("original_width"), one.get("original_height")
    has_size = isinstance(wide, int | float) and isinstance(high, int | float) and wide and high
    across, down = (wide / 100, high / 100) if has_size else (1.0, 1.0)  # type: ignore[operator]
    points = [(x / across, y / down) for x, y in _corners(place)]
    return Shape(
        " ".join(f"{x:.2f},{y:.2f}" for x, y in points),
        ", ".join(labels),
        hues.get(labels[0], 1) if labels else 1,
        round(sum(x for x, _ in points) / len(points), 2),
        round(sum(y for _, y in points) / len(points), 2),
        place.kind[1] == "point",
    )


def _corners(place: Region) -> Sequence[tuple[float, float]]:
    if place.outline is not None:
        return place.outline
    left, top, right, bottom = place.frame
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _answers(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Answers about the whole, and how many places each region control has marked."""
    places: dict[str, int] = {}
    found: list[tuple[str, str]] = []
    for one in results:
        name = one.get("from_name")
        if name is None or "value" not in one:
            continue
        if region_of(one, frozenset()) is not None:
            places[name] = places.get(name, 0) + 1
            continue
        value = one["value"]
        words = labels_in(one) or [_plain(value)]
        found.append((name, ", ".join(words)[:500]))
    marked = [(name, f"{count} place{'s' if count != 1 else ''}") for name, count in places.items()]
    return [*found, *marked]


def _plain(value: Mapping[str, Any]) -> str:
    text = value.get("text")
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return " / ".join(map(str, text))
    return json.dumps(dict(value), ensure_ascii=False)
