"""Tasks that wait for a model, and what it said of them, on the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Exists, delete, exists, func, insert, select

from mlpi.db import Session
from mlpi.labels.given import GivenPrediction
from mlpi.labels.models import LabelPrediction, LabelProject, LabelTask
from mlpi.labels.tally import count_tasks

MOST_IN = 500  # ids in one condition


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task to predict. data: JSON."""

    id: int
    data: str


def waiting(
    session: Session, project_id: int, version: str, *, after_id: int, limit: int
) -> list[Waiting]:
    """The next tasks without a prediction of a version, by id; "" takes all of them."""
    asked = (
        select(LabelTask.id, LabelTask.data)
        .where(LabelTask.project_id == project_id, LabelTask.id > after_id)
        .order_by(LabelTask.id)
        .limit(limit)
    )
    if version:
        asked = asked.where(~_predicted(version))
    return [Waiting(*row) for row in session.execute(asked)]


def chosen(
    session: Session, project_id: int, version: str, task_ids: Sequence[int]
) -> list[Waiting]:
    """Of some tasks, at most MOST_IN, those that wait; see `waiting`."""
    asked = (
        select(LabelTask.id, LabelTask.data)
        .where(LabelTask.project_id == project_id, LabelTask.id.in_(task_ids))
        .order_by(LabelTask.id)
    )
    if version:
        asked = asked.where(~_predicted(version))
    return [Waiting(*row) for row in session.execute(asked)]


def count_waiting(session: Session, project_id: int, version: str, *, after_id: int) -> int:
    """How many `waiting` would give in all."""
    asked = select(func.count()).where(LabelTask.project_id == project_id, LabelTask.id > after_id)
    if version:
        asked = asked.where(~_predicted(version))
    return session.scalar(asked) or 0


def keep(
    session: Session,
    project: LabelProject,
    said: Sequence[tuple[int, GivenPrediction]],
    now: datetime,
) -> int:
    """Store predictions by task id, in the place of what the same version said of these before.

    Tasks that are gone meanwhile are passed over; how many were stored.
    """
    ids = [task_id for task_id, _ in said]
    there = set(
        session.scalars(
            select(LabelTask.id).where(LabelTask.id.in_(ids), LabelTask.project_id == project.id)
        )
    )
    rows = [
        {
            "task_id": task_id,
            "project_id": project.id,
            "result": one.result,
            "score": one.score,
            "model_version": one.model_version,
            "created_at": now,
            "updated_at": now,
        }
        for task_id, one in said
        if task_id in there
    ]
    for version in {one.model_version for _, one in said}:
        session.execute(
            delete(LabelPrediction).where(
                LabelPrediction.task_id.in_(there), LabelPrediction.model_version == version
            )
        )
    if rows:
        session.execute(insert(LabelPrediction), rows)
        count_tasks(session, project, sorted(there), has_said=False)
    return len(rows)


def _predicted(version: str) -> Exists:
    return exists().where(
        LabelPrediction.task_id == LabelTask.id, LabelPrediction.model_version == version
    )
