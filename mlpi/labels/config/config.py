"""A labeling configuration: the objects that a task shows, and its controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpi.labels.config.vocabulary import Tag
from mlpi.labels.config.xml import ConfigInvalid, Node


@dataclass(frozen=True, slots=True)
class Label:
    """A label or a choice. path: the choices that it lies in, and itself, by their keys."""

    value: str
    alias: str
    path: tuple[str, ...]
    attributes: Mapping[str, str]
    line: int

    @property
    def key(self) -> str:
        """What results call it."""
        return self.alias or self.value


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """What is labeled. field: the task's data that it shows; None when it shows always the same."""

    tag: Tag
    name: str
    value: str
    field: str | None
    attributes: Mapping[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class Control:
    """What makes results. dynamic_field: the task's data that its labels come from."""

    tag: Tag
    name: str
    to_names: tuple[str, ...]
    labels: tuple[Label, ...]
    dynamic_field: str | None
    attributes: Mapping[str, str]
    line: int

    @property
    def type(self) -> str:
        """What results say they are."""
        return self.tag.name.lower()

    def is_on(self, attribute: str) -> bool:
        return self.attributes.get(attribute, "").lower() == "true"

    @property
    def is_per_region(self) -> bool:
        return self.is_on("perRegion")

    @property
    def is_required(self) -> bool:
        return self.is_on("required")

    @property
    def is_multiple(self) -> bool:
        """Whether several labels may be given at once."""
        how = self.attributes.get("choice", "")
        return how == "multiple" if self.tag.name == "Choices" else how != "single"

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(label.key for label in self.labels)

    @property
    def paths(self) -> frozenset[tuple[str, ...]]:
        return frozenset(label.path for label in self.labels)


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """objects and controls by name, in the order of the document. warnings: what is left aside."""

    text: str
    root: Node
    objects: Mapping[str, ObjectTag]
    controls: Mapping[str, Control]
    relation_labels: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def fields(self) -> dict[str, list[ObjectTag]]:
        """The task's data that is shown, and what shows it."""
        found: dict[str, list[ObjectTag]] = {}
        for one in self.objects.values():
            if one.field is not None:
                found.setdefault(one.field, []).append(one)
        return found

    def parsed(self) -> dict[str, Any]:
        """As Label Studio's API tells it (`parsed_label_config`)."""
        return {control.name: self._parsed(control) for control in self.controls.values()}

    def _parsed(self, control: Control) -> dict[str, Any]:
        about = [self.objects[name] for name in control.to_names if name in self.objects]
        found: dict[str, Any] = {"type": control.tag.name, "to_name": list(control.to_names)}
        for attribute, kind in (
            ("whenTagName", "tag"),
            ("whenLabelValue", "label"),
            ("whenChoiceValue", "choice"),
        ):
            if control.is_per_region and control.attributes.get(attribute):
                found["conditionals"] = {"type": kind, "name": control.attributes[attribute]}
                break
        if control.dynamic_field is not None:
            found["dynamic_labels"] = True
        found["inputs"] = [
            {
                "type": one.tag.name,
                "valueType": one.attributes.get("valueType"),
                "value": one.value.lstrip("$"),
            }
            for one in about
        ]
        found["labels"] = [label.key for label in control.labels]
        found["labels_attrs"] = {label.key: dict(label.attributes) for label in control.labels}
        return found


def number_in(control: Control, attribute: str) -> float | None:
    """An attribute that is a number; None without one. Raises ConfigInvalid."""
    text = control.attributes.get(attribute)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigInvalid(
            f"{attribute} of <{control.tag.name}> is {text[:40]!r}, not a number.",
            line=control.line,
        )
    return number
