"""The columns that a project's tasks have in the data manager, by Label Studio's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.labels.config.config import LabelConfig

DATA = "data."  # before the names of a task's own fields
MEDIA = ("Image", "Audio", "Video")


@dataclass(frozen=True, slots=True)
class Column:
    """kind: Number, Datetime, Boolean, String, List or Time. is_own: Label Studio has it not, or
    not in its open version. is_shown: before anybody chooses."""

    name: str
    title: str
    kind: str
    help: str
    is_shown: bool = False
    is_own: bool = False

    @property
    def filter_kind(self) -> str:
        """How its values compare."""
        return "Number" if self.kind == "Time" else self.kind


COLUMNS: Mapping[str, Column] = {
    one.name: one
    for one in (
        Column("id", "ID", "Number", "Task ID", is_shown=True),
        Column("inner_id", "Inner ID", "Number", "Its number within the project, from 1"),
        Column("completed_at", "Completed", "Datetime", "Last annotation date", is_shown=True),
        Column(
            "total_annotations",
            "Annotations",
            "Number",
            "Total annotations per task",
            is_shown=True,
        ),
        Column(
            "cancelled_annotations", "Cancelled", "Number", "Skipped annotations", is_shown=True
        ),
        Column("total_predictions", "Predictions", "Number", "Predictions per task", is_shown=True),
        Column("annotators", "Annotated by", "List", "Who annotated the task", is_shown=True),
        Column("annotations_results", "Annotation results", "String", "Results of annotations"),
        Column("annotations_ids", "Annotation IDs", "String", "IDs of annotations"),
        Column("predictions_score", "Prediction score", "Number", "Mean score of predictions"),
        Column("predictions_model_versions", "Prediction model versions", "List", "Whose they are"),
        Column("predictions_results", "Prediction results", "String", "Results of predictions"),
        Column("file_upload", "Upload filename", "String", "Name of the file it came with"),
        Column("storage_filename", "Storage filename", "String", "Its file in a storage"),
        Column("created_at", "Created at", "Datetime", "Task creation time"),
        Column("updated_at", "Updated at", "Datetime", "Task update time"),
        Column("updated_by", "Updated by", "List", "Who changed the task last"),
        Column("avg_lead_time", "Lead Time", "Time", "Mean seconds of its annotations"),
        Column("draft_exists", "Drafts", "Boolean", "Whether somebody has a draft of it"),
        Column("ground_truth", "Ground truth", "Boolean", "It has a ground truth", is_own=True),
        Column("agreement", "Agreement", "Number", "Of its annotations, in percent", is_own=True),
        Column("reviewed", "Reviewed", "Boolean", "An annotation was reviewed", is_own=True),
        Column("review", "Review", "String", "accepted, fixed or rejected", is_own=True),
        Column("reviewers", "Reviewed by", "List", "Who reviewed its annotations", is_own=True),
        Column("reviews_accepted", "Accepted", "Number", "Annotations accepted", is_own=True),
        Column("reviews_rejected", "Rejected", "Number", "Annotations rejected", is_own=True),
        Column("comments", "Comments", "Number", "There are none here", is_own=True),
        Column("unresolved_comment_count", "Open comments", "Number", "None here", is_own=True),
        Column("status", "Status", "String", "todo, done, skipped, draft, in_review", is_own=True),
        Column("label", "Label", "List", "Labels and choices of annotations", is_own=True),
        Column("assignees", "Assigned to", "List", "Whose task it is", is_own=True),
    )
}
# Not told to Label Studio's clients among the columns: what never holds anything here.
_HOLLOW = ("comments", "unresolved_comment_count")


def column_named(name: str) -> Column | None:
    """A column; of a task's field when its name says so; None when there is no such."""
    if name.startswith(DATA) and len(name) > len(DATA):
        return Column(name, name.removeprefix(DATA), "String", "A field of the task")
    return COLUMNS.get(name)


def told(
    config: LabelConfig, fields: Iterable[str], versions: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """As `/api/dm/columns/` answers. fields: those that tasks have; versions: of models."""
    shown = {name: tags[0].tag.name for name, tags in config.fields.items() if "[" not in name}
    types = {**shown, **{name: "Unknown" for name in fields if name not in shown}}
    found: list[dict[str, Any]] = [
        {
            "id": name,
            "title": name,
            "type": kind if kind in (*MEDIA, "Unknown") else "String",
            "target": "tasks",
            "parent": "data",
            "visibility_defaults": {"explore": True, "labeling": name in shown},
            "project_defined": True,
        }
        for name, kind in types.items()
    ]
    for one in COLUMNS.values():
        if one.name in _HOLLOW:
            continue
        column: dict[str, Any] = {
            "id": one.name,
            "title": one.title,
            "type": one.kind,
            "target": "tasks",
            "help": one.help,
            "visibility_defaults": {
                "explore": one.is_shown,
                "labeling": one.name == "total_annotations",
            },
            "project_defined": False,
        }
        if one.name == "predictions_model_versions":
            column["schema"] = {"items": list(versions), "multiple": True}
        found.append(column)
    found.append(
        {
            "id": "data",
            "title": "data",
            "type": "List",
            "target": "tasks",
            "children": list(types),
            "project_defined": False,
        }
    )
    return {"columns": found}
