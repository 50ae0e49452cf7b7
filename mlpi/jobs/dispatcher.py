"""Between queue and runner: claims jobs, starts them, writes down what becomes of them."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from mlpi.clock import Clock
from mlpi.db import Database
from mlpi.errors import DiskFull
from mlpi.jobs import output, store
from mlpi.jobs.hooks import Hooks
from mlpi.jobs.kinds import Kinds
from mlpi.jobs.models import Claimed, Job, JobState
from mlpi.jobs.runner import (
    Cancelled,
    Died,
    Event,
    Failed,
    Order,
    Progressed,
    Returned,
    Runner,
    Started,
    Succeeded,
)

log = logging.getLogger(__name__)

LEASE_S = 60.0
# A command in another process may enqueue: so often the database is asked, in microseconds,
# whether anybody wrote.
LOOK_S = 1.0
# What a page shows of a running job comes from memory; its row is for after a crash.
PROGRESS_ROW_S = 5.0
RETRY_WRITE_S = 2.0
# After jobs have ended, so long is waited for more, which then share a transaction.
GATHER_S = 0.008


@dataclass
class _Due:
    """What the next transaction has to do."""

    ends: list[Event] = field(default_factory=list)
    starts: set[int] = field(default_factory=set)
    progress: dict[int, Progressed] = field(default_factory=dict)


class Dispatcher:
    """One thread, one loop: wait for events, then one transaction for all there is to write.

    That transaction finishes the jobs that ended and claims the next ones, so that a queue of
    short jobs costs one synced commit a batch. While nothing happens nothing is written; leases
    are renewed only while something runs. Jobs that an earlier life of this service held are
    given back at start without waiting for their leases when the database is a file of this
    home, whose lock says that life is over; on a shared database, when their leases run out.
    A final event is kept until it is written: a full disk delays the end of a job, it does not
    lose it.
    """

    def __init__(
        self,
        db: Database,
        kinds: Kinds,
        runner: Runner,
        clock: Clock,
        *,
        home: Path,
        keep_days: int = 30,
    ) -> None:
        self._db = db
        self._kinds = kinds
        self._hooks = Hooks(kinds)
        self._runner = runner
        self._clock = clock
        self._home = home
        self._keep_days = keep_days
        self._logs = home / "logs" / "jobs"
        self.name = f"{socket.gethostname()}:{os.getpid()}"[:64]
        self._orders: dict[int, Order] = {}
        self._live: dict[int, Progressed] = {}
        self._due = _Due()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._seen_version: int | None = None
        self._next_due_at: datetime | None = None
        self._renewed_at = self._progress_at = clock()
        self._swept_at = clock() - timedelta(seconds=LEASE_S)
        self._is_brisk = False
        self._is_stuck = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take over what an earlier life left behind, and begin."""
        self._logs.mkdir(parents=True, exist_ok=True)
        output.sweep(self._logs)
        self._recover()
        self._woken.set()
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the runner and what it runs; that is queued again, the attempt not counted."""
        self._stopping.set()
        self._runner.wake()
        if self._thread is not None:
            self._thread.join()

    @property
    def was_started(self) -> bool:
        return self._thread is not None

    @property
    def is_alive(self) -> bool:
        """Whether the loop turns."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """There may be something to claim or to cancel. From any thread."""
        if not self._woken.is_set():  # otherwise it looks soon anyway
            self._woken.set()
            self._runner.wake()

    def live(self, job_id: int) -> Progressed | None:
        """The newest progress of a running job. From any thread."""
        return self._live.get(job_id)

    def log_path(self, job_id: int) -> Path:
        """Where a job's output goes, over all its attempts."""
        return self._logs / f"{job_id}.log"

    def _loop(self) -> None:
        while not self._stopping.is_set():
            if self._is_brisk:
                self._stopping.wait(GATHER_S)
            self._absorb(self._runner.wait(self._patience_s()))
            try:
                self._turn()
            except (SQLAlchemyError, DiskFull) as error:
                self._say_stuck(error)
                self._stopping.wait(RETRY_WRITE_S)
            else:
                self._is_stuck = False
        self._runner.stop()
        output.sweep(self._logs)
        try:
            self._hand_over()
        except (SQLAlchemyError, DiskFull):
            log.exception("jobs not handed over", extra={"action": "jobs_not_written"})

    def _say_stuck(self, error: Exception) -> None:
        """Once for each time; it is tried again every few seconds, and the log's disk is full."""
        if not self._is_stuck:
            self._is_stuck = True
            trace = None if isinstance(error, DiskFull) else error
            words = "jobs cannot be written, and are kept until they can: %s"
            log.error(words, error, exc_info=trace, extra={"action": "jobs_not_written"})

    def _patience_s(self) -> float:
        if self._woken.is_set():
            return 0.0
        if self._next_due_at is None:
            return LOOK_S
        return min(LOOK_S, max(0.0, (self._next_due_at - self._clock()).total_seconds()))

    def _absorb(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Started):
                self._due.starts.add(event.job_id)
            elif isinstance(event, Progressed):
                self._live[event.job_id] = self._due.progress[event.job_id] = event
            else:
                self._due.ends.append(event)
                self._due.starts.discard(event.job_id)

    def _turn(self) -> None:
        """One transaction, if there is anything to write or to look for."""
        now = self._clock()
        writes_progress = bool(self._due.starts or self._due.progress) and _is_past(
            self._progress_at, PROGRESS_ROW_S, now
        )
        renews = bool(self._orders) and _is_past(self._renewed_at, LEASE_S / 3, now)
        has_news = self._has_news(now)
        if not (self._due.ends or writes_progress or renews or has_news):
            return
        due, self._due = self._due, _Due()
        try:
            with self._db.write() as session:
                self._write_ends(session, due.ends, now)
                if writes_progress:
                    self._write_progress(session, due)
                if renews:
                    store.renew(session, worker=self.name, now=now, lease_s=LEASE_S)
                self._sweep(session, now)
                claimed = self._claim(session, now)
                cancelled: Collection[int] = ()
                if has_news:
                    ended = {event.job_id for event in due.ends}
                    cancelled = store.unwanted(session, self._orders.keys() - ended)
                    self._next_due_at = store.next_available_at(session, after=now)
        except BaseException:
            self._put_back(due)
            raise
        if not writes_progress:
            self._due.starts |= due.starts
            self._due.progress = {**due.progress, **self._due.progress}
        else:
            self._progress_at = now
        if renews:
            self._renewed_at = now
        self._is_brisk = len(due.ends) > 0
        self._after_commit(due, claimed, cancelled)

    def _has_news(self, now: datetime) -> bool:
        """Whether somebody woke us, wrote to the database, or a job's time has come."""
        woken = self._woken.is_set()
        self._woken.clear()
        version = self._db.version()
        changed = version is None or version != self._seen_version
        self._seen_version = version
        return woken or changed or (self._next_due_at is not None and self._next_due_at <= now)

    def _put_back(self, due: _Due) -> None:
        self._hooks.given.clear()
        self._due.ends = due.ends + self._due.ends
        self._due.starts |= due.starts
        self._due.progress = {**due.progress, **self._due.progress}
        self._woken.set()

    def _claim(self, session: Session, now: datetime) -> Sequence[Claimed]:
        capacity = self._runner.capacity()
        if capacity <= 0:
            return ()
        claimed = store.claim(
            session,
            worker=self.name,
            count=capacity,
            free_cpus=self._runner.free_cpus(),
            all_cpus=self._runner.status().max_workers,
            now=now,
            lease_s=LEASE_S,
            kinds=self._kinds.all,
        )
        return [one for one in claimed if self._hooks.resolve(session, one.id, one.kind, now)]

    def _after_commit(
        self, due: _Due, claimed: Sequence[Claimed], cancelled: Collection[int]
    ) -> None:
        for event in due.ends:
            self._orders.pop(event.job_id, None)
            self._live.pop(event.job_id, None)
            self._due.progress.pop(event.job_id, None)
        orders = []
        for job in claimed:
            order = Order.of(
                job,
                self._kinds.get(job.kind),
                home=self._home,
                log=self.log_path(job.id),
                params=self._hooks.given.pop(job.id, job.params),
            )
            self._orders[job.id] = order
            orders.append(order)
        self._runner.start(orders)
        for job_id in cancelled:
            self._runner.cancel(job_id)
        if claimed and self._runner.capacity() > 0:
            self._woken.set()  # there may be more

    def _write_ends(self, session: Session, ends: Sequence[Event], now: datetime) -> None:
        """Write all ends; those that need no looking at the job in one statement."""
        plain: dict[int, Any] = {}
        for event in ends:
            if isinstance(event, Succeeded) and self._is_plain(event.job_id):
                plain[event.job_id] = event.result
            else:
                self._write_end(session, event, now)
        if plain:
            store.succeed(session, plain, worker=self.name, now=now)

    def _is_plain(self, job_id: int) -> bool:
        """Whether a success is all there is to write: no progress to keep, nobody to tell."""
        order = self._orders.get(job_id)
        if order is None or job_id in self._live:
            return False
        return self._kinds.get(order.kind).on_success is None

    def _write_end(self, session: Session, event: Event, now: datetime) -> None:
        job = session.get(Job, event.job_id)
        if job is None or job.worker != self.name or job.is_final:
            return  # removed, or taken over by another service meanwhile
        progress = self._live.get(event.job_id)
        if progress is not None:
            _note(job, progress)
        if isinstance(event, Succeeded):
            self._hooks.keep(session, job, event.result, now)
        elif isinstance(event, Failed):
            store.finish(
                job, JobState.FAILED, now=now, error=event.error, traceback=event.traceback
            )
        elif isinstance(event, Cancelled):
            store.finish(job, JobState.CANCELLED, now=now)
        elif isinstance(event, Died):
            store.give_back(job, now=now, reason=event.reason)
        elif isinstance(event, Returned):
            store.queue_again(job, now=now)
        self._hooks.tell_of_failure(session, job)
        if job.state in (JobState.FAILED, JobState.LOST):
            log.warning(
                "job %d %s: %s",
                job.id,
                job.state,
                job.error,
                extra={"action": f"job_{job.state}", "job_id": job.id, "kind": job.kind},
            )

    def _write_progress(self, session: Session, due: _Due) -> None:
        if due.starts:
            store.mark_running(session, due.starts)
        for job_id, progress in due.progress.items():
            job = session.get(Job, job_id)
            if job is not None and job.worker == self.name and not job.is_final:
                _note(job, progress)

    def _sweep(self, session: Session, now: datetime) -> None:
        """Give back what other services let go of, and remove what is old."""
        if not _is_past(self._swept_at, LEASE_S, now):
            return
        self._swept_at = now
        for job_id in store.prune(session, before=now - timedelta(days=self._keep_days)):
            self.log_path(job_id).unlink(missing_ok=True)
        for job in store.expired(session, now=now, except_worker=self.name):
            store.give_back(job, now=now, reason="the mlpi that ran it is gone")
            self._hooks.tell_of_failure(session, job)

    def _recover(self) -> None:
        """What a former life of this service held is nobody's now."""
        now = self._clock()
        with self._db.write() as session:
            if self._db.is_sqlite:
                abandoned = store.orphaned(session)
            else:
                abandoned = store.expired(session, now=now, except_worker="")
            for job in abandoned:
                store.give_back(job, now=now, reason="mlpi ended while it ran")
                self._hooks.tell_of_failure(session, job)

    def _hand_over(self) -> None:
        """Write what ended, and queue again what was cut short by our own stop."""
        now = self._clock()
        with self._db.write() as session:
            self._write_ends(session, self._due.ends, now)
            for event in self._due.ends:
                self._orders.pop(event.job_id, None)
            for job_id in self._orders:
                self._live.pop(job_id, None)
                job = session.get(Job, job_id)
                if job is not None and job.worker == self.name and not job.is_final:
                    store.queue_again(job, now=now)


def _note(job: Job, progress: Progressed) -> None:
    job.fraction = progress.fraction
    job.message = progress.message
    job.counters = progress.counters


def _is_past(since: datetime, span_s: float, now: datetime) -> bool:
    """Whether so much time went by; a clock set back counts as yes."""
    return not timedelta(0) <= now - since < timedelta(seconds=span_s)
