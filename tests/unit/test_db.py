"""The two doors of the database, its durability, and its migrations."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

import mlpi.app  # noqa: F401 - imports every table
from mlpi.auth.models import Workspace
from mlpi.clock import utcnow
from mlpi.db import Base, Database, known_revisions
from mlpi.errors import DatabaseCorrupt, DatabaseNewer
from mlpi.house import House

KNOWN = known_revisions()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mlpi.db"


def open_database(file: Path) -> Database:
    return Database(f"sqlite:///{file}")


def workspace(name: str) -> Workspace:
    return Workspace(name=name, description="", created_at=utcnow())


def test_what_was_written_is_synced_and_in_wal(file: Path) -> None:
    db = open_database(file)
    db.migrate()
    with db.read() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    db.close()


def test_a_failed_write_leaves_nothing(house: House) -> None:
    def half() -> None:
        with house.db.write() as session:
            session.add(workspace("half-done"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert "half-done" not in [place.name for place, _ in house.workspaces.page()]


def test_foreign_keys_hold(house: House) -> None:
    with pytest.raises(IntegrityError), house.db.write() as session:
        session.execute(
            text(
                "INSERT INTO members (user_id, workspace_id, rank, created_at) "
                "VALUES (77, 77, 1, '2026-01-01')"
            )
        )


def test_writers_of_one_process_queue_up(house: House) -> None:
    def add(number: int) -> None:
        for turn in range(5):
            with house.db.write() as session:
                session.add(workspace(f"w-{number}-{turn}"))

    threads = [threading.Thread(target=add, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(house.workspaces.page()) == 41


def test_the_version_moves_with_every_commit_of_anybody(file: Path) -> None:
    db, other = open_database(file), open_database(file)
    db.migrate()
    first = db.version()
    assert db.version() == first
    with db.write() as session:
        session.add(workspace("mine"))
    second = db.version()
    with other.write() as session:
        session.add(workspace("theirs"))
    assert len({first, second, db.version()}) == 3
    db.close()
    other.close()


def test_migrations_make_the_tables_the_code_knows(house: House) -> None:
    with house.db.engine.connect() as connection:
        schema = inspect(connection)
        for table in Base.metadata.sorted_tables:
            made = {column["name"]: column for column in schema.get_columns(table.name)}
            assert set(made) == {column.name for column in table.columns}
            for column in table.columns:
                assert made[column.name]["nullable"] == bool(column.nullable), column


def test_each_migration_runs_on_a_file_with_rows_in_it(file: Path) -> None:
    revisions = known_revisions()
    assert revisions
    db = open_database(file)
    for revision in revisions:
        assert db.migrate(revision) == [revision]
        assert db.revision() == revision
        _fill_every_table(file)
    assert db.migrate() == []
    db.close()


def _fill_every_table(file: Path) -> None:
    """Put a row into every table that has none, without asking what it means."""
    connection = sqlite3.connect(file)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if name != "alembic_version"
    ]
    for table in tables:
        if connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
            continue
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        values = [
            1 if "INT" in kind or "BOOL" in kind else "2026-01-01 00:00:00.000000"
            for _, _, kind, *_ in columns
        ]
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    connection.commit()
    connection.close()


def test_a_database_with_rows_is_copied_aside_before_a_migration(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_database(file)
    db.migrate()
    with db.write() as session:
        session.add(workspace("precious"))
    monkeypatch.setattr("mlpi.db.known_revisions", lambda: [*KNOWN, "9998"])
    monkeypatch.setattr(db, "_run_alembic", lambda goal: None)
    assert db.migrate() == ["9998"]
    (copy,) = file.parent.glob("mlpi.db.before-9998-*")
    kept = sqlite3.connect(copy)
    assert kept.execute("SELECT name FROM workspaces").fetchall() == [("precious",)]
    kept.close()
    db.close()


def test_a_newer_database_is_refused_with_advice(file: Path) -> None:
    db = open_database(file)
    db.migrate()
    with db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewer, match="9999") as caught:
        db.migrate()
    assert "Install the newer mlpi" in (caught.value.advice or "")
    db.close()


def test_a_damaged_database_is_named(file: Path) -> None:
    file.write_bytes(b"this was a database once, and is none now" * 100)
    db = open_database(file)
    with pytest.raises(DatabaseCorrupt, match="damaged"):
        db.migrate()
    db.close()
