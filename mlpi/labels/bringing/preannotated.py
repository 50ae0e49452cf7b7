"""Predictions that stand in a task's own fields (`preannotated_from_fields`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.given import TaskInvalid

VERSION = "preannotated"
_SINGLE = ("rating", "number", "datetime")  # values that are no lists


def shaped(one: object, fields: Sequence[str], config: LabelConfig) -> object:
    """A task with a prediction from each of these fields, named as controls are.

    Raises TaskInvalid when a field is not there.
    """
    if not isinstance(one, dict):
        return one
    data = one.get("data") or one
    if not isinstance(data, dict):
        return one
    predictions = []
    for name in fields:
        if name not in data:
            raise TaskInvalid(f"Preannotated field {name!r} not found in task data")
        if data[name] is not None:
            predictions.append(_prediction(name, data[name], config))
    return {"data": data, "predictions": predictions}


def _prediction(name: str, value: Any, config: LabelConfig) -> dict[str, Any]:
    control = config.controls.get(name)
    if control is None:
        raise TaskInvalid(
            f"Preannotated field {name!r} is no control of the configuration.",
            advice=f"Controls are {', '.join(config.controls) or 'none'}.",
        )
    if not isinstance(value, dict):
        key = control.tag.value_key
        if control.type not in _SINGLE and not isinstance(value, list):
            value = [value]
        value = {key: value}
    result = {
        "from_name": name,
        "to_name": control.to_names[0],
        "type": control.type,
        "value": value,
    }
    return {"result": [result], "score": 1.0, "model_version": VERSION}
