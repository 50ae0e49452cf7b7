"""Fixtures of every suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from mlpi.db import Database
from mlpi.house import House
from mlpi.settings import Settings
from tests.postgres import Postgres
from tests.service import Service, running_service


class TurnedClock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test process."""
    with Postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with mlpi's tables, to be copied: migrating takes ten times as long."""
    path = tmp_path_factory.mktemp("migrated") / "mlpi.db"
    db = Database(f"sqlite:///{path}")
    db.migrate()
    db.close()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest, tmp_path: Path, clock: TurnedClock) -> Iterator[House]:
    """An opened house on an empty database, once per kind of database."""
    home, url = tmp_path / "home", None
    with ExitStack() as stack:
        if request.param == "postgresql":
            server = request.getfixturevalue("postgres")
            url = stack.enter_context(server.migrated_database())
        else:
            home.mkdir(mode=0o700)
            copyfile(request.getfixturevalue("migrated"), home / "mlpi.db")
        built = House.build(Settings(home=home, database_url=url), clock)
        built.open()
        yield built
        built.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One running service per test process, with an admin and two workspaces.

    Tests keep to their own names inside it. ana owns lab, vic views it, eve edits it, and otto
    owns the workspace other alone.
    A person who logs in begins in the first of their workspaces by name: one that a test adds for
    any of the four comes behind these.
    """
    with running_service(tmp_path_factory.mktemp("service")) as running:
        running.settle()
        running.wait_ready()
        yield running
