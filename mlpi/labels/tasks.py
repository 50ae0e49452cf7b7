"""Tasks: brought in, listed, changed, removed; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import NotFound
from mlpi.labels import given
from mlpi.labels.agreement import percent
from mlpi.labels.given import GivenTask
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import (
    LabelAnnotation,
    LabelDraft,
    LabelPrediction,
    LabelProject,
    LabelTask,
)
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tally import is_done, move

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


# Made once: every save asks, and making it takes as long as asking.
_ONE_TASK = (
    select(LabelTask, LabelProject)
    .join(LabelProject, LabelProject.id == LabelTask.project_id)
    .where(LabelTask.id == bindparam("task_id"), LabelProject.workspace == bindparam("workspace"))
)
_LOCKED_TASK = _ONE_TASK.with_for_update(of=LabelTask).execution_options(populate_existing=True)


class Tasks:
    """The tasks of all projects; each call names the workspace that it is for."""

    def __init__(self, db: Database, clock: Clock, events: Events | None = None) -> None:
        self._db, self._clock = db, clock
        self._events = events or Events(clock)

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
        for part in self._parts(workspace, project_id, task_ids):
            with self._db.write() as session:
                project = project_of(session, workspace, project_id, is_locked=True)
                gone += remove_batch(session, project, part, self._events)
        return gone

    def _parts(
        self, workspace: str, project_id: int, task_ids: Sequence[int] | None
    ) -> Iterator[Sequence[int]]:
        """Ids, {BATCH} at a time; of all tasks those that there are now. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            newest = select(func.max(LabelTask.id)).where(LabelTask.project_id == project_id)
            last = session.scalar(newest) or 0
        if task_ids is not None:
            for at in range(0, len(task_ids), BATCH):
                yield task_ids[at : at + BATCH]
            return
        above = 0
        while True:
            asked = (
                select(LabelTask.id)
                .where(LabelTask.project_id == project_id, LabelTask.id > above)
                .where(LabelTask.id <= last)
                .order_by(LabelTask.id)
                .limit(BATCH)
            )
            with self._db.read() as session:
                part = session.scalars(asked).all()
            if not part:
                return
            yield part
            above = part[-1]


def remove_batch(
    session: Session, project: LabelProject, task_ids: Sequence[int], events: Events
) -> int:
    """Remove tasks of a project with all that was said of them; how many went.

    Within a write transaction; those of other projects are passed over.
    """
    mine = (LabelTask.project_id == project.id, LabelTask.id.in_(task_ids))
    truths = select(func.count()).where(
        LabelAnnotation.task_id.in_(select(LabelTask.id).where(*mine)), LabelAnnotation.ground_truth
    )
    ground_truth = (session.scalar(truths) or 0) if project.ground_truth_count else 0
    # What was said of them goes by the foreign keys.
    gone = session.execute(
        delete(LabelTask)
        .where(*mine)
        .returning(
            LabelTask.is_labeled,
            LabelTask.annotation_count,
            LabelTask.skipped_count,
            LabelTask.prediction_count,
            LabelTask.id,
        )
    ).all()
    move(
        session,
        project,
        task=-len(gone),
        finished=-sum(row[0] for row in gone),
        annotated=-sum(bool(row[1]) for row in gone),
        annotation=-sum(row[1] for row in gone),
        skipped=-sum(row[2] for row in gone),
        prediction=-sum(row[3] for row in gone),
        ground_truth=-ground_truth,
    )
    if gone:
        events.tasks_deleted(session, project, sorted(row[4] for row in gone))
    return len(gone)


def task_of(
    session: Session, workspace: str, task_id: int, *, is_locked: bool = False
) -> tuple[LabelTask, LabelProject]:
    """A workspace's task and its project. is_locked: see `project_of`. Raises NotFound."""
    asked = {"task_id": task_id, "workspace": workspace}
    found = session.execute(_LOCKED_TASK if is_locked else _ONE_TASK, asked).one_or_none()
    if found is not None:
        return found[0], found[1]
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
    is_labeled = bool(one.annotations) and is_done(project, annotations, skips)
    return {
        "project_id": project.id,
        "inner_id": inner_id,
        "data": one.data,
        "meta": one.meta,
        "created_at": now,
        "updated_at": now,
        "updated_by_id": None,
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
