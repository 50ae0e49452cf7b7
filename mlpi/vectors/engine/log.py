"""Chroma's log of writes, which here is where vectors are safe. Its index is a copy for searching.

Chroma acknowledges a write when its SQLite has it on the disk (WAL, synchronous=FULL, as its
bindings are built), and later forgets the logged vectors once its index was saved. But an index is
saved in place and never synced (see index.py): after a kill at the wrong moment, or a power cut in
the next half minute, the only copy of acknowledged vectors is a broken file. So the log is told to
forget nothing. That costs the disk each vector twice, and buys that any index can be thrown away.

Everything here opens chroma.sqlite3 with Python's sqlite3: before the bindings do, or in another
process than theirs, never beside them, for the first to close it would drop the locks of both.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from mlpi.vectors.names import FILE

_FORGET_NOTHING = {
    "automatically_purge": False,
    "_type": "EmbeddingsQueueConfigurationInternal",
}
ADD, UPDATE, UPSERT, DELETE = range(4)  # operations, as Chroma numbers them
SLICE = 500  # rows changed at once
_MOST_VARIABLES = 500
_BUSY_S = 60.0
_SPARE = 1000  # useless rows that are not worth the work


@dataclass(frozen=True, slots=True)
class Stored:
    """A collection as it lies in the file.

    applied: the newest write that its metadata has seen; indexed: that its saved index has.
    """

    collection: str
    name: str
    database: str
    segment: str
    records: str  # the segment of its metadata
    dimension: int | None
    space: str
    neighbours: int
    construction: int
    applied: int
    indexed: int

    @property
    def topic(self) -> str:
        return topic_of(self.collection)


def topic_of(collection: str) -> str:
    """The name of a collection's part of the log."""
    return f"persistent://default/default/{collection}"


def connect(folder: Path) -> sqlite3.Connection:
    """The file, in autocommit. Only where the bindings do not have it open in this process."""
    db = sqlite3.connect(folder / FILE, isolation_level=None, timeout=_BUSY_S)
    db.execute("PRAGMA synchronous = FULL")
    return db


def is_made(db: sqlite3.Connection) -> bool:
    """Whether Chroma has made its tables."""
    found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'embeddings_queue_config'")
    return found.fetchone() is not None


def keep_all(db: sqlite3.Connection) -> bool:
    """Tell Chroma to forget nothing; whether it may have forgotten before.

    With a long log, finding a collection's part of it needs an index.
    """
    row = db.execute("SELECT config_json_str FROM embeddings_queue_config").fetchone()
    did_forget = row is None or json.loads(row[0])["automatically_purge"]
    with transaction(db):
        db.execute("CREATE INDEX IF NOT EXISTS mlpi_topics ON embeddings_queue (topic)")
        db.execute("CREATE TABLE IF NOT EXISTS mlpi_rebuilds (collection PRIMARY KEY, cut, detail)")
        if did_forget:
            db.execute(
                "INSERT OR REPLACE INTO embeddings_queue_config (id, config_json_str) "
                "VALUES (1, ?)",
                [json.dumps(_FORGET_NOTHING)],
            )
    return did_forget


def stored(db: sqlite3.Connection, collection: str | None = None) -> list[Stored]:
    """Every collection, or one of them."""
    where, values = ("WHERE c.id = ?", [collection]) if collection else ("", [])
    rows = db.execute(
        f"""
        SELECT c.id, c.name, d.name, c.dimension, c.schema_str, c.config_json_str, v.id, m.id,
            (SELECT seq_id FROM max_seq_id WHERE segment_id = m.id),
            (SELECT seq_id FROM max_seq_id WHERE segment_id = v.id)
        FROM collections c JOIN databases d ON d.id = c.database_id
        JOIN segments v ON v.collection = c.id AND v.scope = 'VECTOR'
        JOIN segments m ON m.collection = c.id AND m.scope = 'METADATA'
        {where}
        """,  # noqa: S608 - a constant
        values,
    ).fetchall()
    found = []
    for one, name, database, dimension, schema, config, vectors, records, applied, indexed in rows:
        space, neighbours, construction = _settings(db, schema, config, vectors)
        found.append(
            Stored(
                *(one, name, database, vectors, records, dimension),
                *(space, neighbours, construction),
                *(applied or 0, indexed or 0),
            )
        )
    return found


def _settings(
    db: sqlite3.Connection, schema: str | None, config: str | None, segment: str
) -> tuple[str, int, int]:
    """Space, neighbours and construction effort, from where one of Chroma's versions put them."""
    found: dict[str, Any] = {}
    if schema:
        parsed = json.loads(schema)
        types = parsed.get("keys", {}).get("#embedding") or parsed.get("defaults", {})
        vectors = types.get("float_list", {}).get("vector_index", {}).get("config", {})
        found = {"space": vectors.get("space"), **(vectors.get("hnsw") or {})}
    elif config:
        parsed = json.loads(config)
        found = parsed.get("hnsw") or parsed.get("vector_index", {}).get("hnsw") or {}
    legacy = {
        key: text if text is not None else number
        for key, text, number in db.execute(
            "SELECT key, str_value, int_value FROM segment_metadata WHERE segment_id = ?",
            [segment],
        )
    }
    space = found.get("space") or legacy.get("hnsw:space") or "l2"
    neighbours = found.get("max_neighbors") or legacy.get("hnsw:M") or 16
    construction = found.get("ef_construction") or legacy.get("hnsw:construction_ef") or 100
    return space, neighbours, construction


class Vectors:
    """Which row of the log holds each record's vector. Follows the log as it grows.

    made: the row since which a replay of the log has the record; held: the row of its vector.
    """

    def __init__(self, topic: str, until: int | None = None) -> None:
        self._topic = topic
        self._until = until
        self._seen = 0
        self.made: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.strays: dict[str, int] = {}  # vectors given to records that the log does not know

    def follow(self, db: sqlite3.Connection) -> None:
        """Take in what is new."""
        limit, values = ("AND seq_id <= ?", [self._until]) if self._until is not None else ("", [])
        rows = db.execute(
            "SELECT seq_id, operation, id, vector IS NOT NULL FROM embeddings_queue "  # noqa: S608
            f"WHERE topic = ? AND seq_id > ? {limit} ORDER BY seq_id",
            [self._topic, self._seen, *values],
        )
        for row, deed, one, has_vector in rows:
            self._seen = row
            if deed == DELETE:
                for each in (self.made, self.held, self.strays):
                    each.pop(one, None)
            elif deed == UPSERT or (deed == ADD and one not in self.made):
                if has_vector:
                    self.made[one] = self.held[one] = row
            elif deed == UPDATE and has_vector:
                if one in self.made:
                    self.held[one] = row
                else:
                    self.strays[one] = row

    def of(self, db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, bytes]:
        """Vectors as little-endian float32, of those that are there."""
        rows = {self.held[one]: one for one in ids if one in self.held}
        return {rows[row]: raw for row, raw in raw_vectors(db, sorted(rows))}


def raw_vectors(db: sqlite3.Connection, rows: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Vectors by the row they are in."""
    for start in range(0, len(rows), _MOST_VARIABLES):
        part = rows[start : start + _MOST_VARIABLES]
        marks = ",".join("?" * len(part))
        yield from db.execute(
            f"SELECT seq_id, vector FROM embeddings_queue WHERE seq_id IN ({marks})",  # noqa: S608
            part,
        )


def rebuilds(db: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Collections whose index is being filled: the cut, and why."""
    return {
        one: (cut, detail)
        for one, cut, detail in db.execute("SELECT collection, cut, detail FROM mlpi_rebuilds")
    }


def end_rebuild(db: sqlite3.Connection, collection: str) -> None:
    db.execute("DELETE FROM mlpi_rebuilds WHERE collection = ?", [collection])


def shrink(db: sqlite3.Connection, one: Stored) -> Iterator[bool]:
    """Drop logged rows that no replay needs, a slice at each step; yields before each.

    Only rows that metadata and saved index have both seen, and not while an index is filled. The
    newest row stays whatever it is: numbers of rows are given out anew from the highest that is
    left, and Chroma does not look again at a number that it has seen.
    """
    log = Vectors(one.topic, min(one.applied, one.indexed))
    log.follow(db)
    needed = {*log.held.values(), *log.strays.values()}
    newest = db.execute(
        "SELECT max(seq_id) FROM embeddings_queue WHERE topic = ?", [one.topic]
    ).fetchone()[0]
    rows = [
        row
        for (row,) in db.execute(
            "SELECT seq_id FROM embeddings_queue WHERE topic = ? AND seq_id <= ?",
            [one.topic, min(one.applied, one.indexed)],
        )
        if row not in needed and row != newest
    ]
    # The row of a vector becomes what makes its record, before what made it goes.
    makers = [row for each, row in log.held.items() if log.made[each] != row]
    for start in range(0, len(makers), SLICE):
        yield True
        with transaction(db):
            db.executemany(
                "UPDATE embeddings_queue SET operation = ? WHERE seq_id = ? AND topic = ?",
                [(UPSERT, row, one.topic) for row in makers[start : start + SLICE]],
            )
    for start in range(0, len(rows), SLICE):
        yield True
        with transaction(db):
            # The number of a row may be another collection's once this one is deleted.
            db.executemany(
                "DELETE FROM embeddings_queue WHERE seq_id = ? AND topic = ?",
                [(row, one.topic) for row in rows[start : start + SLICE]],
            )


def shrink_all(db: sqlite3.Connection) -> Iterator[bool]:
    """The same for each collection whose log is worth the work; yields whether it writes next."""
    for one in stored(db):
        yield False
        if is_wasteful(db, one) and one.collection not in rebuilds(db):
            for fresh in stored(db, one.collection):
                yield from shrink(db, fresh)


def is_wasteful(db: sqlite3.Connection, one: Stored) -> bool:
    """Whether most of a collection's log is of no use any more."""
    rows, records = (
        db.execute(query, [value]).fetchone()[0]
        for query, value in (
            ("SELECT count(*) FROM embeddings_queue WHERE topic = ?", one.topic),
            ("SELECT count(*) FROM embeddings WHERE segment_id = ?", one.records),
        )
    )
    return bool(rows > 2 * records + _SPARE)


def folders(db: sqlite3.Connection, folder: Path) -> list[Path]:
    """Folders of indexes that belong to no collection."""
    wanted = {one for (one,) in db.execute("SELECT id FROM segments")}
    return [
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and _is_uuid(entry.name) and entry.name not in wanted
    ]


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Writes that are seen, and safe, together."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
