"""Reading Chroma's database for our pages, without waking the engine.

Chroma applies what it acknowledges to these tables at once, so that counts are exact; the engine,
the only writer, is another process, and the file is in WAL mode: nobody waits for anybody.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlpi.errors import NotFound
from mlpi.vectors.names import FILE, TENANT, database_of
from mlpi.vectors.records import Care, Collection

BUSY_S = 5.0

_COLLECTIONS = """
    SELECT c.id, c.name, c.dimension, c.config_json_str, c.schema_str,
           vector.id AS index_id, meta.id AS meta_id, seen.seq_id AS seq_id,
           (SELECT created_at FROM embeddings_queue AS q WHERE q.seq_id = seen.seq_id) AS written
    FROM collections AS c
    JOIN databases AS d ON d.id = c.database_id
    LEFT JOIN segments AS vector ON vector.collection = c.id AND vector.scope = 'VECTOR'
    LEFT JOIN segments AS meta ON meta.collection = c.id AND meta.scope = 'METADATA'
    LEFT JOIN max_seq_id AS seen ON seen.segment_id = meta.id
    WHERE d.tenant_id = :tenant AND d.name = :database
"""


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """Chroma's database, to read from; None before its engine has made it."""
    file = folder / FILE
    if not file.exists() or not file.stat().st_size:
        yield None
        return
    uri = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as db:
        db.row_factory = sqlite3.Row
        made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'max_seq_id'").fetchone()
        yield db if made else None


class CollectionStore:
    """Collections as they are on disk."""

    def __init__(
        self, folder: Path, ailing: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    ) -> None:
        """ailing: what the engine says of indexes that need care, see Engine.ailing."""
        self._folder = folder
        self._ailing = ailing
        # Counting reads a collection's part of an index; it changes only with the sequence number.
        self._counts: dict[str, tuple[int | None, int]] = {}

    def page(self, workspace: str, words: str = "") -> list[Collection]:
        """A workspace's collections by name; words: a part of the name."""
        needle = words.casefold()
        with self._open() as db:
            if db is None:
                return []
            named = {"tenant": TENANT, "database": database_of(workspace)}
            rows = db.execute(_COLLECTIONS + " ORDER BY c.name COLLATE NOCASE", named).fetchall()
            total = self._total(db)
            return [
                self._collection(db, row, total) for row in rows if needle in row["name"].casefold()
            ]

    def one(self, workspace: str, collection_id: str) -> Collection:
        """A collection by its id. Raises NotFound, also when it is another workspace's."""
        with self._open() as db:
            if db is not None:
                named = {
                    "tenant": TENANT,
                    "database": database_of(workspace),
                    "id": collection_id,
                }
                row = db.execute(_COLLECTIONS + " AND c.id = :id", named).fetchone()
                if row is not None:
                    return self._collection(db, row, self._total(db))
        raise NotFound("There is no such collection in this workspace.")

    def ids(
        self, workspace: str, collection_id: str, after: int = 0, limit: int = 500
    ) -> list[tuple[int, str]]:
        """Ids in the order in which they were first added, each with its position after `after`."""
        with self._open() as db:
            segment = None if db is None else _meta_segment(db, workspace, collection_id)
            if db is None or segment is None:
                return []
            # The sign keeps SQLite on the table itself, whose order this is.
            found = db.execute(
                "SELECT id, embedding_id FROM embeddings "
                "WHERE id > ? AND +segment_id = ? ORDER BY id LIMIT ?",
                (after, segment, limit),
            )
            return [(position, id_) for position, id_ in found]

    def position(self, workspace: str, collection_id: str, id_: str) -> int:
        """Where an id is in that order; 0 when it is not there."""
        with self._open() as db:
            segment = None if db is None else _meta_segment(db, workspace, collection_id)
            if db is None or segment is None:
                return 0
            found = db.execute(
                "SELECT id FROM embeddings WHERE segment_id = ? AND embedding_id = ?",
                (segment, id_),
            ).fetchone()
            return 0 if found is None else int(found[0])

    def beginnings(self, collection_id: str, ids: Sequence[str], size: int) -> dict[str, str]:
        """The first characters of records' documents: a page needs no megabytes of them.

        Those without a document are left out. The caller has seen that the collection is its own.
        """
        with self._open() as db:
            if db is None or not ids:
                return {}
            rows = db.execute(
                "SELECT e.embedding_id, substr(m.string_value, 1, ?) FROM segments AS s "
                "JOIN embeddings AS e ON e.segment_id = s.id "
                "JOIN embedding_metadata AS m ON m.id = e.id AND m.key = 'chroma:document' "
                "WHERE s.collection = ? AND s.scope = 'METADATA' AND m.string_value IS NOT NULL "
                "AND e.embedding_id IN (SELECT value FROM json_each(?))",
                (size, collection_id, json.dumps(list(ids))),
            )
            return {str(id_): str(text) for id_, text in rows}

    def every_id(self) -> set[str]:
        """Of all collections of all workspaces."""
        with self._open() as db:
            rows = db.execute("SELECT id FROM collections").fetchall() if db is not None else []
        return {str(row["id"]) for row in rows}

    def _open(self) -> AbstractContextManager[sqlite3.Connection | None]:
        return reading(self._folder)

    def _total(self, db: sqlite3.Connection) -> tuple[int, int]:
        """Bytes of the common database, and records in it (at least, as ids are not used twice)."""
        sizes = [self._folder / FILE, self._folder / f"{FILE}-wal"]
        size_bytes = sum(path.stat().st_size for path in sizes if path.exists())
        count = db.execute("SELECT max(id) FROM embeddings").fetchone()[0]
        return size_bytes, count or 0

    def _collection(
        self, db: sqlite3.Connection, row: sqlite3.Row, total: tuple[int, int]
    ) -> Collection:
        settings = _settings(row)
        count = self._count(db, row["meta_id"], row["seq_id"])
        index_bytes, index_at = _folder_facts(self._folder / (row["index_id"] or "-"))
        share = total[0] * count // total[1] if total[1] else 0
        written = row["written"]
        at = datetime.fromisoformat(written).replace(tzinfo=UTC) if written else index_at
        return Collection(
            id=row["id"],
            name=row["name"],
            count=count,
            dimension=row["dimension"],
            space=str(settings.get("space", "l2")),
            size_bytes=index_bytes + share,
            last_write_at=at,
            metadata=_metadata(db, row["id"]),
            settings=settings,
            care=self._care(row["id"]),
            sequence=row["seq_id"],
        )

    def _care(self, collection_id: str) -> Care | None:
        for one in self._ailing():
            if one["collection"] == collection_id:
                return Care(one["state"], one["done"], one["total"])
        return None

    def _count(self, db: sqlite3.Connection, segment: str | None, seq_id: int | None) -> int:
        if segment is None or seq_id is None:
            return 0
        known = self._counts.get(segment)
        if known is not None and known[0] == seq_id:
            return known[1]
        count = int(
            db.execute(
                "SELECT count(*) FROM embeddings WHERE segment_id = ?", (segment,)
            ).fetchone()[0]
        )
        self._counts[segment] = (seq_id, count)
        return count


def _meta_segment(db: sqlite3.Connection, workspace: str, collection_id: str) -> str | None:
    named = {"tenant": TENANT, "database": database_of(workspace), "id": collection_id}
    row = db.execute(_COLLECTIONS + " AND c.id = :id", named).fetchone()
    return None if row is None else row["meta_id"]


def _settings(row: sqlite3.Row) -> dict[str, Any]:
    """Space and parameters of the index, from the schema or, of old collections, the config."""
    schema = json.loads(row["schema_str"] or "null") or {}
    keys: Mapping[str, Any] = schema.get("keys", {}).get("#embedding", {})
    config = keys.get("float_list", {}).get("vector_index", {}).get("config", {})
    if config:
        return {"space": config.get("space", "l2"), **(config.get("hnsw") or {})}
    old = json.loads(row["config_json_str"] or "null") or {}
    hnsw = old.get("hnsw") or old.get("hnsw_configuration") or {}
    return {key: value for key, value in hnsw.items() if not isinstance(value, dict)}


def _metadata(db: sqlite3.Connection, collection_id: str) -> dict[str, Any]:
    rows = db.execute(
        "SELECT key, str_value, int_value, float_value, bool_value FROM collection_metadata "
        "WHERE collection_id = ? ORDER BY key",
        (collection_id,),
    )
    found: dict[str, Any] = {}
    for key, text, whole, real, flag in rows:
        values = (text, whole, real, None if flag is None else bool(flag))
        found[key] = next((value for value in values if value is not None), None)
    return found


def _folder_facts(folder: Path) -> tuple[int, datetime | None]:
    """Bytes in an index's folder, and when it was last written."""
    size_bytes, written = 0, 0.0
    try:
        for path in folder.iterdir():
            facts = path.stat()
            # Blocks, not length: what a power cut tears may be large and have holes.
            size_bytes += facts.st_blocks * 512
            written = max(written, facts.st_mtime)
    except FileNotFoundError:
        return size_bytes, None
    return size_bytes, datetime.fromtimestamp(written, UTC) if written else None
