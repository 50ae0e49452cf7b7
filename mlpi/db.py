"""mlpi's own database: one engine, a visible write scope, migrations applied at start."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DateTime,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from mlpi import paths
from mlpi.errors import DatabaseCorrupt, DatabaseNewer, DiskFull, StartupError

# Services write transactions, and know when two were faster than one, without knowing SQL.
__all__ = ["Base", "Database", "IntegrityError", "Session", "UtcDateTime"]

log = logging.getLogger(__name__)

# Long enough for another process's largest transaction on an SD card, short enough to be an
# answer rather than a hang.
BUSY_TIMEOUT_MS = 10_000

# SQLite needs as much for its write-ahead log's index before it writes anything.
FULL_BYTES = 65536

# What to do, by SQLite's own words for what is wrong.
_ADVICE = {
    "is full": "Free some space on its disk and try again.",
    "readonly": "Give the file and its folder to the user that mlpi runs as.",
    "unable to open": "Give the file and its folder to the user that mlpi runs as.",
    "is locked": "Another program has it open for writing; end that one first.",
    "disk I/O error": "Its disk fails or is full; see the system's log (dmesg).",
}


class Base(DeclarativeBase):
    """All of mlpi's own tables."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps it without its zone, PostgreSQL with."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One SQL database with a read and a write door.

    On SQLite every write transaction begins with BEGIN IMMEDIATE and ends with an fsync (WAL,
    synchronous=FULL), and writers of this process queue on a lock instead of polling the file.
    On PostgreSQL the same calls are plain transactions.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.path = Path(self.url.database) if self.is_sqlite and self.url.database else None
        self.engine = open_engine(url)
        self._writing = self.engine.execution_options(mlpi_write=True)
        self._write_lock = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state. What it changes is not kept."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """As `read`, without the ORM, for a `Prepared`; each statement sees a state of its own."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed and synced at the end of the block, or not at all.

        Raises DiskFull.
        """
        with self._one_writer(), Session(self._writing, expire_on_commit=False) as session:
            try:
                with session.begin():
                    yield session
            except OperationalError as error:
                if not self._is_for_want_of_space(error.orig):
                    raise
                raise DiskFull(
                    "The disk of mlpi's database is full; nothing was changed.",
                    advice="Free some space on the machine, then try again.",
                ) from None

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        with self._write_lock:
            yield

    def version(self) -> int | None:
        """A number that changes with every commit, of this process or another; None if unknown.

        Costs microseconds: SQLite keeps it in shared memory (PRAGMA data_version).
        """
        return self._watched("PRAGMA data_version") if self.path else None

    def newest_id(self, table: str) -> int:
        """The highest id in a table, 0 when it is empty. SQLite only; microseconds."""
        return self._watched(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608 - own names

    def _watched(self, statement: str) -> int:
        with self._watch_lock:
            if self._watch is None:
                # Its own connection: data_version counts the commits of all the others.
                self._watch = sqlite3.connect(str(self.path), check_same_thread=False, timeout=1)
                self._watch.execute("PRAGMA query_only = ON")
            return int(self._watch.execute(statement).fetchone()[0])

    def close(self) -> None:
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self.engine.dispose()

    def migrate(self, target: str = "head") -> list[str]:
        """Bring the schema up to date; the revisions applied, oldest first.

        A SQLite file with tables in it is copied aside first. Raises DatabaseNewer,
        DatabaseCorrupt, or StartupError when the database cannot be reached.
        """
        current = self.revision()
        known = known_revisions()
        if current is not None and current not in known:
            raise DatabaseNewer(
                f"The database {self.place} is at revision {current}; "
                f"this mlpi knows only up to {known[-1]}.",
                advice="Install the newer mlpi again, or restore a backup from before it.",
            )
        goal = known[-1] if target == "head" else target
        if current == goal:
            return []
        if current is not None and self.path is not None:
            with self.explaining():
                copy_aside(self.path, f"before-{goal}")
        self._run_alembic(goal)
        start = known.index(current) + 1 if current is not None else 0
        applied = known[start : known.index(goal) + 1]
        log.info("database migrated to %s", goal, extra={"action": "database_migrated", "to": goal})
        return applied

    def revision(self) -> str | None:
        """The schema revision of the file, None when it is new."""
        with self.explaining(), self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return str(found) if found is not None else None

    @property
    def place(self) -> str:
        """Where it is, without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Around what a command or the start does: a database error becomes a StartupError."""
        try:
            yield
        except IntegrityError:
            raise  # a mistake of ours, not of a disk
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self.explained(error) from None

    def explained(self, error: SQLAlchemyError | sqlite3.Error) -> StartupError:
        """What a person should know about a database error, and do about it."""
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        if any(word in reason for word in ("malformed", "not a database", "disk image")):
            return DatabaseCorrupt(
                f"The database {self.place} is damaged ({reason}).",
                advice="Move it away, with its -wal and -shm, and restore a backup, "
                "or the copy beside it.",
            )
        if self._is_for_want_of_space(reason):
            reason = "its disk is full"
        for words, advice in _ADVICE.items():
            if words in reason:
                return StartupError(f"The database {self.place}: {reason}.", advice=advice)
        return StartupError(
            f"The database {self.place} cannot be used ({reason}).",
            advice="mlpi doctor looks closer." if self.path else "Check MLPI_DATABASE_URL.",
        )

    def _is_for_want_of_space(self, reason: object) -> bool:
        """SQLite says so of its data, but calls a lack of shared memory an I/O error."""
        if self.path is not None and "disk I/O error" in str(reason):
            return shutil.disk_usage(self.path.parent).free < FULL_BYTES
        return "is full" in str(reason)

    def _run_alembic(self, goal: str) -> None:
        # Late: alembic costs 0.2 s and is needed once per release.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(paths.MIGRATIONS))
        with self.explaining(), self._one_writer(), self._writing.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, goal)


def known_revisions() -> list[str]:
    """Revisions this program ships, oldest first, read from the file names alone."""
    names = (path.name for path in (paths.MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    return sorted(name.split("_", 1)[0] for name in names)


def copy_aside(path: Path, label: str) -> Path:
    """A consistent copy of a SQLite file beside it, named with a label and the time.

    Raises sqlite3.Error, and then leaves no half of a copy behind.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = path.with_name(f"{path.name}.{re.sub(r'[^A-Za-z0-9.-]', '-', label)}-{stamp}")
    source = sqlite3.connect(path)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
    except sqlite3.Error:
        target.unlink(missing_ok=True)
        raise
    finally:
        copy.close()
        source.close()
    log.info("database copied aside", extra={"action": "database_copied", "copy": str(target)})
    return target


def open_engine(url: str) -> Engine:
    """An engine with mlpi's pragmas when it is SQLite. Nothing is opened yet."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=12)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite alone
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("mlpi_write", False)
    driver: Any = connection.connection.driver_connection
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    try:
        driver.execute(begin)  # exec_driver_sql costs ten times as much, at every transaction
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            begin, None, error, sqlite3.Error, dialect=connection.dialect
        ) from error
