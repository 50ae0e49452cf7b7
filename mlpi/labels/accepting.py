"""Predictions taken as annotations, many at a time."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import (
    LabelAnnotation,
    LabelLease,
    LabelPrediction,
    LabelProject,
    LabelTask,
)
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.results import ResultInvalid, check_results
from mlpi.labels.tally import count_tasks

BATCH = 200  # predictions of one transaction


@dataclass
class Accepted:
    """annotations: how many were made; known: accepted before, or of a task that needs no more;
    unfit: of a configuration that was changed since."""

    annotations: int = 0
    known: int = 0
    unfit: int = 0


def accept(
    db: Database,
    clock: Clock,
    workspace: str,
    project_id: int,
    prediction_ids: Sequence[int],
    principal: Principal,
    events: Events,
) -> Accepted:
    """Make annotations by this person of a project's predictions, one of each task at most.

    The same call again makes none twice. Predictions that are not there are passed over. Raises
    NotFound for the project.
    """
    accepted = Accepted()
    ids = sorted(set(prediction_ids), reverse=True)  # of several of a task the newest
    for at in range(0, len(ids), BATCH) or (0,):
        with db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            accept_batch(
                session, project, ids[at : at + BATCH], principal, clock(), events, accepted
            )
    return accepted


def accept_batch(
    session: Session,
    project: LabelProject,
    ids: Sequence[int],
    principal: Principal,
    now: datetime,
    events: Events,
    accepted: Accepted,
    *,
    is_every: bool = False,
) -> None:
    """The same within a write transaction, added to what was accepted before.

    is_every: all those of which no annotation was made, several of a task and of tasks that need
    no more too, as Label Studio's data manager does.
    """
    config = config_of(project)
    found = session.execute(
        select(LabelPrediction, LabelTask)
        .join(LabelTask, LabelTask.id == LabelPrediction.task_id)
        .where(LabelPrediction.id.in_(ids), LabelPrediction.project_id == project.id)
        .order_by(LabelPrediction.id.desc())
    ).all()
    said = LabelAnnotation.task_id.in_({task.id for _, task in found})
    mine = (
        LabelAnnotation.completed_by_id == principal.user_id,
        LabelAnnotation.was_cancelled.is_(False),
    )
    taken: set[int | None] = set(
        session.scalars(select(LabelAnnotation.parent_prediction_id).where(said))
        if is_every
        else session.scalars(select(LabelAnnotation.task_id).where(said, *mine))
    )
    rows: list[dict[str, Any]] = []
    for prediction, task in found:
        one = prediction.id if is_every else task.id
        if one in taken or (task.is_labeled and not is_every):
            accepted.known += 1
            continue
        results = json.loads(prediction.result)
        try:
            check_results(config, results, json.loads(task.data))
        except ResultInvalid:
            accepted.unfit += 1
            continue
        taken.add(one)
        rows.append(
            {
                "task_id": task.id,
                "project_id": project.id,
                "key": secrets.token_hex(16),
                "result": prediction.result,
                "result_count": len(results),
                "completed_by_id": principal.user_id,
                "completed_by_name": principal.name,
                "updated_by_id": principal.user_id,
                "created_at": now,
                "updated_at": now,
                "parent_prediction_id": prediction.id,
                "last_action": "prediction",
            }
        )
    if not rows:
        return
    made = session.scalars(insert(LabelAnnotation).returning(LabelAnnotation), rows).all()
    touched = sorted({row["task_id"] for row in rows})
    session.execute(
        delete(LabelLease).where(
            LabelLease.task_id.in_(touched), LabelLease.user_id == principal.user_id
        )
    )
    session.execute(
        update(LabelTask)
        .where(LabelTask.id.in_(touched))
        .values(updated_at=now, updated_by_id=principal.user_id)
    )
    count_tasks(session, project, touched)
    accepted.annotations += len(rows)
    events.annotations_created(session, project, made)
