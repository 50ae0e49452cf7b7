"""What the grid shows of a task, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.labels.config.config import LabelConfig
from mlpi.labels.grid.columns import COLUMNS, DATA, Column, column_named
from mlpi.labels.grid.reading import summary
from mlpi.labels.tasks import Whole, data_of

LONGEST = 160  # characters of a cell
MOST_TEXT = 50_000  # of a field, on the page of its task
MOST_FIELDS = 3  # shown before anybody chooses


@dataclass(frozen=True, slots=True)
class Cell:
    """kind: text, number, time, chips, status, image, inline, or none. value: what the kind takes.

    image: at an address of this host; inline: inside of the data itself.
    """

    kind: str
    value: Any = None
    title: str = ""


def chosen(
    config: LabelConfig, fields: Sequence[str], *, has_scores: bool, has_agreement: bool
) -> list[str]:
    """The columns of a grid for which nobody chose any."""
    shown = [DATA + name for name in config.fields if "[" not in name][:MOST_FIELDS]
    if not shown:
        shown = [DATA + name for name in fields[:MOST_FIELDS]]
    more = ["predictions_score"] if has_scores else []
    more += ["agreement"] if has_agreement else []
    return [*shown, "status", "label", "annotators", *more, "updated_at"]


def choices(fields: Sequence[str]) -> list[Column]:
    """All columns that can be shown, those of the data first."""
    found = [column_named(DATA + name) for name in fields]
    left = ("id", "comments", "unresolved_comment_count", "storage_filename", "file_upload")
    return [one for one in found if one] + [one for one in COLUMNS.values() if one.name not in left]


def images_of(config: LabelConfig) -> set[str]:
    """Fields that hold pictures."""
    return {
        name
        for name, shown in config.fields.items()
        if any(one.tag.name == "Image" for one in shown)
    }


def cells(
    one: Whole,
    columns: Sequence[str],
    people: Mapping[int, str],
    assigned: Mapping[int, Sequence[str]],
    images: set[str],
) -> list[Cell]:
    """A task's row."""
    data = data_of(one.task)
    return [
        _of_data(data, name.removeprefix(DATA), images)
        if name.startswith(DATA)
        else _of_task(one, name, people, assigned)
        for name in columns
    ]


def _of_data(data: Mapping[str, Any], name: str, images: set[str]) -> Cell:
    value = _within(data, name)
    if name in images:
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and first.startswith("data:image/"):
            return Cell("inline", first)
        if isinstance(first, str) and first.startswith("/") and not first.startswith("//"):
            return Cell("image", first, first[:300])
    if value is None or value == "":
        return Cell("none")
    if isinstance(value, bool):
        return Cell("text", "true" if value else "false")
    if isinstance(value, int | float):
        return Cell("number", value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Cell("text", text[:LONGEST], text[:600])


def in_full(value: object) -> str:
    """A field as a text, JSON of what holds more."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return text[:MOST_TEXT]


def _within(data: Mapping[str, Any], name: str) -> Any:
    if name in data:
        return data[name]
    found: Any = data
    for part in name.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _of_task(
    one: Whole, name: str, people: Mapping[int, str], assigned: Mapping[int, Sequence[str]]
) -> Cell:
    task = one.task
    if name in ("created_at", "updated_at", "completed_at"):
        at = getattr(task, name)
        return Cell("time", at) if at else Cell("none")
    if name == "status":
        return Cell("status", states(one))
    found: Mapping[str, Any] = {
        "id": task.id,
        "inner_id": task.inner_id,
        "total_annotations": task.annotation_count,
        "cancelled_annotations": task.skipped_count,
        "total_predictions": task.prediction_count,
        "predictions_score": task.prediction_score,
        "agreement": None if task.agreement is None else f"{task.agreement * 100:.0f} %",
        "avg_lead_time": _lead(one),
        "reviews_accepted": sum(each.review == "accepted" for each in one.annotations),
        "reviews_rejected": sum(each.review == "rejected" for each in one.annotations),
    }
    if name in found:
        return Cell("number", found[name]) if found[name] is not None else Cell("none")
    chips = _chips(one, name, people, assigned)
    return Cell("chips", chips, ", ".join(chips)[:600]) if chips else Cell("none")


def _chips(
    one: Whole, name: str, people: Mapping[int, str], assigned: Mapping[int, Sequence[str]]
) -> list[str]:
    kept = [each for each in one.annotations if not each.was_cancelled]
    by = one.task.updated_by_id
    found: Mapping[str, Any] = {
        "label": lambda: summary([each.result for each in kept]),
        "annotations_results": lambda: summary([each.result for each in kept]),
        "predictions_results": lambda: summary([each.result for each in one.predictions]),
        "annotators": lambda: [each.completed_by_name for each in one.annotations],
        "assignees": lambda: assigned.get(one.task.id, ()),
        "updated_by": lambda: [people.get(by, f"user {by}")] if by else [],
        "predictions_model_versions": lambda: [each.model_version for each in one.predictions],
        "annotations_ids": lambda: [str(each.id) for each in one.annotations],
        "review": lambda: [each.review for each in one.annotations if each.review],
        "draft_exists": lambda: [each.user_name for each in one.drafts],
        "ground_truth": lambda: ["yes"] if any(each.ground_truth for each in kept) else [],
        "reviewed": lambda: ["yes"] if any(each.review for each in kept) else [],
    }
    return list(dict.fromkeys(found[name]())) if name in found else []


def states(one: Whole) -> list[tuple[str, str]]:
    """(words, kind of chip) of where a task stands."""
    found = [("done", "ok")] if one.task.is_labeled else [("to do", "plain")]
    if one.task.skipped_count:
        found.append(("skipped", "warn"))
    if one.drafts:
        found.append(("draft", "info"))
    reviews = {each.review for each in one.annotations if not each.was_cancelled} - {""}
    if reviews:
        is_bad = "rejected" in reviews
        found.append(("rejected", "bad") if is_bad else ("reviewed", "ok"))
    return found


def _lead(one: Whole) -> str | None:
    times = [each.lead_time_s for each in one.annotations if each.lead_time_s is not None]
    return f"{sum(times) / len(times):.1f} s" if times else None
