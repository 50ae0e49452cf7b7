"""Who labels what next: a task at a time, leased, so that no two people do one's work twice.

A task is anybody's who has not annotated it, while it lacks annotations and fewer people have it
before them than it lacks. A lease lasts an hour from its last sign of life; whoever asks again gets
the task that they have. What a reviewer rejected comes back to who made it before anything new.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.labels.models import LabelAnnotation, LabelLease, LabelProject, LabelTask
from mlpi.labels.projects import SAMPLINGS, project_of
from mlpi.labels.review.changed import returned
from mlpi.labels.tasks import task_of

LEASE_S = 3600


class Queue:
    """Hands tasks out."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def next(self, workspace: str, project_id: int, principal: Principal) -> int | None:
        """The task that this person should label now, leased to them; None: nothing is left.

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
            task_id = session.scalar(self._mine(project, principal))
            if task_id is None:
                task_id = session.scalar(returned(project, principal))
            if task_id is None:
                task_id = session.scalar(self._free(project, principal))
            if task_id is not None:
                self._lease(session, project, task_id, principal)
            return task_id

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

    def _free(self, project: LabelProject, principal: Principal) -> Select[int]:
        held = (
            select(func.count())
            .where(LabelLease.task_id == LabelTask.id, LabelLease.user_id != principal.user_id)
            .correlate(LabelTask)
            .scalar_subquery()
        )
        lacking = project.maximum_annotations - LabelTask.annotation_count
        order = {
            SAMPLINGS[0]: (LabelTask.id,),
            SAMPLINGS[1]: (LabelTask.lot, LabelTask.id),
            # The least certain first; what no model has seen comes last.
            SAMPLINGS[2]: (LabelTask.prediction_score.asc().nulls_last(), LabelTask.id),
        }[project.sampling]
        return (
            select(LabelTask.id)
            .where(
                LabelTask.project_id == project.id,
                LabelTask.is_labeled.is_(False),
                LabelTask.id.not_in(_done_by(project, principal)),
                held < lacking,
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


def _done_by(project: LabelProject, principal: Principal) -> Select[int]:
    """Tasks that this person has annotated; skipped ones, unless they come back to them."""
    asked = select(LabelAnnotation.task_id).where(
        LabelAnnotation.project_id == project.id,
        LabelAnnotation.completed_by_id == principal.user_id,
    )
    if project.options.get("skip_queue") == "REQUEUE_FOR_ME":
        asked = asked.where(LabelAnnotation.was_cancelled.is_(False))
    return asked
