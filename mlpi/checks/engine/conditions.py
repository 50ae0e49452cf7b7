"""Row conditions as SQL: Great Expectations' condition objects, and its old text form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlpi.checks.engine.columns import Kind, Seen
from mlpi.checks.engine.literals import (
    NotExact,
    all_of,
    any_of,
    bound,
    is_in,
    text,
)

_PARSERS = ("great_expectations", "great_expectations__experimental__")
_ORDER = {"<", "<=", ">", ">="}
_TEXT_FORM = re.compile(
    r"""\s*col\("(?P<column>\w+)"\)\s*
    (?: (?P<there>\.notnull\(\))
      | (?P<operator>==|!=|<=|>=|<|>)\s*
        (?: "(?P<text>[\w\s.-]*)" | (?P<number>-?\d+(?:\.\d+)?) )
    )\s*""",
    re.VERBOSE | re.ASCII,
)
MOST = 100  # conditions in one, as Great Expectations allows


def compiled(kwargs: Mapping[str, Any], columns: Mapping[str, Seen]) -> tuple[str, list[Seen]]:
    """The condition of an expectation, true or false for every row, and the columns it reads.

    Raises NotExact.
    """
    condition, parser = kwargs.get("row_condition"), kwargs.get("condition_parser")
    used: list[Seen] = []
    if condition is None:
        if parser is not None:
            raise NotExact
        return "TRUE", used
    if isinstance(condition, str):
        if parser not in _PARSERS:
            raise NotExact
        condition = _parsed(condition)
    elif parser is not None:
        raise NotExact
    sql = _condition(condition, columns, used, inside=())
    if len(used) > MOST:
        raise NotExact
    return sql, used


def _parsed(condition: str) -> Mapping[str, Any]:
    found = _TEXT_FORM.fullmatch(condition)
    if not found:
        raise NotExact
    column = {"name": found["column"]}
    if found["there"]:
        return {"type": "nullity", "column": column, "is_null": False}
    written = found["number"]
    parameter: Any = found["text"]
    if written is not None:
        parameter = float(written) if "." in written else int(written)
    return {
        "type": "comparison",
        "column": column,
        "operator": found["operator"],
        "parameter": parameter,
    }


def _condition(
    condition: Any, columns: Mapping[str, Seen], used: list[Seen], *, inside: tuple[str, ...]
) -> str:
    if not isinstance(condition, Mapping):
        raise NotExact
    kind = condition.get("type")
    if kind in ("and", "or"):
        parts = condition.get("conditions")
        # An "or" inside of either is an error there.
        if (inside and kind == "or") or not isinstance(parts, list) or not parts:
            raise NotExact
        made = [_condition(one, columns, used, inside=(*inside, kind)) for one in parts]
        return all_of(made) if kind == "and" else any_of(made)
    column = _column(condition, columns)
    used.append(column)
    if kind == "nullity" and isinstance(condition.get("is_null"), bool):
        return f"{column} IS {'' if condition['is_null'] else 'NOT '}NULL"
    if kind == "comparison":
        return _comparison(column, condition.get("operator"), condition.get("parameter"))
    raise NotExact


def _column(condition: Mapping[str, Any], columns: Mapping[str, Seen]) -> Seen:
    named = condition.get("column")
    name = named.get("name") if isinstance(named, Mapping) else None
    if not isinstance(name, str) or name not in columns:
        raise NotExact
    # pandas reads a name that is no Python name by rules of its own.
    if not name.isidentifier() or not name.isascii():
        raise NotExact
    return columns[name]


def _comparison(column: Seen, operator: Any, parameter: Any) -> str:
    """As pandas compares: with what is missing, only "is not" and "is not in" are true."""
    if operator in ("IN", "NOT_IN"):
        if not isinstance(parameter, list) or not parameter or column.kind is Kind.BOOLEAN:
            raise NotExact
        inside = is_in(column, parameter)
        return inside if operator == "IN" else f"NOT {inside}"
    if column.kind is Kind.TEXT:
        value = text(parameter)
    elif column.kind is Kind.BOOLEAN:
        raise NotExact
    else:
        value = bound(column, parameter)
    if operator == "==":
        return f"coalesce({column} = {value}, FALSE)"
    if operator == "!=":
        return f"coalesce({column} <> {value}, TRUE)"
    if operator in _ORDER:
        return f"coalesce({column} {operator} {value}, FALSE)"
    raise NotExact
