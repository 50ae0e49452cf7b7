"""A selection's records as a file: every field, without vectors."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from mlpi.vectors.records import Condition, Record
from mlpi.vectors.shelf import PAGE, Shelf

FORMS = {"csv": "text/csv", "jsonl": "application/jsonl"}


def written(shelf: Shelf, collection_id: str, ids: Sequence[str], form: str) -> Iterator[str]:
    """Pieces of a file in one of FORMS. What has been deleted meanwhile is left out.

    In CSV metadata is one column of JSON: its fields differ from record to record.
    """
    if form == "csv":
        yield "id,document,metadata\r\n"
    for start in range(0, len(ids), PAGE):
        found = shelf.get(collection_id, Condition(ids=ids[start : start + PAGE]))
        yield "".join(_row(one) if form == "csv" else _line(one) for one in found)


def _line(one: Record) -> str:
    value: dict[str, Any] = {"id": one.id, "document": one.document, "metadata": one.metadata}
    return orjson.dumps(value).decode() + "\n"


def _row(one: Record) -> str:
    out = io.StringIO()
    metadata = orjson.dumps(one.metadata).decode() if one.metadata else ""
    csv.writer(out).writerow([one.id, one.document, metadata])
    return out.getvalue()
