"""A sample task for any configuration: something of the right kind in each field."""

from __future__ import annotations

from typing import Any

from mlpi.labels.config.config import Control, LabelConfig, ObjectTag
from mlpi.labels.templates.catalogue import TEMPLATES
from mlpi.labels.templates.samples import picture, sound

TEXT = "To have faith is to trust yourself to the water. This is a sample text."
_TURNS = [
    {"author": "Ana", "text": "Is there still tea?"},
    {"author": "Otto", "text": "I have just made some."},
]


def sample_data(config: LabelConfig) -> dict[str, Any]:
    """Data of a task that fits; that of a ready template, where the configuration is one."""
    for one in TEMPLATES:
        if one.config.strip() == config.text.strip():
            return dict(one.data)
    found: dict[str, Any] = {}
    for field, shown in config.fields.items():
        _put(found, field, _value(shown[0], field))
    for control in config.controls.values():
        if control.dynamic_field is not None:
            found.setdefault(control.dynamic_field, _labels(control))
    return found


def _put(found: dict[str, Any], field: str, value: Any) -> None:
    """A field may lie inside of another, as in $author.name."""
    *outer, last = field.split(".")
    for part in outer:
        inner = found.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        found = inner
    found.setdefault(last, value)


def _value(one: ObjectTag, field: str) -> Any:
    match one.tag.name:
        case "Image":
            is_many = one.attributes.get("valueList", "") != ""
            return [picture()] if is_many else picture()
        case "Audio":
            return sound()
        case "HyperText":
            return f"<p><b>{field}</b>: {TEXT}</p>"
        case "Paragraphs":
            name = one.attributes.get("nameKey", "author")
            text = one.attributes.get("textKey", "text")
            return [{name: turn["author"], text: turn["text"]} for turn in _TURNS]
        case "Table":
            return {"Name": "Kettle", "Price": 18.99, "Date": "2026-03-02"}
        case "List":
            return [
                {"id": "1", "title": "First", "body": "The first of the answers."},
                {"id": "2", "title": "Second", "body": "The second of the answers."},
            ]
    return TEXT


def _labels(control: Control) -> list[dict[str, str]]:
    return [{"value": f"{control.name} {number}"} for number in ("one", "two")]
