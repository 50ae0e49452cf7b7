"""Tasks: brought in, listed, changed, removed; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import NotFound
from mlpi.labels import given
from mlpi.labels.given import GivenTask
from mlpi.labels.models import (
    LabelAnnotation,
    LabelDraft,
    LabelPrediction,
    LabelProject,
    LabelTask,
)
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tally import count_tasks, is_done, move

BATCH = 500  # tasks of one transaction
LOTS = 1 << 31


@dataclass
class Added:
    """What an import brought. task_ids: in the order in which they came, if they were asked for."""

    tasks: int = 0
    annotations: int = 0
    predictions: int = 0
    task_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Whole:
    """A task and all that was said of it, oldest first."""

    task: LabelTask
    annotations: Sequence[LabelAnnotation]
    drafts: Sequence[LabelDraft]
    predictions: Sequence[LabelPrediction]


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks with what was said of them; totals are of all that were asked for."""

    tasks: Sequence[Whole]
    total: int
    annotations: int
    predictions: int


class Tasks:
    """The tasks of all projects; each call names the workspace that it is for."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def add(
        self,
        workspace: str,
        project_id: int,
        coming: Iterable[object],
        principal: Principal,
        *,
        keeps_ids: bool = False,
    ) -> Added:
        """Bring tasks in, {BATCH} a transaction, so that a long import holds nobody up.

        Raises NotFound, TaskInvalid, ResultInvalid; what came before the bad one stays. A caller
        that wants all or nothing checks them first (`checked`).
        """
        added = Added()
        with self._db.read() as session:
            config = config_of(project_of(session, workspace, project_id))
        waiting = iter(coming)
        while batch := [given.task(config, one) for one in islice(waiting, BATCH)]:
            self._add_batch(workspace, project_id, batch, principal, added, keeps_ids=keeps_ids)
        return added

    def checked(self, workspace: str, project_id: int, coming: Iterable[object]) -> list[GivenTask]:
        """All of them, read. Raises NotFound, TaskInvalid, ResultInvalid."""
        with self._db.read() as session:
            config = config_of(project_of(session, workspace, project_id))
        return [given.task(config, one) for one in coming]

    def add_checked(
        self,
        workspace: str,
        project_id: int,
        coming: Sequence[GivenTask],
        principal: Principal,
        *,
        keeps_ids: bool = False,
        names: Mapping[int, str] | None = None,
    ) -> Added:
        """Bring in what `checked` returned. names: of the users whose annotations may be among
        them, by id; all others are the principal's. Raises NotFound."""
        added = Added()
        for at in range(0, len(coming), BATCH):
            batch = coming[at : at + BATCH]
            self._add_batch(
                workspace, project_id, batch, principal, added, keeps_ids=keeps_ids, names=names
            )
        return added

    def _add_batch(
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
        now = self._clock()
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            first = project.last_inner_id + 1
            rows = [
                _task_row(project, one, first + number, now, principal)
                for number, one in enumerate(batch)
            ]
            newest = select(func.max(LabelTask.id)).where(LabelTask.project_id == project.id)
            before = session.scalar(newest) or 0
            # Past the ORM, and without asking for numbers: many times as fast.
            session.connection().execute(insert(LabelTask), rows)
            ids: list[int] = []
            if keeps_ids or any(one.annotations or one.predictions for one in batch):
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
        added.tasks += len(batch)
        added.annotations += len(annotations)
        added.predictions += len(predictions)
        if keeps_ids:
            added.task_ids += ids

    def page(self, workspace: str, project_id: int, *, limit: int, offset: int = 0) -> TaskPage:
        """A project's tasks in the order in which they came. Raises NotFound."""
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            found = session.scalars(
                select(LabelTask)
                .where(LabelTask.project_id == project.id)
                .order_by(LabelTask.id)
                .limit(limit)
                .offset(offset)
            ).all()
            return TaskPage(
                whole(session, found),
                project.task_count,
                project.annotation_count + project.skipped_count,
                project.prediction_count,
            )

    def get(self, workspace: str, task_id: int) -> Whole:
        """Raises NotFound."""
        with self._db.read() as session:
            task, _ = task_of(session, workspace, task_id)
            return whole(session, [task])[0]

    def change(
        self, workspace: str, task_id: int, changed: Mapping[str, Any], principal: Principal
    ) -> Whole:
        """Other data or meta. Raises NotFound, TaskInvalid."""
        with self._db.write() as session:
            task, project = task_of(session, workspace, task_id)
            if changed.get("data") is not None:
                read = given.task(config_of(project), {"data": changed["data"]})
                task.data = read.data
            if changed.get("meta") is not None:
                task.meta = given.as_json(changed["meta"])
            task.updated_at, task.updated_by_id = self._clock(), principal.user_id
            session.flush()
            return whole(session, [task])[0]

    def remove(self, workspace: str, project_id: int, task_ids: Sequence[int] | None) -> int:
        """Remove tasks of a project with all that was said of them; None: all of them.

        How many went. Raises NotFound for the project; tasks that are not there are passed over.
        """
        gone = 0
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            asked = select(LabelTask.id).where(LabelTask.project_id == project_id)
            there = set(session.scalars(asked))
        wanted = sorted(there if task_ids is None else there.intersection(task_ids))
        for at in range(0, len(wanted), BATCH):
            part = wanted[at : at + BATCH]
            with self._db.write() as session:
                project = project_of(session, workspace, project_id, is_locked=True)
                session.execute(delete(LabelAnnotation).where(LabelAnnotation.task_id.in_(part)))
                session.execute(delete(LabelPrediction).where(LabelPrediction.task_id.in_(part)))
                count_tasks(session, project, part)
                removed = session.scalars(
                    delete(LabelTask).where(LabelTask.id.in_(part)).returning(LabelTask.id)
                ).all()
                move(session, project, task=-len(removed))
                self._recount_ground_truth(session, project)
                gone += len(removed)
        return gone

    def _recount_ground_truth(self, session: Session, project: LabelProject) -> None:
        if not project.ground_truth_count:
            return
        asked = select(func.count()).where(
            LabelAnnotation.project_id == project.id, LabelAnnotation.ground_truth
        )
        count = session.scalar(asked) or 0
        session.execute(
            update(LabelProject)
            .where(LabelProject.id == project.id)
            .values(ground_truth_count=count)
        )


def task_of(
    session: Session, workspace: str, task_id: int, *, is_locked: bool = False
) -> tuple[LabelTask, LabelProject]:
    """A workspace's task and its project. is_locked: see `project_of`. Raises NotFound."""
    task = session.get(LabelTask, task_id, with_for_update=is_locked)
    if task is not None:
        project = session.get(LabelProject, task.project_id)
        if project is not None and project.workspace == workspace:
            return task, project
    raise NotFound(f"There is no task {task_id} in this workspace.")


def whole(session: Session, tasks: Sequence[LabelTask]) -> list[Whole]:
    """Tasks with all that was said of them, in four queries whatever their number."""
    ids = [task.id for task in tasks]
    annotations: dict[int, list[LabelAnnotation]] = {}
    drafts: dict[int, list[LabelDraft]] = {}
    predictions: dict[int, list[LabelPrediction]] = {}
    asked = (
        select(LabelAnnotation).where(LabelAnnotation.task_id.in_(ids)).order_by(LabelAnnotation.id)
    )
    for annotation in session.scalars(asked):
        annotations.setdefault(annotation.task_id, []).append(annotation)
    for draft in session.scalars(
        select(LabelDraft).where(LabelDraft.task_id.in_(ids)).order_by(LabelDraft.id)
    ):
        drafts.setdefault(draft.task_id, []).append(draft)
    for prediction in session.scalars(
        select(LabelPrediction).where(LabelPrediction.task_id.in_(ids)).order_by(LabelPrediction.id)
    ):
        predictions.setdefault(prediction.task_id, []).append(prediction)
    return [
        Whole(
            task,
            annotations.get(task.id, ()),
            drafts.get(task.id, ()),
            predictions.get(task.id, ()),
        )
        for task in tasks
    ]


def data_of(task: LabelTask) -> dict[str, Any]:
    """A task's data, read."""
    found: dict[str, Any] = json.loads(task.data)
    return found


def _task_row(
    project: LabelProject, one: GivenTask, inner_id: int, now: datetime, principal: Principal
) -> dict[str, Any]:
    skips = sum(each.was_cancelled for each in one.annotations)
    annotations = len(one.annotations) - skips
    scores = [each.score for each in one.predictions if each.score is not None]
    return {
        "project_id": project.id,
        "inner_id": inner_id,
        "data": one.data,
        "meta": one.meta,
        "created_at": now,
        "updated_at": now,
        "updated_by_id": principal.user_id,
        "is_labeled": is_done(project, annotations, skips),
        "annotation_count": annotations,
        "skipped_count": skips,
        "prediction_count": len(one.predictions),
        "prediction_score": sum(scores) / len(scores) if scores else None,
        "lot": random.randrange(LOTS),  # noqa: S311 - an order, no secret
        "file_id": one.file_id,
    }


def _annotation_row(
    project: LabelProject,
    task_id: int,
    one: given.GivenAnnotation,
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
