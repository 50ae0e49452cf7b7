"""Views of runs as SQL: conditions, orders with their cursors, and the indexes they need."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Float,
    String,
    Table,
    TextClause,
    and_,
    case,
    cast,
    event,
    exists,
    false,
    func,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.sql import Select

from mlpi.errors import Invalid
from mlpi.tracking.models import datasets, input_tags, inputs, latest_metrics, params, runs, tags
from mlpi.tracking.runs.filter import Clause
from mlpi.tracking.runs.view import SPANS_S, Field, View

TABLES: dict[str, Table] = {"metrics": latest_metrics, "params": params, "tags": tags}
_PARENT_KEY = "mlflow.parentRunId"
# Word for word the condition of our partial index. Without the empty text added, SQLite prefers
# the primary key and goes through all nested runs of the database.
_IN_PARENT_INDEX = "key || '' = 'mlflow.parentRunId'"
# A number as JSON writes it, which is also how Python does.
_NUMBER = r"^\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?\s*$"
_ATTRIBUTES = {
    "start_time": runs.c.start_time,
    "end_time": runs.c.end_time,
    "duration": runs.c.end_time - runs.c.start_time,
    "run_name": runs.c.name,
    "status": runs.c.status,
    "user_id": runs.c.user_id,
    "run_id": runs.c.run_uuid,
    "artifact_uri": runs.c.artifact_uri,
}
_COMPARE: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "LIKE": lambda column, value: column.like(value),
    "ILIKE": lambda column, value: column.ilike(value),
    "IN": lambda column, value: column.in_(value),
    "NOT IN": lambda column, value: ~column.in_(value),
}
# MLflow's tables have no index by experiment: without these, a page's cost grows with all runs.
# The state at its end lets the list of experiments count without reading the runs.
_NEWEST_INDEX = """
    CREATE INDEX IF NOT EXISTS mlpi_runs_newest
    ON runs (experiment_id, lifecycle_stage, start_time DESC, run_uuid, status)
"""
_PARENT_INDEX = f"""
    CREATE INDEX IF NOT EXISTS mlpi_tags_parent
    ON tags ({{column}}) WHERE {_IN_PARENT_INDEX}
"""
# From a run to what was registered of it, and to the models it logged.
_MODEL_INDEXES = (
    "CREATE INDEX IF NOT EXISTS mlpi_versions_run ON model_versions (run_id)",
    "CREATE INDEX IF NOT EXISTS mlpi_logged_models_run ON logged_models (source_run_id)",
)
_INDEXES = {
    "sqlite": (_NEWEST_INDEX, _PARENT_INDEX.format(column="value"), *_MODEL_INDEXES),
    # A whole tag may be too long for an entry of an index there.
    "postgresql": (
        _NEWEST_INDEX,
        _PARENT_INDEX.format(column="substr(value, 1, 64)"),
        *_MODEL_INDEXES,
    ),
}


def prepare(engine: Engine) -> None:
    """Make SQLite compare as MLflow has it do."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)


def add_indexes(engine: Engine) -> None:
    """Add what is missing of our indexes to MLflow's database; cheap when nothing is."""
    with engine.execution_options(mlpi_write=True).begin() as db:
        for statement in _INDEXES.get(engine.dialect.name, ()):
            db.execute(text(statement))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA case_sensitive_like = ON")


def parent_of(dialect: str) -> ColumnElement[Any]:
    """The parent's id in a tag that names one."""
    return tags.c.value if dialect == "sqlite" else func.substr(tags.c.value, 1, 64)


def is_parent_tag() -> TextClause:
    """Whether a tag names a run's parent; for looking from the parent to its nested runs."""
    return text(f"tags.{_IN_PARENT_INDEX}")


def is_of(experiment_id: int) -> ColumnElement[bool]:
    """Whether a run is of an experiment, as a check only.

    The sum keeps the planner from going through all runs of the experiment instead of the few.
    """
    return runs.c.experiment_id + 0 == experiment_id


def conditions(view: View, experiment_id: int, now_s: float | None = None) -> list[Any]:
    """What the runs of a view have in common. Raises FilterWrong."""
    found = [
        runs.c.experiment_id == experiment_id,
        runs.c.lifecycle_stage == ("deleted" if view.is_deleted else "active"),
    ]
    found += [runs.c.name.icontains(word, autoescape=True) for word in view.words]
    found += [_meets(clause) for clause in view.clauses]
    if view.state:
        found.append(runs.c.status == view.state)
    if view.since:
        start = (time.time() if now_s is None else now_s) - SPANS_S[view.since]
        found.append(runs.c.start_time >= int(start * 1000))
    if view.dataset:
        found.append(_has_dataset(datasets.c.name == view.dataset))
    return found


def is_top(experiment_id: int) -> ColumnElement[bool]:
    """Whether a run is nested in no other run that the experiment shows."""
    parent = runs.alias("parent")
    return ~exists(
        select(1)
        .select_from(tags.join(parent, parent.c.run_uuid == tags.c.value))
        .where(
            tags.c.run_uuid == runs.c.run_uuid,
            tags.c.key == _PARENT_KEY,
            parent.c.experiment_id == experiment_id,
            parent.c.lifecycle_stage == "active",
        )
        .correlate(runs)
    )


def _meets(clause: Clause) -> ColumnElement[bool]:
    """A comparison as MLflow's own statements make it."""
    if clause.kind == "attributes":
        if clause.key == "run_name":  # MLflow asks the tag: old runs have no name of their own
            return _has(tags, "mlflow.runName", _compared(tags.c.value, clause))
        return _compared(_ATTRIBUTES[clause.key], clause)
    if clause.kind == "datasets":
        if clause.key == "context":
            return _has_dataset(
                exists(
                    select(1).where(
                        input_tags.c.input_uuid == inputs.c.input_uuid,
                        input_tags.c.name == "mlflow.data.context",
                        _compared(input_tags.c.value, clause),
                    )
                )
            )
        return _has_dataset(_compared(datasets.c[clause.key], clause))
    table = TABLES[clause.kind]
    if clause.comparator == "IS NULL":
        return ~_has(table, clause.key, true())
    if clause.comparator == "IS NOT NULL":
        return _has(table, clause.key, true())
    met = _compared(table.c.value, clause)
    if table is latest_metrics:
        # NaN is stored as 0 with a mark; it differs from every number and compares with none.
        nan = latest_metrics.c.is_nan
        met = or_(met, nan == true()) if clause.comparator == "!=" else and_(met, nan == false())
    return _has(table, clause.key, met)


def _compared(column: ColumnElement[Any], clause: Clause) -> ColumnElement[bool]:
    return _COMPARE[clause.comparator](column, clause.value)


def _has(table: Table, key: str, met: ColumnElement[bool]) -> ColumnElement[bool]:
    inner = select(1).where(table.c.run_uuid == runs.c.run_uuid, table.c.key == key, met)
    return exists(inner.correlate(runs))


def _has_dataset(met: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(
        select(1)
        .select_from(inputs.join(datasets, datasets.c.dataset_uuid == inputs.c.source_id))
        .where(inputs.c.destination_id == runs.c.run_uuid, met)
        .correlate(runs)
    )


class Order:
    """A view's order: its columns, its joins, and where a page goes on after a cursor.

    As in MLflow: what lacks the value comes last whichever way it is sorted, NaN just before;
    among equals the newest first, then by id. Unlike MLflow, numbers in params sort as numbers.
    """

    def __init__(self, view: View, dialect: str) -> None:
        self._join: Any = None
        down = view.is_descending
        self.terms: list[tuple[ColumnElement[Any], bool]]
        start, end = (runs.c.start_time, True), (runs.c.run_uuid, False)
        if view.sort.text == "attributes.start_time":
            self.terms = [(runs.c.start_time, down), end]
        elif view.sort.kind == "attributes":
            column = _ATTRIBUTES[view.sort.key]
            is_text = view.sort.key in ("run_name", "status", "user_id")
            rank = case((column.is_(None), 1), else_=0)
            value = func.coalesce(column, "" if is_text else 0)
            self.terms = [(rank, False), (value, down), start, end]
        elif view.sort.is_metric:
            held = self._joined(latest_metrics, view.sort)
            rank = case((held.c.run_uuid.is_(None), 2), (held.c.is_nan == true(), 1), else_=0)
            value = func.coalesce(held.c.value, 0.0)
            self.terms = [(rank, False), (value, down), start, end]
        else:
            held = self._joined(TABLES[view.sort.kind], view.sort)
            number = _number(held.c.value, dialect)
            rank = case((held.c.value.is_(None), 2), (number.is_(None), 1), else_=0)
            size, word = func.coalesce(number, 0.0), func.coalesce(held.c.value, "")
            self.terms = [(rank, False), (size, down), (word, down), start, end]

    def _joined(self, table: Table, sort: Field) -> Any:
        held = table.alias("sorted")
        self._join = runs.outerjoin(
            held, and_(held.c.run_uuid == runs.c.run_uuid, held.c.key == sort.key)
        )
        return held

    def columns(self) -> list[ColumnElement[Any]]:
        return [term.label(f"order_{number}") for number, (term, _) in enumerate(self.terms)]

    def apply(self, query: Select[Any], cursor: Sequence[Any] | None) -> Select[Any]:
        """The query in this order, from behind the cursor."""
        if self._join is not None:
            query = query.select_from(self._join)
        if cursor is not None:
            query = query.where(self._behind(cursor))
        return query.order_by(*(term.desc() if down else term.asc() for term, down in self.terms))

    def _behind(self, cursor: Sequence[Any]) -> ColumnElement[bool]:
        ways: list[ColumnElement[bool]] = []
        equal: list[ColumnElement[bool]] = []
        for (term, down), value in zip(self.terms, cursor, strict=True):
            if isinstance(value, str) != isinstance(term.type, String):
                raise Invalid("The page marker is not one of ours.", field="after")
            ways.append(and_(*equal, term < value if down else term > value))
            equal.append(term == value)
        term, down = self.terms[0]
        # Says the same again about the first column alone, which an index can use.
        return and_(term <= cursor[0] if down else term >= cursor[0], or_(*ways))


def _number(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    if dialect == "sqlite":
        kind = case((func.json_valid(column) == 1, func.json_type(column)), else_="")
        return case((kind.in_(("integer", "real")), cast(column, Float)), else_=None)
    return case((column.op("~")(_NUMBER), cast(column, Float(53))), else_=None)
