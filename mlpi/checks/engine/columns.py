"""A table's columns as both engines see them: five kinds, and one SQL expression for each column.

Great Expectations on pandas has no type for much of what DuckDB can hold. So that both judge the
same data, every column is first brought to one of five kinds, by SQL, whoever judges:

    integer   integers up to 64 bits, signed                as BIGINT
    float     FLOAT, DOUBLE, DECIMAL, wider integers        as DOUBLE
    boolean   BOOLEAN
    time      DATE, TIMESTAMP; with a time zone, in UTC     as TIMESTAMP, of microseconds
    text      VARCHAR, and whatever else there is, as DuckDB writes it
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mlpi.checks.engine.table import Table

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_FLOATS = {"FLOAT", "DOUBLE", "HUGEINT", "UHUGEINT", "UBIGINT"}
_TIMES = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}


class Kind(StrEnum):
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TIME = "time"
    TEXT = "text"

    @property
    def is_number(self) -> bool:
        return self in (Kind.INTEGER, Kind.FLOAT)


@dataclass(frozen=True, slots=True)
class Seen:
    """A column as it is judged. sql: the expression that makes it; alias: its name in our SQL."""

    name: str
    kind: Kind
    sql: str
    alias: str

    def __str__(self) -> str:
        return self.alias


class NotATime:
    """What pandas puts for a missing time: it equals nothing and comes before nothing."""

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__


NAN = float("nan")
NAT = NotATime()


def see(table: Table) -> dict[str, Seen]:
    """The table's columns by name."""
    return {
        column.name: Seen(column.name, *_kind(column.type, column.sql), f"c{number}")
        for number, column in enumerate(table.columns)
    }


def _kind(type_name: str, sql: str) -> tuple[Kind, str]:
    name = type_name.upper()
    if name in _INTEGERS:
        return Kind.INTEGER, f"CAST({sql} AS BIGINT)"
    if name in _FLOATS or name.startswith("DECIMAL("):
        return Kind.FLOAT, f"CAST({sql} AS DOUBLE)"
    if name == "BOOLEAN":
        return Kind.BOOLEAN, sql
    if name in _TIMES:
        return Kind.TIME, f"CAST({sql} AS TIMESTAMP)"
    if name == "TIMESTAMP WITH TIME ZONE":
        return Kind.TIME, f"make_timestamp(epoch_us({sql}))"
    return Kind.TEXT, f"CAST({sql} AS VARCHAR)"


def selected(columns: Sequence[Seen], relation: str, *, numbered: bool = False) -> str:
    """SQL that reads columns under their aliases; numbered adds n, the row's number from 1."""
    parts = [f"{column.sql} AS {column.alias}" for column in dict.fromkeys(columns)]
    if numbered:
        parts.insert(0, "row_number() OVER () AS n")
    return f"(SELECT {', '.join(parts) or '1 AS one'} FROM {relation})"  # noqa: S608 - quoted


def as_pandas(value: Any, kind: Kind, *, fresh: bool = False) -> Any:
    """A fetched value as pandas would hold it, a missing one included.

    Counting values needs it: a NaN of a float column is an object of its own each time, while the
    missing values of other columns are one and the same. fresh: so are missing times.
    """
    if value is not None:
        return value
    if kind is Kind.FLOAT:
        return float("nan")
    if kind is Kind.TIME:
        return NotATime() if fresh else NAT
    return NAN


def as_json(value: Any, *, micros: bool = False) -> Any:
    """As Great Expectations writes a value into JSON.

    micros: times with six digits after the second, as it writes numpy's.
    """
    if isinstance(value, dict):
        return {str(key): as_json(one, micros=micros) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(one, micros=micros) for one in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds" if micros else "auto")
    return "NaT" if isinstance(value, NotATime) else value
