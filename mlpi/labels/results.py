"""Results of annotations and predictions, checked against the configuration on their way in.

A result is Label Studio's: {"id", "from_name", "to_name", "type", "value": {…}, …}. What names a
control that is not there, a label that is none, or a place outside of its object is refused, with
the path to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlpi.errors import MlpiError
from mlpi.labels.config.config import Control, LabelConfig, number_in

MOST_RESULTS = 10_000
MOST_POINTS = 10_000
LONGEST_TEXT = 1_000_000  # characters
SLACK = 1e-6  # percent, for what was rounded elsewhere
DIRECTIONS = ("left", "right", "bi")

Value = Mapping[str, Any]
Data = Mapping[str, Any]


class ResultInvalid(MlpiError):
    """A result does not fit the configuration."""

    status = 400
    code = "RESULT_INVALID"

    def __init__(self, path: str, what: str, *, advice: str = "") -> None:
        super().__init__(f"{path} {what}", advice=advice or None, field="result")
        self.path = path


def check_results(config: LabelConfig, results: object, data: Data | None = None) -> None:
    """Raises ResultInvalid at the first thing that is wrong.

    data: the task's: spans must lie within its text, and some labels come from it.
    """
    if not isinstance(results, list):
        raise ResultInvalid("result", "must be a list.")
    if len(results) > MOST_RESULTS:
        raise ResultInvalid("result", f"has {len(results):,} entries, more than {MOST_RESULTS:,}.")
    seen: set[tuple[str, str]] = set()
    ids: set[str] = set()
    relations = []
    for number, one in enumerate(results):
        path = f"result[{number}]"
        if not isinstance(one, dict):
            raise ResultInvalid(path, "must be an object.")
        if one.get("type") == "relation":
            relations.append((path, one))
            continue
        name = _check_result(config, path, one, data or {})
        if one.get("id") is None:
            continue
        key = (_text(path, one, "id"), name)
        if key in seen:
            raise ResultInvalid(f"{path}.id", f"{key[0]!r} is there twice for {name!r}.")
        seen.add(key)
        ids.add(key[0])
    for path, one in relations:
        _check_relation(config, path, one, ids)


def _check_result(config: LabelConfig, path: str, one: Value, data: Data) -> str:
    name = _text(path, one, "from_name")
    control = config.controls.get(name)
    if control is None:
        raise ResultInvalid(
            f"{path}.from_name",
            f"{name[:80]!r} is no control.",
            advice=f"Controls are {', '.join(config.controls) or 'none'}.",
        )
    to_name = _text(path, one, "to_name")
    if to_name not in control.to_names and to_name != name:
        raise ResultInvalid(
            f"{path}.to_name",
            f"{to_name[:80]!r} is not what {name!r} is about.",
            advice=f"It is about {', '.join(control.to_names)}.",
        )
    kind = _text(path, one, "type")
    if kind != control.type:
        raise ResultInvalid(
            f"{path}.type",
            f"{kind[:80]!r} does not fit {name!r}.",
            advice=f"Send {control.type!r}.",
        )
    value = one.get("value")
    if not isinstance(value, dict):
        raise ResultInvalid(f"{path}.value", "must be an object.")
    shown = config.objects.get(to_name)
    content = data.get(shown.field) if shown is not None and shown.field else None
    check = _CHECKS[control.tag.name]
    for part in check:
        part(_Place(f"{path}.value", value, control, content, data))
    return name


class _Place:
    """A value and all that it is judged by. content: the task's data that it is about."""

    def __init__(
        self, path: str, value: Value, control: Control, content: object, data: Data
    ) -> None:
        self.path, self.value, self.control = path, value, control
        self.content, self.data = content, data

    def fail(self, key: str, what: str, *, advice: str = "") -> ResultInvalid:
        return ResultInvalid(f"{self.path}.{key}", what, advice=advice)

    def number(self, key: str, low: float, high: float, *, default: float | None = None) -> float:
        """A finite number within bounds; default stands for one that is absent."""
        found = self.value.get(key, default)
        if (
            isinstance(found, bool)
            or not isinstance(found, int | float)
            or not math.isfinite(found)
        ):
            raise self.fail(key, f"must be a number, not {_short(found)}.")
        if not low - SLACK <= found <= high + SLACK:
            raise self.fail(key, f"is {found}, outside of {low:g} to {high:g}.")
        return float(found)

    def strings(self, key: str) -> list[str]:
        found = self.value.get(key)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.fail(key, f"must be a list of texts, not {_short(found)}.")
        return found

    def known(self) -> frozenset[str] | None:
        """Labels that may be given; None when the task's data decides and is not known."""
        control = self.control
        if control.dynamic_field is None:
            return control.keys
        offered = self.data.get(control.dynamic_field)
        if not isinstance(offered, list):
            return None
        return control.keys | frozenset(_offered(offered))


def _offered(entries: Sequence[object]) -> list[str]:
    """Labels in a task's data: texts, or objects with a value and perhaps children."""
    found: list[str] = []
    for one in entries:
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            name = one.get("alias") or one.get("value")
            found += [name] if isinstance(name, str) else []
            children = one.get("children")
            found += _offered(children) if isinstance(children, list) else []
    return found


# --- what values hold ------------------------------------------------------------------------


def _labels(place: _Place) -> None:
    control, key = place.control, place.control.tag.value_key
    labels = place.strings(key)
    known = place.known()
    for label in labels:
        if known is not None and label not in known:
            raise place.fail(
                key,
                f"holds {label[:80]!r}, which is no label of {control.name!r}.",
                advice=f"Labels are {_few(control.keys)}.",
            )
    if not labels and not control.is_on("allowEmpty"):
        raise place.fail(key, "is empty.")
    if len(set(labels)) != len(labels):
        raise place.fail(key, "holds a label twice.")
    if len(labels) > 1 and not control.is_multiple:
        raise place.fail(key, f"holds {len(labels)} labels; {control.name!r} takes one.")


def _choices(place: _Place) -> None:
    control = place.control
    found = place.value.get("choices")
    if not isinstance(found, list) or not found:
        raise place.fail("choices", "must be a list with a choice or more.")
    known = place.known()
    for one in found:
        path = [one] if isinstance(one, str) else one
        if not isinstance(path, list) or not path or not all(isinstance(p, str) for p in path):
            raise place.fail("choices", f"holds {_short(one)}, which is no text and no path.")
        is_known = path[-1] in known if known is not None else True
        if is_known and len(path) > 1 and control.dynamic_field is None:
            is_known = tuple(path) in control.paths
        if not is_known:
            raise place.fail(
                "choices",
                f"holds {_short(one)}, which is no choice of {control.name!r}.",
                advice=f"Choices are {_few(control.keys)}.",
            )
    if len(found) > 1 and not control.is_multiple:
        raise place.fail("choices", f"holds {len(found)}; {control.name!r} takes one.")


def _box(place: _Place) -> None:
    turn = place.number("rotation", -360, 360, default=0)
    # The corner of a turned box may lie outside of the image although the box does not.
    low, high = (0.0, 100.0) if not turn % 360 else (-100.0, 200.0)
    x, y = place.number("x", low, high), place.number("y", low, high)
    width, height = place.number("width", 0, 150), place.number("height", 0, 150)
    if not turn % 360:
        for key, end in (("width", x + width), ("height", y + height)):
            if end > 100 + 1e-3:
                raise place.fail(key, f"reaches {end:g} % of the image.")


def _ellipse(place: _Place) -> None:
    place.number("rotation", -360, 360, default=0)
    for key in ("x", "y"):
        place.number(key, 0, 100)
    for key in ("radiusX", "radiusY"):
        place.number(key, 0, 100)


def _point(place: _Place) -> None:
    for key in ("x", "y"):
        place.number(key, 0, 100)
    place.number("width", 0, 100, default=0)


def _polygon(place: _Place) -> None:
    points = place.value.get("points")
    if not isinstance(points, list) or not 3 <= len(points) <= MOST_POINTS:
        raise place.fail("points", f"must be a list of 3 to {MOST_POINTS:,} points.")
    for number, point in enumerate(points):
        is_pair = isinstance(point, list | tuple) and len(point) == 2
        if not is_pair:
            raise place.fail(f"points[{number}]", "must be [x, y] in percent.")
        inner = _Place(
            f"{place.path}.points[{number}]",
            dict(zip("xy", point, strict=True)),
            place.control,
            None,
            {},
        )
        _point(inner)


def _span(place: _Place) -> None:
    """A stretch of what the object shows: characters, seconds, or places in paragraphs or HTML."""
    about = {name: place.value.get(name) for name in ("start", "end")}
    if all(isinstance(one, str) for one in about.values()):
        _offsets(place)
        return
    start = place.number("start", 0, 1e12)
    end = place.number("end", 0, 1e12)
    if end < start:
        raise place.fail("end", f"is {end:g}, before the start at {start:g}.")
    if "startOffset" in place.value:
        _offsets(place)
    elif isinstance(place.content, str) and "text" in place.value and "channel" not in place.value:
        # Browsers count UTF-16 units, others characters: the longer of the two is the bound.
        length = len(place.content.encode("utf-16-le", "surrogatepass")) // 2
        if end > length:
            raise place.fail("end", f"is {end:g}; the text has {length:,} characters.")


def _offsets(place: _Place) -> None:
    for key in ("startOffset", "endOffset"):
        offset = place.number(key, 0, 1e9, default=0)
        if offset % 1:
            raise place.fail(key, f"is {offset:g}, not a whole number.")


def _answer_text(place: _Place) -> None:
    found = place.value.get("text")
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise place.fail("text", "must be a text or a list of texts.")
    if sum(map(len, texts)) > LONGEST_TEXT:
        raise place.fail("text", f"has more than {LONGEST_TEXT:,} characters.")
    most = place.control.attributes.get("maxSubmissions")
    if most is not None and len(texts) > int(most):
        raise place.fail("text", f"holds {len(texts)} texts; {most} may be given.")


def _rating(place: _Place) -> None:
    most = int(place.control.attributes.get("maxRating") or 5)
    if place.number("rating", 0, most) % 1:
        raise place.fail("rating", "must be a whole number.")


def _number(place: _Place) -> None:
    low, high = number_in(place.control, "min"), number_in(place.control, "max")
    place.number("number", -math.inf if low is None else low, math.inf if high is None else high)


def _selected(place: _Place) -> None:
    if place.value.get("selected") not in ("left", "right"):
        raise place.fail("selected", "must be 'left' or 'right'.")


def _ranking(place: _Place) -> None:
    found = place.value.get("ranker")
    buckets = {label.value for label in place.control.labels} | {"rank", "_"}
    if not isinstance(found, dict):
        raise place.fail("ranker", "must be an object of lists.")
    seen: set[str] = set()
    items = place.content if isinstance(place.content, list) else []
    known = {str(item.get("id")) for item in items if isinstance(item, dict)}
    for bucket, ids in found.items():
        if bucket not in buckets:
            raise place.fail("ranker", f"has {bucket[:80]!r}, which is no bucket.")
        if not isinstance(ids, list) or not all(isinstance(one, str | int) for one in ids):
            raise place.fail(f"ranker.{bucket}", "must be a list of ids.")
        for one in map(str, ids):
            if one in seen:
                raise place.fail(f"ranker.{bucket}", f"holds {one[:80]!r} a second time.")
            if known and one not in known:
                raise place.fail(f"ranker.{bucket}", f"holds {one[:80]!r}, which is no item.")
            seen.add(one)


def _taxonomy(place: _Place) -> None:
    found = place.value.get("taxonomy")
    control = place.control
    if not isinstance(found, list) or not found:
        raise place.fail("taxonomy", "must be a list of paths.")
    for path in found:
        is_path = isinstance(path, list) and path and all(isinstance(one, str) for one in path)
        if not is_path:
            raise place.fail("taxonomy", f"holds {_short(path)}, which is no list of texts.")
        if control.dynamic_field is None and tuple(path) not in control.paths:
            raise place.fail("taxonomy", f"holds {_short(path)}, which is no path in it.")
    most = control.attributes.get("maxUsages")
    if most is not None and len(found) > int(most):
        raise place.fail("taxonomy", f"holds {len(found)} paths; {most} may be given.")


_CHECKS: dict[str, tuple[Callable[[_Place], None], ...]] = {
    "Choices": (_choices,),
    "Labels": (_span, _labels),
    "HyperTextLabels": (_span, _labels),
    "ParagraphLabels": (_span, _labels),
    "RectangleLabels": (_box, _labels),
    "PolygonLabels": (_polygon, _labels),
    "KeyPointLabels": (_point, _labels),
    "EllipseLabels": (_ellipse, _labels),
    "Rectangle": (_box,),
    "Polygon": (_polygon,),
    "KeyPoint": (_point,),
    "Ellipse": (_ellipse,),
    "TextArea": (_answer_text,),
    "Rating": (_rating,),
    "Number": (_number,),
    "Pairwise": (_selected,),
    "Ranker": (_ranking,),
    "Taxonomy": (_taxonomy,),
}


def _check_relation(config: LabelConfig, path: str, one: Value, ids: set[str]) -> None:
    for key in ("from_id", "to_id"):
        if _text(path, one, key) not in ids:
            raise ResultInvalid(f"{path}.{key}", f"{one[key][:80]!r} is the id of no result.")
    if one.get("direction", "right") not in DIRECTIONS:
        raise ResultInvalid(f"{path}.direction", f"must be one of {', '.join(DIRECTIONS)}.")
    labels = one.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ResultInvalid(f"{path}.labels", "must be a list of texts.")
    strange = [label for label in labels if label not in config.relation_labels]
    if strange:
        raise ResultInvalid(
            f"{path}.labels",
            f"holds {strange[0][:80]!r}, which is no <Relation>.",
            advice=f"Relations are {_few(config.relation_labels)}.",
        )


def _text(path: str, one: Value, key: str) -> str:
    found = one.get(key)
    if not isinstance(found, str) or not found:
        raise ResultInvalid(f"{path}.{key}", f"must be a text, not {_short(found)}.")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return "nothing" if value is None else text if len(text) <= 80 else f"{text[:79]}…"


def _few(names: object) -> str:
    every = sorted(str(name) for name in names)  # type: ignore[attr-defined]
    shown = ", ".join(every[:20])
    return f"{shown}, … ({len(every)} in all)" if len(every) > 20 else shown or "none"
