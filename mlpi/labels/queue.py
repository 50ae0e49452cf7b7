"""Who labels what next: a task at a time, leased, so that no two people do one's work twice.

A task is anybody's who has not annotated it, while it lacks annotations and fewer people have it
before them than it lacks. Who is assigned tasks gets those before all others; another gets such a
task only where it lacks more annotations than its people have still to give. What a reviewer
rejected comes back to who made it before anything new. A lease lasts an hour from its last sign of
life; whoever asks again gets the task that they have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.labels.models import (
    LabelAnnotation,
    LabelAssignment,
    LabelLease,
    LabelProject,
    LabelTask,
)
from mlpi.labels.projects import SAMPLINGS, project_of
from mlpi.labels.review.changed import returned
from mlpi.labels.tasks import task_of

LEASE_S = 3600
AGAIN = "REQUEUE_FOR_ME"  # what somebody skipped comes back to them, after all others


class Queue:
    """Hands tasks out."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def next(
        self,
        workspace: str,
        project_id: int,
        principal: Principal,
        *,
        besides: Collection[int] = (),
    ) -> int | None:
        """The task that this person should label now, leased to them; None: nothing is left.

        besides: tasks that are not meant: those the asker has before them or is about to send.
        Raises NotFound.
        """
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            now = self._clock()
            session.execute(
                delete(LabelLease).where(
                    LabelLease.project_id == project.id, LabelLease.expires_at <= now
                )
            )
            is_other = LabelTask.id.not_in(besides)
            task_id = session.scalar(self._mine(project, principal).where(is_other))
            if task_id is None:
                mine_again = returned(project, principal)
                task_id = session.scalar(mine_again.where(LabelAnnotation.task_id.not_in(besides)))
            has_assigned = session.scalar(
                select(exists().where(LabelAssignment.project_id == project.id))
            )
            if task_id is None and has_assigned:
                task_id = session.scalar(self._assigned(project, principal).where(is_other))
            if task_id is None:
                free = self._free(project, principal, has_assigned=bool(has_assigned))
                task_id = session.scalar(free.where(is_other))
            if task_id is not None:
                self._lease(session, project, task_id, principal)
            return task_id

    def first_of(
        self, workspace: str, project_id: int, principal: Principal, ids: Sequence[int]
    ) -> int | None:
        """The first of these tasks that this person could do, leased to them. Raises NotFound."""
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            lacking = project.maximum_annotations - LabelTask.annotation_count
            open_ = set(
                session.scalars(
                    self._open(project, principal)
                    .where(LabelTask.id.in_(ids), _held(principal) < lacking)
                    .limit(len(ids))
                )
            )
            found = next((one for one in ids if one in open_), None)
            if found is not None:
                self._lease(session, project, found, principal)
            return found

    def hold(self, workspace: str, task_id: int, principal: Principal) -> None:
        """Keep a task that one has before oneself. Raises NotFound."""
        with self._db.write() as session:
            task, project = task_of(session, workspace, task_id)
            self._lease(session, project, task.id, principal)

    def release(self, workspace: str, task_id: int, principal: Principal) -> None:
        """Give a task back unlabeled. Raises NotFound."""
        with self._db.write() as session:
            task, _ = task_of(session, workspace, task_id)
            session.execute(
                delete(LabelLease).where(
                    LabelLease.task_id == task.id, LabelLease.user_id == principal.user_id
                )
            )

    def _mine(self, project: LabelProject, principal: Principal) -> Select[int]:
        return (
            select(LabelTask.id)
            .join(LabelLease, LabelLease.task_id == LabelTask.id)
            .where(
                LabelTask.project_id == project.id,
                LabelLease.user_id == principal.user_id,
                LabelTask.is_labeled.is_(False),
                LabelTask.id.not_in(_done_by(project, principal)),
            )
            .order_by(LabelTask.id)
            .limit(1)
        )

    def _assigned(self, project: LabelProject, principal: Principal) -> Select[int]:
        mine = select(LabelAssignment.task_id).where(
            LabelAssignment.project_id == project.id, LabelAssignment.user_id == principal.user_id
        )
        lacking = project.maximum_annotations - LabelTask.annotation_count
        return self._open(project, principal).where(
            LabelTask.id.in_(mine), _held(principal) < lacking
        )

    def _free(
        self, project: LabelProject, principal: Principal, *, has_assigned: bool
    ) -> Select[int]:
        lacking = project.maximum_annotations - LabelTask.annotation_count
        if not has_assigned:
            return self._open(project, principal).where(_held(principal) < lacking)
        return self._open(project, principal).where(
            _held(principal, is_assigned=False) + _awaited(principal) < lacking
        )

    def _open(self, project: LabelProject, principal: Principal) -> Select[int]:
        """The first of a project's tasks that this person could do, by the project's order."""
        order: tuple[ColumnElement[Any], ...] = {
            SAMPLINGS[0]: (LabelTask.id.asc(),),
            SAMPLINGS[1]: (LabelTask.lot.asc(), LabelTask.id.asc()),
            # The least certain first; what no model has seen comes last.
            SAMPLINGS[2]: (LabelTask.prediction_score.asc().nulls_last(), LabelTask.id.asc()),
        }[project.sampling]
        if project.options.get("skip_queue") == AGAIN:
            order = (LabelTask.id.in_(_said_by(project, principal)), *order)  # skipped ones last
        return (
            select(LabelTask.id)
            .where(
                LabelTask.project_id == project.id,
                LabelTask.is_labeled.is_(False),
                LabelTask.id.not_in(_done_by(project, principal)),
            )
            .order_by(*order)
            .limit(1)
        )

    def _lease(
        self, session: Session, project: LabelProject, task_id: int, principal: Principal
    ) -> None:
        make = sqlite_insert if self._db.is_sqlite else postgres_insert
        until = self._clock() + timedelta(seconds=LEASE_S)
        session.execute(
            make(LabelLease)
            .values(
                task_id=task_id,
                user_id=principal.user_id,
                project_id=project.id,
                expires_at=until,
            )
            .on_conflict_do_update(
                index_elements=["task_id", "user_id"], set_={"expires_at": until}
            )
        )


def _held(principal: Principal, *, is_assigned: bool = True) -> ScalarSelect[int]:
    """How many others have a task before them. is_assigned: also those whose task it is."""
    asked = select(func.count()).where(
        LabelLease.task_id == LabelTask.id, LabelLease.user_id != principal.user_id
    )
    if not is_assigned:
        theirs = exists().where(
            LabelAssignment.task_id == LabelLease.task_id,
            LabelAssignment.user_id == LabelLease.user_id,
        )
        asked = asked.where(~theirs)
    return asked.correlate(LabelTask).scalar_subquery()


def _awaited(principal: Principal) -> ScalarSelect[int]:
    """How many others a task is assigned to who have not annotated it yet."""
    said = exists().where(
        LabelAnnotation.task_id == LabelAssignment.task_id,
        LabelAnnotation.completed_by_id == LabelAssignment.user_id,
    )
    return (
        select(func.count())
        .where(
            LabelAssignment.task_id == LabelTask.id,
            LabelAssignment.user_id != principal.user_id,
            ~said,
        )
        .correlate(LabelTask)
        .scalar_subquery()
    )


def _done_by(project: LabelProject, principal: Principal) -> Select[int]:
    """Tasks that this person has annotated; skipped ones, unless they come back to them."""
    asked = _said_by(project, principal)
    if project.options.get("skip_queue") == AGAIN:
        asked = asked.where(LabelAnnotation.was_cancelled.is_(False))
    return asked


def _said_by(project: LabelProject, principal: Principal) -> Select[int]:
    """Tasks that this person has annotated or skipped."""
    return select(LabelAnnotation.task_id).where(
        LabelAnnotation.project_id == project.id,
        LabelAnnotation.completed_by_id == principal.user_id,
    )
