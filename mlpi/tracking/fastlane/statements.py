"""The fast lane's SQL, on MLflow's tables in SQLite.

Each function is to run inside a transaction that holds the write lock already, so that what it
reads is what its writes will meet. A change is judged before any of it is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mlpi.tracking.fastlane.requests import RUN_NAME_TAG, Change, Metric, ModelMetric, Update

# Which columns of which tables are touched; a test holds them against MLflow's own models.
RUN_COLUMNS = (
    *("run_uuid", "name", "experiment_id", "user_id", "status", "start_time", "end_time"),
    *("lifecycle_stage", "artifact_uri"),
)
COLUMNS: dict[str, tuple[str, ...]] = {
    "runs": RUN_COLUMNS,
    "experiments": ("experiment_id", "workspace"),
    "metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "params": ("run_uuid", "key", "value"),
    "tags": ("run_uuid", "key", "value"),
    "logged_models": ("model_id",),
    "logged_model_metrics": (
        *("model_id", "metric_name", "metric_timestamp_ms", "metric_step", "metric_value"),
        *("experiment_id", "run_id", "dataset_uuid", "dataset_name", "dataset_digest"),
    ),
}

_RUN = f"""
    SELECT {", ".join(f"runs.{name}" for name in RUN_COLUMNS)} FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.run_uuid = ? AND experiments.workspace = ?
"""  # noqa: S608 - own names
_ADD_METRICS = """
    INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES {rows}
    ON CONFLICT (key, timestamp, step, run_uuid, value, is_nan) DO NOTHING
"""
# Strictly later by step, then time, then value, as stock compares them.
_SET_LATEST = """
    INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES {rows}
    ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value,
        timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
    WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
"""
_PARAM = "SELECT value FROM params WHERE key = ? AND run_uuid = ?"
_ADD_PARAM = "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)"
_SET_TAG = """
    INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)
    ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value
"""
_SET_NAME = "UPDATE runs SET name = ? WHERE run_uuid = ?"
_SET_STATUS = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
_MODEL = "SELECT 1 FROM logged_models WHERE model_id = ?"
_MODEL_METRIC = """
    SELECT 1 FROM logged_model_metrics WHERE model_id = ? AND metric_name = ?
        AND metric_timestamp_ms = ? AND metric_step = ? AND run_id = ?
"""
_ADD_MODEL_METRIC = """
    INSERT INTO logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step,
        run_id, metric_value, experiment_id, dataset_name, dataset_digest)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class RunRow(NamedTuple):
    """A run, in the order of RUN_COLUMNS. Times in ms."""

    run_id: str
    name: str | None
    experiment_id: int
    user_id: str | None
    status: str | None
    start_time: int | None
    end_time: int | None
    lifecycle_stage: str | None
    artifact_uri: str | None


def run(db: sqlite3.Connection, run_id: str, workspace: str) -> RunRow | None:
    """A run of this workspace, deleted ones too."""
    row = db.execute(_RUN, (run_id, workspace)).fetchone()
    return RunRow(*row) if row else None


def agrees_with_params(db: sqlite3.Connection, change: Change) -> list[tuple[str, str]] | None:
    """The params that are new; None when one is there with another value."""
    new = []
    for key, value in change.params:
        row = db.execute(_PARAM, (key, change.run_id)).fetchone()
        if row is None:
            new.append((key, value))
        elif row[0] != value:
            return None
    return new


def takes_model_metrics(db: sqlite3.Connection, change: Change) -> bool:
    """Whether the models exist, and none of these points yet."""
    identities = {_identity(row, change.run_id) for row in change.model_metrics}
    return (
        len(identities) == len(change.model_metrics)
        and all(
            db.execute(_MODEL, (model_id,)).fetchone()
            for model_id in {row.model_id for row in change.model_metrics}
        )
        and not any(db.execute(_MODEL_METRIC, identity).fetchone() for identity in identities)
    )


def add_model_metrics(db: sqlite3.Connection, rows: Iterable[ModelMetric], found: RunRow) -> None:
    """Points of logged models, which are new."""
    db.executemany(
        _ADD_MODEL_METRIC,
        [
            (
                *_identity(row, found.run_id),
                row.metric.value,
                found.experiment_id,
                row.dataset_name,
                row.dataset_digest,
            )
            for row in rows
        ],
    )


def add_params(db: sqlite3.Connection, run_id: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Params, which are new."""
    db.executemany(_ADD_PARAM, [(run_id, key, value) for key, value in pairs])


def set_tags(db: sqlite3.Connection, run_id: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Tags; the name of a run is its tag and its column at once."""
    for key, value in pairs:
        if key == RUN_NAME_TAG:
            set_name(db, run_id, value)
        else:
            db.execute(_SET_TAG, (run_id, key, value))


def set_name(db: sqlite3.Connection, run_id: str, name: str) -> None:
    """A run's name; an empty one changes nothing, as in stock."""
    if name:
        db.execute(_SET_NAME, (name, run_id))
        db.execute(_SET_TAG, (run_id, RUN_NAME_TAG, name))


def update_run(db: sqlite3.Connection, found: RunRow, update: Update) -> RunRow:
    """The run as it is after the update."""
    changed = found._replace(
        status=found.status if update.status is None else update.status,
        end_time=found.end_time if update.end_time is None else update.end_time,
        name=update.run_name or found.name,
    )
    if (changed.status, changed.end_time) != (found.status, found.end_time):
        db.execute(_SET_STATUS, (changed.status, changed.end_time, found.run_id))
    set_name(db, found.run_id, update.run_name or "")
    return changed


def add_metrics(db: sqlite3.Connection, points: Sequence[tuple[str, Metric]]) -> None:
    """Points by run id, and what of them is now the latest. A point that exists is left alone."""
    latest: dict[tuple[str, str], Metric] = {}
    rows = []
    for run_id, metric in points:
        key, value, timestamp, step, is_nan = metric
        rows.append((run_id, key, value, timestamp, step, is_nan))
        place = (run_id, key)
        known = latest.get(place)
        if known is None or (step, timestamp, value) > (known.step, known.timestamp, known.value):
            latest[place] = metric
    _insert(db, _METRICS_BY_SIZE, rows)
    _insert(db, _LATEST_BY_SIZE, [(run_id, *metric) for (run_id, _), metric in latest.items()])


# One statement for many rows costs a third of a statement for each; these sizes share few
# prepared statements among all numbers of rows.
_SIZES = (128, 32, 8, 1)


def _sized(statement: str) -> dict[int, str]:
    return {
        size: statement.format(rows=", ".join(["(?, ?, ?, ?, ?, ?)"] * size)) for size in _SIZES
    }


_METRICS_BY_SIZE = _sized(_ADD_METRICS)
_LATEST_BY_SIZE = _sized(_SET_LATEST)


def _insert(
    db: sqlite3.Connection, by_size: dict[int, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            values = [value for row in rows[start : start + size] for value in row]
            db.execute(by_size[size], values)
            start += size


def check(db: sqlite3.Connection) -> None:
    """Raises sqlite3.Error when the tables are not those that the statements were written for."""
    for table, names in COLUMNS.items():
        db.execute(f"SELECT {', '.join(names)} FROM {table} LIMIT 0").fetchall()  # noqa: S608
    for statement, count in (
        (_METRICS_BY_SIZE[1], 6),
        (_LATEST_BY_SIZE[1], 6),
        (_ADD_PARAM, 3),
        (_SET_TAG, 3),
        (_ADD_MODEL_METRIC, 9),
    ):
        db.execute(f"EXPLAIN {statement}", [None] * count).fetchall()


def _identity(row: ModelMetric, run_id: str) -> tuple[str, str, int, int, str]:
    return (row.model_id, row.metric.key, row.metric.timestamp, row.metric.step, run_id)
