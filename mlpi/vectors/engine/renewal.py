"""A new index in the place of a broken one.

An index that is broken is replaced in one transaction: the collection gets a new vector segment,
whose index holds one record and is said to have seen the log up to now, the cut. From then on
Chroma works on as ever, with ids, metadata, filters, counts and new writes, and every record that
was made before the cut is written once more, in slices, between other writes. Nothing else says how
far this went: a record made (or overwritten) after the cut is in the index, any other is not. So it
can be killed at any moment, and goes on where it was.

Two other ways were weighed. An alias (a fresh collection, and a table that says under which id
clients see it) would have to translate ids in every answer, copy metadata and documents too, and
hold back writes or apply them twice. Moving logged rows aside rewrites the whole log at once.
"""

from __future__ import annotations

import math
import pickle
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from mlpi.vectors.engine import index
from mlpi.vectors.engine.index import Damaged
from mlpi.vectors.engine.log import SLICE, UPSERT, Stored, Vectors, raw_vectors, transaction

_FIRST = 100  # elements that Chroma's own first file has room for


def rescue(db: sqlite3.Connection, folder: Path, one: Stored) -> int:
    """Bring vectors that are in the index only into the log; the number of records without any.

    They are there where Chroma was once allowed to forget. Each goes to the row of its record's
    last write, which Chroma has applied long ago and will not look at again.
    """
    log = Vectors(one.topic)
    log.follow(db)
    missing = {
        each: row if isinstance(row, int) else int.from_bytes(row, "big")
        for each, row in db.execute(
            "SELECT embedding_id, seq_id FROM embeddings WHERE segment_id = ?", [one.records]
        )
        if each not in log.held
    }
    if not missing or one.dimension is None:
        return len(missing)
    strays = {log.strays[each]: each for each in missing if each in log.strays}
    found = {strays[row]: raw for row, raw in raw_vectors(db, sorted(strays))}
    for each, raw in _readable(folder / one.segment, one):
        if each in missing:
            found.setdefault(each, raw)
    kept = 0
    for start in range(0, len(found), SLICE):
        with transaction(db):
            for each in list(found)[start : start + SLICE]:
                kept += db.execute(
                    "INSERT INTO embeddings_queue "
                    "(seq_id, operation, topic, id, vector, encoding) "
                    "VALUES (?, ?, ?, ?, ?, 'FLOAT32') ON CONFLICT (seq_id) DO UPDATE "
                    "SET operation = excluded.operation, vector = excluded.vector, "
                    "encoding = excluded.encoding WHERE id = excluded.id",
                    [missing[each], UPSERT, one.topic, each, found[each]],
                ).rowcount
    return len(missing) - kept


def _readable(place: Path, one: Stored) -> Iterator[tuple[str, bytes]]:
    """What vectors can still be read from an index, as they were written."""
    import numpy as np  # noqa: PLC0415

    assert one.dimension is not None
    try:
        content = index.Content(place, one.dimension, is_lenient=True)
        lengths = content.lengths() if one.space == "cosine" else {}
        for ids, rows in content.vectors():
            for each, row in zip(ids, rows, strict=True):
                if each in lengths:
                    row = (row * np.float32(lengths[each])).astype(np.float32)  # noqa: PLW2901
                if math.isfinite(float(row.sum())) and row.any():
                    yield each, row.tobytes()
    except (Damaged, OSError):
        return


def replace(db: sqlite3.Connection, folder: Path, one: Stored, detail: str) -> int:
    """Give a collection a new index of one record, to be filled; the number of lost vectors.

    Searching, reading and writing work at once; what the index lacks is found by others.
    """
    lost = rescue(db, folder, one)
    log = Vectors(one.topic, one.applied)
    log.follow(db)
    fresh = str(uuid4())
    if log.held:
        first = next(iter(log.held))
        _seed(folder / fresh, one, first, log.of(db, [first])[first])
    if lost:
        detail = f"{detail}; {lost} vectors are lost"
    with transaction(db):
        db.execute("UPDATE segments SET id = ? WHERE id = ?", [fresh, one.segment])
        db.execute(
            "UPDATE segment_metadata SET segment_id = ? WHERE segment_id = ?", [fresh, one.segment]
        )
        db.execute("DELETE FROM max_seq_id WHERE segment_id = ?", [one.segment])
        if log.held:
            db.execute("INSERT INTO max_seq_id VALUES (?, ?)", [fresh, one.applied])
        db.execute(
            "INSERT OR REPLACE INTO mlpi_rebuilds VALUES (?, ?, ?)",
            [one.collection, one.applied, detail],
        )
    shutil.rmtree(folder / one.segment, ignore_errors=True)
    return lost


def _seed(place: Path, one: Stored, record: str, raw: bytes) -> None:
    """Files of an index that holds one record, as Chroma's own library writes them."""
    import numpy as np  # noqa: PLC0415

    assert one.dimension is not None
    links0 = 2 * one.neighbours
    vector_at = 4 + 4 * links0
    label_at = vector_at + 4 * one.dimension
    element = label_at + 8
    row = np.frombuffer(raw, dtype="<f4")
    length = float(np.linalg.norm(row))
    if one.space == "cosine":
        row = (row / np.float32(length + 1e-30)).astype("<f4")
    rate = 1 / math.log(one.neighbours) if one.neighbours > 1 else math.inf
    header = index.HEADER_FIELDS.pack(
        *(1, 0, _FIRST, 1, element, label_at, vector_at, 0, 0),
        *(one.neighbours, links0, one.neighbours, rate, one.construction),
    )
    level0 = bytes(vector_at) + row.tobytes() + struct.pack("<Q", 1)
    labels = {
        "dimensionality": None,
        "total_elements_added": 1,
        "max_seq_id": None,
        "id_to_label": {record: 1},
        "label_to_id": {1: record},
        "id_to_seq_id": {},
    }
    place.mkdir(mode=0o700)
    for name, content in (
        (index.HEADER, header),
        (index.LEVEL0, level0.ljust(_FIRST * element, b"\0")),
        (index.LENGTHS, struct.pack("<f", length).ljust(4 * _FIRST, b"\0")),
        (index.LINKS, bytes(4)),
        (index.LABELS, pickle.dumps(labels, protocol=2)),
    ):
        (place / name).write_bytes(content)
    index.keep(place)
