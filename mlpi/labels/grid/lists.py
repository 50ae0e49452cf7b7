"""The data manager's lists; knows no HTTP. Its calls block.

A page is found from the place where the last one ended, not by counting from the start, so the
thousandth costs what the first does. Where the database has to read all of a project to find one
(an order by a field of the data, a filter on it), the ids of the whole list are kept for a minute
when somebody filters or turns to the next page: that one costs a reading, those behind it nothing.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from mlpi.db import Database, Session
from mlpi.labels.grid import ordering
from mlpi.labels.grid.conditions import Condition, Conditions
from mlpi.labels.grid.expressions import prepare
from mlpi.labels.grid.filters import Filters, Order, Selection
from mlpi.labels.grid.regex import RegexUnfit
from mlpi.labels.models import LabelAssignment, LabelProject, LabelTask
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tasks import TaskPage, Whole, whole

KEPT_S = 60.0
SLOW_S = 0.1  # of CPU, for one page: then the ids of the whole list are worth keeping
MOST_KEPT = 32  # lists
MOST_IDS = 2_000_000  # of all lists that are kept, 8 bytes each
REGEX_MS = 10_000  # that PostgreSQL may take over a filter


@dataclass(frozen=True, slots=True)
class Shown:
    """One page. total: of the whole list. before, after: places of its ends, "" where it ends."""

    tasks: Sequence[Whole]
    total: int
    before: str
    after: str


@dataclass(slots=True)
class _List:
    stamp: int | None
    made_at: float
    total: int
    is_slow: bool = False
    ids: array[int] | None = None


class Grid:
    """Tasks by filter and order; each call names the workspace that it is for."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lists: OrderedDict[tuple[int, Filters, Order], _List] = OrderedDict()
        self._lock = threading.Lock()

    def numbered(
        self,
        workspace: str,
        project_id: int,
        filters: Filters,
        order: Order,
        selection: Selection | None = None,
        *,
        limit: int,
        offset: int = 0,
    ) -> TaskPage:
        """A page by its number, with sums over the whole list. Raises NotFound, Invalid."""
        with self._reading() as session:
            project = project_of(session, workspace, project_id)
            conditions = self.conditions(project_id)
            test = conditions.of(filters, selection)
            sums: Any = (project.task_count, project.annotation_count, project.prediction_count)
            if filters.items or (selection and (selection.ids or not selection.is_all)):
                counted = select(
                    func.count(),
                    func.coalesce(func.sum(LabelTask.annotation_count), 0),
                    func.coalesce(func.sum(LabelTask.prediction_count), 0),
                )
                sums = session.execute(counted.where(test)).one()
            keys = ordering.keys(order, conditions.fields)
            asked = (
                select(LabelTask.id)
                .where(test)
                .order_by(*(key.sorted(is_back=False) for key in keys))
                .limit(limit)
                .offset(offset)
            )
            ids = session.scalars(asked).all()
            return TaskPage(self._whole(session, ids), *map(int, sums))

    def page(
        self,
        workspace: str,
        project_id: int,
        filters: Filters,
        order: Order,
        *,
        limit: int,
        after: str = "",
        before: str = "",
        is_last: bool = False,
    ) -> Shown:
        """The page behind a place, before one, the first or the last. Raises NotFound, Invalid."""
        with self._reading() as session:
            project = project_of(session, workspace, project_id)
            conditions = self.conditions(project_id)
            test, keys = conditions.of(filters), ordering.keys(order, conditions.fields)
            is_back = bool(before) or is_last
            at = ordering.read_place(before or after, len(keys)) if before or after else None
            key = (project_id, filters, order)
            known = self._known(key, turns=at is not None)
            if known is None and filters.items:
                # Counting reads all that pass anyway: their ids come with it.
                known = _List(
                    self._db.version(), time.monotonic(), project.task_count, is_slow=True
                )
                self._keep(key, known)
            if known is not None and known.is_slow and self._has_ids(session, known, test, keys):
                found = _cut(known.ids, at[-1] if at else None, limit, is_back=is_back)
                if found is not None:
                    return self._shown(session, keys, *found, total=known.total)
            begun = time.thread_time()
            ids, has_more = self._seek(session, test, keys, at, limit, is_back=is_back)
            is_slow = time.thread_time() - begun > SLOW_S
            total = self._count(session, test) if filters.items else project.task_count
            if known is None:
                self._keep(key, _List(self._db.version(), time.monotonic(), total, is_slow))
            has_before = has_more if is_back else at is not None
            has_after = at is not None if is_back else has_more
            return self._shown(session, keys, ids, has_before, has_after, total=total)

    def count(self, workspace: str, project_id: int, filters: Filters, selection: Selection) -> int:
        """How many are picked. Raises NotFound, Invalid."""
        with self._reading() as session:
            project_of(session, workspace, project_id)
            return self._count(session, self.conditions(project_id).of(filters, selection))

    def ids(
        self,
        workspace: str,
        project_id: int,
        filters: Filters,
        selection: Selection,
        *,
        limit: int,
        above: int = 0,
        up_to: int | None = None,
    ) -> Sequence[int]:
        """The next of those that are picked, by their ids. Raises NotFound, Invalid."""
        with self._reading() as session:
            project_of(session, workspace, project_id)
            test = self.conditions(project_id).of(filters, selection)
            asked = select(LabelTask.id).where(test, LabelTask.id > above)
            if up_to is not None:
                asked = asked.where(LabelTask.id <= up_to)
            return session.scalars(asked.order_by(LabelTask.id).limit(limit)).all()

    def newest(self, workspace: str, project_id: int) -> int:
        """The highest id of a project's tasks, 0 without any. Raises NotFound."""
        with self._db.read() as session:
            project_of(session, workspace, project_id)
            asked = select(func.max(LabelTask.id)).where(LabelTask.project_id == project_id)
            return session.scalar(asked) or 0

    def assigned(self, task_ids: Sequence[int]) -> dict[int, list[str]]:
        """Whose tasks these are, by name."""
        asked = (
            select(LabelAssignment.task_id, LabelAssignment.user_name)
            .where(LabelAssignment.task_id.in_(task_ids))
            .order_by(LabelAssignment.user_name)
        )
        found: dict[int, list[str]] = {}
        with self._db.read() as session:
            for task_id, name in session.execute(asked):
                found.setdefault(task_id, []).append(name)
        return found

    def conditions(self, project_id: int) -> Conditions:
        return Conditions(project_id, is_sqlite=self._db.is_sqlite)

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        """A session in which filters work; see `filtering`."""
        with self._db.read() as session, filtering(session, is_sqlite=self._db.is_sqlite):
            yield session

    def _count(self, session: Session, test: Condition) -> int:
        return session.scalar(select(func.count()).select_from(LabelTask).where(test)) or 0

    def _seek(
        self,
        session: Session,
        test: Condition,
        keys: Sequence[ordering.Key],
        at: Sequence[Any] | None,
        limit: int,
        *,
        is_back: bool,
    ) -> tuple[list[int], bool]:
        """(ids in their order, whether there are more beyond them)."""
        asked = select(LabelTask.id).where(test)
        if at is not None:
            asked = asked.where(ordering.beyond(keys, at, is_back=is_back))
        asked = asked.order_by(*(key.sorted(is_back=is_back) for key in keys)).limit(limit + 1)
        found = list(session.scalars(asked))
        ids = found[:limit]
        return ids[::-1] if is_back else ids, len(found) > limit

    def _has_ids(
        self, session: Session, known: _List, test: Condition, keys: Sequence[ordering.Key]
    ) -> bool:
        """Read the ids of a whole list, if they are few enough to keep."""
        if known.ids is not None:
            return True
        if known.total > MOST_IDS // 4:
            return False
        asked = select(LabelTask.id).where(test)
        asked = asked.order_by(*(key.sorted(is_back=False) for key in keys))
        # The driver's own rows: a hundred thousand of the ORM's take four times as long.
        cursor = session.connection().execute(asked).cursor
        assert cursor is not None
        known.ids = array("q", (row[0] for row in cursor.fetchall()))
        known.total, known.made_at = len(known.ids), time.monotonic()
        self._forget()
        return True

    def _shown(
        self,
        session: Session,
        keys: Sequence[ordering.Key],
        ids: Sequence[int],
        has_before: bool,
        has_after: bool,
        *,
        total: int,
    ) -> Shown:
        ends = {ids[0], ids[-1]} if ids else set()
        asked = select(LabelTask.id, *(key.expression for key in keys)).where(
            LabelTask.id.in_(ends)
        )
        places = {row[0]: ordering.place(row[1:]) for row in session.execute(asked)} if ends else {}
        return Shown(
            self._whole(session, ids),
            total,
            places.get(ids[0], "") if ids and has_before else "",
            places.get(ids[-1], "") if ids and has_after else "",
        )

    def _whole(self, session: Session, ids: Sequence[int]) -> list[Whole]:
        found = session.scalars(select(LabelTask).where(LabelTask.id.in_(ids)))
        tasks = {one.id: one for one in found}
        return whole(session, [tasks[one] for one in ids if one in tasks])

    def _known(self, key: tuple[int, Filters, Order], *, turns: bool) -> _List | None:
        """What is kept of a list. turns: to another page, which may be a minute behind."""
        version = self._db.version()
        with self._lock:
            known = self._lists.get(key)
            if known is None:
                return None
            is_fresh = version is not None and known.stamp == version
            if not is_fresh and not (turns and time.monotonic() - known.made_at < KEPT_S):
                del self._lists[key]
                return None
            self._lists.move_to_end(key)
            return known

    def _keep(self, key: tuple[int, Filters, Order], one: _List) -> None:
        with self._lock:
            self._lists[key] = one
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            held = sum(len(one.ids) for one in self._lists.values() if one.ids)
            while len(self._lists) > MOST_KEPT or (held > MOST_IDS and len(self._lists) > 1):
                _, gone = self._lists.popitem(last=False)
                held -= len(gone.ids or ())


@contextmanager
def filtering(session: Session, *, is_sqlite: bool) -> Iterator[None]:
    """Filters work in the session. Raises RegexUnfit for what a database finds of one."""
    prepare(session, is_sqlite=is_sqlite)
    if not is_sqlite:
        session.execute(text(f"SET LOCAL statement_timeout = {REGEX_MS}"))
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).split("\n", 1)[0]
        if any(word in reason for word in ("regular expression", "statement timeout")):
            raise RegexUnfit(f"The filter cannot be used: {reason}.", field="filters") from None
        if "user-defined function raised" in reason:
            raise RegexUnfit(
                "The regular expression repeats too often for texts as long as these.",
                advice="Begin it with ^, or use fewer of *, + and {n,}.",
                field="filters",
            ) from None
        raise


def _cut(
    ids: array[int] | None, at: int | None, limit: int, *, is_back: bool
) -> tuple[list[int], bool, bool] | None:
    """From a whole list: (ids, whether some are before them, whether some behind).

    at: the task that the page comes behind, or before; None: the first page, or the last.
    """
    if ids is None:
        return None
    try:
        here = ids.index(at) if at is not None else len(ids) if is_back else -1
    except ValueError:
        return None
    begin, end = (max(0, here - limit), here) if is_back else (here + 1, here + 1 + limit)
    return list(ids[begin:end]), begin > 0, end < len(ids)


def fields_of_project(project: LabelProject, fields: Sequence[str]) -> list[str]:
    """The fields of tasks' data, those that the configuration shows first."""
    shown = [name for name in config_of(project).fields if "[" not in name]
    return [*shown, *(name for name in fields if name not in shown)]
