"""Rows as Parquet: written by a short-lived process, for Arrow's 100 MB stay out of the service.

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
from typing import Literal

from mlpi.errors import MlpiError

log = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
# Each is a process of 100 MB.
AT_ONCE = 2
_slots = threading.BoundedSemaphore(AT_ONCE)

# Name and type; a time is in milliseconds since 1970.
Column = tuple[str, Literal["text", "number", "integer", "boolean", "time"]]
Rows = Sequence[Sequence[object]]


class ParquetFailed(MlpiError):
    """The Parquet file could not be written."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"


def stream(columns: Sequence[Column], batches: Iterable[Rows]) -> Iterator[bytes]:
    """The bytes of a file of these rows. Raises ParquetFailed before the first of them."""
    chunks = _written(columns, batches)
    next(chunks)  # begun: from here on its end is reached, also when nobody reads it
    return chunks


def _written(columns: Sequence[Column], batches: Iterable[Rows]) -> Generator[bytes, None, None]:
    if not _slots.acquire(blocking=False):
        raise ParquetFailed(
            f"{AT_ONCE} Parquet files are being written already.",
            advice="Try again in a moment, or take the CSV.",
        )
    process = feeder = None
    wrong: list[BaseException] = []
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlpi.web.parquet_work"],
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
    columns: Sequence[Column],
    batches: Iterable[Rows],
    wrong: list[BaseException],
) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(columns).encode() + b"\n")
        for rows in batches:
            process.stdin.write(json.dumps(rows).encode() + b"\n")
        process.stdin.close()
    except BrokenPipeError:
        return  # it has ended before its time, which its reader sees
    except Exception as error:  # the database, in the middle of it: told by the reader
        wrong.append(error)
        log.exception("parquet not fed", extra={"action": "parquet_failed"})
        process.kill()
