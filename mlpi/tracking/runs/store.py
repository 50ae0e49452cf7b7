"""Reading MLflow's tables for a table of runs: what a page shows, at a price that stays flat.

However many runs and columns there are, a page is a fixed number of queries; none reads
histories. Callers have made sure that the experiment is of their workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, exists, func, literal, select, union_all
from sqlalchemy.engine import Connection, Engine

from mlpi.tracking.models import (
    datasets,
    experiments,
    inputs,
    latest_metrics,
    params,
    runs,
    tags,
    traces,
)
from mlpi.tracking.runs import sql
from mlpi.tracking.runs.grouping import grouped
from mlpi.tracking.runs.records import Group, KeyCount, RunRow
from mlpi.tracking.runs.view import KEYED, Field, View, read_cursor
from mlpi.tracking.store import metric_value, run_of

# Runs whose keys are offered without being asked for all.
KEYS_FROM = 500
MAX_KEYS = 1000
MAX_CHILDREN = 200
COUNT_UP_TO = 10_000
EXPORT_CHUNK = 500
_SHOWN = (
    runs.c.run_uuid,
    runs.c.experiment_id,
    runs.c.name,
    runs.c.user_id,
    runs.c.status,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.lifecycle_stage,
    literal("").label("artifact_uri"),
)


class RunsStore:
    """Queries for tables of runs, on the engine of TrackingStore."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._dialect = engine.dialect.name
        sql.prepare(engine)

    def page(self, experiment_id: int, view: View, hidden: Sequence[str] = ()) -> list[RunRow]:
        """The runs of a view's page and one more, if there is one; without values.

        Raises FilterWrong, Invalid.
        """
        order = sql.Order(view, self._dialect)
        cursor = read_cursor(view.after, len(order.terms))
        where = sql.conditions(view, experiment_id)
        if view.is_nested:
            where.append(sql.is_top(experiment_id))
        if hidden:
            where.append(runs.c.run_uuid.not_in(hidden))
        query = select(*_SHOWN, *order.columns()).where(*where).limit(view.size + 1)
        with self.engine.connect() as db:
            return [_row(row) for row in db.execute(order.apply(query, cursor))]

    def chosen(self, experiment_id: int, ids: Sequence[str]) -> list[RunRow]:
        """Runs of an experiment by id, deleted ones left out, in the order of the ids."""
        if not ids:
            return []
        query = select(*_SHOWN).where(
            runs.c.experiment_id == experiment_id,
            runs.c.run_uuid.in_(ids),
            runs.c.lifecycle_stage == "active",
        )
        with self.engine.connect() as db:
            found = {row.run_uuid: _row(row) for row in db.execute(query)}
        return [found[id_] for id_ in ids if id_ in found]

    def of_workspace(self, workspace: str, ids: Sequence[str]) -> list[RunRow]:
        """Runs of a workspace by id, in the order of the ids; strange ones are left out."""
        query = (
            select(*_SHOWN)
            .join(experiments, experiments.c.experiment_id == runs.c.experiment_id)
            .where(runs.c.run_uuid.in_(ids), experiments.c.workspace == workspace)
        )
        with self.engine.connect() as db:
            found = {row.run_uuid: _row(row) for row in db.execute(query)}
        return [found[id_] for id_ in ids if id_ in found]

    def count(self, experiment_id: int, view: View) -> int:
        """How many runs a view has, nested ones too, counted up to COUNT_UP_TO + 1."""
        some = select(literal(1)).where(*sql.conditions(view, experiment_id))
        some = some.select_from(runs).limit(COUNT_UP_TO + 1)
        with self.engine.connect() as db:
            return db.scalar(select(func.count()).select_from(some.subquery())) or 0

    def children(self, experiment_id: int, parents: Sequence[str]) -> list[RunRow]:
        """The active runs nested directly in these, oldest first, at most MAX_CHILDREN."""
        if not parents:
            return []
        query = (
            select(*_SHOWN, tags.c.value.label("parent_id"))
            .join(tags, tags.c.run_uuid == runs.c.run_uuid)
            .where(
                sql.is_parent_tag(),
                sql.parent_of(self._dialect).in_(parents),
                sql.is_of(experiment_id),
                runs.c.lifecycle_stage == "active",
            )
            .order_by(runs.c.start_time, runs.c.run_uuid)
            .limit(MAX_CHILDREN)
        )
        with self.engine.connect() as db:
            return [_row(row) for row in db.execute(query)]

    def child_counts(self, experiment_id: int, ids: Sequence[str]) -> dict[str, int]:
        """How many active runs are nested directly in each, by id; none has no entry."""
        if not ids:
            return {}
        parent = sql.parent_of(self._dialect)
        query = (
            select(parent, func.count())
            .select_from(tags.join(runs, runs.c.run_uuid == tags.c.run_uuid))
            .where(
                sql.is_parent_tag(),
                parent.in_(ids),
                sql.is_of(experiment_id),
                runs.c.lifecycle_stage == "active",
            )
            .group_by(parent)
        )
        with self.engine.connect() as db:
            return dict(db.execute(query).all())

    def commonest(self, ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
        """Keys of metrics and params that these runs have, by kind, with how many have each."""
        found: dict[str, list[tuple[str, int]]] = {"metrics": [], "params": []}
        if not ids:
            return found
        queries = [
            select(literal(kind).label("kind"), table.c.key, func.count().label("n"))
            .where(table.c.run_uuid.in_(ids))
            .group_by(table.c.key)
            for kind, table in (("metrics", latest_metrics), ("params", params))
        ]
        with self.engine.connect() as db:
            for kind, key, count in db.execute(union_all(*queries)):
                found[kind].append((key, count))
        return found

    def fill(self, rows: Iterable[RunRow], columns: Sequence[Field]) -> None:
        """Put the columns' values into the rows: one query for each kind of column."""
        with self.engine.connect() as db:
            self._fill(db, rows, columns)

    def fill_datasets(self, rows: Iterable[RunRow]) -> None:
        """Put the names of the datasets that the runs were given into the rows."""
        by_id = {row.run.id: row for row in rows}
        query = (
            select(inputs.c.destination_id, datasets.c.name, datasets.c.digest)
            .join(datasets, datasets.c.dataset_uuid == inputs.c.source_id)
            .where(
                inputs.c.destination_type == "RUN",
                inputs.c.source_type == "DATASET",
                inputs.c.destination_id.in_(by_id),
            )
            .order_by(datasets.c.name, datasets.c.digest)
        )
        if by_id:
            with self.engine.connect() as db:
                for run_id, name, digest in db.execute(query):
                    by_id[run_id].datasets.append(f"{name} ({digest})")

    def keys(
        self, experiment_id: int, *, is_deleted: bool = False, of_all: bool = False
    ) -> list[KeyCount]:
        """Metrics, params and tags of the newest runs, or of all; those most runs have first."""
        stage = "deleted" if is_deleted else "active"
        newest = select(runs.c.run_uuid).where(
            runs.c.experiment_id == experiment_id, runs.c.lifecycle_stage == stage
        )
        if not of_all:
            newest = newest.order_by(runs.c.start_time.desc()).limit(KEYS_FROM)
        picked = newest.subquery()
        queries = [
            select(literal(kind).label("kind"), table.c.key.label("key"), func.count().label("n"))
            .where(table.c.run_uuid.in_(select(picked.c.run_uuid)))
            .group_by(table.c.key)
            for kind, table in sql.TABLES.items()
        ]
        every = union_all(*queries).subquery()
        query = select(every).order_by(every.c.n.desc(), every.c.key).limit(MAX_KEYS)
        with self.engine.connect() as db:
            return [KeyCount(row.kind, row.key, row.n) for row in db.execute(query)]

    def dataset_names(self, experiment_id: int) -> list[str]:
        """The names of an experiment's datasets."""
        query = (
            select(datasets.c.name)
            .where(datasets.c.experiment_id == experiment_id)
            .distinct()
            .order_by(datasets.c.name)
            .limit(100)
        )
        with self.engine.connect() as db:
            return list(db.scalars(query))

    def has_traces(self, experiment_id: int) -> bool:
        """Whether anything was traced in an experiment."""
        query = select(exists().where(traces.c.experiment_id == experiment_id))
        with self.engine.connect() as db:
            return bool(db.scalar(query))

    def groups(
        self, experiment_id: int, view: View, columns: Sequence[Field], hidden: Sequence[str] = ()
    ) -> list[Group]:
        """The view's runs by what they share, largest group first, at most MAX_GROUPS.

        With the spread of each metric among the columns. Raises FilterWrong.
        """
        where = sql.conditions(view, experiment_id)
        if hidden:
            where.append(runs.c.run_uuid.not_in(hidden))
        keys = list(dict.fromkeys(column.key for column in columns if column.is_metric))
        with self.engine.connect() as db:
            return grouped(db, view, where, keys)

    def every(
        self, experiment_id: int, view: View, columns: Sequence[Field], hidden: Sequence[str] = ()
    ) -> Iterator[list[RunRow]]:
        """All runs of a view with the columns' values, in chunks."""
        order = sql.Order(view, self._dialect)
        where = sql.conditions(view, experiment_id)
        if hidden:
            where.append(runs.c.run_uuid.not_in(hidden))
        query = select(*_SHOWN, *order.columns()).where(*where).limit(EXPORT_CHUNK)
        cursor = None
        while True:
            with self.engine.connect() as db:
                rows = [_row(row) for row in db.execute(order.apply(query, cursor))]
                self._fill(db, rows, columns)
            yield rows
            if len(rows) < EXPORT_CHUNK:
                return
            cursor = rows[-1].cursor

    def everything(self, ids: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
        """All latest metrics, params and tags of a few runs: by kind, key and run id."""
        found: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KEYED}
        with self.engine.connect() as db:
            for kind, table in sql.TABLES.items():
                for row in db.execute(select(table).where(table.c.run_uuid.in_(ids))):
                    value = metric_value(row) if kind == "metrics" else row.value
                    found[kind].setdefault(row.key, {})[row.run_uuid] = value
        return found

    @staticmethod
    def _fill(db: Connection, rows: Iterable[RunRow], columns: Sequence[Field]) -> None:
        by_id = {row.run.id: row for row in rows}
        if not by_id:
            return
        for kind, table in sql.TABLES.items():
            keys = [column.key for column in columns if column.kind == kind]
            if not keys:
                continue
            query = select(table).where(table.c.run_uuid.in_(by_id), table.c.key.in_(keys))
            for row in db.execute(query):
                value = metric_value(row) if kind == "metrics" else row.value
                by_id[row.run_uuid].values[f"{kind}.{row.key}"] = value


def _row(row: Row[Any]) -> RunRow:
    given = row._mapping
    return RunRow(
        run=run_of(row),
        is_deleted=row.lifecycle_stage == "deleted",
        cursor=[given[name] for name in given if name.startswith("order_")],
        parent_id=given.get("parent_id") or "",
    )
