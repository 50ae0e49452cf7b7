"""A Parquet file's rows as JSON lines on standard output. A process of its own.

The first argument is the file's path. A line is {"row": data}, {"bad": why the row is none} or,
once, {"broken": why the file cannot be read on}; the last one of a whole file is {"end": count}.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

AT_ONCE = 100  # rows
MOST_ROWS = 1_000_000
LONGEST_ROW = 16 << 20  # characters
MOST_MEMORY = 2 << 30  # bytes of addresses: a page may unpack to a thousand times its size


class _Strange(Exception):
    """A value that no JSON has."""


def main(path: str) -> None:
    """Write until the file ends, or nobody reads any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    import pyarrow as pa  # noqa: PLC0415 - never in the service
    import pyarrow.parquet as pq  # noqa: PLC0415

    count = 0
    try:
        with pq.ParquetFile(path) as file:
            names, rows = file.schema_arrow.names, file.metadata.num_rows
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                _say({"broken": f"The column {twice[:80]!r} is there twice."})
                return
            if rows > MOST_ROWS:
                _say({"broken": f"It has {rows:,} rows; {MOST_ROWS:,} are allowed."})
                return
            for batch in file.iter_batches(AT_ONCE, use_threads=False):
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    count += 1
                    sys.stdout.write(_line(names, values))
                sys.stdout.flush()
    except (MemoryError, pa.ArrowMemoryError):
        _say({"broken": f"Behind row {count:,} it unpacks to more than memory holds."})
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, BrokenPipeError):
            return
        reason = str(error).split("\n", 1)[0][:300]
        where = f"Behind row {count:,} it" if count else "It"
        _say({"broken": f"{where} is no Parquet file that can be read: {reason}"})
    else:
        _say({"end": count})


def _line(names: list[str], values: tuple[Any, ...]) -> str:
    data = dict(zip(names, values, strict=True))
    try:
        text = json.dumps({"row": data}, ensure_ascii=True, default=_plain)
    except _Strange as error:
        return json.dumps({"bad": str(error)}) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"bad": f"it is no JSON: {error}"}) + "\n"
    if len(text) > LONGEST_ROW:
        return json.dumps({"bad": f"it has more than {LONGEST_ROW:,} characters"}) + "\n"
    return text + "\n"


def _plain(value: Any) -> Any:
    """Times as ISO 8601, decimals as they are written."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        raise _Strange(
            "it holds bytes, which no task's data can; upload media as files and name them"
        )
    return str(value)


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BrokenPipeError:
        sys.stderr.close()
