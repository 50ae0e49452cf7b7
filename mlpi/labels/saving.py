"""An annotation's way to the disk: what people wait for most often, and so the shortest.

Its statements are prepared and it makes no objects but the one that it returns; what is rare (a
ground truth, another author, a webhook that listens) takes the longer ways of the other modules.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from mlpi.auth.models import User
from mlpi.auth.roles import Principal, Role
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Conflict, Forbidden, Invalid, NotFound
from mlpi.labels import given
from mlpi.labels.config.reading import read_config
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
from mlpi.labels.tally import Needs, count_task, move_counts
from mlpi.prepared import Prepared

_TASK, _PROJECT = cast(Table, LabelTask.__table__), cast(Table, LabelProject.__table__)
_SAYING, _USER = cast(Table, LabelAnnotation.__table__), cast(Table, User.__table__)
_GUESS = cast(Table, LabelPrediction.__table__)
_LEASE, _DRAFT = cast(Table, LabelLease.__table__), cast(Table, LabelDraft.__table__)
_AT = (
    select(
        _TASK.c.data,
        _TASK.c.project_id,
        _PROJECT.c.label_config,
        _PROJECT.c.maximum_annotations,
        _PROJECT.c.options,
    )
    .join(_PROJECT, _PROJECT.c.id == _TASK.c.project_id)
    .where(_TASK.c.id == bindparam("task"), _PROJECT.c.workspace == bindparam("workspace"))
)
_SEE, _LOCK = Prepared(_AT), Prepared(_AT.with_for_update(of=_TASK))
_INSERT = Prepared(  # of all columns but its id
    insert(_SAYING)
    .values(
        {one.name: bindparam(one.name, type_=one.type) for one in _SAYING.c if one.name != "id"}
    )
    .returning(_SAYING.c.id)
)
_DRAFTED = Prepared(
    select(_DRAFT.c.created_at).where(
        _DRAFT.c.id == bindparam("draft"), _DRAFT.c.task_id == bindparam("task")
    )
)
_DROP_DRAFT = Prepared(
    delete(_DRAFT).where(
        _DRAFT.c.task_id == bindparam("task"),
        _DRAFT.c.user_id == bindparam("user"),
        _DRAFT.c.annotation_id == bindparam("annotation"),
    )
)
_RELEASE = Prepared(
    delete(_LEASE).where(
        _LEASE.c.task_id == bindparam("task"), _LEASE.c.user_id == bindparam("user")
    )
)
_TOUCH = Prepared(
    update(_TASK)
    .where(_TASK.c.id == bindparam("task"))
    .values(
        updated_at=bindparam("at", type_=_TASK.c.updated_at.type), updated_by_id=bindparam("by")
    )
)
_ONE_TRUTH = Prepared(
    update(_SAYING)
    .where(
        _SAYING.c.task_id == bindparam("task"),
        _SAYING.c.id != bindparam("annotation"),
        _SAYING.c.ground_truth.is_(True),
    )
    .values(ground_truth=False)
    .returning(_SAYING.c.id)
)
_PARENTS = {
    field: Prepared(select(one.c.task_id).where(one.c.id == bindparam("parent")))
    for field, one in (("parent_prediction", _GUESS), ("parent_annotation", _SAYING))
}
_NAME = Prepared(select(_USER.c.name).where(_USER.c.id == bindparam("user")))


class SkipRefused(Conflict):
    """Tasks of this project may not be skipped."""

    status = 400
    code = "SKIP_REFUSED"


class _Place(NamedTuple):
    """A task and what its project says of it. data: JSON."""

    data: str
    project_id: int
    label_config: str
    maximum_annotations: int
    options: dict[str, Any]


class Saving:
    """Keeps annotations that are new."""

    def __init__(self, db: Database, clock: Clock, events: Events) -> None:
        self._db, self._clock, self._events = db, clock, events

    def add(
        self,
        workspace: str,
        task_id: int,
        sent: Mapping[str, Any],
        principal: Principal,
        draft_id: int | None = None,
    ) -> tuple[LabelAnnotation, bool]:
        """See `Annotations.add`."""
        with self._db.reading() as connection:
            place = _place_of(_SEE, connection, workspace, task_id)
        one = given.annotation(read_config(place.label_config), sent, json.loads(place.data))
        if one.was_cancelled and not place.options.get("show_skip_button", True):
            raise SkipRefused
        try:
            with self._db.write() as session:
                return self._add(session, workspace, task_id, one, principal, draft_id), True
        except IntegrityError:
            return self._earlier(place.project_id, task_id, one.key), False

    def _add(
        self,
        session: Session,
        workspace: str,
        task_id: int,
        one: GivenAnnotation,
        principal: Principal,
        draft_id: int | None,
    ) -> LabelAnnotation:
        connection = session.connection()
        place = _place_of(_LOCK, connection, workspace, task_id)
        now = self._clock()
        by_id, by_name = _author(connection, one.completed_by, principal)
        _check_parents(connection, task_id, one)
        drafted = _DRAFTED.first(connection, draft=draft_id, task=task_id) if draft_id else None
        row = {
            "task_id": task_id,
            "project_id": place.project_id,
            "key": one.key,
            "result": one.result,
            "result_count": one.result_count,
            "completed_by_id": by_id,
            "completed_by_name": by_name,
            "updated_by_id": principal.user_id,
            "was_cancelled": one.was_cancelled,
            "skip_reason": one.skip_reason,
            "ground_truth": one.ground_truth,
            "lead_time_s": one.lead_time_s,
            "created_at": now,
            "updated_at": now,
            "draft_created_at": drafted[0] if drafted else None,
            "parent_prediction_id": one.parent_prediction_id,
            "parent_annotation_id": one.parent_annotation_id,
            "import_id": None,
            "last_action": "skipped" if one.was_cancelled else "submitted",
            "review": "",
        }
        ((number,),) = _INSERT.rows(connection, **row)
        drop_draft(connection, task_id, principal)
        release(connection, task_id, principal)
        touch(connection, task_id, principal, self._clock)
        needs = Needs.of(place.maximum_annotations, place.options)
        _, by = count_task(connection, needs, task_id)
        if one.ground_truth:  # a task has one: the newest
            by["ground_truth"] = 1 - len(
                _ONE_TRUTH.rows(connection, task=task_id, annotation=number)
            )
        move_counts(connection, place.project_id, **by)
        self._events.annotation_added(session, workspace, place.project_id, number)
        return LabelAnnotation(id=number, **row)

    def _earlier(self, project_id: int, task_id: int, key: str) -> LabelAnnotation:
        """What came before under a key. Raises Conflict when that was of another task."""
        asked = select(LabelAnnotation).where(
            LabelAnnotation.project_id == project_id, LabelAnnotation.key == key
        )
        with self._db.read() as session:
            kept = session.scalar(asked)
        if kept is None or kept.task_id != task_id:
            raise Conflict(f"Annotation with unique_id {key!r} exists already, of another task.")
        return kept


def drop_draft(
    connection: Connection, task_id: int, principal: Principal, annotation_id: int = 0
) -> None:
    """Forget what somebody had typed of an annotation; 0: of a new one."""
    _DROP_DRAFT.rows(connection, task=task_id, user=principal.user_id, annotation=annotation_id)


def release(connection: Connection, task_id: int, principal: Principal) -> None:
    """Give a task that somebody had before them to others."""
    _RELEASE.rows(connection, task=task_id, user=principal.user_id)


def touch(connection: Connection, task_id: int, principal: Principal, clock: Clock) -> None:
    """Note who changed a task, and when."""
    _TOUCH.rows(connection, task=task_id, at=clock(), by=principal.user_id)


def _place_of(statement: Prepared, connection: Connection, workspace: str, task_id: int) -> _Place:
    found = statement.first(connection, task=task_id, workspace=workspace)
    if found is None:
        raise NotFound(f"There is no task {task_id} in this workspace.")
    return _Place(*found)


def _check_parents(connection: Connection, task_id: int, one: GivenAnnotation) -> None:
    """What an annotation was made of is of the same task. Raises Invalid."""
    for field, number in (
        ("parent_prediction", one.parent_prediction_id),
        ("parent_annotation", one.parent_annotation_id),
    ):
        if number is not None and _PARENTS[field].first(connection, parent=number) != (task_id,):
            raise Invalid(f'Invalid pk "{number}" - object does not exist.', field=field)


def _author(connection: Connection, user_id: int | None, principal: Principal) -> tuple[int, str]:
    """Who an annotation is by: the sender, or whom an owner names. Raises Forbidden, NotFound."""
    if user_id is None or user_id == principal.user_id:
        return principal.user_id, principal.name
    if not principal.can(Role.OWNER):
        raise Forbidden("Only an owner may save an annotation in another's name.")
    found = _NAME.first(connection, user=user_id)
    if found is None:
        raise NotFound(f"There is no user {user_id}.")
    return user_id, found[0]
