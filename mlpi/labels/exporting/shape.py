"""Tasks and what was said of them in Label Studio's JSON, from rows or objects of the database.

The export writes it as it is; the API adds to it (`api.shapes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

# What Label Studio has of a task and mlpi does not.
_NOTHING: Mapping[str, Any] = {
    "comment_count": 0,
    "unresolved_comment_count": 0,
    "last_comment_updated_at": None,
}
Read = Callable[[str], Any]
Task = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """2026-11-29T05:00:00.000000Z; value is in UTC."""
    return None if value is None else f"{value.isoformat(timespec='microseconds')[:26]}Z"


def as_it_is(text: str) -> orjson.Fragment:
    """JSON that goes out as it was stored, unread."""
    return orjson.Fragment(text)


def annotation(one: Any, by: Any, read: Read) -> dict[str, Any]:
    """by: who did it, as a number or at length."""
    return {
        "id": one.id,
        "completed_by": by,
        "result": read(one.result),
        "was_cancelled": one.was_cancelled,
        "ground_truth": one.ground_truth,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "draft_created_at": moment(one.draft_created_at),
        "lead_time": one.lead_time_s,
        "prediction": {},
        "result_count": one.result_count,
        "unique_id": one.key,
        "import_id": one.import_id,
        "last_action": one.last_action,
        "bulk_created": False,
        "task": one.task_id,
        "project": one.project_id,
        "updated_by": one.updated_by_id,
        "parent_prediction": one.parent_prediction_id,
        "parent_annotation": one.parent_annotation_id,
        "last_created_by": None,
    }


def prediction(one: Any, read: Read) -> dict[str, Any]:
    return {
        "id": one.id,
        "result": read(one.result),
        "model_version": one.model_version,
        "score": one.score,
        "cluster": None,
        "neighbors": None,
        "mislabeling": 0.0,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "model": None,
        "model_run": None,
        "task": one.task_id,
        "project": one.project_id,
    }


def draft(one: Any, mail: str, read: Read) -> dict[str, Any]:
    return {
        "id": one.id,
        "user": mail,
        "created_username": f"{one.user_name} {mail}, {one.user_id}",
        "result": read(one.result),
        "lead_time": one.lead_time_s,
        "was_postponed": False,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "task": one.task_id,
        "annotation": one.annotation_id or None,
        "import_id": None,
    }


def task(
    one: Any,
    annotations: Sequence[Any],
    drafts: Sequence[Any],
    predictions: Sequence[Any],
    read: Read,
    file: str | None = None,
) -> Task:
    """annotations, drafts, predictions: of the task, each at length or as a number. file: the name
    of the uploaded one that it came in; without, there is no such field, as in Label Studio."""
    return {
        "id": one.id,
        "annotations": annotations,
        **({"file_upload": file} if file else {}),
        "drafts": drafts,
        "predictions": predictions,
        "data": read(one.data),
        "meta": read(one.meta),
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "allow_skip": True,
        "inner_id": one.inner_id,
        "total_annotations": one.annotation_count,
        "cancelled_annotations": one.skipped_count,
        "total_predictions": one.prediction_count,
        **_NOTHING,
        "project": one.project_id,
        "updated_by": one.updated_by_id,
        "comment_authors": [],
    }
