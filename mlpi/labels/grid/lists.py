"""The data manager's lists; knows no HTTP. Its calls block.

A page is found from the place where the last one ended, not by counting from the start. Where no
index gives the order, the database has to look at every task to find one page; so the ids of some
pages more come with it and are kept for who turns them. What passes a filter is found once, for its
count, its pages and all its orders.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import DBAPIError

from mlpi.db import Database, Session
from mlpi.labels.grid import ordering
from mlpi.labels.grid.conditions import Condition, Conditions
from mlpi.labels.grid.expressions import prepare
from mlpi.labels.grid.filters import Filters, Order, Selection
from mlpi.labels.grid.kept import Cut, List, Lists, Part
from mlpi.labels.grid.regex import RegexUnfit
from mlpi.labels.grid.scans import Scans, ordered
from mlpi.labels.models import LabelAssignment, LabelProject, LabelTask
from mlpi.labels.projects import config_of, project_of
from mlpi.labels.tasks import TaskPage, Whole, whole

FEW = 5_000  # tasks of a project: less are ordered anew for each page
STRETCH = 1_000  # ids that are read at once, twenty pages
FEWER = 4  # times: so many fewer tasks are looked up by their ids, not among all
REGEX_MS = 10_000  # that PostgreSQL may take over a filter


@dataclass(frozen=True, slots=True)
class Shown:
    """One page. total: of the whole list. before, after: places of its ends, "" where it ends."""

    tasks: Sequence[Whole]
    total: int
    before: str
    after: str


@dataclass(slots=True)
class _Asked:
    """A list that somebody asks for. test: what its tasks pass; keys: what orders them."""

    project: LabelProject
    filters: Filters
    order: Order
    conditions: Conditions
    test: Condition
    keys: Sequence[ordering.Key]

    @property
    def is_kept(self) -> bool:
        return self.project.task_count > FEW and self.order.column not in ordering.WALKED

    def narrow(self, ids: Sequence[int]) -> None:
        """Ask for what passed by its ids, where that spares reading the others."""
        if len(ids) * FEWER < self.project.task_count:
            self.test = self.conditions.among(ids)


class Grid:
    """Tasks by filter and order; each call names the workspace that it is for."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lists, self._scans = Lists(db.version), Scans(db)

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
            asked = self._asked(session, workspace, project_id, filters, order, selection)
            project = asked.project
            is_picked = selection is not None and (bool(selection.ids) or not selection.is_all)
            sums: Any = (project.task_count, project.annotation_count, project.prediction_count)
            ids: Sequence[int] | None = None
            if is_picked:
                sums = session.execute(_summed(asked.test)).one()
            elif filters.items:
                passing = self._passing(session, asked)
                asked.narrow(passing.parts[0].ids)
                if passing.sums is None:
                    passing.sums = tuple(map(int, session.execute(_summed(asked.test)).one()[1:]))
                sums = (len(passing.parts[0].ids), *passing.sums)
                if order.is_by_id:
                    ids = _by_id(passing, order).numbered(limit, offset)
            if ids is None and not is_picked and asked.is_kept:
                ids = self._numbered(session, asked, limit, offset)
            if ids is None:
                some = ordered(asked.test, asked.keys).limit(limit).offset(offset)
                ids = session.scalars(some).all()
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
            asked = self._asked(session, workspace, project_id, filters, order)
            is_back = bool(before) or is_last
            count = len(asked.keys)
            at = ordering.read_place(before or after, count) if before or after else None
            total, found = asked.project.task_count, None
            if filters.items:
                passing = self._passing(session, asked, is_turn=at is not None)
                total = len(passing.parts[0].ids)
                if order.is_by_id:
                    here = at[-1] if at else None
                    found = _by_id(passing, order).cut(here, limit, is_back=is_back)
                else:
                    asked.narrow(passing.parts[0].ids)
            if found is None:
                turn = self._cut if asked.is_kept else self._seek
                found = turn(session, asked, at, limit, is_back=is_back)
            return self._shown(session, asked.keys, *found, total=total)

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

    def _asked(
        self,
        session: Session,
        workspace: str,
        project_id: int,
        filters: Filters,
        order: Order,
        selection: Selection | None = None,
    ) -> _Asked:
        project, conditions = (
            project_of(session, workspace, project_id),
            self.conditions(project_id),
        )
        test = conditions.of(filters, selection)
        keys = ordering.keys(order, conditions.fields)
        return _Asked(project, filters, order, conditions, test, keys)

    def _passing(self, session: Session, asked: _Asked, *, is_turn: bool = False) -> List:
        """What passes a filter."""
        known = self._lists.get((asked.project.id, asked.filters, None), is_turn=is_turn)
        if not known.parts:
            ids = self._scans.passing(session, asked.project, asked.test)
            self._lists.add(known, Part(ids, is_start=True, is_end=True))
        return known

    def _seek(
        self,
        session: Session,
        asked: _Asked,
        at: Sequence[Any] | None,
        limit: int,
        *,
        is_back: bool,
    ) -> Cut:
        """A page behind a place in an order, or before it, as it is now."""
        test = asked.test
        if at is not None:
            test = test & ordering.beyond(asked.keys, at, is_back=is_back)
        some = ordered(test, asked.keys, is_back=is_back).limit(limit + 1)
        found = list(session.scalars(some))
        ids, has_more = found[:limit], len(found) > limit
        return (ids[::-1], has_more, at is not None) if is_back else (ids, at is not None, has_more)

    def _cut(
        self,
        session: Session,
        asked: _Asked,
        at: Sequence[Any] | None,
        limit: int,
        *,
        is_back: bool,
    ) -> Cut:
        """Like `_seek`, from what is kept of a list; some pages more are read where it ends."""
        key = (asked.project.id, asked.filters, asked.order)
        known = self._lists.get(key, is_turn=at is not None)
        here = at[-1] if at else None
        found = known.cut(here, limit, is_back=is_back)
        if found is None:
            part = self._part(session, asked, at, is_back=is_back)
            self._lists.add(known, part)
            found = part.cut(here, limit, is_back=is_back)
        assert found is not None
        return found

    def _part(
        self, session: Session, asked: _Asked, at: Sequence[Any] | None, *, is_back: bool
    ) -> Part:
        """What follows a place, or comes before it, with the task of the place itself."""
        test = asked.test
        if at is not None:
            test = test & ordering.beyond(asked.keys, at, is_back=is_back)
        ids = self._scans.first(
            session,
            asked.project,
            test,
            asked.keys,
            STRETCH + 1,
            asked.conditions.among,
            is_back=is_back,
        )
        is_all = len(ids) <= STRETCH
        ids = array("q", [*(at[-1:] if at else ()), *ids[:STRETCH]])
        if is_back:
            return Part(ids[::-1], is_start=is_all, is_end=at is None)
        return Part(ids, is_start=at is None, is_end=is_all)

    def _numbered(
        self, session: Session, asked: _Asked, limit: int, offset: int
    ) -> list[int] | None:
        """A page by its number, from what is kept of a list: of the whole one if it is deep.

        None where nobody knows whether what is kept still holds.
        """
        known = self._lists.get((asked.project.id, asked.filters, asked.order))
        if known.stamp is None:
            return None
        found = known.numbered(limit, offset)
        if found is None:
            if offset + limit <= STRETCH:
                part = self._part(session, asked, None, is_back=False)
            else:
                ids = self._scans.ids(session, ordered(asked.test, asked.keys))
                part = Part(ids, is_start=True, is_end=True)
            self._lists.add(known, part)
            found = part.numbered(limit, offset)
        return found

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


def _summed(test: Condition) -> Select[int, int, int]:
    annotations = func.coalesce(func.sum(LabelTask.annotation_count), 0)
    predictions = func.coalesce(func.sum(LabelTask.prediction_count), 0)
    return select(func.count(), annotations, predictions).where(test)


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


def _by_id(passing: List, order: Order) -> Part:
    """What passes, in the order of the ids or against it."""
    part = passing.parts[0]
    return Part(part.ids[::-1], is_start=True, is_end=True) if order.is_down else part


def fields_of_project(project: LabelProject, fields: Sequence[str]) -> list[str]:
    """The fields of tasks' data, those that the configuration shows first."""
    shown = [name for name in config_of(project).fields if "[" not in name]
    return [*shown, *(name for name in fields if name not in shown)]
