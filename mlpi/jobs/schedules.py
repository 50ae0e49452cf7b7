"""Schedules: kept in our own table, timed by APScheduler, each due time at most one job."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mlpi.auth.audit import Actor, Audit
from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import Conflict, DiskFull, Invalid, NotFound
from mlpi.jobs import triggers
from mlpi.jobs.models import Job, Schedule
from mlpi.jobs.service import Jobs, Wish

log = logging.getLogger(__name__)

# A service that was off for the night still runs the morning's check, once.
GRACE = timedelta(hours=12)
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants done again and again."""

    name: str
    workspace: str
    kind: str
    trigger: str
    expression: str
    timezone: str = "UTC"
    params: dict[str, Any] = field(default_factory=dict)


class Schedules:
    """The timetable.

    The table is the truth; APScheduler holds one date for each schedule, its next due time, and
    is filled anew after every start, so nothing is lost with its memory and a schedule whose
    code is missing is never deleted. Job and last due time are written in one transaction, and
    the job's idempotency key names schedule and due time: a crash between tick and insert is
    made good at the next start, and no due time makes two jobs.
    """

    def __init__(self, db: Database, audit: Audit, jobs: Jobs, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._jobs = jobs
        self._clock = clock
        self._timers: dict[int, str] = {}
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True}
        )

    def start(self) -> None:
        """Begin, make good what was missed within the grace, and set the next times."""
        self._scheduler.start()
        self.make_good()
        for schedule in self._all():
            self._arm(schedule)

    def make_good(self) -> None:
        """Run once what fell due, within the grace, while nobody was there to see it."""
        now = self._clock()
        for schedule in self._all():
            since = max(schedule.last_due_at or schedule.created_at, now - GRACE)
            missed = triggers.latest_missed(schedule, since=since, now=now)
            if missed is not None:
                self.fire(schedule.id, missed)

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def add(self, plan: Plan, *, actor: Actor) -> Schedule:
        """Raises Invalid, Conflict."""
        if not plan.name.strip() or len(plan.name) > MAX_NAME:
            raise Invalid(f"A schedule needs a name of at most {MAX_NAME} letters.", field="name")
        triggers.check(plan.trigger, plan.expression, plan.timezone)
        params = self._jobs.kinds.checked(plan.kind, plan.params)
        try:
            with self._db.write() as session:
                schedule = Schedule(
                    name=plan.name.strip(),
                    workspace=plan.workspace,
                    actor=actor.name,
                    kind=plan.kind,
                    params=params,
                    trigger=plan.trigger,
                    expression=plan.expression.strip(),
                    timezone=plan.timezone,
                    is_paused=False,
                    created_at=self._clock(),
                )
                session.add(schedule)
                session.flush()
                self._audit.record(session, actor, "schedule_added", plan.name, plan.workspace)
        except IntegrityError:
            raise Conflict(f"There is already a schedule {plan.name!r}.", field="name") from None
        self._arm(schedule)
        return schedule

    def page(self, workspace: str) -> Sequence[Schedule]:
        """A workspace's schedules by name."""
        query = select(Schedule).where(Schedule.workspace == workspace).order_by(Schedule.name)
        with self._db.read() as session:
            return session.scalars(query).all()

    def get(self, workspace: str, schedule_id: int) -> Schedule:
        """Raises NotFound."""
        with self._db.read() as session:
            return _find(session, workspace, schedule_id)

    def is_runnable(self, schedule: Schedule) -> bool:
        """Whether this program has the code for it."""
        return self._jobs.kinds.knows(schedule.kind)

    def upcoming(self, schedule: Schedule, count: int = 5) -> list[datetime]:
        """Its next due times, in UTC; none while it is paused."""
        if schedule.is_paused:
            return []
        return triggers.upcoming(schedule, self._clock(), count)

    def soonest(self, workspace: str) -> tuple[Schedule, datetime] | None:
        """The schedule that is due next, and when."""
        now = self._clock()
        due = [
            (at, one)
            for one in self.page(workspace)
            if not one.is_paused and (at := triggers.next_after(one, now)) is not None
        ]
        if not due:
            return None
        at, one = min(due, key=lambda pair: pair[0])
        return one, at

    def set_paused(
        self, workspace: str, schedule_id: int, paused: bool, *, actor: Actor
    ) -> Schedule:
        """What falls due while it is paused is not made good later. Raises NotFound."""
        with self._db.write() as session:
            schedule = _find(session, workspace, schedule_id)
            schedule.is_paused = paused
            if not paused:
                schedule.last_due_at = self._clock()
            action = "schedule_paused" if paused else "schedule_resumed"
            self._audit.record(session, actor, action, schedule.name, workspace)
        self._arm(schedule)
        return schedule

    def remove(self, workspace: str, schedule_id: int, *, actor: Actor) -> None:
        """Its jobs stay. Raises NotFound."""
        with self._db.write() as session:
            schedule = _find(session, workspace, schedule_id)
            session.delete(schedule)
            self._audit.record(session, actor, "schedule_removed", schedule.name, workspace)
        self._disarm(schedule_id)

    def run_now(self, workspace: str, schedule_id: int, *, actor: Actor) -> Job:
        """A job outside its times, which go on unchanged. Raises NotFound, Invalid."""
        return self._jobs.enqueue(_wish(self.get(workspace, schedule_id)), actor=actor)

    def fire(self, schedule_id: int, due_at: datetime) -> None:
        """Make the job of one due time, unless it is there, and set the next time."""
        try:
            with self._db.write() as session:
                schedule = session.get(Schedule, schedule_id)
                if schedule is None or schedule.is_paused:
                    return
                self._insert(session, schedule, due_at)
        except (SQLAlchemyError, DiskFull):
            # A full disk: missed as if the service had been off, and made good at the next start.
            log.exception("schedule not run", extra={"action": "schedule_missed"})
            with self._db.read() as session:
                schedule = session.get(Schedule, schedule_id)
        self._jobs.dispatcher.wake()
        if schedule is not None:
            self._arm(schedule, due_at)

    def _insert(self, session: Session, schedule: Schedule, due_at: datetime) -> None:
        if not self.is_runnable(schedule):
            log.error(
                "schedule %r has no code: there is no job kind %r",
                schedule.name,
                schedule.kind,
                extra={"action": "schedule_without_code", "schedule_id": schedule.id},
            )
            return
        key = f"schedule:{schedule.id}:{due_at.isoformat()}"
        self._jobs.enqueue_in(session, _wish(schedule, key), actor=Actor(schedule.actor))
        schedule.last_due_at = due_at

    def _all(self) -> Sequence[Schedule]:
        with self._db.read() as session:
            return session.scalars(select(Schedule)).all()

    def _arm(self, schedule: Schedule, after: datetime | None = None) -> None:
        """Set the next due time. An id of its own for each, because APScheduler removes the job
        of a date that has passed by its id, perhaps after we have set the next.
        """
        self._disarm(schedule.id)
        now = self._clock()
        # A timer may be early and a clock set back: what has fired is not due again.
        after = max(now, after) if after else now
        due = None if schedule.is_paused else triggers.next_after(schedule, after)
        if due is None or not self._scheduler.running:
            return
        timer = self._scheduler.add_job(self.fire, DateTrigger(due), args=(schedule.id, due))
        self._timers[schedule.id] = timer.id

    def _disarm(self, schedule_id: int) -> None:
        timer_id = self._timers.pop(schedule_id, None)
        if timer_id is not None:
            with suppress(JobLookupError):  # it has just fired
                self._scheduler.remove_job(timer_id)


def _wish(schedule: Schedule, key: str | None = None) -> Wish:
    return Wish(
        kind=schedule.kind,
        workspace=schedule.workspace,
        params=schedule.params,
        title=schedule.name,
        idempotency_key=key,
        schedule_id=schedule.id,
    )


def _find(session: Session, workspace: str, schedule_id: int) -> Schedule:
    schedule = session.get(Schedule, schedule_id)
    if schedule is None or schedule.workspace != workspace:
        raise NotFound(f"There is no schedule {schedule_id} in this workspace.")
    return schedule
