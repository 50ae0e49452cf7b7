"""Samples of a collection, and what its records say in one field, read from disk.

As in mlpi.vectors.store: the engine is not woken, and nobody waits for anybody.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlpi.vectors.store import reading

_LOOKED_AT = 2_000  # records, for the names of fields
_OWN = "chroma:"  # Chroma's own keys: the document and the URI

# Knuth's multiplicative hash of the row's number: evenly spread over the order in which records
# came, and any first part of the order is a sample itself. A record that came keeps its place.
_ORDER = "(id * 2654435761) & 4294967295, id"


class Samples:
    """The records of the folder's collections."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self, collection_id: str, limit: int) -> list[str]:
        """Up to so many ids, the same ones each time while the collection does not change."""
        query = (
            f"SELECT embedding_id FROM embeddings WHERE segment_id = ? ORDER BY {_ORDER} LIMIT ?"  # noqa: S608
        )
        with reading(self._folder) as db:
            if db is None or (segment := _segment(db, collection_id)) is None:
                return []
            return [row[0] for row in db.execute(query, (segment, limit))]

    def pages(self, collection_id: str, size: int) -> Iterator[list[str]]:
        """All ids in the order they came, so many at a time; no transaction stays open between."""
        last = 0
        while True:
            with reading(self._folder) as db:
                if db is None or (segment := _segment(db, collection_id)) is None:
                    return
                rows = db.execute(
                    "SELECT id, embedding_id FROM embeddings WHERE segment_id = ? AND id > ? "
                    "ORDER BY id LIMIT ?",
                    (segment, last, size),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [row[1] for row in rows]

    def fields(self, collection_id: str) -> list[str]:
        """Names of metadata fields with plain values, those of the first records."""
        with reading(self._folder) as db:
            if db is None or (segment := _segment(db, collection_id)) is None:
                return []
            rows = db.execute(
                "SELECT DISTINCT key FROM embedding_metadata WHERE id IN "
                "(SELECT id FROM embeddings WHERE segment_id = ? LIMIT ?) ORDER BY key",
                (segment, _LOOKED_AT),
            ).fetchall()
        return [row[0] for row in rows if not row[0].startswith(_OWN)]

    def values(self, collection_id: str, ids: Sequence[str], field: str) -> list[Any]:
        """What each record says in a field: a text, a number, a flag, or None."""
        with reading(self._folder) as db:
            if db is None or (segment := _segment(db, collection_id)) is None:
                return [None] * len(ids)
            rows = db.execute(
                "SELECT e.embedding_id, m.string_value, m.int_value, m.float_value, m.bool_value "
                # In this order: SQLite would go through the field's values in all collections.
                "FROM json_each(:ids) AS j CROSS JOIN embeddings AS e CROSS JOIN "
                "embedding_metadata AS m WHERE e.segment_id = :segment "
                "AND e.embedding_id = j.value AND m.id = e.id AND m.key = :field",
                {"ids": json.dumps(list(ids)), "segment": segment, "field": field},
            )
            found = {row[0]: _value(row) for row in rows}
        return [found.get(id_) for id_ in ids]


def _segment(db: sqlite3.Connection, collection_id: str) -> str | None:
    row = db.execute(
        "SELECT id FROM segments WHERE collection = ? AND scope = 'METADATA'", (collection_id,)
    ).fetchone()
    return None if row is None else str(row[0])


def _value(row: sqlite3.Row) -> Any:
    _, text, whole, real, flag = row
    values = (text, whole, real, None if flag is None else bool(flag))
    return next((value for value in values if value is not None), None)
