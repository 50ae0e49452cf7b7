"""PostgreSQL: COPY streams the rows out of a read-only transaction.

A server may be silent at any point: connecting is limited by psycopg, a statement by the server,
and a watch cuts the line when no byte has come for too long.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.database_urls import Address, Wanted
from mlpi.checks.engine.delimited import TEXT, Scan
from mlpi.checks.engine.spool import MAX_LINE_BYTES, NULL, distinct_names, spooled
from mlpi.checks.engine.timeouts import Timeouts
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb
    import psycopg

# By the numbers of PostgreSQL's catalogue. What is not here comes as text.
_TYPES = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "BIGINT",
    23: "BIGINT",
    26: "BIGINT",
    700: "DOUBLE",
    701: "DOUBLE",
    1082: "DATE",
    1083: "TIME",
    1114: "TIMESTAMP",
    1184: "TIMESTAMP WITH TIME ZONE",
}
_NUMERIC = 1700
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "options")
_SETTINGS = "-c default_transaction_read_only=on -c TimeZone=UTC -c DateStyle=ISO"


def read(
    connection: duckdb.DuckDBPyConnection,
    address: Address,
    wanted: Wanted,
    scratch: Path,
    timeouts: Timeouts,
) -> Scan:
    """A scan of the rows, copied to scratch as text."""
    try:
        import psycopg  # noqa: PLC0415
    except ImportError:
        raise SourceUnreadable(
            "PostgreSQL needs its driver, which is not installed: install mlpi[postgres]."
        ) from None
    copy = scratch / "rows.csv"
    server = _connected(address, timeouts)
    silence = _Watch(server, timeouts.silence_s)
    try:
        with server, silence:
            names, types = _described(server, wanted)
            longest = _copied(server, wanted, copy, silence, timeouts)
    except psycopg.Error as error:
        if silence.has_cut:
            raise SourceUnreadable(
                f"the database server said nothing for {timeouts.silence_s:g} s: given up. "
                "Is it overloaded, or the query heavy?"
            ) from None
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise SourceUnreadable(
                f"{wanted.name} was not read within {timeouts.total_s:g} s. Ask for less."
            ) from None
        raise SourceUnreadable(f"{wanted.name}: {_said(error, address)}") from None
    unlike, notes = distinct_names(names)
    scan = spooled(connection, copy, unlike, types, longest)
    return replace(scan, warnings=(*notes, *scan.warnings))


def _connected(address: Address, timeouts: Timeouts) -> psycopg.Connection[Any]:
    import psycopg  # noqa: PLC0415

    wishes: dict[str, Any] = {
        key: value for key, value in address.options.items() if key in _OPTIONS
    }
    wishes["options"] = f"{wishes.get('options', '')} {_SETTINGS}".strip()
    try:
        return psycopg.connect(
            host=address.host or None,
            port=address.port,
            user=address.user or None,
            password=address.password or None,
            dbname=address.path.strip("/") or None,
            # psycopg takes whole seconds, and 2 at least.
            connect_timeout=max(2, round(timeouts.connect_s)),
            keepalives_idle=30,
            client_encoding="utf8",
            **wishes,
        )
    except psycopg.errors.ConnectionTimeout:
        raise SourceUnreadable(
            f"the database server at {_place(address)} did not answer within "
            f"{timeouts.connect_s:g} s. Is it running, and the address right?"
        ) from None
    except psycopg.Error as error:
        raise SourceUnreadable(_why_not(error, address)) from None


def _described(server: psycopg.Connection[Any], wanted: Wanted) -> tuple[list[str], list[str]]:
    """Names and wanted types of the columns, without running the statement.

    Preparing also refuses more than one statement, so that nothing leaves the transaction.
    """
    import psycopg  # noqa: PLC0415

    server.read_only = True
    server.execute("SELECT 1")  # begins the transaction
    for answer in (
        server.pgconn.prepare(b"", wanted.sql.encode()),
        server.pgconn.describe_prepared(b""),
    ):
        if answer.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(answer)
    if not answer.nfields:
        raise SourceUnreadable("the query gives no rows: a SELECT is needed.")
    names = [(answer.fname(at) or b"").decode() for at in range(answer.nfields)]
    types = [_type(answer.ftype(at), answer.fmod(at)) for at in range(answer.nfields)]
    return names, types


def _type(number: int, modifier: int) -> str:
    if number != _NUMERIC:
        return _TYPES.get(number, TEXT)
    precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    if modifier < 4 or precision > 38 or scale > precision:
        return "DOUBLE"
    return f"DECIMAL({precision},{scale})"


def _copied(
    server: psycopg.Connection[Any], wanted: Wanted, copy: Path, watch: _Watch, timeouts: Timeouts
) -> int:
    """Write the rows as text; returns the bytes of the longest."""
    longest = 0
    server.execute(f"SET LOCAL statement_timeout = {max(1, int(timeouts.total_s * 1000))}")
    statement = f"COPY ({wanted.sql}\n) TO STDOUT (FORMAT csv, NULL '{NULL}', ENCODING 'UTF8')"
    with (
        copy.open("wb") as out,
        server.cursor() as cursor,
        cursor.copy(statement.encode()) as rows,
    ):
        for row in rows:
            watch.heard()
            longest = max(longest, len(row))
            if longest > MAX_LINE_BYTES:
                raise SourceUnreadable(f"a row is longer than {MAX_LINE_BYTES // 10**6} MB.")
            out.write(row)
    return longest


class _Watch:
    """Cuts the connection when nothing was heard for a while; every wait on it ends then."""

    def __init__(self, server: psycopg.Connection[Any], silence_s: float) -> None:
        self._server, self._silence_s = server, silence_s
        self._heard = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="silence", daemon=True)
        self.has_cut = False

    def heard(self) -> None:
        self._heard = time.monotonic()

    def __enter__(self) -> None:
        self._line = socket.socket(fileno=os.dup(self._server.fileno()))
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._line.close()

    def _look(self) -> None:
        while not self._over.wait(max(0.01, self._heard + self._silence_s - time.monotonic())):
            if time.monotonic() - self._heard >= self._silence_s:
                self.has_cut = True
                self._line.shutdown(socket.SHUT_RDWR)
                return


def _place(address: Address) -> str:
    return f"{address.host or 'this machine'}:{address.port or 5432}"


def _why_not(error: psycopg.Error, address: Address) -> str:
    """One line on why there is no connection, from the reasons that people meet."""
    text = str(error)
    place = _place(address)
    if "password" in text or "authentication" in text:
        return f"the database server at {place} refuses the user {address.user!r} or its password."
    if "does not exist" in text and "database" in text:
        return f"the database server at {place} has no database {address.path.strip('/')!r}."
    if "refused" in text:
        return f"nothing listens at {place}: is the database server running, and the port right?"
    if "resolve" in text or "not known" in text or "getaddrinfo" in text or "name" in text.lower():
        return f"the host {address.host!r} is not known: is its name right?"
    return f"the database server at {place} cannot be reached: {_said(error, address)}"


def _said(error: psycopg.Error, address: Address) -> str:
    """The first line of what the server said, without the password."""
    text = (error.diag.message_primary or str(error)).strip() or type(error).__name__
    line = text.splitlines()[0]
    return line.replace(address.password, "•••") if address.password else line
