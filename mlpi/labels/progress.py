"""How the work on a project goes: a day at a time, by person, until when; what wants a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from threading import Lock
from typing import Any

from sqlalchemy import case, func, select

from mlpi.clock import Clock
from mlpi.db import Database, Session
from mlpi.labels.models import REJECTED, LabelAnnotation, LabelProject, LabelTask
from mlpi.labels.overview import Labels, ModelVersion, Overview
from mlpi.labels.projects import project_of

DAYS = 30  # of the chart
PACE_DAYS = 7  # that tell how long the rest takes
MOST_TIMES = 20_000  # lead times that medians are taken from, the newest
MOST_REASONS = 8
CONFLICT_BELOW = 0.5
FRESH_S = 60  # so long figures stand when only texts, not counts, have changed
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Day:
    """Annotations of one day, UTC; skips are not among them."""

    day: date
    annotations: int


@dataclass(frozen=True, slots=True)
class Person:
    """Who annotates. median_s: of their newest annotations; per_hour: at that time each."""

    id: int
    name: str
    annotations: int
    skips: int
    median_s: float | None

    @property
    def per_hour(self) -> float | None:
        return 3600 / self.median_s if self.median_s else None


@dataclass(frozen=True, slots=True)
class Ahead:
    """missing: annotations that unfinished tasks lack; per_day: of the last days, idle ones too.

    left: at that pace; None: nothing was done of late.
    """

    missing: int
    per_day: float
    days: float
    left: timedelta | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A project's home. reasons: why tasks were skipped, the most frequent first."""

    days: Sequence[Day]
    people: Sequence[Person]
    ahead: Ahead
    reasons: Sequence[tuple[str, int]]
    conflicts: int
    rejected: int
    labels: Labels
    versions: Sequence[ModelVersion]

    @property
    def busiest(self) -> int:
        return max((one.annotations for one in self.days), default=0)


class Home:
    """Figures of a project's first page; each call names the workspace that it is for."""

    def __init__(self, db: Database, overview: Overview, clock: Clock) -> None:
        self._db, self._overview, self._clock = db, overview, clock
        self._known: dict[int, tuple[tuple[Any, ...], datetime, Progress]] = {}
        self._lock = Lock()

    def progress(self, workspace: str, project_id: int) -> Progress:
        """Taken anew when counts have changed, or after a minute. Raises NotFound."""
        now = self._clock()
        with self._db.read() as session:
            project = project_of(session, workspace, project_id)
        state = (
            *(project.updated_at, project.task_count, project.finished_count, now.date()),
            *(project.annotation_count, project.skipped_count, project.prediction_count),
        )
        known = self._known.get(project.id)
        if known and known[0] == state and now - known[1] < timedelta(seconds=FRESH_S):
            return known[2]
        labels = self._overview.labels(workspace, project_id)
        versions = self._overview.model_versions(workspace, project_id)
        with self._db.read() as session:
            days = self._days(session, project, now)
            found = Progress(
                days,
                _people(session, project),
                _ahead(session, project, days, now),
                _reasons(session, project),
                _conflicts(session, project),
                _rejected(session, project),
                labels,
                versions,
            )
        with self._lock:
            while len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[project.id] = (state, now, found)
        return found

    def waiting(self, workspace: str) -> Mapping[str, int]:
        """Of a whole workspace: how many tasks are in conflict, annotations rejected."""
        in_conflict = (
            select(func.count())
            .select_from(LabelTask)
            .join(LabelProject, LabelProject.id == LabelTask.project_id)
            .where(LabelProject.workspace == workspace, LabelTask.agreement < CONFLICT_BELOW)
        )
        rejected = (
            select(func.count())
            .select_from(LabelAnnotation)
            .join(LabelProject, LabelProject.id == LabelAnnotation.project_id)
            .where(LabelProject.workspace == workspace, LabelAnnotation.review == REJECTED)
        )
        with self._db.read() as session:
            return {
                "conflicts": session.scalar(in_conflict) or 0,
                "rejected": session.scalar(rejected) or 0,
            }

    def _days(self, session: Session, project: LabelProject, now: datetime) -> Sequence[Day]:
        first = now.date() - timedelta(days=DAYS - 1)
        at = LabelAnnotation.created_at
        day = func.date(at) if self._db.is_sqlite else func.date(func.timezone("UTC", at))
        asked = (
            select(day, func.count())
            .where(
                LabelAnnotation.project_id == project.id,
                at >= datetime.combine(first, datetime.min.time(), now.tzinfo),
                LabelAnnotation.was_cancelled.is_(False),
            )
            .group_by(day)
        )
        counts = {str(one): int(count) for one, count in session.execute(asked)}
        every = [first + timedelta(days=number) for number in range(DAYS)]
        return [Day(one, counts.get(one.isoformat(), 0)) for one in every]


def _people(session: Session, project: LabelProject) -> Sequence[Person]:
    """By their numbers of annotations, most first."""
    is_skip = LabelAnnotation.was_cancelled
    asked = (
        select(
            LabelAnnotation.completed_by_id,
            func.max(LabelAnnotation.completed_by_name),
            func.sum(case((is_skip, 0), else_=1)),
            func.sum(case((is_skip, 1), else_=0)),
        )
        .where(LabelAnnotation.project_id == project.id)
        .group_by(LabelAnnotation.completed_by_id)
    )
    times: dict[int, list[float]] = {}
    newest = (
        select(LabelAnnotation.completed_by_id, LabelAnnotation.lead_time_s)
        .where(LabelAnnotation.project_id == project.id)
        .order_by(LabelAnnotation.id.desc())
        .limit(MOST_TIMES)
    )
    for person, seconds in session.execute(newest):
        if seconds is not None:
            times.setdefault(person, []).append(seconds)
    found = [
        Person(one, name, int(done), int(skips), median(times[one]) if one in times else None)
        for one, name, done, skips in session.execute(asked)
    ]
    return sorted(found, key=lambda one: (-one.annotations, one.name))


def _ahead(session: Session, project: LabelProject, days: Sequence[Day], now: datetime) -> Ahead:
    if project.maximum_annotations == 1:
        missing = project.task_count - project.finished_count
    else:
        lacking = project.maximum_annotations - LabelTask.annotation_count
        asked = select(func.sum(case((lacking > 0, lacking), else_=1))).where(
            LabelTask.project_id == project.id, LabelTask.is_labeled.is_(False)
        )
        missing = int(session.scalar(asked) or 0)
    recent = days[-PACE_DAYS:]
    # Days before the first annotation of a young project tell nothing about its pace.
    begun = next((number for number, one in enumerate(recent) if one.annotations), None)
    if begun is None or any(one.annotations for one in days[:-PACE_DAYS]):
        begun = 0
    today = (now - datetime.combine(now.date(), datetime.min.time(), now.tzinfo)).total_seconds()
    # A tenth of a day at least: the first minutes of the first day are no pace.
    span = max(0.1, len(recent) - begun - 1 + today / 86400)
    per_day = sum(one.annotations for one in recent) / span
    left = timedelta(days=missing / per_day) if per_day and missing else None
    return Ahead(missing, per_day, span, left)


def _reasons(session: Session, project: LabelProject) -> Sequence[tuple[str, int]]:
    if not project.skipped_count:
        return []
    asked = (
        select(LabelAnnotation.skip_reason, func.count())
        .where(LabelAnnotation.project_id == project.id, LabelAnnotation.was_cancelled)
        .group_by(LabelAnnotation.skip_reason)
        .order_by(func.count().desc(), LabelAnnotation.skip_reason)
        .limit(MOST_REASONS)
    )
    return [(reason, int(count)) for reason, count in session.execute(asked)]


def _conflicts(session: Session, project: LabelProject) -> int:
    asked = select(func.count()).where(
        LabelTask.project_id == project.id, LabelTask.agreement < CONFLICT_BELOW
    )
    return session.scalar(asked) or 0


def _rejected(session: Session, project: LabelProject) -> int:
    asked = select(func.count()).where(
        LabelAnnotation.project_id == project.id, LabelAnnotation.review == REJECTED
    )
    return session.scalar(asked) or 0
