"""Answers by control, one item for each annotation: what all formats but JSON are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting.shape import Task

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One annotation of a task; without one, the task alone. output: values by control."""

    task_id: int
    input: dict[str, Any]
    output: dict[str, list[Value]]
    completed_by: Any = None
    annotation_id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    lead_time: float | None = None

    @property
    def values(self) -> list[Value]:
        """All values, by control."""
        return [one for values in self.output.values() for one in values]

    @property
    def annotator(self) -> Any:
        """Who it is by: a number, an address, or None."""
        by = self.completed_by
        return by.get("email") if isinstance(by, dict) else by


def items(config: LabelConfig, tasks: Iterable[Task]) -> Iterator[Item]:
    """Of each task its annotations, newest first, skipped ones left out, or the task alone.

    A task of which all annotations were skipped has no item.
    """
    for task in tasks:
        said = task["annotations"]
        if not said:
            yield Item(task["id"], task["data"], {}, {})
            continue
        kept = [one for one in said if not one["was_cancelled"]]
        kept.sort(key=lambda one: (one["created_at"], one["id"]), reverse=True)
        for one in kept:
            yield Item(
                task["id"],
                task["data"],
                _output(config, one["result"]),
                one["completed_by"],
                one["id"],
                one["created_at"],
                one["updated_at"],
                one["lead_time"],
            )


def _output(config: LabelConfig, results: Iterable[Value]) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for one in results:
        control = config.controls.get(one.get("from_name", ""))
        if control is None:  # a relation, or a control that the configuration no longer has
            continue
        value = {**one["value"], "type": control.tag.name}
        for size in ("original_width", "original_height"):
            if size in one:
                value[size] = one[size]
        # Key points know their box by these; other writers leave them aside.
        value["_id"], value["_parent"] = one.get("id"), one.get("parentID")
        found.setdefault(control.name, []).append(value)
    return found


def pretty(values: list[Value]) -> Any:
    """One choice or text as itself, several as a list, everything else with its numbers."""
    found: list[Any] = []
    kind = None
    for value in values:
        kind = value["type"]
        only = {"Choices": "choices", "TextArea": "text"}.get(kind)
        inner = value.get(only) if only else None
        if inner is not None and len(inner) == 1:
            found.append(inner[0])
        else:
            left_out = ("type", "_id", "_parent")
            found.append({name: one for name, one in value.items() if name not in left_out})
    return found[0] if kind in ("Choices", "TextArea") and len(found) == 1 else found
