"""Tasks: brought in, listed, changed, removed; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, delete, func, select

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.errors import NotFound
from mlpi.labels import given
from mlpi.labels.adding import BATCH, Added, Adding
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
from mlpi.labels.tally import move


@dataclass(frozen=True, slots=True)
class Whole:
    """A task and all that was said of it, oldest first."""

    task: LabelTask
    annotations: Sequence[LabelAnnotation]
    drafts: Sequence[LabelDraft]
    predictions: Sequence[LabelPrediction]


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks with what was said of them; totals are of all that were asked for.

    annotations: without skipped ones, as Label Studio counts total_annotations.
    """

    tasks: Sequence[Whole]
    total: int
    annotations: int
    predictions: int


# Made once: making it takes as long as asking.
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
        self._adding = Adding(db, clock, self._events)

    def add(
        self,
        workspace: str,
        project_id: int,
        coming: Iterable[object],
        principal: Principal,
        *,
        keeps_ids: bool = False,
    ) -> Added:
        """Bring tasks in, BATCH of them a transaction, so that a long import holds nobody up.

        Raises NotFound, TaskInvalid, ResultInvalid; what came before the bad one stays. A caller
        that wants all or nothing checks them first (`checked`).
        """
        added = Added()
        with self._db.read() as session:
            config = config_of(project_of(session, workspace, project_id))
        waiting = iter(coming)
        while batch := [given.task(config, one) for one in islice(waiting, BATCH)]:
            self._adding.add(workspace, project_id, batch, principal, added, keeps_ids=keeps_ids)
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
            self._adding.add(
                workspace, project_id, batch, principal, added, keeps_ids=keeps_ids, names=names
            )
        return added

    def page(
        self,
        workspace: str,
        project_id: int,
        *,
        limit: int,
        offset: int = 0,
        is_newest_first: bool = False,
    ) -> TaskPage:
        """A project's tasks in the order in which they came; or what changed last before all
        others. Raises NotFound."""
        newest = (LabelTask.updated_at.desc(), LabelTask.id.desc())
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
            found = session.scalars(
                select(LabelTask)
                .where(LabelTask.project_id == project.id)
                .order_by(*(newest if is_newest_first else (LabelTask.id,)))
                .limit(limit)
                .offset(offset)
            ).all()
            return TaskPage(
                whole(session, found),
                project.task_count,
                project.annotation_count,
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
