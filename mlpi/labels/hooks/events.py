"""What was done, written down for webhooks in the transaction that does it.

A deed writes one row for each webhook that wants to hear of it: the message as it will be sent.
So a crash loses none, and one that was not acknowledged is sent again under the same id. A job
sends them (`hooks.sending`); as long as one waits or runs for a webhook, deeds make no second one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import bindparam, event, or_, select

from mlpi.auth.audit import Actor
from mlpi.clock import Clock
from mlpi.db import Session
from mlpi.jobs.kinds import JobKind
from mlpi.jobs.service import Wish, insert_job
from mlpi.labels.api import shapes
from mlpi.labels.hooks import actions
from mlpi.labels.hooks.actions import ACTIONS
from mlpi.labels.models import (
    LabelAnnotation,
    LabelDelivery,
    LabelProject,
    LabelReview,
    LabelTask,
    LabelWebhook,
)
from mlpi.prepared import Prepared

HOOK_JOB = "label-webhook"
KIND = JobKind(HOOK_JOB, "mlpi.labels.hooks.work:send", "Send webhooks", timeout_s=180)
MOST_BYTES = 1 << 20  # of task data in one message; more tasks are more messages
MOST_TASKS = 200
NOWHERE = 0  # no project's id
Payload = dict[str, Any]
# Made once: every deed asks, and building it takes as long as asking.
_ARE_ASKED = (
    LabelWebhook.workspace == bindparam("workspace"),
    LabelWebhook.is_active,
    or_(LabelWebhook.project_id.is_(None), LabelWebhook.project_id == bindparam("project_id")),
)
_LISTENING = Prepared(select(LabelWebhook.id).where(*_ARE_ASKED).limit(1))
_ACTIVE = (
    select(LabelWebhook)
    .where(*_ARE_ASKED)
    .order_by(LabelWebhook.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


class Events:
    """Called by the services of this room, each call inside of a write transaction.

    wake: called once that transaction has been committed and something is to be sent. counts: of
    deeds by their names and of "messages", for Prometheus.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None] = lambda: None) -> None:
        self._clock, self._wake = clock, wake
        self.counts: Counter[str] = Counter()

    # --- what is done

    def project_created(self, session: Session, project: LabelProject) -> None:
        self._tell(session, project, actions.PROJECT_CREATED, dict)

    def project_updated(self, session: Session, project: LabelProject) -> None:
        self._tell(session, project, actions.PROJECT_UPDATED, dict)

    def project_deleted(self, session: Session, project: LabelProject) -> None:
        """Before it goes."""
        about = {"project": {"id": project.id}}
        self._tell(session, project, actions.PROJECT_DELETED, lambda: about)

    def hears_of_tasks(self, session: Session, project: LabelProject) -> bool:
        """Whether anybody wants to be told of new tasks."""
        return bool(self._wanting(session, project, actions.TASKS_CREATED))

    def tasks_created(
        self, session: Session, project: LabelProject, task_ids: Sequence[int]
    ) -> None:
        wanting = self._wanting(session, project, actions.TASKS_CREATED)
        if not wanting or not task_ids:
            return
        for part in _parts(session, task_ids):
            about = {"tasks": [shapes.task(one) for one in part]}
            self._write(session, project, wanting, actions.TASKS_CREATED, about.copy)

    def tasks_deleted(
        self, session: Session, project: LabelProject, task_ids: Sequence[int]
    ) -> None:
        about = {"tasks": [{"id": one} for one in task_ids]}
        self._tell(session, project, actions.TASKS_DELETED, lambda: about)

    def annotation_added(
        self, session: Session, workspace: str, project_id: int, annotation_id: int
    ) -> None:
        """One that was saved past the session, which reads it only where somebody listens."""
        asked = {"workspace": workspace, "project_id": project_id}
        if not _LISTENING.rows(session.connection(), **asked):
            self.counts[actions.ANNOTATION_CREATED] += 1
            return
        project = session.get_one(LabelProject, project_id)
        made = session.get_one(LabelAnnotation, annotation_id)
        task = session.get_one(LabelTask, made.task_id)
        self._tell(session, project, actions.ANNOTATION_CREATED, lambda: _said(session, task, made))

    def annotation_updated(
        self, session: Session, project: LabelProject, task: LabelTask, changed: LabelAnnotation
    ) -> None:
        self._tell(
            session, project, actions.ANNOTATION_UPDATED, lambda: _said(session, task, changed)
        )

    def annotations_created(
        self, session: Session, project: LabelProject, made: Sequence[LabelAnnotation]
    ) -> None:
        """Many at once, as from predictions."""

        def about() -> Payload:
            asked = select(LabelTask).where(LabelTask.id.in_({one.task_id for one in made}))
            return {
                "annotation": [_annotation(one) for one in made],
                "task": [shapes.task(one) for one in session.scalars(asked)],
            }

        self._tell(session, project, actions.ANNOTATIONS_CREATED, about)

    def annotations_deleted(
        self, session: Session, project: LabelProject, annotation_ids: Sequence[int]
    ) -> None:
        about = {"annotations": [{"id": one} for one in annotation_ids]}
        self._tell(session, project, actions.ANNOTATIONS_DELETED, lambda: about)

    def reviewed(
        self,
        session: Session,
        project: LabelProject,
        review: LabelReview,
        annotation: LabelAnnotation,
        action: str = actions.REVIEW_CREATED,
    ) -> None:
        def about() -> Payload:
            return {"review": review_shape(review), "annotation": _annotation(annotation)}

        self._tell(session, project, action, about)

    def review_deleted(self, session: Session, project: LabelProject, review_id: int) -> None:
        about = {"reviews": [{"id": review_id}]}
        self._tell(session, project, actions.REVIEWS_DELETED, lambda: about)

    def test(self, session: Session, webhook: LabelWebhook) -> None:
        """A message to see whether it arrives."""
        about = {"webhook": webhook.id, "project": webhook.project_id}
        self._write(session, None, [webhook], actions.TEST, lambda: about)

    def go_on(self, session: Session, webhook: LabelWebhook, at: datetime) -> None:
        """Have a job send what is queued, not before a time."""
        wish = Wish(
            HOOK_JOB,
            webhook.workspace,
            {"webhook": webhook.id},
            title=f"Send webhook {webhook.id}",
            priority=10,
            available_at=at,
        )
        insert_job(session, KIND, wish, actor=Actor("mlpi"), now=self._clock())
        webhook.is_sending = True
        event.listen(session, "after_commit", lambda _: self._wake(), once=True)

    # --- how

    def _tell(
        self, session: Session, project: LabelProject, action: str, about: Callable[[], Payload]
    ) -> None:
        self.counts[action] += 1
        wanting = self._wanting(session, project, action)
        if wanting:
            self._write(session, project, wanting, action, about)

    def _wanting(
        self, session: Session, project: LabelProject, action: str
    ) -> Sequence[LabelWebhook]:
        """Webhooks that want to hear of it, locked against the end of the job that sends."""
        # A project's own webhooks do not hear of what is about projects as such.
        number = NOWHERE if ACTIONS[action].is_wide else project.id
        asked = {"workspace": project.workspace, "project_id": number}
        found = session.scalars(_ACTIVE, asked).all()
        return [one for one in found if one.send_for_all_actions or action in one.actions]

    def _write(
        self,
        session: Session,
        project: LabelProject | None,
        wanting: Sequence[LabelWebhook],
        action: str,
        about: Callable[[], Payload],
    ) -> None:
        whole: Payload = {}
        if any(one.send_payload for one in wanting):
            whole = about()
            if project is not None and action != actions.PROJECT_DELETED:
                session.flush()
                session.refresh(project)  # its counts were changed by statements
                whole["project"] = _project(project)
        now = self._clock()
        self.counts["messages"] += len(wanting)
        for webhook in wanting:
            body = {"action": action, **(whole if webhook.send_payload else {})}
            session.add(
                LabelDelivery(
                    webhook_id=webhook.id,
                    action=action,
                    body=orjson.dumps(body).decode(),
                    state="queued",
                    created_at=now,
                    due_at=now,
                )
            )
            if not webhook.is_sending:
                self.go_on(session, webhook, now)
        session.flush()


def review_shape(one: LabelReview) -> Payload:
    """As Label Studio's SDK reads reviews."""
    return {
        "id": one.id,
        "annotation": one.annotation_id,
        "accepted": one.verdict != "rejected",
        "fixed": one.verdict == "fixed",
        "comment": one.comment,
        "created_by": one.created_by_id,
        "created_at": shapes.moment(one.created_at),
        "reject_action": "requeue" if one.verdict == "rejected" else None,
        "state": one.verdict,
    }


def _parts(session: Session, task_ids: Sequence[int]) -> Iterator[Sequence[LabelTask]]:
    asked = select(LabelTask).where(LabelTask.id.in_(task_ids)).order_by(LabelTask.id)
    part: list[LabelTask] = []
    size = 0
    for task in session.scalars(asked):
        if part and (size + len(task.data) > MOST_BYTES or len(part) == MOST_TASKS):
            yield part
            part, size = [], 0
        part.append(task)
        size += len(task.data)
    if part:
        yield part


def _said(session: Session, task: LabelTask, one: LabelAnnotation) -> Payload:
    session.refresh(task)
    return {"annotation": _annotation(one), "task": shapes.task(task)}


def _annotation(one: LabelAnnotation) -> Payload:
    return shapes.annotation(one, one.created_at, is_export=True)


def _project(one: LabelProject) -> Payload:
    found = shapes.project(one, queue_total=0, queue_done=0)
    for name in ("queue_total", "queue_done", "config_has_control_tags"):
        del found[name]
    return {**found, "created_by": one.created_by_id, "updated_at": shapes.moment(one.updated_at)}
