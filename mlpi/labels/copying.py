"""Projects copied; knows no HTTP. Its calls block."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sqlalchemy import insert, select

from mlpi.auth.audit import Actor, Audit
from mlpi.auth.roles import Principal
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Invalid
from mlpi.labels.adding import BATCH, LOTS
from mlpi.labels.models import LabelAnnotation, LabelProject, LabelTask
from mlpi.labels.projects import project_of
from mlpi.labels.tally import move

SETTINGS, WITH_DATA = "settings", "settings,data"
MOST_HISTORY = 100  # tasks


class Copies:
    """Copies of projects, and what a person had before them; each call names its workspace."""

    def __init__(self, db: Database, audit: Audit, clock: Clock) -> None:
        self._db, self._audit, self._clock = db, audit, clock

    def duplicate(
        self,
        workspace: str,
        project_id: int,
        principal: Principal,
        *,
        mode: str,
        title: str = "",
        description: str | None = None,
        address: str = "",
    ) -> LabelProject:
        """A project with the same settings, and with WITH_DATA the same tasks, unlabeled.

        Files that tasks name stay the first project's. Raises NotFound, Invalid.
        """
        if mode not in (SETTINGS, WITH_DATA):
            raise Invalid(
                f"{mode[:60]!r} is not a valid choice.",
                advice=f"It may be {SETTINGS} or {WITH_DATA}.",
                field="mode",
            )
        wanted = title.strip()
        if wanted and not 3 <= len(wanted) <= 255:
            raise Invalid("The title must have 3 to 255 characters.", field="title")
        now = self._clock()
        with self._db.write() as session:
            first = project_of(session, workspace, project_id)
            made = LabelProject(
                workspace=workspace,
                title=wanted or f"Copy of {first.title}"[:255],
                description=first.description if description is None else description,
                label_config=first.label_config,
                maximum_annotations=first.maximum_annotations,
                sampling=first.sampling,
                # Whose predictions are shown does not hold where there are none.
                options={**first.options, "model_version": ""},
                created_by_id=principal.user_id,
                created_by_name=principal.name,
                created_at=now,
                updated_at=now,
            )
            session.add(made)
            session.flush()
            words = f"{first.id} {first.title} as {made.id} {made.title}"
            actor = Actor(principal.name, address)
            self._audit.record(session, actor, "label_project_duplicated", words, workspace)
        if mode == WITH_DATA:
            self._copy_tasks(workspace, project_id, made.id, principal)
        with self._db.read() as session:
            return project_of(session, workspace, made.id)

    def _copy_tasks(self, workspace: str, from_id: int, to_id: int, principal: Principal) -> None:
        """{BATCH} a transaction, so that a large project holds nobody up."""
        position = 0
        while True:
            with self._db.read() as session:
                found = session.execute(
                    select(LabelTask.id, LabelTask.data, LabelTask.meta)
                    .where(LabelTask.project_id == from_id, LabelTask.id > position)
                    .order_by(LabelTask.id)
                    .limit(BATCH)
                ).all()
            if not found:
                return
            position, now = found[-1].id, self._clock()
            with self._db.write() as session:
                project = project_of(session, workspace, to_id, is_locked=True)
                rows = [
                    {
                        "project_id": to_id,
                        "inner_id": project.last_inner_id + number,
                        "data": one.data,
                        "meta": one.meta,
                        "created_at": now,
                        "updated_at": now,
                        "lot": random.randrange(LOTS),  # noqa: S311 - an order, no secret
                    }
                    for number, one in enumerate(found, 1)
                ]
                session.execute(insert(LabelTask), rows)
                project.last_inner_id += len(rows)
                session.flush()
                move(session, project, task=len(rows))

    def history(
        self, workspace: str, project_id: int, principal: Principal
    ) -> Sequence[tuple[int, int]]:
        """(task, annotation) of what this person annotated last, oldest first. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            found = session.execute(
                select(LabelAnnotation.task_id, LabelAnnotation.id)
                .where(
                    LabelAnnotation.project_id == project_id,
                    LabelAnnotation.completed_by_id == principal.user_id,
                )
                .order_by(LabelAnnotation.id.desc())
                .limit(MOST_HISTORY)
            ).all()
        return [(task_id, annotation_id) for task_id, annotation_id in reversed(found)]
