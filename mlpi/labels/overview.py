"""What a project is made of, in figures: labels given, people, models, fields of its tasks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select

from mlpi.db import Database
from mlpi.labels.models import LabelAnnotation, LabelPrediction, LabelProject, LabelTask
from mlpi.labels.projects import project_of

# Reading every result of a large project takes its time; so much of it tells the same.
MOST_READ = 20_000


@dataclass(frozen=True, slots=True)
class Person:
    """Who annotates. median lead time in seconds."""

    id: int
    name: str
    annotations: int
    skips: int
    mean_lead_s: float | None
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Labels:
    """How often each label was given, by control. annotations: how many of them were read."""

    counts: Mapping[str, Counter[str]]
    types: Mapping[str, str]
    annotations: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Whose predictions there are."""

    name: str
    predictions: int
    latest_at: datetime


class Overview:
    """Answers about a project as a whole; each call names the workspace that it is for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def people(self, workspace: str, project_id: int) -> Sequence[Person]:
        """By their numbers. Raises NotFound."""
        is_skip = LabelAnnotation.was_cancelled
        asked = (
            select(
                LabelAnnotation.completed_by_id,
                func.max(LabelAnnotation.completed_by_name),
                func.sum(case((is_skip, 0), else_=1)),
                func.sum(case((is_skip, 1), else_=0)),
                func.avg(LabelAnnotation.lead_time_s),
                func.max(LabelAnnotation.created_at),
            )
            .where(LabelAnnotation.project_id == project_id)
            .group_by(LabelAnnotation.completed_by_id)
            .order_by(LabelAnnotation.completed_by_id)
        )
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            return [
                Person(one, name, int(annotations), int(skips), lead, last)
                for one, name, annotations, skips, lead, last in session.execute(asked)
            ]

    def labels(self, workspace: str, project_id: int) -> Labels:
        """Of the newest annotations. Raises NotFound."""
        asked = (
            select(LabelAnnotation.result)
            .where(LabelAnnotation.project_id == project_id, LabelAnnotation.result_count > 0)
            .where(LabelAnnotation.was_cancelled.is_(False))
            .order_by(LabelAnnotation.id.desc())
            .limit(MOST_READ)
        )
        counts: dict[str, Counter[str]] = {}
        types: dict[str, str] = {}
        read = 0
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            for text in session.scalars(asked.execution_options(yield_per=1000)):
                read += 1
                for one in json.loads(text):
                    name = one.get("from_name")
                    if name is None:
                        continue
                    types[name] = one["type"]
                    counts.setdefault(name, Counter()).update(labels_in(one))
        return Labels(counts, types, read)

    def model_versions(self, workspace: str, project_id: int) -> Sequence[ModelVersion]:
        """Newest first. Raises NotFound."""
        asked = (
            select(
                LabelPrediction.model_version,
                func.count(),
                func.max(LabelPrediction.created_at),
            )
            .where(LabelPrediction.project_id == project_id)
            .group_by(LabelPrediction.model_version)
            .order_by(func.max(LabelPrediction.id).desc())
        )
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            return [ModelVersion(*row) for row in session.execute(asked)]

    def fields(self, workspace: str, project_id: int) -> Mapping[str, int]:
        """The fields of its tasks' data, and in how many of the first some they are.

        Raises NotFound.
        """
        asked = (
            select(LabelTask.data)
            .where(LabelTask.project_id == project_id)
            .order_by(LabelTask.id)
            .limit(100)
        )
        found: Counter[str] = Counter()
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            for text in session.scalars(asked):
                found.update(json.loads(text).keys())
        return found

    def standing(self, project: LabelProject, user_id: int) -> tuple[int, int]:
        """(tasks that are or were this person's to label, those of them that they have done)."""
        mine = select(LabelAnnotation.task_id).where(
            LabelAnnotation.project_id == project.id, LabelAnnotation.completed_by_id == user_id
        )
        done = mine
        if project.options.get("skip_queue") == "REQUEUE_FOR_ME":
            done = mine.where(LabelAnnotation.was_cancelled.is_(False))
        of_others = select(func.count()).where(
            LabelTask.project_id == project.id,
            LabelTask.is_labeled.is_(False),
            LabelTask.id.not_in(mine),
        )
        with self._db.read() as session:
            total, own, finished = session.execute(
                select(
                    of_others.scalar_subquery(),
                    select(func.count()).select_from(mine.distinct().subquery()).scalar_subquery(),
                    select(func.count()).select_from(done.distinct().subquery()).scalar_subquery(),
                )
            ).one()
        return total + own, finished


def labels_in(result: Mapping[str, object]) -> list[str]:
    """The labels, choices or answers that a result gives, as texts to count."""
    value = result.get("value")
    if not isinstance(value, dict):
        return []
    kind = str(result.get("type"))
    found = value.get(kind)
    if kind in ("choices", "taxonomy") and isinstance(found, list):
        return [one if isinstance(one, str) else " / ".join(one) for one in found]
    if isinstance(found, list) and kind.endswith("labels"):
        return [str(one) for one in found]
    if kind in ("rating", "number"):
        return [f"{found:g}"] if isinstance(found, int | float) else []
    if kind == "pairwise":
        return [str(value.get("selected"))]
    return []
