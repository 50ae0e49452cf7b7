"""Runs as Parquet: written by a short-lived process, for Arrow's 100 MB stay out of the service.

Rows go down its standard input as JSON, the file comes back from its standard output as it grows:
memory stays flat on both sides and nothing is left on the disk.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime

from mlpi.errors import MlpiError
from mlpi.tracking.runs.records import RunRow
from mlpi.tracking.runs.view import Field

log = logging.getLogger(__name__)

# What every run has, in the CSV too.
OWN = ("run_id", "run_name", "status", "start_time", "end_time", "user_id")
CHUNK_BYTES = 64 * 1024
# Each is a process of 100 MB.
AT_ONCE = 2
_slots = threading.BoundedSemaphore(AT_ONCE)


class ParquetFailed(MlpiError):
    """The Parquet file could not be written."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


def stream(columns: Sequence[Field], batches: Iterable[list[RunRow]]) -> Iterator[bytes]:
    """The bytes of a file of these runs. Raises ParquetFailed before the first of them."""
    chunks = _written(columns, batches)
    next(chunks)  # begun: from here on its end is reached, also when nobody reads it
    return chunks


def _written(
    columns: Sequence[Field], batches: Iterable[list[RunRow]]
) -> Generator[bytes, None, None]:
    if not _slots.acquire(blocking=False):
        raise ParquetFailed(
            f"{AT_ONCE} Parquet files are being written already.",
            advice="Try again in a moment, or take the CSV.",
        )
    process = feeder = None
    wrong: list[BaseException] = []
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlpi.tracking.runs.parquet_work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        feeder = threading.Thread(
            target=_feed, args=(process, columns, batches, wrong), name="parquet", daemon=True
        )
        feeder.start()
        chunk = process.stdout.read1(CHUNK_BYTES)  # type: ignore[attr-defined]
        if chunk:
            yield b""
        while chunk:
            yield chunk
            chunk = process.stdout.read1(CHUNK_BYTES)  # type: ignore[attr-defined]
        if process.wait() != 0 or wrong:
            reason = process.stderr.read().decode(errors="replace")[-2000:]
            log.error("parquet not written: %s", reason, extra={"action": "parquet_failed"})
            # The answer has begun: it breaks off, so that nobody takes the file for whole.
            raise ParquetFailed("The Parquet file could not be written.")
    finally:
        if process is not None:
            process.kill()
            process.wait()
            if feeder is not None:
                feeder.join()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        _slots.release()


def _feed(
    process: subprocess.Popen[bytes],
    columns: Sequence[Field],
    batches: Iterable[list[RunRow]],
    wrong: list[BaseException],
) -> None:
    assert process.stdin is not None
    heads = [[name, "time" if name.endswith("_time") else "text"] for name in OWN]
    heads += [[column.text, "number" if column.is_metric else "text"] for column in columns]
    try:
        process.stdin.write(json.dumps(heads).encode() + b"\n")
        for rows in batches:
            lines = [_cells(row, columns) for row in rows]
            process.stdin.write(json.dumps(lines).encode() + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        return  # it has ended before its time, which its reader sees
    except Exception as error:  # the database, in the middle of it: told by the reader
        wrong.append(error)
        log.exception("parquet not fed", extra={"action": "parquet_failed"})
        process.kill()


def _cells(row: RunRow, columns: Sequence[Field]) -> list[object]:
    run = row.run
    times = [_ms(at) for at in (run.started_at, run.ended_at)]
    values = [row.values.get(column.text) for column in columns]
    return [run.id, run.name, run.status, *times, run.user, *values]


def _ms(at: datetime | None) -> int | None:
    return round(at.timestamp() * 1000) if at else None
