"""Jobs as the other rooms and the pages see them: enqueue, look, cancel, retry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mlpi.auth.audit import Actor, Audit
from mlpi.clock import Clock
from mlpi.db import Database, IntegrityError, Session
from mlpi.errors import Invalid, NotFound
from mlpi.jobs import store
from mlpi.jobs.dispatcher import Dispatcher
from mlpi.jobs.durations import NEWEST, SPAN, Pace, paces
from mlpi.jobs.kinds import JobKind, Kinds
from mlpi.jobs.models import Job, JobState
from mlpi.jobs.store import Filter, Pulse

MAX_TITLE = 200
LOG_TAIL_BYTES = 64 * 1024
FAILED_LATELY = timedelta(hours=24)
SPANS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
MOST = 100  # the badge counts no further


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done. Limits left out are the kind's."""

    kind: str
    workspace: str
    params: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    priority: int = 0
    idempotency_key: str | None = None
    parent_id: int | None = None
    schedule_id: int | None = None
    max_attempts: int | None = None
    timeout_s: float | None = None
    memory_bytes: int | None = None
    cpus: int | None = None
    available_at: datetime | None = None


class Jobs:
    """The queue's counter. Every change leaves a row in the audit trail."""

    def __init__(
        self, db: Database, audit: Audit, kinds: Kinds, dispatcher: Dispatcher, clock: Clock
    ) -> None:
        self._db = db
        self._audit = audit
        self.kinds = kinds
        self.dispatcher = dispatcher
        self._clock = clock

    def enqueue(self, wish: Wish, *, actor: Actor) -> Job:
        """Queue a job; with an idempotency key that is known, the job it was given to.

        Raises Invalid when there is no such kind.
        """
        try:
            with self._db.write() as session:
                job = self.enqueue_in(session, wish, actor=actor)
        except IntegrityError:
            with self._db.read() as session:
                known = store.by_key(session, wish.workspace, wish.idempotency_key or "")
            if known is None:
                raise
            return known
        self.dispatcher.wake()
        return job

    def enqueue_in(self, session: Session, wish: Wish, *, actor: Actor) -> Job:
        """Queue a job in the caller's transaction; the caller wakes the dispatcher after it."""
        kind, now = self.kinds.get(wish.kind), self._clock()
        if wish.idempotency_key is not None:
            known = store.by_key(session, wish.workspace, wish.idempotency_key)
            if known is not None:
                return known
        return insert_job(session, kind, wish, actor=actor, now=now)

    def get(self, workspace: str, job_id: int) -> Job:
        """One job, with its newest progress. Raises NotFound."""
        with self._db.read() as session:
            return self._live(_find(session, workspace, job_id))

    def page(
        self, workspace: str, only: Filter, *, before_id: int | None = None, limit: int = 50
    ) -> Sequence[Job]:
        """Jobs, newest first, with their newest progress."""
        with self._db.read() as session:
            found = store.page(session, workspace, only, before_id=before_id, limit=limit)
        return [self._live(job) for job in found]

    def counts(self, workspace: str) -> dict[str, int]:
        """How many jobs of a workspace are in each state."""
        with self._db.read() as session:
            return store.counts(session, workspace)

    def pulse(self, workspace: str) -> Pulse:
        """What the header's badge says: active jobs up to MOST, and those that failed of late.

        A job that somebody tries again is active and no longer failed.
        """
        since = self._clock() - FAILED_LATELY
        with self._db.read() as session:
            return store.pulse(session, workspace, failed_after=since, most=MOST)

    def paces(self, workspace: str) -> list[Pace]:
        """How long each kind of job took in the last seven days, among the newest 5,000."""
        now = self._clock()
        with self._db.read() as session:
            found = store.ended(session, workspace, since=now - SPAN, limit=NEWEST)
        return paces(found, now)

    def since(self, span: str) -> datetime | None:
        """When a span such as "24h", "7d" or "30d" began; None for any other word."""
        return self._clock() - SPANS[span] if span in SPANS else None

    def cancel(self, workspace: str, job_id: int, *, actor: Actor) -> None:
        """End a job and what it started. Raises NotFound, Invalid when it has ended."""
        with self._db.write() as session:
            job = _find(session, workspace, job_id)
            if not store.request_cancel(session, job_id, now=self._clock()):
                raise Invalid(f"Job {job_id} has ended already: it is {job.state}.")
            session.refresh(job)
            on_failure = self.kinds.on_failure(job.kind)
            if job.is_final and on_failure is not None:
                on_failure(session, job)
            self._audit.record(session, actor, "job_cancelled", f"#{job_id} {job.kind}", workspace)
        self.dispatcher.wake()

    def retry(self, workspace: str, job_id: int, *, actor: Actor) -> Job:
        """Queue an ended job again, with all its attempts. Raises NotFound, Invalid."""
        with self._db.write() as session:
            job = _find(session, workspace, job_id)
            if not job.is_final:
                raise Invalid(f"Job {job_id} has not ended: it is {job.state}.")
            self.kinds.get(job.kind)
            store.start_over(job, now=self._clock())
            self._audit.record(session, actor, "job_retried", f"#{job_id} {job.kind}", workspace)
        self.dispatcher.wake()
        return job

    def log_tail(self, workspace: str, job_id: int, *, from_byte: int = 0) -> tuple[str, int]:
        """What a job has printed since from_byte, at most its last 64 kB, and where it ends."""
        self.get(workspace, job_id)
        try:
            with self.dispatcher.log_path(job_id).open("rb") as file:
                end = file.seek(0, 2)
                begin = max(from_byte, end - LOG_TAIL_BYTES)
                file.seek(begin)
                return file.read(end - begin).decode("utf-8", "replace"), end
        except FileNotFoundError:
            return "", 0

    def _live(self, job: Job) -> Job:
        progress = self.dispatcher.live(job.id)
        if progress is not None and not job.is_final:
            job.state = JobState.RUNNING
            job.fraction = progress.fraction
            job.message = progress.message
            job.counters = progress.counters
        return job


def insert_job(session: Session, kind: JobKind, wish: Wish, *, actor: Actor, now: datetime) -> Job:
    """Queue a job where there is no `Jobs`: in a worker's own transaction, say."""
    return store.insert(
        session,
        kind=kind.name,
        title=(wish.title or kind.title)[:MAX_TITLE],
        workspace=wish.workspace,
        actor=actor.name,
        params=wish.params,
        priority=wish.priority,
        state=JobState.QUEUED,
        attempt=0,
        max_attempts=wish.max_attempts or kind.max_attempts,
        message="",
        counters={},
        error="",
        traceback="",
        worker="",
        memory_bytes=wish.memory_bytes or kind.memory_bytes,
        cpus=float(wish.cpus or kind.cpus),
        timeout_s=wish.timeout_s or kind.timeout_s,
        idempotency_key=wish.idempotency_key,
        parent_id=wish.parent_id,
        schedule_id=wish.schedule_id,
        cancel_requested=False,
        created_at=now,
        available_at=wish.available_at or now,
    )


def _find(session: Session, workspace: str, job_id: int) -> Job:
    job = session.get(Job, job_id)
    if job is None or job.workspace != workspace:
        raise NotFound(f"There is no job {job_id} in this workspace.")
    return job
