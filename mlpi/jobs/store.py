"""The queue in SQL: enqueue, claim, renew, finish. Callers bring the transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Table, bindparam, case, delete, func, or_, select, update
from sqlalchemy import insert as sql_insert
from sqlalchemy.orm import Session

from mlpi.jobs.models import ACTIVE, FINAL, Job, JobState

ERROR_LENGTH = 500
_jobs = cast(Table, Job.__table__)
_INSERT = sql_insert(_jobs)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs of a workspace to list; empty fields do not restrict."""

    states: Collection[str] = ()
    kind: str = ""
    words: str = ""


def insert(session: Session, **values: Any) -> Job:
    """Add a job; the row as it is now, detached. Straight to the table: half the ORM's time."""
    done = session.execute(_INSERT, values)
    assert done.inserted_primary_key is not None  # type: ignore[attr-defined]
    return Job(id=done.inserted_primary_key[0], **values)  # type: ignore[attr-defined]


def succeed(session: Session, results: Mapping[int, Any], *, worker: str, now: datetime) -> None:
    """Write the plain success of many jobs, as far as this worker still holds them."""
    statement = (
        update(_jobs)
        .where(
            _jobs.c.id == bindparam("job"),
            _jobs.c.worker == worker,
            or_(*(_jobs.c.state == state for state in ACTIVE)),  # IN is refused for many rows
        )
        .values(
            state=JobState.SUCCEEDED,
            finished_at=now,
            lease_until=None,
            fraction=1.0,
            error="",
            traceback="",
            result=bindparam("result"),
        )
    )
    session.execute(statement, [{"job": job, "result": result} for job, result in results.items()])


def claim(
    session: Session,
    *,
    worker: str,
    count: int,
    now: datetime,
    lease_s: float,
    kinds: Collection[str],
) -> Sequence[Job]:
    """Lease up to count due jobs of these kinds, most urgent and then oldest first."""
    due = (
        select(Job.id)
        .where(Job.state == JobState.QUEUED, Job.available_at <= now, Job.kind.in_(sorted(kinds)))
        .order_by(Job.priority.desc(), Job.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    claimed = (
        update(Job)
        .where(Job.id.in_(due.scalar_subquery()))
        .values(
            state=JobState.LEASED,
            worker=worker,
            attempt=Job.attempt + 1,
            lease_until=now + timedelta(seconds=lease_s),
            started_at=now,
            finished_at=None,
            fraction=None,
            message="",
        )
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    found = session.scalars(claimed).all()
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


def cancel_requested(session: Session, ids: Collection[int]) -> Sequence[int]:
    """Those of the jobs that somebody wants to end."""
    if not ids:
        return ()
    query = select(Job.id).where(Job.id.in_(ids), Job.cancel_requested, Job.state.in_(ACTIVE))
    return session.scalars(query).all()


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
