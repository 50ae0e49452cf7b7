"""What a deed does to some tasks, within a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.errors import Invalid
from mlpi.labels.accepting import Accepted, accept_batch
from mlpi.labels.adding import BATCH
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import (
    LabelAnnotation,
    LabelAssignment,
    LabelDraft,
    LabelPrediction,
    LabelProject,
    LabelTask,
)
from mlpi.labels.tally import count_tasks, move
from mlpi.labels.tasks import remove_batch

Act = Callable[[Session, LabelProject, Sequence[int], Principal, Mapping[str, Any]], int]


class Acts:
    """Each takes some hundred tasks of a project, and tells how many things it made or removed."""

    def __init__(self, clock: Clock, events: Events, *, is_sqlite: bool) -> None:
        self._clock, self._events, self._is_sqlite = clock, events, is_sqlite

    def named(self, deed: str) -> Act:
        """By the deed's id."""
        acts: Mapping[str, Act] = {
            "predictions_to_annotations": self.accept,
            "delete_tasks": self.remove_tasks,
            "delete_tasks_annotations": self.remove_annotations,
            "delete_tasks_predictions": self.remove_predictions,
            "assign": self.assign,
            "unassign": self.unassign,
        }
        return acts[deed]

    def remove_tasks(
        self, session: Session, project: LabelProject, ids: Sequence[int], *_: object
    ) -> int:
        return remove_batch(session, project, ids, self._events)

    def remove_annotations(
        self,
        session: Session,
        project: LabelProject,
        ids: Sequence[int],
        principal: Principal,
        options: Mapping[str, Any],
    ) -> int:
        said = delete(LabelAnnotation).where(LabelAnnotation.task_id.in_(ids))
        drafts = delete(LabelDraft).where(LabelDraft.task_id.in_(ids))
        if (annotator := _number(options, "annotator")) is not None:
            said = said.where(LabelAnnotation.completed_by_id == annotator)
            drafts = drafts.where(LabelDraft.user_id == annotator)
        gone = session.execute(
            said.returning(
                LabelAnnotation.task_id, LabelAnnotation.ground_truth, LabelAnnotation.id
            )
        ).all()
        session.execute(drafts)
        touched = {task_id for task_id, _, _ in gone}
        self._touch(session, touched, principal)
        move(session, project, ground_truth=-sum(is_true for _, is_true, _ in gone))
        count_tasks(session, project, sorted(touched))
        if gone:
            self._events.annotations_deleted(session, project, sorted(row[2] for row in gone))
        return len(gone)

    def remove_predictions(
        self, session: Session, project: LabelProject, ids: Sequence[int], *_: object
    ) -> int:
        gone = session.scalars(
            delete(LabelPrediction)
            .where(LabelPrediction.task_id.in_(ids))
            .returning(LabelPrediction.task_id)
        ).all()
        count_tasks(session, project, sorted(set(gone)), has_said=False)
        return len(gone)

    def accept(
        self,
        session: Session,
        project: LabelProject,
        ids: Sequence[int],
        principal: Principal,
        options: Mapping[str, Any],
    ) -> int:
        """The rule is that of `accepting`: of each task that needs more, the newest prediction."""
        asked = (
            select(LabelPrediction.id)
            .where(LabelPrediction.task_id.in_(ids))
            .order_by(LabelPrediction.id.desc())
        )
        version = options.get("model_version")
        if version is not None:
            versions = version if isinstance(version, list) else [version]
            asked = asked.where(LabelPrediction.model_version.in_(list(map(str, versions))))
        found, accepted, now = session.scalars(asked).all(), Accepted(), self._clock()
        for at in range(0, len(found), BATCH):
            part = found[at : at + BATCH]
            accept_batch(
                session, project, part, principal, now, self._events, accepted, is_every=True
            )
        return accepted.annotations

    def assign(
        self,
        session: Session,
        project: LabelProject,
        ids: Sequence[int],
        _: Principal,
        options: Mapping[str, Any],
    ) -> int:
        make = sqlite_insert if self._is_sqlite else postgres_insert
        rows: list[dict[str, Any]] = [
            {"task_id": task_id, "user_id": one, "user_name": name, "project_id": project.id}
            for one, name in options["people"].items()
            for task_id in ids
        ]
        made = 0
        for at in range(0, len(rows), BATCH):
            statement = make(LabelAssignment).values(rows[at : at + BATCH])
            added = session.scalars(
                statement.on_conflict_do_nothing().returning(LabelAssignment.task_id)
            )
            made += len(added.all())
        return made

    def unassign(
        self,
        session: Session,
        _project: LabelProject,
        ids: Sequence[int],
        _: Principal,
        options: Mapping[str, Any],
    ) -> int:
        asked = delete(LabelAssignment).where(LabelAssignment.task_id.in_(ids))
        if options["people"]:
            asked = asked.where(LabelAssignment.user_id.in_(list(options["people"])))
        return len(session.scalars(asked.returning(LabelAssignment.task_id)).all())

    def _touch(self, session: Session, ids: set[int], principal: Principal) -> None:
        session.execute(
            update(LabelTask)
            .where(LabelTask.id.in_(ids))
            .values(updated_at=self._clock(), updated_by_id=principal.user_id)
        )


def _number(options: Mapping[str, Any], name: str) -> int | None:
    value = options.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, str | int) and str(value).isdecimal() and len(str(value)) < 10:
        return int(value)
    raise Invalid("A valid integer is required.", field=name)
