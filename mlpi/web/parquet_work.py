"""Rows out of standard input, as Parquet to standard output. A process of its own.

The first line is the list of [name, type] of the columns, where type is "text", "number",
"integer", "boolean" or "time" (milliseconds since 1970, UTC); each line after it is a list of rows.
"""

from __future__ import annotations

import json
import sys
from typing import Any

ROWS_OF_GROUP = 5000


def main() -> None:
    """Write until the input ends. An input cut short leaves a file without its end."""
    import pyarrow as pa  # noqa: PLC0415 - never in the service
    import pyarrow.parquet as pq  # noqa: PLC0415

    types = {
        "text": pa.string(),
        "number": pa.float64(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    columns = json.loads(sys.stdin.readline())
    schema = pa.schema([(name, types[kind]) for name, kind in columns])
    sink = pa.PythonFile(sys.stdout.buffer, mode="w")
    with pq.ParquetWriter(sink, schema) as writer:
        sys.stdout.buffer.flush()
        held: list[list[Any]] = []
        for line in sys.stdin:
            held += json.loads(line)
            if len(held) >= ROWS_OF_GROUP:
                writer.write_table(_table(pa, schema, held))
                sys.stdout.buffer.flush()
                held = []
        if held:
            writer.write_table(_table(pa, schema, held))
    sys.stdout.buffer.flush()


def _table(pa: Any, schema: Any, rows: list[list[Any]]) -> Any:
    arrays = [
        pa.array(values, field.type, from_pandas=False)
        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


if __name__ == "__main__":
    main()
