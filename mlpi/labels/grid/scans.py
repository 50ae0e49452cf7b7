"""Reading the ids of a project's tasks where each of them has to be looked at.

SQLite looks on one core. A project of many tasks is therefore read in two halves at once, one of
them by a thread beside this one: half the time on two cores. PostgreSQL does so of itself.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Select, func, select

from mlpi.db import Database, Session
from mlpi.labels.grid import ordering
from mlpi.labels.grid.conditions import Condition
from mlpi.labels.grid.expressions import prepare
from mlpi.labels.models import LabelProject, LabelTask

MANY = 20_000  # tasks, from which on a second thread is worth its while
# Threads that help at once. Each takes a connection while another waits for it, so they must be few
# beside the connections that the database's pool has; who finds none free reads alone.
HELPERS = 2
_Read = Callable[[Session, Condition], "array[int]"]


class Scans:
    """Reads them, for one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._free = threading.Semaphore(HELPERS)
        self._pool = ThreadPoolExecutor(HELPERS, thread_name_prefix="labels-grid")
        self._is_split = db.is_sqlite and (os.cpu_count() or 1) > 1

    def passing(self, session: Session, project: LabelProject, test: Condition) -> array[int]:
        """All that pass, by their ids."""

        def read(session: Session, half: Condition) -> array[int]:
            return self.ids(session, select(LabelTask.id).where(test, half).order_by(LabelTask.id))

        low, high = self._both(session, project, read)
        return low + high

    def first(
        self,
        session: Session,
        project: LabelProject,
        test: Condition,
        keys: Sequence[ordering.Key],
        count: int,
        among: Callable[[Iterable[int]], Condition],
        *,
        is_back: bool,
    ) -> array[int]:
        """The first so many of an order; from its end when is_back."""

        def read(session: Session, half: Condition) -> array[int]:
            return self.ids(session, ordered(test & half, keys, is_back=is_back).limit(count))

        low, high = self._both(session, project, read)
        if not low or not high:
            return low or high
        best = ordered(among(low + high), keys, is_back=is_back).limit(count)
        return self.ids(session, best)

    def ids(self, session: Session, asked: Select[int]) -> array[int]:
        """What a query gives, by this thread alone."""
        if not self._db.is_sqlite:
            # The driver's own rows: a hundred thousand of the ORM's take four times as long.
            cursor = session.connection().execute(asked).cursor
            assert cursor is not None
            return array("q", (row[0] for row in cursor.fetchall()))
        # One text: for each row that SQLite hands over, its driver asks for Python's lock.
        text = session.scalar(select(func.group_concat(asked.subquery().c.id)))
        return array("q", map(int, text.split(",") if text else ()))

    def _both(
        self, session: Session, project: LabelProject, read: _Read
    ) -> tuple[array[int], array[int]]:
        """Of tasks up to one in their middle, and of those behind it."""
        ours = LabelTask.project_id == project.id
        is_large = self._is_split and project.task_count >= MANY
        if not is_large or not self._free.acquire(blocking=False):
            return read(session, ours), array("q")
        try:
            by_id = select(LabelTask.id).where(ours).order_by(LabelTask.id)
            middle = session.scalar(by_id.limit(1).offset(project.task_count // 2)) or 0
            second: Future[array[int]] = self._pool.submit(
                self._beside, read, ours & (LabelTask.id > middle)
            )
            try:
                low = read(session, ours & (LabelTask.id <= middle))
            finally:
                second.exception()  # nobody else may have its place before it has ended
            return low, second.result()
        finally:
            self._free.release()

    def _beside(self, read: _Read, half: Condition) -> array[int]:
        with self._db.read() as session:
            prepare(session, is_sqlite=True)
            return read(session, half)


def ordered(test: Condition, keys: Sequence[ordering.Key], *, is_back: bool = False) -> Select[int]:
    """Ids of tasks in an order, or against it."""
    asked = select(LabelTask.id).where(test)
    return asked.order_by(*(key.sorted(is_back=is_back) for key in keys))
