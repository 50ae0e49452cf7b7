"""Tasks that come in, with what was said of them before: rows for one transaction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, insert, select

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.labels.agreement import percent
from mlpi.labels.given import GivenAnnotation, GivenTask
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import LabelAnnotation, LabelPrediction, LabelProject, LabelTask
from mlpi.labels.projects import project_of
from mlpi.labels.tally import move, needs_of
from mlpi.prepared import Prepared

BATCH = 500  # tasks of one transaction
LOTS = 1 << 31
_TASK = cast(Table, LabelTask.__table__)
_INSERT = Prepared(  # of all columns but its id
    insert(_TASK).values(
        {one.name: bindparam(one.name, type_=one.type) for one in list(_TASK.c)[1:]}
    )
)


@dataclass
class Added:
    """What an import brought. task_ids: in the order in which they came, if they were asked for."""

    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    task_ids: list[int] = field(default_factory=list)


class Adding:
    """Writes what comes in, a batch by one transaction."""

    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db, self._clock, self._events = db, clock, events

    def add(
        self,
        workspace: str,
        project_id: int,
        batch: Sequence[GivenTask],
        principal: Principal,
        added: Added,
        *,
        keeps_ids: bool,
        names: Mapping[int, str] | None = None,
    ) -> None:
        """Bring tasks of one project in by one transaction, and add to what was added.

        names: of the users whose annotations may be among them, by id; all others are the
        principal's. keeps_ids: the ids are asked for. Raises NotFound.
        """
        now = self._clock()
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            first = project.last_inner_id + 1
            rows = [
                _task_row(project, one, first + number, now) for number, one in enumerate(batch)
            ]
            newest = select(func.max(LabelTask.id)).where(LabelTask.project_id == project.id)
            before = session.scalar(newest) or 0
            _INSERT.many(  # without asking for numbers
                session.connection(),
                rows,
                project_id=project.id,
                created_at=now,
                updated_at=now,
                updated_by_id=None,
            )
            ids: list[int] = []
            is_told = self._events.hears_of_tasks(session, project)
            if keeps_ids or is_told or any(one.annotations or one.predictions for one in batch):
                asked = select(LabelTask.id).where(
                    LabelTask.project_id == project.id, LabelTask.id > before
                )
                ids += session.scalars(asked.order_by(LabelTask.inner_id))
            whole_batch = list(zip(ids, batch, strict=True)) if ids else []
            annotations = [
                _annotation_row(project, task_id, each, now, principal, names or {})
                for task_id, one in whole_batch
                for each in one.annotations
            ]
            predictions = [
                {
                    "task_id": task_id,
                    "project_id": project.id,
                    "result": each.result,
                    "score": each.score,
                    "model_version": each.model_version,
                    "created_at": now,
                    "updated_at": now,
                }
                for task_id, one in whole_batch
                for each in one.predictions
            ]
            if annotations:
                session.execute(insert(LabelAnnotation), annotations)
            if predictions:
                session.execute(insert(LabelPrediction), predictions)
            project.last_inner_id += len(batch)
            session.flush()
            move(
                session,
                project,
                task=len(batch),
                finished=sum(row["is_labeled"] for row in rows),
                annotated=sum(bool(row["annotation_count"]) for row in rows),
                annotation=sum(row["annotation_count"] for row in rows),
                skipped=sum(row["skipped_count"] for row in rows),
                prediction=len(predictions),
                ground_truth=sum(one["ground_truth"] for one in annotations),
            )
            self._events.tasks_created(session, project, ids)
        added.tasks += len(batch)
        added.annotations += len(annotations)
        added.predictions += len(predictions)
        if keeps_ids:
            added.task_ids += ids


def _task_row(
    project: LabelProject, one: GivenTask, inner_id: int, now: datetime
) -> dict[str, Any]:
    """What differs between the tasks of a batch."""
    skips = sum(each.was_cancelled for each in one.annotations)
    annotations = len(one.annotations) - skips
    scores = [each.score for each in one.predictions if each.score is not None]
    is_labeled = bool(one.annotations) and needs_of(project).are_met(annotations, skips)
    return {
        "inner_id": inner_id,
        "data": one.data,
        "meta": one.meta,
        "is_labeled": is_labeled,
        "completed_at": now if is_labeled else None,
        "annotation_count": annotations,
        "skipped_count": skips,
        "prediction_count": len(one.predictions),
        "agreement": percent.of_task(
            [each.result for each in one.annotations if not each.was_cancelled]
        ),
        "prediction_score": sum(scores) / len(scores) if scores else None,
        "lot": random.randrange(LOTS),  # noqa: S311 - an order, no secret
        "file_id": one.file_id,
    }


def _annotation_row(
    project: LabelProject,
    task_id: int,
    one: GivenAnnotation,
    now: datetime,
    principal: Principal,
    names: Mapping[int, str],
) -> dict[str, Any]:
    by = one.completed_by if one.completed_by in names else None
    return {
        "task_id": task_id,
        "project_id": project.id,
        "key": one.key,
        "result": one.result,
        "result_count": one.result_count,
        "completed_by_id": principal.user_id if by is None else by,
        "completed_by_name": principal.name if by is None else names[by],
        "updated_by_id": principal.user_id,
        "was_cancelled": one.was_cancelled,
        "skip_reason": one.skip_reason,
        "ground_truth": one.ground_truth,
        "lead_time_s": one.lead_time_s,
        "created_at": now,
        "updated_at": now,
        "import_id": one.import_id,
        "last_action": "imported",
    }
