"""Expectations about the table itself: its columns and its number of rows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from mlpi.checks.engine.aggregates import BOUNDS, number_bounds, observed
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.plan import AggregateCheck, Arguments, how_many

Verdict = tuple[bool, dict[str, Any]]


def _at_once(verdict: Verdict) -> AggregateCheck:
    """Judged without reading any row."""
    return AggregateCheck((), (), lambda _: verdict)


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise NotExact
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotExact
    return value


def column_exists(arguments: Arguments) -> AggregateCheck:
    arguments.only("column", "column_index")
    name, index = arguments.get("column"), arguments.get("column_index")
    names = list(arguments.compiler.columns)
    if not isinstance(name, str) or not name:
        raise NotExact
    if index is None or _count(index) == 0:
        return _at_once((name in names, {}))
    return _at_once((-len(names) <= index < len(names) and names[index] == name, {}))


def column_count_equals(arguments: Arguments) -> AggregateCheck:
    arguments.only("value")
    found = len(arguments.compiler.columns)
    return _at_once((found == _count(arguments.get("value")), {"observed_value": found}))


def column_count_between(arguments: Arguments) -> AggregateCheck:
    arguments.only("min_value", "max_value")
    if set(arguments.kwargs) != {"min_value", "max_value"}:
        raise NotExact  # both are required, though they may be null
    return _at_once(observed(len(arguments.compiler.columns), number_bounds(arguments)))


def columns_match_list(arguments: Arguments) -> AggregateCheck:
    arguments.only("column_list")
    expected, found = _names(arguments.get("column_list")), list(arguments.compiler.columns)
    if expected == found:
        return _at_once((True, {"observed_value": found}))
    mismatched = [
        {"Expected Column Position": position, "Expected": wanted, "Found": there}
        for position, (wanted, there) in enumerate(zip_longest(expected, found))
        if wanted != there
    ]
    return _at_once(
        (False, {"observed_value": found, "details": {"mismatched": mismatched}}),
    )


def columns_match_set(arguments: Arguments) -> AggregateCheck:
    arguments.only("column_set", "exact_match")
    expected, found = set(_names(arguments.get("column_set"))), set(arguments.compiler.columns)
    exactly = arguments.flag("exact_match", default=True)
    result: dict[str, Any] = {"observed_value": sorted(found)}
    if expected == found:
        return _at_once((True, result))
    mismatched = {}
    if found - expected:
        mismatched["unexpected"] = sorted(found - expected)
    if expected - found:
        mismatched["missing"] = sorted(expected - found)
    result["details"] = {"mismatched": mismatched}
    return _at_once((not exactly and not expected - found, result))


def row_count_equals(arguments: Arguments) -> AggregateCheck:
    arguments.only("value", "row_condition", "condition_parser")
    wanted, need = _count(arguments.get("value")), how_many(arguments.where())

    def judge(facts: Any) -> Verdict:
        return facts[need] == wanted, {"observed_value": facts[need]}

    return AggregateCheck(tuple(arguments.reads), (need,), judge)


def row_count_between(arguments: Arguments) -> AggregateCheck:
    arguments.only(*BOUNDS, "row_condition", "condition_parser")
    limits = [arguments.get("min_value"), arguments.get("max_value")]
    for limit in limits:
        if limit is not None:
            _count(limit)
    if None not in limits and limits[0] > limits[1]:
        raise NotExact
    is_inside, need = number_bounds(arguments), how_many(arguments.where())
    return AggregateCheck(
        tuple(arguments.reads), (need,), lambda facts: observed(facts[need], is_inside)
    )


COMPILED: dict[str, Callable[[Arguments], AggregateCheck]] = {
    "expect_column_to_exist": column_exists,
    "expect_table_column_count_to_equal": column_count_equals,
    "expect_table_column_count_to_be_between": column_count_between,
    "expect_table_columns_to_match_ordered_list": columns_match_list,
    "expect_table_columns_to_match_set": columns_match_set,
    "expect_table_row_count_to_equal": row_count_equals,
    "expect_table_row_count_to_be_between": row_count_between,
}
