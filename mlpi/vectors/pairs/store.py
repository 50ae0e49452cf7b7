"""The report of nearest pairs: a small SQLite file of its own, since there may be a million."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

BINS = 40
_TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT);
    CREATE TABLE nearest (id TEXT PRIMARY KEY, other TEXT, distance REAL);
    CREATE TABLE pairs (one TEXT, other TEXT, distance REAL, PRIMARY KEY (one, other))
        WITHOUT ROWID;
    CREATE TABLE marks (id TEXT, mark TEXT);
"""
_INDEXES = """
    CREATE INDEX ix_nearest ON nearest (distance);
    CREATE INDEX ix_pairs ON pairs (distance, one, other);
    CREATE INDEX ix_marks ON marks (mark);
"""


@dataclass(frozen=True, slots=True)
class Pair:
    one: str
    other: str
    distance: float


@dataclass(frozen=True, slots=True)
class Group:
    """Records with one and the same vector, the first few of them."""

    mark: str
    count: int
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is of. bins: how many records have their nearest at which distance, from least
    to edge in equal steps, the last with all beyond. usual: the distance within which one record in
    a hundred has another.
    """

    at: datetime
    sequence: int | None
    count: int  # of records in the collection
    looked_at: int
    took_s: float
    least: float
    most: float
    edge: float  # most, unless few outliers are far beyond the rest
    usual: float
    bins: list[int]


class Draft:
    """A report that is being written; not there for readers until it is finished."""

    def __init__(self, path: Path, number: int) -> None:
        for left in path.parent.glob("pairs-*.part"):
            left.unlink(missing_ok=True)
        self._path = path
        self._draft = path.with_name(f"pairs-{number}.part")
        self._db = sqlite3.connect(self._draft)
        self._db.executescript(_TABLES)

    def add(self, found: Mapping[str, Any]) -> None:
        """Keep an answer of the engine's route "nearest"."""
        nearest, pairs = [], []
        for id_, others, distances in zip(
            found["ids"], found["others"], found["distances"], strict=True
        ):
            near = [
                (other, max(0.0, far) if _is_zero(far) else far)
                for other, far in zip(others, distances, strict=True)
            ]
            if near:
                nearest.append((id_, *near[0]))
            pairs += [(min(id_, other), max(id_, other), far) for other, far in near]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO nearest VALUES (?, ?, ?)", nearest)
            self._db.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?)", pairs)
            self._db.executemany(
                "INSERT INTO marks VALUES (?, ?)", zip(found["ids"], found["marks"], strict=True)
            )

    def finish(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Count, and put the report in the place of the last one; all facts."""
        db = self._db
        db.executescript(_INDEXES)
        looked_at = db.execute("SELECT count(*) FROM marks").fetchone()[0]
        least, most = db.execute("SELECT min(distance), max(distance) FROM nearest").fetchone()
        least, most = least or 0.0, most or 0.0
        usual, high = _quantile(db, 0.01), _quantile(db, 0.99)
        edge = min(most, high + (high - least) / 4) if high > least else most
        step = (edge - least) / BINS or 1.0
        bins = [0] * BINS
        for place, count in db.execute(
            "SELECT CAST(min((distance - ?) / ?, ?) AS INTEGER), count(*) FROM nearest GROUP BY 1",
            (least, step, BINS - 1),
        ):
            bins[place] = count
        every = {
            **facts,
            "looked_at": looked_at,
            "least": least,
            "most": most,
            "edge": edge,
            "usual": usual,
            "bins": bins,
        }
        with db:
            db.execute(
                "DELETE FROM marks WHERE mark IN "
                "(SELECT mark FROM marks GROUP BY mark HAVING count(*) = 1)"
            )
            db.executemany(
                "INSERT INTO facts VALUES (?, ?)",
                [(key, json.dumps(value)) for key, value in every.items()],
            )
        db.close()
        with self._draft.open("rb") as file:
            os.fsync(file.fileno())
        self._draft.replace(self._path)
        return every

    def drop(self) -> None:
        """Give it up; nothing when it is finished."""
        self._db.close()
        self._draft.unlink(missing_ok=True)


class Report:
    """A finished report, if there is one at this path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def facts(self) -> Facts | None:
        with self._open() as db:
            if db is None:
                return None
            found = {key: json.loads(value) for key, value in db.execute("SELECT * FROM facts")}
        return Facts(**{**found, "at": datetime.fromisoformat(found["at"])}) if found else None

    def count(self, within: float) -> int:
        """How many pairs are at most so far apart."""
        with self._open() as db:
            if db is None:
                return 0
            query = "SELECT count(*) FROM pairs WHERE distance <= ?"
            return int(db.execute(query, (within,)).fetchone()[0])

    def pairs(self, within: float, *, limit: int, offset: int) -> list[Pair]:
        """Pairs at most so far apart, closest first."""
        with self._open() as db:
            if db is None:
                return []
            rows = db.execute(
                "SELECT one, other, distance FROM pairs WHERE distance <= ? "
                "ORDER BY distance, one, other LIMIT ? OFFSET ?",
                (within, limit, offset),
            )
            return [Pair(*row) for row in rows]

    def groups(self, limit: int, each: int) -> list[Group]:
        """Records with the same vector, largest groups first; each: ids of a group at most."""
        with self._open() as db:
            if db is None:
                return []
            rows = db.execute(
                "SELECT mark, count(*) FROM marks GROUP BY mark HAVING count(*) > 1 "
                "ORDER BY 2 DESC, min(rowid) LIMIT ?",
                (limit,),
            ).fetchall()
            return [Group(mark, count, _ids(db, mark, each)) for mark, count in rows]

    def group_count(self) -> int:
        with self._open() as db:
            if db is None:
                return 0
            query = "SELECT count(*) FROM (SELECT 1 FROM marks GROUP BY mark HAVING count(*) > 1)"
            return int(db.execute(query).fetchone()[0])

    def members(self, mark: str, limit: int) -> list[str]:
        """The ids of one group."""
        with self._open() as db:
            return [] if db is None else _ids(db, mark, limit)

    def outliers(self, limit: int) -> list[Pair]:
        """Records whose nearest is farthest, with that one."""
        with self._open() as db:
            if db is None:
                return []
            rows = db.execute(
                "SELECT id, other, distance FROM nearest ORDER BY distance DESC, id LIMIT ?",
                (limit,),
            )
            return [Pair(*row) for row in rows]

    def forget(self, ids: Sequence[str]) -> None:
        """Leave out records that have been deleted."""
        if not self._path.exists():
            return
        each = [(id_,) for id_ in ids]
        both = [(id_, id_) for id_ in ids]
        with closing(sqlite3.connect(self._path, timeout=5)) as db, db:
            db.executemany("DELETE FROM pairs WHERE one = ? OR other = ?", both)
            db.executemany("DELETE FROM nearest WHERE id = ? OR other = ?", both)
            db.executemany("DELETE FROM marks WHERE id = ?", each)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
            yield db


def _ids(db: sqlite3.Connection, mark: str, limit: int) -> list[str]:
    rows = db.execute("SELECT id FROM marks WHERE mark = ? ORDER BY rowid LIMIT ?", (mark, limit))
    return [row[0] for row in rows]


def _quantile(db: sqlite3.Connection, part: float) -> float:
    row = db.execute(
        "SELECT distance FROM nearest ORDER BY distance LIMIT 1 OFFSET "
        "(SELECT CAST(count(*) * ? AS INTEGER) FROM nearest)",
        (part,),
    ).fetchone()
    return float(row[0]) if row else 0.0


def _is_zero(distance: float) -> bool:
    """Rounding makes a cosine distance of a vector to itself a little less than nothing."""
    return -1e-5 < distance < 0
