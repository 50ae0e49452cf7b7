"""Rows that come from Python, as a text in the scratch folder that DuckDB scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.delimited import TEXT, Delimited, Scan, fitted
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb

NULL = "\\N"
# A value may be as long as a line of DuckDB's reader, twice of which it holds per thread.
MAX_LINE_BYTES = 32_000_000
_INT64 = 2**63


class Spool:
    """Writes rows and notes of which kinds the values of each column are."""

    def __init__(self, path: Path, width: int) -> None:
        self.path = path
        self.kinds: list[set[type]] = [set() for _ in range(width)]
        self.longest = 0
        self.rows = 0

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write all rows; each is as wide as the others."""
        kinds = self.kinds
        with self.path.open("wb") as out:
            for row in rows:
                self.rows += 1
                cells = []
                for at, value in enumerate(row):
                    if value is None:
                        cells.append(NULL)
                        continue
                    kind, text = _written(value)
                    kinds[at].add(kind)
                    cells.append(text)
                line = ",".join(cells).encode("utf-8", "replace") + b"\n"
                self.longest = max(self.longest, len(line))
                if self.longest > MAX_LINE_BYTES:
                    raise SourceUnreadable(
                        f"row {self.rows:,} is longer than {MAX_LINE_BYTES // 10**6} MB."
                    )
                out.write(line)

    def types(self) -> list[str]:
        """The DuckDB type for each column's values."""
        return [_type(kinds) for kinds in self.kinds]


def spooled(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    names: Sequence[str],
    types: Sequence[str],
    longest: int,
) -> Scan:
    """The scan of a spooled text, with these types where they fit."""
    text = Delimited(
        path,
        tuple(names),
        nulls=(NULL,),
        is_quoted_null=False,
        max_line_bytes=max(2_000_000, longest + 1),
    )
    return fitted(connection, text, types)


def distinct_names(names: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Names that differ also without their case, and a note on each that had to change."""
    seen: set[str] = set()
    result, notes = [], []
    for at, given in enumerate(names, 1):
        old = "" if given is None else str(given).strip()
        base = new = old or f"column{at - 1}"
        number = 0
        while new.lower() in seen:
            number += 1
            new = f"{base}_{number}"
        seen.add(new.lower())
        result.append(new)
        if new != old:
            why = f"is called {old!r} like another" if old else "has no name"
            notes.append(f"column {at} {why}: it is read as {new!r}")
    return result, notes


def _written(value: Any) -> tuple[type, str]:
    if isinstance(value, str):
        return str, '"' + value.replace('"', '""') + '"'
    if isinstance(value, bool):
        return bool, "true" if value else "false"
    if isinstance(value, int):
        return (int if -_INT64 <= value < _INT64 else float), str(value)
    if isinstance(value, float):
        return float, repr(value)
    if isinstance(value, Decimal):
        return float, str(value)
    if isinstance(value, datetime):
        # A day without a time of day is a date, in Excel at least.
        is_day = value.time() == time() and value.tzinfo is None
        return (date, value.date().isoformat()) if is_day else (datetime, value.isoformat(" "))
    if isinstance(value, date):
        return date, value.isoformat()
    if isinstance(value, time):
        return time, value.isoformat()
    if isinstance(value, bytes):
        return str, '"' + value.hex() + '"'
    return _written(str(value))


def _type(kinds: set[type]) -> str:
    if not kinds or str in kinds:
        return TEXT
    if kinds == {bool}:
        return "BOOLEAN"
    if kinds == {int}:
        return "BIGINT"
    if kinds <= {int, float}:
        return "DOUBLE"
    if kinds == {date}:
        return "DATE"
    if kinds <= {date, datetime}:
        return "TIMESTAMP"
    return "TIME" if kinds == {time} else TEXT
