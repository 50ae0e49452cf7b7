"""Runs as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from mlpi.tracking.runs.records import RunRow
from mlpi.tracking.runs.view import Field
from mlpi.web import parquet

# What every run has, in the CSV too.
OWN = ("run_id", "run_name", "status", "start_time", "end_time", "user_id")


def stream(columns: Sequence[Field], batches: Iterable[list[RunRow]]) -> Iterator[bytes]:
    """The bytes of a file of these runs. Raises ParquetFailed before the first of them."""
    heads: list[parquet.Column] = [
        (name, "time" if name.endswith("_time") else "text") for name in OWN
    ]
    heads += [(column.text, "number" if column.is_metric else "text") for column in columns]
    return parquet.stream(heads, ([_cells(row, columns) for row in rows] for rows in batches))


def _cells(row: RunRow, columns: Sequence[Field]) -> list[object]:
    run = row.run
    times = [_ms(at) for at in (run.started_at, run.ended_at)]
    values = [row.values.get(column.text) for column in columns]
    return [run.id, run.name, run.status, *times, run.user, *values]


def _ms(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at else None
