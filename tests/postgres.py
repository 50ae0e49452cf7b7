"""A PostgreSQL server in a temporary folder, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from mlpi.db import Database
from tests.service import free_port

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@dataclass
class Postgres:
    """One server; each test gets a database of its own."""

    port: int
    _numbers: Iterator[int] = field(default_factory=count)
    _migrated: str = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Postgres]:
        """Start one and stop it at the end; skips where PostgreSQL is not installed."""
        programs = next((place for place in _PLACES if (place / "initdb").exists()), None)
        if programs is None:
            pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
        # Not below pytest's own folders, which only their owner may enter.
        folder = Path(tempfile.mkdtemp(prefix="mlpi-postgres-"))
        user = _unprivileged(folder)
        data, port = folder / "data", free_port()

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [*user, str(programs / program), *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                cwd=folder,
            )

        run("initdb", "-D", str(data), "-U", "mlpi", "-A", "trust", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
        run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield cls(port)
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
            shutil.rmtree(folder, ignore_errors=True)

    def new_database(self) -> str:
        """The SQLAlchemy URL of a fresh, empty database."""
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return self._url(name)

    @contextmanager
    def migrated_database(self) -> Iterator[str]:
        """The URL of a database with mlpi's tables, as its first start leaves it; then it is gone.

        Migrations run once; the others are copies, which take a tenth of the time.
        """
        if not self._migrated:
            first = f"test_{next(self._numbers)}"
            self._run(f"CREATE DATABASE {first}")
            db = Database(self._url(first))
            db.migrate()
            db.close()
            self._migrated = first
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._migrated}")
        try:
            yield self._url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://mlpi@127.0.0.1:{self.port}/{name}"

    def _run(self, statement: str) -> None:
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=mlpi dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement)


def _unprivileged(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: the words that drop to somebody else, if needed."""
    if os.geteuid() != 0:
        return []
    name = next(n for n in ("postgres", "nobody") if _exists(n))
    shutil.chown(folder, name)
    return ["runuser", "-u", name, "--"]


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
