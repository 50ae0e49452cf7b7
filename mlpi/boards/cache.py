"""What was read of event files, kept so that a restart does not read it again.

One SQLite file holds all runs. Columns lie in it as segments of at most 65,536 rows, packed; a
run's segments and how far its files were read are written in one transaction. It is a cache: synced
enough to stay whole (WAL, synchronous=NORMAL), made anew when it is broken or of another version.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlpi.boards.packing import packed, unpacked
from mlpi.boards.reader.columns import Places, Points, Segment, SegmentGone, Series
from mlpi.boards.reader.events import Metadata
from mlpi.boards.reader.run import Held, RunReader

VERSION = 3
MOST_ROWS = 1 << 16  # of a segment
FEW_ROWS = 1 << 12  # a last segment with fewer is joined to what comes next

_SCHEMA = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, workspace TEXT NOT NULL, name TEXT NOT NULL,
    state BLOB NOT NULL, saved_at REAL NOT NULL, UNIQUE (workspace, name));
CREATE TABLE tags (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, kind TEXT NOT NULL,
    tag TEXT NOT NULL, UNIQUE (run_id, kind, tag));
CREATE TABLE segments (id INTEGER PRIMARY KEY AUTOINCREMENT, tag_id INTEGER NOT NULL,
    stored INTEGER NOT NULL, count INTEGER NOT NULL, highest INTEGER NOT NULL, below INTEGER,
    data BLOB NOT NULL);
CREATE INDEX segments_of_tag ON segments (tag_id, id);
"""
log = logging.getLogger(__name__)


class Cache:
    """One writer at a time; readers share a connection of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing, self._reading = threading.RLock(), threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self.is_broken = False  # what it held must be read from the files again

    def clear(self) -> None:
        """Throw everything away."""
        with self._reading, self._writing:
            self._close()
            self._remove_files()
            self.is_broken = False

    def restore(self, workspace: str, name: str, reader: RunReader) -> bool:
        """Give a reader what was kept of its run; whether anything was. Raises sqlite3.Error."""
        with self._reads() as db:
            if db is None:
                return False
            row = db.execute(
                "SELECT id, state FROM runs WHERE workspace = ? AND name = ?", (workspace, name)
            ).fetchone()
            if row is None:
                return False
            run_id, state = row
            found = db.execute(
                "SELECT kind, tag, segments.id, stored, count, highest, below FROM tags "
                "LEFT JOIN segments ON segments.tag_id = tags.id WHERE run_id = ? "
                "ORDER BY tags.id, segments.id",
                (run_id,),
            ).fetchall()
        try:
            self._give(reader, json.loads(zlib.decompress(state)), found)
        except (zlib.error, ValueError, KeyError, TypeError):
            log.warning("a run is read anew", exc_info=True, extra={"action": "board_run_anew"})
            return False
        return True

    def _give(self, reader: RunReader, state: dict[str, Any], found: list[Any]) -> None:
        """found: each tag's segments, or None in their place."""
        held = Held(load=self.load, **{key: state[key] for key in ("files", "plugins", "began_at")})
        for tag, (plugin, content, *rest) in state["metadata"].items():
            held.describe(tag, Metadata(plugin, base64.b64decode(content), *rest))
        segments: dict[tuple[str, str], list[Segment]] = {}
        for kind, tag, *numbers in found:
            of_tag = segments.setdefault((kind, tag), [])
            if numbers[0] is not None:
                of_tag.append(Segment(*numbers))
        for (kind, tag), of_tag in segments.items():
            if kind == "points":
                held.series[tag] = Series(Points, self.load, of_tag)
            else:
                held.entries[tag] = Series(Places, self.load, of_tag)
        held.tags.update(held.metadata, held.series, held.entries)
        reader.go_on_from(state["marks"], held)

    def save(self, workspace: str, name: str, reader: RunReader) -> None:
        """Keep what a reader has read; its memory is free afterwards. By the thread that reads.

        Raises sqlite3.Error; then nothing has changed.
        """
        held = reader.held
        swaps: list[tuple[Series[Any], list[Segment]]] = []
        with self._writes() as db:
            run_id = self._run_id(db, workspace, name, _state(reader))
            tags = {
                (kind, tag): (tag_id, newest)
                for tag_id, kind, tag, newest in db.execute(
                    "SELECT tags.id, kind, tag, max(segments.id) FROM tags LEFT JOIN segments "
                    "ON tag_id = tags.id WHERE run_id = ? GROUP BY tags.id",
                    (run_id,),
                )
            }
            gone = set(tags)
            for kind, every in (("points", held.series), ("places", held.entries)):
                for tag, series in every.items():
                    gone.discard((kind, tag))
                    tag_id = tags.get((kind, tag), (None,))[0]
                    if tag_id is None:
                        tag_id = db.execute(
                            "INSERT INTO tags (run_id, kind, tag) VALUES (?, ?, ?) RETURNING id",
                            (run_id, kind, tag),
                        ).fetchone()[0]
                    kept = self._save_series(db, tag_id, series)
                    if kept is not None:
                        swaps.append((series, kept))
            for key in gone:
                self._forget_tag(db, tags[key][0])
        for series, kept in swaps:
            series.saved(kept)

    def _save_series(
        self, db: sqlite3.Connection, tag_id: int, series: Series[Any]
    ) -> list[Segment] | None:
        kept = list(series.segments)
        self._match(db, tag_id, kept)
        if not series.unsaved_count:
            return None
        rows = series.unsaved()
        last = kept[-1] if kept else None
        if last is not None and last.stored < FEW_ROWS:
            older = self.load(last.id)
            if last.below is not None:
                older = older.at(older.steps < last.below)
            joined = Series(type(rows))
            joined.extend(older)
            joined.extend(rows)
            rows = joined.points()
            kept.pop()
            db.execute("DELETE FROM segments WHERE id = ?", (last.id,))
        for begin in range(0, len(rows.steps), MOST_ROWS):
            part = rows.at(slice(begin, begin + MOST_ROWS))
            count, highest = len(part.steps), int(part.steps.max())
            (new_id,) = db.execute(
                "INSERT INTO segments (tag_id, stored, count, highest, data) "
                "VALUES (?, ?, ?, ?, ?) RETURNING id",
                (tag_id, count, count, highest, packed(part)),
            ).fetchone()
            kept.append(Segment(new_id, count, count, highest))
        return kept

    def _match(self, db: sqlite3.Connection, tag_id: int, kept: list[Segment]) -> None:
        """Segments that a run read anew no longer knows go; cuts are noted."""
        known = {segment.id: segment for segment in kept}
        found = db.execute("SELECT id, below FROM segments WHERE tag_id = ?", (tag_id,)).fetchall()
        for segment_id, below in found:
            segment = known.get(segment_id)
            if segment is None:
                db.execute("DELETE FROM segments WHERE id = ?", (segment_id,))
            elif segment.below != below:
                db.execute(
                    "UPDATE segments SET count = ?, below = ? WHERE id = ?",
                    (segment.alive, segment.below, segment_id),
                )

    def load(self, segment_id: int) -> Points | Places:
        """The rows of a segment. Raises SegmentGone."""
        try:
            with self._reads() as db:
                row = None
                if db is not None:
                    row = db.execute(
                        "SELECT data FROM segments WHERE id = ?", (segment_id,)
                    ).fetchone()
            if row is None:
                raise SegmentGone
            return unpacked(row[0])
        except (sqlite3.DatabaseError, ValueError):
            log.warning("a part of the cache of boards cannot be read", exc_info=True)
            self.is_broken = True
            raise SegmentGone from None

    def rename(self, workspace: str, name: str, new_name: str) -> None:
        """A run's folder has another name."""
        with self._writes() as db:
            self._forget_run(db, workspace, new_name)
            db.execute(
                "UPDATE runs SET name = ? WHERE workspace = ? AND name = ?",
                (new_name, workspace, name),
            )

    def forget(self, workspace: str, name: str) -> None:
        """A run is gone."""
        with self._writes() as db:
            self._forget_run(db, workspace, name)
        with self._writing:
            assert self._writer is not None
            # Each step gives back one page; `execute` takes one step.
            self._writer.executescript("PRAGMA incremental_vacuum")

    def known(self) -> list[tuple[str, str]]:
        """Workspace and name of every run of which something is kept."""
        with self._reads() as db:
            if db is None:
                return []
            return db.execute("SELECT workspace, name FROM runs").fetchall()

    def size_bytes(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        with self._reading, self._writing:
            self._close()

    def _close(self) -> None:
        for db in (self._writer, self._reader):
            if db is not None:
                db.close()
        self._writer = self._reader = None

    def _run_id(self, db: sqlite3.Connection, workspace: str, name: str, state: bytes) -> int:
        (run_id,) = db.execute(
            "INSERT INTO runs (workspace, name, state, saved_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (workspace, name) DO UPDATE SET state = excluded.state, "
            "saved_at = excluded.saved_at RETURNING id",
            (workspace, name, state, time.time()),
        ).fetchone()
        return int(run_id)

    def _forget_run(self, db: sqlite3.Connection, workspace: str, name: str) -> None:
        row = db.execute(
            "DELETE FROM runs WHERE workspace = ? AND name = ? RETURNING id", (workspace, name)
        ).fetchone()
        if row is None:
            return
        for (tag_id,) in db.execute("SELECT id FROM tags WHERE run_id = ?", row).fetchall():
            self._forget_tag(db, tag_id)

    def _forget_tag(self, db: sqlite3.Connection, tag_id: int) -> None:
        db.execute("DELETE FROM segments WHERE tag_id = ?", (tag_id,))
        db.execute("DELETE FROM tags WHERE id = ?", (tag_id,))

    @contextmanager
    def _writes(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            if self._writer is None:
                self._writer = self._opened()
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                self.is_broken |= _tells_of_damage(error)
                raise

    @contextmanager
    def _reads(self) -> Iterator[sqlite3.Connection | None]:
        """None while nothing was ever kept."""
        with self._reading:
            if self._reader is None and self._path.exists():
                with self._writing:
                    if self._writer is None:
                        self._writer = self._opened()
                self._reader = sqlite3.connect(
                    self._path, check_same_thread=False, isolation_level=None, timeout=10
                )
            try:
                yield self._reader
            except sqlite3.DatabaseError as error:
                self.is_broken |= _tells_of_damage(error)
                raise

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if not _tells_of_damage(error):
                raise
            log.warning("the cache of boards is made anew", exc_info=True)
            self._remove_files()
            return self._connected()

    def _remove_files(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None, timeout=10)
        try:
            if _version(db) != VERSION:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
                db.execute("PRAGMA journal_mode = WAL")
                _make(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA cache_size = -2000")
        except BaseException:
            db.close()
            raise
        return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _make(db: sqlite3.Connection) -> None:
    """The tables, unless another process has made them meanwhile, as the demo's removal may.

    Raises sqlite3.DatabaseError for a file of another version.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)
        if version != VERSION:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise sqlite3.DatabaseError(f"version {version} is not {VERSION}")
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _tells_of_damage(error: BaseException) -> bool:
    """Whether the file itself is to blame, not a full disk, a lock or a missing right."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


def _state(reader: RunReader) -> bytes:
    held = reader.held
    metadata = {
        tag: (one.plugin, base64.b64encode(one.content).decode(), *one[2:])
        for tag, one in held.metadata.items()
    }
    state = {
        "files": held.files,
        "plugins": held.plugins,
        "began_at": held.began_at,
        "metadata": metadata,
        "marks": reader.marks(),
    }
    return zlib.compress(json.dumps(state).encode(), 1)
