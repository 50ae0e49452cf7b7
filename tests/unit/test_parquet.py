"""Runs as Parquet through a short-lived process: whole or not at all, and not too many at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from mlpi.tracking.records import Run
from mlpi.tracking.runs import parquet
from mlpi.tracking.runs.records import RunRow
from mlpi.tracking.runs.view import Field
from mlpi.web.parquet import AT_ONCE, ParquetFailed

COLUMNS = [Field("metrics", "loss"), Field("params", "depth")]
AT = datetime(2026, 11, 21, 8, 0, 0, 123_000, UTC)


def row(number: int) -> RunRow:
    run = Run(f"r{number}", f"näme {number}", "1", "RUNNING", "ana", AT, None)
    return RunRow(run, values={"metrics.loss": number / 3} if number % 2 else {})


def test_rows_arrive_with_their_types() -> None:
    batches = [[row(number) for number in range(at, at + 500)] for at in range(0, 6000, 500)]
    table = pq.read_table(io.BytesIO(b"".join(parquet.stream(COLUMNS, batches))))
    assert table.num_rows == 6000
    assert table.slice(3, 1).to_pylist() == [
        {
            "run_id": "r3",
            "run_name": "näme 3",
            "status": "RUNNING",
            "start_time": AT,
            "end_time": None,
            "user_id": "ana",
            "metrics.loss": 1.0,
            "params.depth": None,
        }
    ]


def test_a_file_whose_rows_break_off_is_not_taken_for_whole() -> None:
    def batches() -> Iterator[list[RunRow]]:
        yield [row(1)]
        raise OSError("the database went away")

    with pytest.raises(ParquetFailed):
        list(parquet.stream(COLUMNS, batches()))


def test_more_files_at_once_are_refused_and_ends_make_room() -> None:
    begun = [parquet.stream(COLUMNS, [[row(1)]]) for _ in range(AT_ONCE)]
    with pytest.raises(ParquetFailed, match="already"):
        parquet.stream(COLUMNS, [[row(1)]])
    begun.clear()  # nobody reads them any more
    assert b"".join(parquet.stream(COLUMNS, [[row(1)]])).endswith(b"PAR1")
