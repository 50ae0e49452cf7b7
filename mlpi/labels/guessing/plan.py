"""How a task becomes what a model takes, and which control its answers are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlpi.errors import Invalid
from mlpi.labels.config.config import Control, LabelConfig

KINDS: Mapping[str, str] = {
    "text": "a text",
    "features": "numbers or columns",
    "image": "a picture, as an array",
}
MODES: Mapping[str, str] = {"L": "grey", "RGB": "colour"}
# Controls that a model's answer can be turned into results of.
ANSWERED = (
    *("Choices", "Labels", "HyperTextLabels", "RectangleLabels", "TextArea", "Rating", "Number"),
    "Pairwise",
)
LARGEST_SIDE = 4096  # pixels


@dataclass(frozen=True, slots=True)
class Plan:
    """field: of the task's data, "" for all of it; kind: of KINDS; control: whom answers are for.

    width, height: a picture is brought to so many pixels, 0 leaves it; mode: of MODES; top: what
    white is in the array, which begins with 0 at black.
    """

    field: str
    kind: str
    control: str
    width: int = 0
    height: int = 0
    mode: str = "RGB"
    top: float = 255.0

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def proposed(config: LabelConfig) -> Plan:
    """What fits the configuration's first control that a model can answer. Raises Invalid."""
    for control in config.controls.values():
        if control.tag.name not in ANSWERED or control.is_per_region:
            continue
        shown = config.objects[control.to_names[0]]
        kind = {"Image": "image", "Table": "features"}.get(shown.tag.name, "text")
        return Plan(shown.field or "", kind, control.name)
    raise Invalid(
        "This configuration has no control that a model could answer.",
        advice=f"A model can answer {', '.join(f'<{name}>' for name in ANSWERED)}.",
        field="control",
    )


def read_plan(config: LabelConfig, given: Mapping[str, Any]) -> Plan:
    """A plan from what somebody sent; what is left out is as proposed. Raises Invalid."""
    base = proposed(config)
    control = config.controls.get(str(given.get("control") or base.control))
    if control is None or control.tag.name not in ANSWERED:
        fitting = [one.name for one in config.controls.values() if one.tag.name in ANSWERED]
        raise Invalid(
            f"{str(given.get('control'))[:60]!r} is no control that a model could answer.",
            advice=f"It may be {', '.join(fitting)}.",
            field="control",
        )
    kind = str(given.get("kind") or base.kind)
    if kind not in KINDS:
        raise Invalid(
            f"{kind[:60]!r} is no kind of input.",
            advice=f"It may be {', '.join(KINDS)}.",
            field="kind",
        )
    mode = str(given.get("mode") or base.mode)
    if mode not in MODES:
        raise Invalid("A picture is read as L (grey) or RGB.", field="mode")
    field = given.get("field")
    return Plan(
        field=_field_of(config, control) if field is None else str(field)[:200],
        kind=kind,
        control=control.name,
        width=int(_number(given, "width", 0, LARGEST_SIDE)),
        height=int(_number(given, "height", 0, LARGEST_SIDE)),
        mode=mode,
        top=_number(given, "top", 1e-6, 1e6, default=255.0),
    )


def _field_of(config: LabelConfig, control: Control) -> str:
    return config.objects[control.to_names[0]].field or ""


def _number(
    given: Mapping[str, Any], name: str, low: float, high: float, default: float = 0.0
) -> float:
    value = given.get(name)
    if value in (None, ""):
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise Invalid(f"{name} must be a number from {low:g} to {high:g}.", field=name)
    return number
