"""What comes in as JSON, one piece at a time: a task, an annotation, a prediction, each checked.

A task comes bare ({"text": …}) or with what belongs to it ({"data": {…}, "annotations": […],
"predictions": […], "meta": {…}}), as Label Studio imports and exports them.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.errors import Invalid
from mlpi.labels.config.config import LabelConfig, ObjectTag
from mlpi.labels.flags import flag
from mlpi.labels.results import ResultInvalid, check_results

MOST_DATA_BYTES = 1 << 20
LONGEST_LEAD_S = 10 * 365 * 86400.0
# The types that an object's data may have, as Label Studio checks them.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "Text": (str, int, float),
    "HyperText": (str,),
    "Image": (str, list),
    "Audio": (str,),
    "Paragraphs": (list, str),
    "Table": (dict, list, str),
    "List": (list,),
}


class TaskInvalid(Invalid):
    """A task does not fit the project's configuration."""

    status = 400
    code = "TASK_INVALID"


@dataclass(frozen=True, slots=True)
class GivenAnnotation:
    """result: JSON, checked. completed_by: a user's id, when the sender names one."""

    key: str
    result: str
    result_count: int
    was_cancelled: bool = False
    skip_reason: str = ""
    ground_truth: bool = False
    lead_time_s: float | None = None
    completed_by: int | None = None
    import_id: int | None = None
    parent_prediction_id: int | None = None
    parent_annotation_id: int | None = None


@dataclass(frozen=True, slots=True)
class GivenPrediction:
    """result: JSON, checked."""

    result: str
    score: float | None
    model_version: str


@dataclass(frozen=True, slots=True)
class GivenTask:
    """data, meta: JSON. file_id: of the uploaded file that it came in."""

    data: str
    meta: str
    annotations: Sequence[GivenAnnotation]
    predictions: Sequence[GivenPrediction]
    file_id: int | None = None


def task(config: LabelConfig, one: object, *, file_id: int | None = None) -> GivenTask:
    """Raises TaskInvalid, ResultInvalid."""
    if not isinstance(one, dict):
        raise TaskInvalid('A task must be an object with "data", or its data itself.')
    parts: Mapping[str, Any] = one if "data" in one else {"data": one}
    data = parts["data"]
    if not isinstance(data, dict):
        raise TaskInvalid("A task's data must be an object.")
    text = check_data(config, data)
    annotations, predictions = (_list(parts, name) for name in ("annotations", "predictions"))
    meta = parts.get("meta") or {}
    if not isinstance(meta, dict):
        raise TaskInvalid("A task's meta must be an object.")
    return GivenTask(
        text,
        as_json(meta) if meta else "{}",
        [annotation(config, _object(each), data, is_import=True) for each in annotations],
        [prediction(config, _object(each), data) for each in predictions],
        file_id,
    )


def check_data(config: LabelConfig, data: Mapping[str, Any]) -> str:
    """See that there is what the configuration shows; the data as JSON. Raises TaskInvalid."""
    text = as_json(data)
    size = len(text) if text.isascii() else len(text.encode())
    if size > MOST_DATA_BYTES:
        raise TaskInvalid(
            f"A task's data may have {MOST_DATA_BYTES:,} bytes, not {size:,}.",
            advice="Upload large texts and media as files and name them in the task.",
        )
    for field, shown in config.fields.items():
        value = _within(data, field)
        if value is _ABSENT:
            raise TaskInvalid(
                f'"{field}" key is expected in task data.',
                advice=f"Its keys are {', '.join(sorted(map(str, data))[:20]) or 'none'}.",
            )
        for one in shown:
            _check_type(one, field, value)
    return text


def annotation(
    config: LabelConfig,
    one: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    is_import: bool = False,
) -> GivenAnnotation:
    """An annotation as clients send it. Raises Invalid, ResultInvalid."""
    results = one.get("result", [])
    if isinstance(results, str):
        try:
            results = json.loads(results)
        except ValueError:
            raise ResultInvalid("result", "is a text that is no JSON.") from None
    was_cancelled = _flag(one, "was_cancelled")
    check_results(config, results, data)
    number = one.get("completed_by")
    if isinstance(number, dict):
        number = number.get("id")
    return GivenAnnotation(
        key=_key(one, is_import=is_import),
        result=as_json(results),
        result_count=len(results),
        was_cancelled=was_cancelled,
        skip_reason=str(one.get("skip_reason") or "")[:500],
        ground_truth=_flag(one, "ground_truth"),
        lead_time_s=_seconds(one.get("lead_time")),
        completed_by=_whole(number),
        import_id=_whole(one.get("id")) if is_import else None,
        parent_prediction_id=_whole(one.get("parent_prediction")),
        parent_annotation_id=_whole(one.get("parent_annotation")),
    )


def prediction(
    config: LabelConfig, one: Mapping[str, Any], data: Mapping[str, Any]
) -> GivenPrediction:
    """A prediction as clients send it. Raises Invalid, ResultInvalid."""
    if "result" not in one:
        raise ResultInvalid("result", "is missing from a prediction.")
    results = one["result"]
    check_results(config, results, data)
    score = one.get("score")
    if score is not None and (
        isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score)
    ):
        raise Invalid(f"A score must be a number, not {str(score)[:40]!r}.", field="score")
    version = one.get("model_version")
    return GivenPrediction(
        as_json(results), score, "undefined" if version is None else str(version)[:255]
    )


def as_json(value: object) -> str:
    """Compact, and refused when it holds what JSON does not have. Raises TaskInvalid."""
    try:
        text = _encode(value)
        if not text.isascii():
            text.encode()  # half of a surrogate pair is no text
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskInvalid(f"This is no JSON: {error}.") from None
    return text


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_ABSENT = object()


def _within(data: Mapping[str, Any], field: str) -> object:
    """A field, or one inside of another, as in $author.name."""
    if field in data:
        return data[field]
    found: object = data
    for part in field.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = found[part]
    return found


def _check_type(one: ObjectTag, field: str, value: object) -> None:
    expected = _TYPES[one.tag.name]
    if isinstance(value, bool) or not isinstance(value, expected):
        names = " or ".join(kind.__name__ for kind in expected)
        raise TaskInvalid(
            f"data['{field}'] is of type {type(value).__name__!r}, "
            f"but the object tag {one.tag.name} expects {names}."
        )


def _list(parts: Mapping[str, Any], name: str) -> list[object]:
    found = parts.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise TaskInvalid(f"A task's {name} must be a list.")
    return found


def _object(one: object) -> Mapping[str, Any]:
    if not isinstance(one, dict):
        raise TaskInvalid("An annotation or prediction must be an object.")
    return one


def _key(one: Mapping[str, Any], *, is_import: bool) -> str:
    """What the sender calls it, so that sending again is no second one; or a new name."""
    given = one.get("unique_id")
    if given is None or is_import:
        return secrets.token_hex(16)
    if not isinstance(given, str) or not 1 <= len(given) <= 64:
        raise Invalid("unique_id must be a text of 1 to 64 characters.", field="unique_id")
    return given


def _flag(one: Mapping[str, Any], name: str) -> bool:
    value = one.get(name)
    return False if value in (None, "") else flag(value, name)


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= LONGEST_LEAD_S:  # type: ignore[arg-type,operator]
        raise Invalid("A number of seconds is asked for.", field="lead_time")
    return float(value)  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
