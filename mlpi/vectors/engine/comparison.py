"""An index compared with the log: is it what was written?"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mlpi.vectors.engine import index
from mlpi.vectors.engine.index import Damaged
from mlpi.vectors.engine.log import DELETE, Stored, Vectors


def check(db: sqlite3.Connection, folder: Path, one: Stored, cut: int = 0) -> None:
    """Read a whole index and compare it with the log.

    cut: of an index that is being filled. Raises Damaged.
    """
    if one.dimension is None:
        return
    place = folder / one.segment
    if not index.is_written(place):
        if one.indexed:
            raise Damaged("the index is gone")
        return
    content = index.Content(place, one.dimension)
    content.check()
    log = Vectors(one.topic, one.indexed)
    log.follow(db)
    there = set(content.ids.values())
    whole = Vectors(one.topic)
    whole.follow(db)
    # What was made or overwritten since the index was saved is replayed when it is opened.
    lacks = sum(
        1
        for each, made in log.made.items()
        if made > cut and each not in there and whole.made.get(each, made + 1) == made
    )
    if lacks:
        raise Damaged(f"the index lacks {lacks} records")
    later = {
        each
        for (each,) in db.execute(
            "SELECT DISTINCT id FROM embeddings_queue WHERE topic = ? AND seq_id > ?",
            [one.topic, one.indexed],
        )
    }
    if deleted := [each for each in _deleted(db, one) if each in there and each not in later]:
        raise Damaged(f"the index holds {len(deleted)} deleted records")
    _compare(db, content, log, later, is_unit=one.space == "cosine")


def _deleted(db: sqlite3.Connection, one: Stored) -> list[str]:
    """Records whose last row up to the index's is their end."""
    return [
        each
        for each, deed, _ in db.execute(
            "SELECT id, operation, max(seq_id) FROM embeddings_queue "
            "WHERE topic = ? AND seq_id <= ? GROUP BY id",
            [one.topic, one.indexed],
        )
        if deed == DELETE
    ]


def _compare(
    db: sqlite3.Connection, content: index.Content, log: Vectors, later: set[str], *, is_unit: bool
) -> None:
    import numpy as np  # noqa: PLC0415

    for ids, found in content.vectors():
        wanted = log.of(db, [one for one in ids if one not in later])
        kept = [n for n, one in enumerate(ids) if one in wanted]
        if not kept:
            continue
        raw = b"".join(wanted[ids[n]] for n in kept)
        rows = np.frombuffer(raw, dtype="<f4").reshape(len(kept), -1)
        if is_unit:
            rows = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-30)
            same = np.allclose(rows, found[kept], rtol=0, atol=1e-3)
        else:
            same = np.array_equal(rows, found[kept])
        if not same:
            raise Damaged("the index holds other vectors than were written")
