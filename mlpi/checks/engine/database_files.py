"""Databases in a file: SQLite and DuckDB."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlpi.checks.engine.database_urls import Wanted
from mlpi.checks.engine.delimited import TEXT, Scan
from mlpi.checks.engine.spool import Spool, distinct_names, spooled
from mlpi.checks.engine.table import literal
from mlpi.checks.engine.timeouts import Timeouts
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb

# SQLite keeps such values as text and numbers; their columns say what they mean.
_DECLARED = {
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
}
_STEPS = 10_000  # of SQLite's machine between two looks at the clock


def read_sqlite(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    wanted: Wanted,
    scratch: Path,
    timeouts: Timeouts,
) -> Scan:
    """A scan of the rows, copied as text. Nothing is written to the database."""
    until = time.monotonic() + timeouts.total_s
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=timeouts.connect_s)) as database:
            database.execute("PRAGMA query_only = on")
            database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            database.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            cursor = database.execute(wanted.sql)
            if cursor.description is None:
                raise SourceUnreadable("the query gives no rows: a SELECT is needed.")
            names, notes = distinct_names([one[0] for one in cursor.description])
            spool = Spool(scratch / "rows.csv", len(names))
            spool.write(cursor)
            declared = _declared(database, wanted)
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise SourceUnreadable(
                f"{wanted.name} was not read within {timeouts.total_s:g} s. Ask for less."
            ) from None
        raise SourceUnreadable(f"{path.name}, {wanted.name}: {_line(error)}.") from None
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise SourceUnreadable(f"{path.name}, {wanted.name}: {_line(error)}.") from None
    types = spool.types()
    for at, name in enumerate(names):
        meant = declared.get(name.lower(), "")
        if meant and types[at] in ((TEXT,) if meant != "BOOLEAN" else ("BIGINT",)):
            types[at] = meant
    # A wish that does not fit is no news: SQLite's columns hold whatever was put in.
    scan = spooled(connection, spool.path, names, types, spool.longest)
    return replace(scan, warnings=(*notes, *scan.warnings))


def _declared(database: sqlite3.Connection, wanted: Wanted) -> dict[str, str]:
    if not wanted.table:
        return {}
    schema = wanted.table[0] if len(wanted.table) == 2 else None
    rows = database.execute(
        "SELECT name, type FROM pragma_table_info(?, ?)", (wanted.table[-1], schema)
    )
    return {name.lower(): _DECLARED.get(kind.upper(), "") for name, kind in rows}


def read_duckdb(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    wanted: Wanted,
    scratch: Path,
    timeouts: Timeouts,
) -> Scan:
    """A scan of the rows, copied as Parquet: a query run twice may give another order."""
    import duckdb  # noqa: PLC0415

    copy = scratch / "rows.parquet"
    try:
        connection.execute(f"ATTACH {literal(str(path.absolute()))} AS origin (READ_ONLY)")
    except duckdb.Error as error:
        text = str(error)
        if "lock" in text:
            why = "is being written by another process: close it there first"
        elif "not a valid DuckDB" in text:
            why = "is not a DuckDB database"
        else:
            why = f"cannot be opened ({_line(error)})"
        raise SourceUnreadable(f"{path.name} {why}.") from None
    try:
        statements = connection.extract_statements(wanted.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise SourceUnreadable("one SELECT is needed, nothing else.")
        connection.execute("USE origin")
        connection.execute(f"SET max_execution_time = {int(timeouts.total_s * 1000)}")
        # From here on the query reaches the database and the scratch folder, nothing else.
        connection.execute(f"SET allowed_directories = [{literal(str(scratch))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute(f"COPY ({wanted.sql}\n) TO {literal(str(copy))} (FORMAT parquet)")
    except duckdb.InterruptException:
        raise SourceUnreadable(
            f"{wanted.name} was not read within {timeouts.total_s:g} s. Ask for less."
        ) from None
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise SourceUnreadable(f"{path.name}, {wanted.name}: {_line(error)}") from None
    connection.execute("SET max_execution_time = 0")
    connection.execute("USE memory")
    connection.execute("DETACH origin")
    call = f"read_parquet({literal(str(copy))})"
    columns = connection.execute(f"DESCRIBE SELECT * FROM {call}").fetchall()  # noqa: S608
    return Scan(call, tuple((row[0], row[1]) for row in columns))


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
