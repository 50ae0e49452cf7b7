"""The queue in SQL: enqueue, claim, renew, finish. Callers bring the transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    Integer,
    Table,
    Update,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import insert as sql_insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from mlpi.jobs.models import ACTIVE, FAILED, FINAL, Claimed, Ended, Job, JobState

ERROR_LENGTH = 500
_jobs = cast(Table, Job.__table__)
_INSERT = sql_insert(_jobs)
_NOW = bindparam("now", type_=_jobs.c.created_at.type)
_OPEN = sorted(ACTIVE | {JobState.QUEUED})


@dataclass(frozen=True, slots=True)
class Pulse:
    """How many jobs run or wait, and how many have failed lately."""

    active: int
    failed: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs of a workspace to list; empty fields do not restrict."""

    states: Collection[str] = ()
    kind: str = ""
    words: str = ""
    actor: str = ""
    since: datetime | None = None  # when it was made

    def __bool__(self) -> bool:
        return bool(self.states or self.kind or self.words or self.actor or self.since)


def _succeed() -> Update:
    """Statements of short jobs are built once: building them took as long as running them."""
    return (
        update(_jobs)
        .where(
            _jobs.c.id == bindparam("job"),
            _jobs.c.worker == bindparam("by"),
            or_(*(_jobs.c.state == state for state in ACTIVE)),  # IN is refused for many rows
        )
        .values(
            state=JobState.SUCCEEDED,
            finished_at=_NOW,
            lease_until=None,
            fraction=1.0,
            error="",
            traceback="",
            result=bindparam("result"),
        )
    )


def _claim() -> ReturningUpdate[Any]:
    all_cpus = bindparam("all_cpus", type_=_jobs.c.cpus.type)
    asked = case((_jobs.c.cpus > all_cpus, all_cpus), else_=_jobs.c.cpus).label("asked")
    due = (
        select(_jobs.c.id, _jobs.c.priority, asked)
        .where(
            _jobs.c.state == JobState.QUEUED,
            _jobs.c.available_at <= _NOW,
            _jobs.c.kind.in_(bindparam("kinds", expanding=True)),
        )
        .order_by(_jobs.c.priority.desc(), _jobs.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .subquery()
    )
    rank = (due.c.priority.desc(), due.c.id)
    line = select(
        due.c.id,
        func.max(due.c.asked).over(order_by=rank, rows=(None, 0)).label("widest"),
        func.sum(due.c.asked).over(order_by=rank, rows=(None, 0)).label("together"),
    ).subquery()
    fits = or_(line.c.widest <= 1, line.c.together <= bindparam("free_cpus", type_=Integer))
    return (
        update(_jobs)
        .where(_jobs.c.id.in_(select(line.c.id).where(fits)))
        .values(
            state=JobState.LEASED,
            worker=bindparam("by"),
            attempt=_jobs.c.attempt + 1,
            lease_until=bindparam("until", type_=_jobs.c.lease_until.type),
            started_at=_NOW,
            finished_at=None,
            fraction=None,
            message="",
        )
        .returning(*(_jobs.c[name] for name in Claimed._fields))
    )


_SUCCEED, _CLAIM = _succeed(), _claim()


def insert(session: Session, **values: Any) -> Job:
    """Add a job; the row as it is now, detached. Straight to the table: half the ORM's time."""
    done = session.execute(_INSERT, values)
    assert done.inserted_primary_key is not None  # type: ignore[attr-defined]
    job = Job.__mapper__.class_manager.new_instance()  # as the ORM itself makes one from a row
    job.__dict__.update(values, id=done.inserted_primary_key[0])  # type: ignore[attr-defined]
    assert isinstance(job, Job)
    return job


def succeed(session: Session, results: Mapping[int, Any], *, worker: str, now: datetime) -> None:
    """Write the plain success of many jobs, as far as this worker still holds them."""
    values = {"by": worker, "now": now}
    rows = [{"job": job, "result": result, **values} for job, result in results.items()]
    session.execute(_SUCCEED, rows)


def claim(
    session: Session,
    *,
    worker: str,
    count: int,
    free_cpus: int,
    all_cpus: int,
    now: datetime,
    lease_s: float,
    kinds: Collection[str],
) -> list[Claimed]:
    """Lease up to count due jobs of these kinds, most urgent and then oldest first.

    A job of several CPUs is leased when they are free, and none behind it before it is: small
    jobs would keep it waiting for ever. One that asks for more than there are waits for all,
    and gets no more.
    """
    values = {
        "by": worker,
        "most": count,
        "free_cpus": free_cpus,
        "all_cpus": all_cpus,
        "now": now,
        "until": now + timedelta(seconds=lease_s),
        "kinds": sorted(kinds),
    }
    rows = session.execute(_CLAIM, values).all()
    found = [Claimed(*row)._replace(cpus=min(int(row[-1]), all_cpus)) for row in rows]
    return sorted(found, key=lambda job: (-job.priority, job.id))


def renew(session: Session, *, worker: str, now: datetime, lease_s: float) -> None:
    """Push the end of all of a worker's leases."""
    session.execute(
        update(Job)
        .where(Job.worker == worker, Job.state.in_(ACTIVE))
        .values(lease_until=now + timedelta(seconds=lease_s))
    )


def expired(session: Session, *, now: datetime, except_worker: str) -> Sequence[Job]:
    """Active jobs whose lease ran out: whoever held them is gone."""
    query = select(Job).where(
        Job.state.in_(ACTIVE),
        Job.worker != except_worker,
        or_(Job.lease_until < now, Job.lease_until.is_(None)),
    )
    return session.scalars(query).all()


def orphaned(session: Session) -> Sequence[Job]:
    """All active jobs, lease or not: for a start on a database that is this service's alone."""
    return session.scalars(select(Job).where(Job.state.in_(ACTIVE))).all()


def unwanted(session: Session, ids: Collection[int]) -> Collection[int]:
    """Those of the running jobs that somebody wants to end, or that are not there any more."""
    if not ids:
        return ()
    wanted = select(Job.id).where(
        Job.id.in_(ids), Job.cancel_requested.is_(False), Job.state.in_(ACTIVE)
    )
    return set(ids) - set(session.scalars(wanted))


def give_back(job: Job, *, now: datetime, reason: str) -> None:
    """Queue a job whose worker died, or set it aside as lost when its attempts are used up."""
    job.error = reason[:ERROR_LENGTH]
    job.lease_until = None
    if job.cancel_requested:
        finish(job, JobState.CANCELLED, now=now)
    elif job.attempt >= job.max_attempts:
        finish(job, JobState.LOST, now=now, error=reason)
    else:
        job.state = JobState.QUEUED
        job.worker = ""
        # The first time at once; then 2, 4, 8 … s, so that a poisoned job does not spin.
        job.available_at = now + timedelta(seconds=2 ** (job.attempt - 1) if job.attempt > 1 else 0)


def queue_again(job: Job, *, now: datetime) -> None:
    """Queue a job that was interrupted through no fault of its own; the attempt is not counted."""
    job.state = JobState.QUEUED
    job.attempt = max(0, job.attempt - 1)
    job.worker = ""
    job.lease_until = None
    job.available_at = now


def start_over(job: Job, *, now: datetime) -> None:
    """Queue an ended job as if it were new."""
    job.state = JobState.QUEUED
    job.attempt = 0
    job.worker = job.error = job.traceback = job.message = ""
    job.fraction = job.result = None
    job.counters = {}
    job.cancel_requested = False
    job.started_at = job.finished_at = job.lease_until = None
    job.available_at = now


def finish(
    job: Job,
    state: JobState,
    *,
    now: datetime,
    result: Any = None,
    error: str = "",
    traceback: str = "",
) -> None:
    """Write a job's end."""
    job.state = state
    job.finished_at = now
    job.lease_until = None
    job.result = result
    job.error = error[:ERROR_LENGTH]
    job.traceback = traceback
    if state is JobState.SUCCEEDED:
        job.fraction = 1.0


def by_key(session: Session, workspace: str, key: str) -> Job | None:
    """The job with this idempotency key."""
    return session.scalar(select(Job).where(Job.workspace == workspace, Job.idempotency_key == key))


def page(
    session: Session, workspace: str, only: Filter, *, before_id: int | None, limit: int
) -> Sequence[Job]:
    """Jobs of a workspace, newest first; before_id continues a page."""
    query = select(Job).where(Job.workspace == workspace).order_by(Job.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Job.id < before_id)
    if only.states:
        query = query.where(Job.state.in_(sorted(only.states)))
    if only.kind:
        query = query.where(Job.kind == only.kind)
    if only.actor:
        query = query.where(Job.actor.icontains(only.actor, autoescape=True))
    if only.since is not None:
        query = query.where(Job.created_at >= only.since)
    if only.words:
        query = query.where(
            Job.title.icontains(only.words, autoescape=True)
            | Job.error.icontains(only.words, autoescape=True)
        )
    return session.scalars(query).all()


def counts(session: Session, workspace: str | None = None) -> dict[str, int]:
    """How many jobs are in each state."""
    query = select(Job.state, func.count()).group_by(Job.state)
    if workspace is not None:
        query = query.where(Job.workspace == workspace)
    return dict(session.execute(query).all())


def pulse(session: Session, workspace: str, *, failed_after: datetime, most: int) -> Pulse:
    """What goes on in a workspace; counts no further than most. Reads active and failed jobs only.

    coalesce() keeps SQLite from walking the index of the whole workspace instead.
    """
    ours = func.coalesce(Job.workspace, "") == workspace
    open_ones = select(Job.id).where(Job.state.in_(_OPEN), ours).limit(most).subquery()
    failed = select(Job.id).where(Job.state.in_(FAILED), ours, Job.finished_at > failed_after)
    some_failed = failed.limit(most).subquery()
    active, ended_badly = session.execute(
        select(
            select(func.count()).select_from(open_ones).scalar_subquery(),
            select(func.count()).select_from(some_failed).scalar_subquery(),
        )
    ).one()
    return Pulse(active, ended_badly)


def ended(session: Session, workspace: str, *, since: datetime, limit: int) -> list[Ended]:
    """The newest jobs of a workspace that ran to an end since then; cancelled ones did not."""
    query = (
        select(*(_jobs.c[name] for name in Ended._fields))
        .where(
            _jobs.c.workspace == workspace,
            _jobs.c.state.in_(FAILED | {JobState.SUCCEEDED}),
            _jobs.c.finished_at >= since,
            _jobs.c.started_at.is_not(None),
        )
        .order_by(_jobs.c.id.desc())
        .limit(limit)
    )
    return [Ended(*row) for row in session.execute(query)]


def queued_count(session: Session, *, now: datetime) -> int:
    """Jobs that could start now."""
    query = select(func.count()).where(Job.state == JobState.QUEUED, Job.available_at <= now)
    return session.scalar(query) or 0


def next_available_at(session: Session, *, after: datetime) -> datetime | None:
    """When the next job that is not due yet becomes so."""
    query = select(func.min(Job.available_at)).where(
        Job.state == JobState.QUEUED, Job.available_at > after
    )
    return session.scalar(query)


def prune(session: Session, *, before: datetime, limit: int = 1000) -> Sequence[int]:
    """Remove finished jobs older than this; their ids, whose logs may go too."""
    stale = select(Job.id).where(Job.state.in_(FINAL), Job.finished_at < before).limit(limit)
    ids = session.scalars(stale).all()
    if ids:
        session.execute(delete(Job).where(Job.id.in_(ids)))
    return ids


def mark_running(session: Session, ids: Collection[int]) -> None:
    """Note that workers have begun."""
    session.execute(
        update(Job)
        .where(Job.id.in_(ids), Job.state == JobState.LEASED)
        .values(state=JobState.RUNNING)
    )


def request_cancel(session: Session, job_id: int, *, now: datetime) -> bool:
    """Cancel a queued job at once, or ask for the end of an active one; whether it was either."""
    done: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(Job)
        .where(Job.id == job_id, Job.state.notin_(FINAL))
        .values(
            cancel_requested=True,
            state=case((Job.state == JobState.QUEUED, JobState.CANCELLED), else_=Job.state),
            finished_at=case((Job.state == JobState.QUEUED, now), else_=Job.finished_at),
        )
    )
    return done.rowcount == 1
