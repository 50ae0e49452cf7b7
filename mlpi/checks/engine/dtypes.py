"""Expectations about a column's type, as Great Expectations finds it on pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlpi.checks.engine.columns import Kind, Seen
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.plan import AggregateCheck, Arguments, Facts, how_many

# What pandas and numpy call the columns that fallback.py makes.
NAMES = {
    Kind.INTEGER: {"int", "int64", "int_"},
    Kind.FLOAT: {"float", "float64", "double"},
    Kind.TEXT: {"str"},
    Kind.TIME: {"datetime64", "datetime64[ns]", "datetime64[us]"},
    Kind.BOOLEAN: {"bool", "bool_"},
}
KNOWN = {"int32", "float32", *(name for names in NAMES.values() for name in names)}
TYPES = {
    Kind.INTEGER: "int64",
    Kind.FLOAT: "float64",
    Kind.TEXT: "str",
    Kind.TIME: "datetime64",
    Kind.BOOLEAN: "bool",
}
UNIT = "datetime64[us]"


def _judged(arguments: Arguments, column: Seen, observed: str, success: bool) -> AggregateCheck:
    missing = how_many(f"{column} IS NULL")

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        # With gaps these are columns of objects, whose values are looked at one by one.
        if column.kind in (Kind.INTEGER, Kind.BOOLEAN) and facts[missing]:
            raise NotExact
        return success, {"observed_value": observed}

    return AggregateCheck(tuple(arguments.reads), (missing,), judge)


def _known(name: Any) -> str:
    if not isinstance(name, str) or name not in KNOWN:
        raise NotExact
    return name


def of_type(arguments: Arguments) -> AggregateCheck:
    arguments.only("column", "type_", "mostly")
    arguments.mostly()
    column, name = arguments.column(), _known(arguments.get("type_"))
    return _judged(arguments, column, TYPES[column.kind], name in NAMES[column.kind])


def in_type_list(arguments: Arguments) -> AggregateCheck:
    arguments.only("column", "type_list", "mostly")
    arguments.mostly()
    column, names = arguments.column(), arguments.get("type_list")
    if not isinstance(names, list) or not names or column.kind is Kind.TEXT:
        raise NotExact
    good = {UNIT} if column.kind is Kind.TIME else NAMES[column.kind]
    success = any(_known(name) in good for name in names)
    return _judged(arguments, column, TYPES[column.kind], success)


def type_to_be(arguments: Arguments) -> AggregateCheck:
    arguments.only("column", "type_")
    column, name = arguments.column(), _known(arguments.get("type_"))
    is_time = column.kind is Kind.TIME
    good = NAMES[column.kind] - ({"datetime64[ns]"} if is_time else set())
    observed = UNIT if is_time else TYPES[column.kind]
    return _judged(arguments, column, observed, name in good)


COMPILED: dict[str, Callable[[Arguments], AggregateCheck]] = {
    "expect_column_values_to_be_of_type": of_type,
    "expect_column_values_to_be_in_type_list": in_type_list,
    "expect_column_type_to_be": type_to_be,
}
