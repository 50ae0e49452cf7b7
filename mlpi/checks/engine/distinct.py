"""Expectations about which values a column has, and which most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlpi.checks.engine import literals
from mlpi.checks.engine.aggregates import COLUMN, present
from mlpi.checks.engine.columns import Kind, Seen, as_json
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.outcomes import MOST_DISTINCT
from mlpi.checks.engine.plan import TABLE, AggregateCheck, Arguments, Facts, both


def _value_set(arguments: Arguments, column: Seen) -> list[Any]:
    values = arguments.get("value_set")
    if column.kind not in (Kind.INTEGER, Kind.FLOAT, Kind.TEXT):
        raise NotExact
    literals.members(column, values)
    return list(dict.fromkeys(values))


def _of_distinct(arguments: Arguments, *, may_lack: bool, may_exceed: bool) -> AggregateCheck:
    arguments.only(*COLUMN, "value_set")
    column = arguments.column()
    values = _value_set(arguments, column)
    if not values:
        raise NotExact
    where, inside = present(arguments, column), literals.is_in(column, values)
    found = f"count(DISTINCT {column}) FILTER (WHERE {both(where, inside)})"
    beyond = f"count(DISTINCT {column}) FILTER (WHERE {both(where, f'NOT {inside}')})"
    lists = arguments.compiler.wanted.partial > 0

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        result: dict[str, Any] = {"observed_value": None}
        success = True
        if not may_exceed:
            result["unexpected_count"] = facts[beyond]
            success = facts[beyond] == 0
        if not may_lack:
            result["missing_count"] = len(values) - facts[found]
            success = success and not result["missing_count"]
        if lists and not may_exceed:
            result["partial_unexpected_list"] = _beyond(facts, column, where, inside)
        if lists and not may_lack:
            seen = _seen(facts, column, where, inside) if result["missing_count"] else set(values)
            lacking = [value for value in values if value not in seen]
            result["partial_missing_list"] = lacking[:MOST_DISTINCT]
        return success, result

    def _beyond(facts: Facts, column: Seen, where: str, inside: str) -> list[Any]:
        if not facts[beyond]:
            return []
        sql = (
            f"SELECT DISTINCT {column} FROM {TABLE} WHERE {both(where, f'NOT {inside}')} "  # noqa: S608
            f"ORDER BY 1 LIMIT {MOST_DISTINCT}"
        )
        return [row[0] for row in facts.rows(sql)]

    def _seen(facts: Facts, column: Seen, where: str, inside: str) -> set[Any]:
        sql = f"SELECT DISTINCT {column} FROM {TABLE} WHERE {both(where, inside)}"  # noqa: S608
        return {row[0] for row in facts.rows(sql)}

    return AggregateCheck(tuple(arguments.reads), (found, beyond), judge)


def distinct_in_set(arguments: Arguments) -> AggregateCheck:
    return _of_distinct(arguments, may_lack=True, may_exceed=False)


def distinct_contain_set(arguments: Arguments) -> AggregateCheck:
    return _of_distinct(arguments, may_lack=False, may_exceed=True)


def distinct_equal_set(arguments: Arguments) -> AggregateCheck:
    return _of_distinct(arguments, may_lack=False, may_exceed=False)


def most_common(arguments: Arguments) -> AggregateCheck:
    arguments.only(*COLUMN, "value_set", "ties_okay")
    column = arguments.column()
    values = set(_value_set(arguments, column))
    ties_okay = arguments.get("ties_okay") is not None and arguments.flag("ties_okay")
    where = present(arguments, column)
    sql = (
        f"SELECT v FROM (SELECT {column} AS v, count(*) AS many FROM {TABLE} "  # noqa: S608
        f"WHERE {where} GROUP BY 1) QUALIFY many = max(many) OVER () ORDER BY v"
    )

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        common = [row[0] for row in facts.rows(sql)]
        if not common:
            raise NotExact
        shared = len(values.intersection(common))
        success = shared > 0 if ties_okay else len(common) == 1 and shared == 1
        return success, {"observed_value": as_json(common)}

    return AggregateCheck(tuple(arguments.reads), (), judge)


COMPILED: dict[str, Callable[[Arguments], AggregateCheck]] = {
    "expect_column_distinct_values_to_be_in_set": distinct_in_set,
    "expect_column_distinct_values_to_contain_set": distinct_contain_set,
    "expect_column_distinct_values_to_equal_set": distinct_equal_set,
    "expect_column_most_common_value_to_be_in_set": most_common,
}
