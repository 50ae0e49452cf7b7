"""The JSON of Label Studio's API: which fields each thing has there, and from what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlpi.labels.addresses import mail
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.config.reading import read_config
from mlpi.labels.exporting import shape
from mlpi.labels.models import (
    LabelAnnotation,
    LabelDraft,
    LabelPrediction,
    LabelProject,
    LabelTask,
)

if TYPE_CHECKING:
    from mlpi.labels.tasks import Whole

moment = shape.moment
ORGANIZATION = 1  # there is one here: a workspace is chosen by the token
# What Label Studio has and mlpi does not do, at what it is there when nobody sets it.
_FIXED: Mapping[str, Any] = {
    "min_annotations_to_start_training": 0,
    "start_training_on_annotation_update": False,
    "show_ground_truth_first": False,
    "annotator_evaluation_enabled": False,
    "show_overlap_first": False,
    "overlap_cohort_percentage": 100,
    "task_data_login": None,
    "task_data_password": None,
    "pinned_at": None,
}
# Tags about a part of the data: a project with one cannot be labeled many tasks at a time.
_REGIONS = ("perRegion", "perItem")


def ago(value: datetime, now: datetime) -> str:
    """How long since in the two largest units, as Django has it: "3\\xa0hours, 5\\xa0minutes"."""
    left = max(0, int((now - value).total_seconds()))
    parts: list[str] = []
    for name, seconds in (
        ("year", 31_536_000),
        ("month", 2_592_000),
        ("week", 604_800),
        ("day", 86_400),
        ("hour", 3600),
        ("minute", 60),
    ):
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count}\xa0{name}{'s' if count != 1 else ''}")
        if len(parts) == 2 or (parts and not count):
            break
    return ", ".join(parts) or "0\xa0minutes"


def user_simple(user_id: int, name: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "first_name": name,
        "last_name": "",
        "email": mail(name),
        "avatar": None,
    }


def user(user_id: int, name: str, joined: datetime | None = None) -> dict[str, Any]:
    """As /api/users/ and whoami show it."""
    return {
        **user_simple(user_id, name),
        "username": name,
        "initials": name[:2],
        "last_activity": None,
        "custom_hotkeys": {},
        "phone": "",
        "active_organization": ORGANIZATION,
        "active_organization_meta": {"title": "mlpi", "email": ""},
        "allow_newsletters": False,
        "date_joined": moment(joined),
    }


def project(one: LabelProject, *, queue_total: int, queue_done: int) -> dict[str, Any]:
    config = read_config(one.label_config)
    return {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "label_config": one.label_config,
        "control_weights": _weights(config),
        **_FIXED,
        **one.options,
        "organization": ORGANIZATION,
        "maximum_annotations": one.maximum_annotations,
        "sampling": one.sampling,
        "created_by": user_simple(one.created_by_id, one.created_by_name),
        "created_at": moment(one.created_at),
        "num_tasks_with_annotations": one.annotated_count,
        "task_number": one.task_count,
        "useful_annotation_number": one.annotation_count - one.ground_truth_count,
        "ground_truth_number": one.ground_truth_count,
        "skipped_annotations_number": one.skipped_count,
        "total_annotations_number": one.annotation_count,
        "total_predictions_number": one.prediction_count,
        "finished_task_number": one.finished_count,
        "parsed_label_config": config.parsed(),
        "config_has_control_tags": bool(config.controls),
        "config_suitable_for_bulk_annotation": _is_for_bulk(config),
        "queue_total": queue_total,
        "queue_done": queue_done,
    }


def _weights(config: LabelConfig) -> dict[str, Any]:
    """Each label counts the same here; clients read what there is."""
    return {
        name: {
            "overall": 1.0,
            "type": control.tag.name,
            "labels": {label.key: 1.0 for label in control.labels},
        }
        for name, control in config.controls.items()
    }


def _is_for_bulk(config: LabelConfig) -> bool:
    return not any(
        control.tag.is_region or any(control.is_on(name) for name in _REGIONS)
        for control in config.controls.values()
    )


def annotation(
    one: LabelAnnotation, now: datetime, *, expands: bool = False, is_export: bool = False
) -> dict[str, Any]:
    """expands: with who did it instead of their number alone."""
    by: Any = one.completed_by_id
    if expands:
        by = user_simple(one.completed_by_id, one.completed_by_name)
        by["initials"] = one.completed_by_name[:2]
    found = {**shape.annotation(one, by, json.loads), "skip_reason": one.skip_reason}
    if is_export:
        return found
    for name in ("prediction", "result_count", "unique_id"):
        del found[name]
    who = f"{one.completed_by_name} {mail(one.completed_by_name)}, {one.completed_by_id}"
    return {**found, "created_username": who, "created_ago": ago(one.created_at, now)}


def prediction(one: LabelPrediction, now: datetime) -> dict[str, Any]:
    return {**shape.prediction(one, json.loads), "created_ago": ago(one.created_at, now)}


def draft(one: LabelDraft, now: datetime) -> dict[str, Any]:
    found = shape.draft(one, mail(one.user_name), json.loads)
    return {**found, "created_ago": ago(one.created_at, now)}


def task(one: LabelTask) -> dict[str, Any]:
    """A task alone, as changing it answers."""
    return {
        "id": one.id,
        "data": json.loads(one.data),
        "meta": json.loads(one.meta),
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
        "is_labeled": one.is_labeled,
        "overlap": 1,
        "inner_id": one.inner_id,
        "total_annotations": one.annotation_count,
        "cancelled_annotations": one.skipped_count,
        "total_predictions": one.prediction_count,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": one.project_id,
        "updated_by": one.updated_by_id,
        "file_upload": one.file_id,
        "comment_authors": [],
    }


def whole_task(
    one: Whole,
    now: datetime,
    user_id: int,
    *,
    overlap: int,
    is_all: bool = True,
    expands: bool = False,
) -> dict[str, Any]:
    """A task as the data manager shows it. is_all: with what was said of it, and its figures."""
    kept = [each for each in one.annotations if not each.was_cancelled]
    times = [each.lead_time_s for each in one.annotations if each.lead_time_s is not None]
    mine = [each for each in one.drafts if each.user_id == user_id]
    found = {
        **task(one.task),
        "overlap": overlap,
        "updated_by": [{"user_id": one.task.updated_by_id}] if one.task.updated_by_id else [],
        "annotators": list(dict.fromkeys(each.completed_by_id for each in one.annotations)),
        "annotations_results": _pretty(json.loads(each.result) for each in kept),
        "predictions_results": _pretty(json.loads(each.result) for each in one.predictions),
        "predictions_score": one.task.prediction_score,
        "agreement": _percent(one.task.agreement),
        "storage_filename": None,
        "annotations_ids": ", ".join(str(each.id) for each in one.annotations),
        "predictions_model_versions": ", ".join(
            dict.fromkeys(each.model_version for each in one.predictions)
        ),
        "avg_lead_time": sum(times) / len(times) if times else None,
        "completed_at": moment(one.task.completed_at),
        "draft_exists": bool(one.drafts),
        "drafts": [draft(each, now) for each in mine] if is_all else [],
    }
    if is_all:
        found["annotations"] = [annotation(each, now, expands=expands) for each in one.annotations]
        found["predictions"] = [prediction(each, now) for each in one.predictions]
    return found


def next_task(
    one: Whole, now: datetime, user_id: int, *, overlap: int, version: str = ""
) -> dict[str, Any]:
    """A task for somebody to label: their own annotations and drafts, and what models said.

    version: of which model, when the project names one.
    """
    mine = [each for each in one.annotations if each.completed_by_id == user_id]
    shown = [each for each in one.predictions if not version or each.model_version == version]
    return {
        **task(one.task),
        "overlap": overlap,
        "updated_by": [{"user_id": one.task.updated_by_id}] if one.task.updated_by_id else [],
        "annotations": [annotation(each, now) for each in mine],
        "predictions": [prediction(each, now) for each in shown],
        "drafts": [draft(each, now) for each in one.drafts if each.user_id == user_id],
        "unique_lock_id": f"{one.task.id}-{user_id}",
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _pretty(results: Iterable[Sequence[Any]]) -> str:
    """Results in one line, as Label Studio's grid shows them."""
    text = ",".join(json.dumps(one, ensure_ascii=False) for one in results)
    return text[:500].replace(',"', ', "').replace("],[", "] [").replace('"', "")
