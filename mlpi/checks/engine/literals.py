"""Arguments of expectations as SQL. What has no exact form there is NotExact."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from mlpi.checks.engine.columns import Kind, Seen
from mlpi.checks.engine.table import literal

# Integers up to here are exact in a double, which is what Great Expectations makes of a bound.
EXACT = 2**53
MEMBERS = 10_000  # of a set; beyond, the statement would grow too large

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")


class NotExact(Exception):
    """DuckDB would not judge this as Great Expectations does: it is left to the latter."""


def number(value: Any) -> str:
    """A finite number that a double holds exactly.

    Raises NotExact for anything else, a bool included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotExact
    if isinstance(value, int) and abs(value) >= EXACT:
        raise NotExact
    if not math.isfinite(value):
        raise NotExact
    if isinstance(value, int) or (value.is_integer() and abs(value) < EXACT):
        return str(int(value))
    return f"CAST('{value!r}' AS DOUBLE)"


def moment(value: Any) -> datetime:
    """A date, or a date and time without a zone, in ISO's form."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise NotExact
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise NotExact from error


def text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or not _is_utf8(value):
        raise NotExact
    return literal(value)


def _is_utf8(value: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)


def bound(column: Seen, value: Any) -> str:
    """A value that column is compared with by order."""
    if column.kind is Kind.INTEGER:
        if isinstance(value, float) and abs(value) >= EXACT:
            raise NotExact
        return number(value)
    if column.kind is Kind.FLOAT:
        return f"CAST({number(value)} AS DOUBLE)"
    if column.kind is Kind.TIME:
        return f"TIMESTAMP '{moment(value).isoformat(sep=' ')}'"
    raise NotExact


def member(column: Seen, value: Any) -> str:
    """A value that column is compared with by equality."""
    if column.kind is Kind.TEXT:
        return text(value)
    if column.kind is Kind.BOOLEAN:
        if not isinstance(value, bool):
            raise NotExact
        return "TRUE" if value else "FALSE"
    if column.kind is Kind.TIME:
        raise NotExact  # pandas compares times with texts by rules of its own
    return bound(column, value)


def members(column: Seen, values: Any) -> str:
    """What follows IN; an empty set has no member."""
    if not isinstance(values, list) or len(values) > MEMBERS:
        raise NotExact
    return f"({', '.join(member(column, value) for value in values) or 'NULL'})"


def is_in(column: Seen, values: Any) -> str:
    """Whether a value that is there belongs to a set: true or false."""
    return f"coalesce({column} IN {members(column, values)}, FALSE)"


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NotExact
    return value


def all_of(conditions: Iterable[str]) -> str:
    return " AND ".join(f"({one})" for one in conditions) or "TRUE"


def any_of(conditions: Iterable[str]) -> str:
    return " OR ".join(f"({one})" for one in conditions) or "FALSE"
