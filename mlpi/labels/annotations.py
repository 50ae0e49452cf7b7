"""Annotations, drafts and predictions of a task; knows no HTTP. Its calls block."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, select, update

from mlpi.auth.models import User
from mlpi.auth.roles import Principal, Role
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Conflict, Forbidden, Invalid, NotFound
from mlpi.labels import given
from mlpi.labels.accepting import Accepted, accept
from mlpi.labels.given import GivenAnnotation
from mlpi.labels.hooks.events import Events
from mlpi.labels.models import (
    LabelAnnotation,
    LabelDraft,
    LabelLease,
    LabelPrediction,
    LabelProject,
    LabelTask,
)
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.review.changed import note_change
from mlpi.labels.tally import count_tasks, move
from mlpi.labels.tasks import BATCH, data_of, task_of

# Made once, as in tally.
_LEASE, _DRAFT = cast(Table, LabelLease.__table__), cast(Table, LabelDraft.__table__)
_TASK = cast(Table, LabelTask.__table__)
_RELEASE = delete(_LEASE).where(
    _LEASE.c.task_id == bindparam("task"), _LEASE.c.user_id == bindparam("user")
)
_DROP_DRAFT = delete(_DRAFT).where(
    _DRAFT.c.task_id == bindparam("task"),
    _DRAFT.c.user_id == bindparam("user"),
    _DRAFT.c.annotation_id == bindparam("annotation"),
)
_TOUCH = (
    update(_TASK)
    .where(_TASK.c.id == bindparam("task"))
    .values(
        updated_at=bindparam("at", type_=_TASK.c.updated_at.type), updated_by_id=bindparam("by")
    )
)


class SkipRefused(Conflict):
    """Tasks of this project may not be skipped."""

    status = 400
    code = "SKIP_REFUSED"


class Annotations:
    """What people and models say; each call names the workspace that it is for."""

    def __init__(self, db: Database, clock: Clock, events: Events | None = None) -> None:
        self._db, self._clock = db, clock
        self._events = events or Events(clock)

    def of_task(self, workspace: str, task_id: int) -> Sequence[LabelAnnotation]:
        """Oldest first. Raises NotFound."""
        with self._db.read() as session:
            task, _ = task_of(session, workspace, task_id)
            return session.scalars(
                select(LabelAnnotation)
                .where(LabelAnnotation.task_id == task.id)
                .order_by(LabelAnnotation.id)
            ).all()

    def get(self, workspace: str, annotation_id: int) -> LabelAnnotation:
        """Raises NotFound."""
        with self._db.read() as session:
            return annotation_of(session, workspace, annotation_id)[0]

    def add(
        self,
        workspace: str,
        task_id: int,
        sent: Mapping[str, Any],
        principal: Principal,
        *,
        draft_id: int | None = None,
    ) -> tuple[LabelAnnotation, bool]:
        """The annotation, and whether it is new: one that came before under its key is not.

        The sender's draft goes, and the task is free for others. Raises NotFound, Invalid,
        ResultInvalid, SkipRefused, Conflict.
        """
        with self._db.read() as session:
            task, project = task_of(session, workspace, task_id)
        one = given.annotation(config_of(project), sent, data_of(task))
        if one.was_cancelled and not project.options.get("show_skip_button", True):
            raise SkipRefused
        try:
            with self._db.write() as session:
                return self._add(session, workspace, task_id, one, principal, draft_id), True
        except IntegrityError:
            with self._db.read() as session:
                asked = select(LabelAnnotation).where(
                    LabelAnnotation.project_id == project.id, LabelAnnotation.key == one.key
                )
                kept = session.scalar(asked)
            if kept is None or kept.task_id != task_id:
                raise Conflict(
                    f"Annotation with unique_id {one.key!r} exists already, of another task."
                ) from None
            return kept, False

    def _add(
        self,
        session: Session,
        workspace: str,
        task_id: int,
        one: GivenAnnotation,
        principal: Principal,
        draft_id: int | None,
    ) -> LabelAnnotation:
        task, project = task_of(session, workspace, task_id, is_locked=True)
        now = self._clock()
        by_id, by_name = _author(session, one.completed_by, principal)
        _check_parents(session, task, one)
        draft = session.get(LabelDraft, draft_id) if draft_id else None
        annotation = LabelAnnotation(
            task_id=task.id,
            project_id=project.id,
            key=one.key,
            result=one.result,
            result_count=one.result_count,
            completed_by_id=by_id,
            completed_by_name=by_name,
            updated_by_id=principal.user_id,
            was_cancelled=one.was_cancelled,
            skip_reason=one.skip_reason,
            ground_truth=one.ground_truth,
            lead_time_s=one.lead_time_s,
            created_at=now,
            updated_at=now,
            draft_created_at=draft.created_at if draft and draft.task_id == task.id else None,
            parent_prediction_id=one.parent_prediction_id,
            parent_annotation_id=one.parent_annotation_id,
            last_action="skipped" if one.was_cancelled else "submitted",
        )
        session.add(annotation)
        session.flush()
        if one.ground_truth:
            self._only_ground_truth(session, project, annotation)
        gone = {"task": task.id, "user": principal.user_id, "annotation": 0}
        session.execute(_DROP_DRAFT, gone)
        _release(session, task.id, principal)
        self._touch(session, task.id, principal)
        count_tasks(session, project, [task.id])
        self._events.annotation_created(session, project, task, annotation)
        return annotation

    def change(
        self, workspace: str, annotation_id: int, sent: Mapping[str, Any], principal: Principal
    ) -> LabelAnnotation:
        """What is not sent stays. Raises NotFound, Invalid, ResultInvalid."""
        with self._db.write() as session:
            annotation, task, project = annotation_of(
                session, workspace, annotation_id, is_locked=True
            )
            whole = {
                "result": json.loads(annotation.result),
                "was_cancelled": annotation.was_cancelled,
                "ground_truth": annotation.ground_truth,
                "lead_time": annotation.lead_time_s,
                **{name: value for name, value in sent.items() if name != "unique_id"},
            }
            one = given.annotation(config_of(project), whole, data_of(task))
            is_other = (one.result, one.was_cancelled) != (
                annotation.result,
                annotation.was_cancelled,
            )
            annotation.result, annotation.result_count = one.result, one.result_count
            annotation.was_cancelled = one.was_cancelled
            annotation.lead_time_s = one.lead_time_s
            if "skip_reason" in sent:
                annotation.skip_reason = one.skip_reason
            annotation.updated_at, annotation.updated_by_id = self._clock(), principal.user_id
            annotation.last_action = "updated"
            if one.ground_truth != annotation.ground_truth:
                annotation.ground_truth = one.ground_truth
                move(session, project, ground_truth=1 if one.ground_truth else -1)
            session.flush()
            session.execute(
                delete(LabelDraft).where(
                    LabelDraft.task_id == task.id,
                    LabelDraft.user_id == principal.user_id,
                    LabelDraft.annotation_id == annotation.id,
                )
            )
            _release(session, task.id, principal)
            self._touch(session, task.id, principal)
            fix = note_change(session, annotation, principal, self._clock(), is_other=is_other)
            count_tasks(session, project, [task.id])
            self._events.annotation_updated(session, project, task, annotation)
            if fix is not None:
                self._events.reviewed(session, project, fix, annotation)
        return annotation

    def remove(self, workspace: str, annotation_id: int, principal: Principal) -> None:
        """Raises NotFound."""
        with self._db.write() as session:
            annotation, task, project = annotation_of(
                session, workspace, annotation_id, is_locked=True
            )
            if annotation.ground_truth:
                move(session, project, ground_truth=-1)
            session.execute(delete(LabelDraft).where(LabelDraft.annotation_id == annotation.id))
            session.delete(annotation)
            session.flush()
            self._touch(session, task.id, principal)
            count_tasks(session, project, [task.id])
            self._events.annotations_deleted(session, project, [annotation_id])

    # --- drafts ------------------------------------------------------------------------------

    def save_draft(
        self,
        workspace: str,
        task_id: int,
        sent: Mapping[str, Any],
        principal: Principal,
        *,
        annotation_id: int = 0,
    ) -> LabelDraft:
        """Keep what somebody has not sent yet; one for each of a person's annotations of a task.

        Drafts are kept as they are typed: what is unfinished may not fit yet. Raises NotFound,
        TaskInvalid when it is too large.
        """
        result = given.as_json(sent.get("result") or [])
        if len(result) > given.MOST_DATA_BYTES:
            raise given.TaskInvalid("A draft may have a megabyte.")
        lead = sent.get("lead_time")
        with self._db.write() as session:
            task, _ = task_of(session, workspace, task_id, is_locked=True)
            now = self._clock()
            draft = session.scalar(
                select(LabelDraft).where(
                    LabelDraft.task_id == task.id,
                    LabelDraft.user_id == principal.user_id,
                    LabelDraft.annotation_id == annotation_id,
                )
            )
            if draft is None:
                draft = LabelDraft(
                    task_id=task.id,
                    user_id=principal.user_id,
                    user_name=principal.name,
                    annotation_id=annotation_id,
                    created_at=now,
                )
                session.add(draft)
            draft.result, draft.updated_at = result, now
            draft.lead_time_s = lead if isinstance(lead, int | float) else None
        return draft

    def change_draft(
        self, workspace: str, draft_id: int, sent: Mapping[str, Any], principal: Principal
    ) -> LabelDraft:
        """What is not sent stays. Raises NotFound; another's draft is not there."""
        kept = self.draft(workspace, draft_id, principal)
        whole = {"result": json.loads(kept.result), "lead_time": kept.lead_time_s, **sent}
        return self.save_draft(
            workspace, kept.task_id, whole, principal, annotation_id=kept.annotation_id
        )

    def to_draft(self, workspace: str, annotation_id: int, principal: Principal) -> LabelDraft:
        """Take an annotation back to go on with it. Raises NotFound."""
        kept = self.get(workspace, annotation_id)
        sent = {"result": json.loads(kept.result), "lead_time": kept.lead_time_s}
        draft = self.save_draft(workspace, kept.task_id, sent, principal)
        self.remove(workspace, annotation_id, principal)
        return draft

    def draft(self, workspace: str, draft_id: int, principal: Principal) -> LabelDraft:
        """Raises NotFound; another's draft is not there."""
        with self._db.read() as session:
            return _draft_of(session, workspace, draft_id, principal)

    def drafts(self, workspace: str, task_id: int, principal: Principal) -> Sequence[LabelDraft]:
        """One's own. Raises NotFound."""
        with self._db.read() as session:
            task, _ = task_of(session, workspace, task_id)
            return session.scalars(
                select(LabelDraft).where(
                    LabelDraft.task_id == task.id, LabelDraft.user_id == principal.user_id
                )
            ).all()

    def remove_draft(self, workspace: str, draft_id: int, principal: Principal) -> None:
        """Raises NotFound."""
        with self._db.write() as session:
            session.delete(_draft_of(session, workspace, draft_id, principal))

    # --- predictions -------------------------------------------------------------------------

    def predictions(
        self, workspace: str, *, task_id: int | None = None, project_id: int | None = None
    ) -> Sequence[LabelPrediction]:
        """Of a task, a project, or all of the workspace; oldest first."""
        asked = (
            select(LabelPrediction)
            .join(LabelProject, LabelProject.id == LabelPrediction.project_id)
            .where(LabelProject.workspace == workspace)
            .order_by(LabelPrediction.id)
        )
        if task_id is not None:
            asked = asked.where(LabelPrediction.task_id == task_id)
        if project_id is not None:
            asked = asked.where(LabelPrediction.project_id == project_id)
        with self._db.read() as session:
            return session.scalars(asked).all()

    def prediction(self, workspace: str, prediction_id: int) -> LabelPrediction:
        """Raises NotFound."""
        with self._db.read() as session:
            return prediction_of(session, workspace, prediction_id)[0]

    def predict(self, workspace: str, task_id: int, sent: Mapping[str, Any]) -> LabelPrediction:
        """Keep what a model said. Raises NotFound, Invalid, ResultInvalid."""
        with self._db.write() as session:
            task, project = task_of(session, workspace, task_id, is_locked=True)
            one = given.prediction(config_of(project), sent, data_of(task))
            now = self._clock()
            made = LabelPrediction(
                task_id=task.id,
                project_id=project.id,
                result=one.result,
                score=one.score,
                model_version=one.model_version,
                created_at=now,
                updated_at=now,
            )
            session.add(made)
            session.flush()
            count_tasks(session, project, [task.id], has_said=False)
        return made

    def change_prediction(
        self, workspace: str, prediction_id: int, sent: Mapping[str, Any]
    ) -> LabelPrediction:
        """What is not sent stays. Raises NotFound, Invalid, ResultInvalid."""
        with self._db.write() as session:
            kept, task, project = prediction_of(session, workspace, prediction_id, is_locked=True)
            whole = {
                "result": json.loads(kept.result),
                "score": kept.score,
                "model_version": kept.model_version,
                **sent,
            }
            one = given.prediction(config_of(project), whole, data_of(task))
            kept.result, kept.score, kept.model_version = one.result, one.score, one.model_version
            kept.updated_at = self._clock()
            session.flush()
            count_tasks(session, project, [task.id], has_said=False)
        return kept

    def remove_prediction(self, workspace: str, prediction_id: int) -> None:
        """Raises NotFound."""
        with self._db.write() as session:
            kept, task, project = prediction_of(session, workspace, prediction_id, is_locked=True)
            session.delete(kept)
            session.flush()
            count_tasks(session, project, [task.id], has_said=False)

    def remove_predictions(self, workspace: str, project_id: int, version: str) -> int:
        """Remove all that one version of a model said; how many went. Raises NotFound."""
        with self._db.write() as session:
            project = project_of(session, workspace, project_id, is_locked=True)
            gone = session.scalars(
                delete(LabelPrediction)
                .where(
                    LabelPrediction.project_id == project.id,
                    LabelPrediction.model_version == version,
                )
                .returning(LabelPrediction.task_id)
            ).all()
            touched = sorted(set(gone))
            for at in range(0, len(touched), BATCH):
                count_tasks(session, project, touched[at : at + BATCH], has_said=False)
        return len(gone)

    def accept(
        self,
        workspace: str,
        project_id: int,
        prediction_ids: Sequence[int],
        principal: Principal,
    ) -> Accepted:
        """Make annotations by this person of predictions; see `accepting`. Raises NotFound."""
        return accept(
            self._db, self._clock, workspace, project_id, prediction_ids, principal, self._events
        )

    def _only_ground_truth(
        self, session: Session, project: LabelProject, annotation: LabelAnnotation
    ) -> None:
        """A task has one ground truth: the newest."""
        others = session.scalars(
            update(LabelAnnotation)
            .where(
                LabelAnnotation.task_id == annotation.task_id,
                LabelAnnotation.id != annotation.id,
                LabelAnnotation.ground_truth,
            )
            .values(ground_truth=False)
            .returning(LabelAnnotation.id)
        ).all()
        move(session, project, ground_truth=1 - len(others))

    def _touch(self, session: Session, task_id: int, principal: Principal) -> None:
        asked = {"task": task_id, "at": self._clock(), "by": principal.user_id}
        session.execute(_TOUCH, asked)


def annotation_of(
    session: Session, workspace: str, annotation_id: int, *, is_locked: bool = False
) -> tuple[LabelAnnotation, LabelTask, LabelProject]:
    """A workspace's annotation, its task and its project. Raises NotFound."""
    annotation = session.get(LabelAnnotation, annotation_id)
    if annotation is None:
        raise NotFound(f"There is no annotation {annotation_id} in this workspace.")
    try:
        return annotation, *task_of(session, workspace, annotation.task_id, is_locked=is_locked)
    except NotFound:
        raise NotFound(f"There is no annotation {annotation_id} in this workspace.") from None


def prediction_of(
    session: Session, workspace: str, prediction_id: int, *, is_locked: bool = False
) -> tuple[LabelPrediction, LabelTask, LabelProject]:
    """A workspace's prediction, its task and its project. Raises NotFound."""
    kept = session.get(LabelPrediction, prediction_id)
    if kept is None:
        raise NotFound(f"There is no prediction {prediction_id} in this workspace.")
    try:
        return kept, *task_of(session, workspace, kept.task_id, is_locked=is_locked)
    except NotFound:
        raise NotFound(f"There is no prediction {prediction_id} in this workspace.") from None


def _draft_of(session: Session, workspace: str, draft_id: int, principal: Principal) -> LabelDraft:
    draft = session.get(LabelDraft, draft_id)
    if draft is None or draft.user_id != principal.user_id:
        raise NotFound(f"There is no draft {draft_id} of yours.")
    task_of(session, workspace, draft.task_id)
    return draft


def _check_parents(session: Session, task: LabelTask, one: GivenAnnotation) -> None:
    """What an annotation was made of is of the same task. Raises Invalid."""
    for field, kind, number in (
        ("parent_prediction", LabelPrediction, one.parent_prediction_id),
        ("parent_annotation", LabelAnnotation, one.parent_annotation_id),
    ):
        if number is None:
            continue
        asked = select(kind.task_id).where(kind.id == number)
        if session.scalar(asked) != task.id:
            raise Invalid(f'Invalid pk "{number}" - object does not exist.', field=field)


def _author(session: Session, user_id: int | None, principal: Principal) -> tuple[int, str]:
    """Who an annotation is by: the sender, or whom an owner names. Raises Forbidden, NotFound."""
    if user_id is None or user_id == principal.user_id:
        return principal.user_id, principal.name
    if not principal.can(Role.OWNER):
        raise Forbidden("Only an owner may save an annotation in another's name.")
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user.id, user.name


def _release(session: Session, task_id: int, principal: Principal) -> None:
    session.execute(_RELEASE, {"task": task_id, "user": principal.user_id})
