"""Tables and queries of SQLite, PostgreSQL and DuckDB: read only, streamed, and never for ever.

No message holds a URL, its password, or a driver's words about them unchecked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpi.checks.engine import postgresql
from mlpi.checks.engine.database_files import read_duckdb, read_sqlite
from mlpi.checks.engine.database_urls import Address, Wanted
from mlpi.checks.engine.delimited import Scan
from mlpi.checks.engine.timeouts import Timeouts

if TYPE_CHECKING:
    import duckdb

    from mlpi.checks.source import Source


def read(
    connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path, timeouts: Timeouts
) -> Scan:
    """A scan of the table's or the query's rows. Raises SourceUnreadable."""
    address = Address.of(source.url)
    wanted = Wanted.of(source.table, source.query, source.row_limit)
    if address.kind == "sqlite":
        return read_sqlite(connection, address.file(), wanted, scratch, timeouts)
    if address.kind == "duckdb":
        return read_duckdb(connection, address.file(), wanted, scratch, timeouts)
    return postgresql.read(connection, address, wanted, scratch, timeouts)
