"""The one thread that writes: many requests in one transaction, answered after its sync."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mlpi.tracking.fastlane import statements
from mlpi.tracking.fastlane.requests import Change, Metric
from mlpi.tracking.fastlane.statements import RunRow

log = logging.getLogger(__name__)

# Half of what stock waits: when another program holds the lock for longer, stock gets to say so.
BUSY_TIMEOUT_MS = 10_000
# A transaction is not to keep others waiting for much longer than the slowest sync does.
MAX_CHANGES = 512
MAX_METRICS = 10_000
# How long the lock stays free between two groups while stock MLflow wants to write too.
MAX_PAUSE_S = 0.02


class Outcome(Enum):
    """What became of a change that is not a run's update."""

    DONE = "done"
    STOCK = "stock"  # nothing of it was written: stock MLflow shall answer


@dataclass(slots=True, eq=False)
class Ticket:
    """A change on its way to the disk."""

    change: Change
    workspace: str
    answer: asyncio.Future[Outcome | RunRow]


class Writer:
    """Group commit on MLflow's SQLite file.

    Requests that arrive while a transaction is being synced wait for the next one and share
    it: the more there are, the fewer syncs each costs. BEGIN IMMEDIATE takes the write lock
    first, so that a run which stock MLflow deleted a moment before is seen as deleted. A change
    is judged before anything of it is written; what fails later fails the whole group, which
    is rolled back and left to stock MLflow, one by one. Every change may safely be made twice.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._queue: queue.SimpleQueue[list[Ticket] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mlflow-fast-lane", daemon=True)
        self._opened = threading.Event()
        self._failure: sqlite3.Error | None = None
        self._is_closing = False
        self.stock_writers = 0  # set by the event loop alone

    def open(self) -> None:
        """Start, and wait for the database. Raises sqlite3.Error."""
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            raise self._failure

    def submit(self, tickets: list[Ticket]) -> None:
        """Queue changes; each ticket's answer is set in the event loop after the sync.

        Called in the event loop, as finish is.
        """
        if self._is_closing:
            _answer(tickets, [Outcome.STOCK] * len(tickets))
        else:
            self._queue.put(tickets)

    def finish(self) -> None:
        """Take nothing more; what has been submitted is still written."""
        self._is_closing = True
        self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait until all is written and the database closed."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            db = sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        except sqlite3.Error as error:
            self._fail(error)
            return
        try:
            # MLflow's own connections sync fully and check foreign keys too.
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            statements.check(db)
        except sqlite3.Error as error:
            db.close()
            self._fail(error)
            return
        self._opened.set()
        try:
            self._serve(db)
        finally:
            db.close()

    def _fail(self, error: sqlite3.Error) -> None:
        self._failure = error
        self._opened.set()

    def _serve(self, db: sqlite3.Connection) -> None:
        waiting: list[Ticket] = []
        is_last = False
        while not is_last or waiting:
            if not waiting and not is_last:
                arrived = self._queue.get()
                is_last = arrived is None
                waiting += arrived or ()
            while not self._queue.empty():
                arrived = self._queue.get()
                is_last = is_last or arrived is None
                waiting += arrived or ()
            group, waiting = _split(waiting)
            if not group:
                continue
            began = time.monotonic()
            outcomes = self._write(db, group)
            self._hand_back(group, outcomes)
            if self.stock_writers:
                time.sleep(min(time.monotonic() - began, MAX_PAUSE_S))

    def _write(self, db: sqlite3.Connection, group: Sequence[Ticket]) -> Sequence[Outcome | RunRow]:
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                outcomes = _apply(db, group)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:  # locked, full, damaged: stock finds the words for it
            log.warning("fast lane stepped aside: %s", error, extra={"action": "fast_lane_failed"})
            return [Outcome.STOCK] * len(group)
        except Exception:
            log.exception("fast lane stepped aside", extra={"action": "fast_lane_failed"})
            return [Outcome.STOCK] * len(group)
        return outcomes

    def _hand_back(self, group: Sequence[Ticket], outcomes: Sequence[Outcome | RunRow]) -> None:
        try:
            self._loop.call_soon_threadsafe(_answer, group, outcomes)
        except RuntimeError:
            return  # the loop has ended, and with it whoever waited


def _answer(group: Sequence[Ticket], outcomes: Sequence[Outcome | RunRow]) -> None:
    for ticket, outcome in zip(group, outcomes, strict=True):
        if not ticket.answer.done():  # its client may have gone
            ticket.answer.set_result(outcome)


def _split(waiting: list[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """The next group, and the rest."""
    count = metric_count = 0
    for ticket in waiting:
        metric_count += len(ticket.change.metrics)
        if count and (count == MAX_CHANGES or metric_count > MAX_METRICS):
            break
        count += 1
    return waiting[:count], waiting[count:]


def _apply(db: sqlite3.Connection, group: Sequence[Ticket]) -> list[Outcome | RunRow]:
    """Judge and write each change in the order of arrival; points are gathered to the end."""
    runs: dict[tuple[str, str], RunRow | None] = {}
    points: list[tuple[str, Metric]] = []
    outcomes: list[Outcome | RunRow] = []
    for ticket in group:
        change = ticket.change
        place = (change.run_id, ticket.workspace)
        if place not in runs:
            runs[place] = statements.run(db, *place)
        outcome = _apply_one(db, change, runs[place])
        if outcome is not Outcome.STOCK:
            points += [(change.run_id, metric) for metric in change.metrics]
            if change.tags or change.update:
                del runs[place]  # its row may have changed
        outcomes.append(outcome)
    if points:
        statements.add_metrics(db, points)
    return outcomes


def _apply_one(db: sqlite3.Connection, change: Change, run: RunRow | None) -> Outcome | RunRow:
    """Everything of one change but its points."""
    if run is None or run.lifecycle_stage != "active" or run.status is None:
        return Outcome.STOCK
    new_params = statements.agrees_with_params(db, change)
    if new_params is None:
        return Outcome.STOCK
    if change.model_metrics and not statements.takes_model_metrics(db, change):
        return Outcome.STOCK
    if change.update and not _is_whole(run, change.update.run_name):
        return Outcome.STOCK
    if new_params:
        statements.add_params(db, change.run_id, new_params)
    if change.model_metrics:
        statements.add_model_metrics(db, change.model_metrics, run)
    if change.tags:
        statements.set_tags(db, change.run_id, change.tags)
    if change.update:
        return statements.update_run(db, run, change.update)
    return Outcome.DONE


def _is_whole(run: RunRow, new_name: str | None) -> bool:
    """Whether a run's row alone holds what the answer to an update says."""
    return bool(new_name or run.name) and None not in (
        *(run.user_id, run.status, run.start_time, run.experiment_id, run.artifact_uri),
    )
