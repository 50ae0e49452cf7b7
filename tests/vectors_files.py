"""Files of records for tests of imports: every format from the same rows."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Rows = Sequence[Mapping[str, Any]]


def as_csv(rows: Rows, *, delimiter: str = ",") -> bytes:
    """Lists and objects as JSON."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                key: json.dumps(value) if isinstance(value, list | dict) else value
                for key, value in row.items()
            }
        )
    return text.getvalue().encode()


def as_jsonl(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_parquet(rows: Rows, schema: Any = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, row_group_size=100)
    return sink.getvalue()


def as_npy(vectors: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, vectors)
    return sink.getvalue()


def as_zip(vectors: Any, rows: Rows | None) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("vectors.npy", as_npy(vectors))
        if rows is not None:
            packed.writestr("records.jsonl", as_jsonl(rows))
    return sink.getvalue()
