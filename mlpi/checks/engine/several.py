"""Expectations about the values of several columns in one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from mlpi.checks.engine import literals
from mlpi.checks.engine.columns import Kind, Seen
from mlpi.checks.engine.literals import NotExact, all_of, any_of
from mlpi.checks.engine.plan import Arguments, RowCheck, Shape, both
from mlpi.checks.engine.rowwise import wide

PAIR = ("column_A", "column_B", "mostly", "row_condition", "condition_parser", "ignore_row_if")
LIST = ("column_list", "mostly", "row_condition", "condition_parser", "ignore_row_if")


def same_family(columns: Sequence[Seen]) -> None:
    """Raises NotExact unless the columns' values can be compared with each other."""
    kinds = {column.kind for column in columns}
    if len(kinds) > 1 and not all(kind.is_number for kind in kinds):
        raise NotExact


def mixed_doubts(columns: Sequence[Seen]) -> tuple[str, ...]:
    """Where integers meet doubles, those that no double holds exactly."""
    if len({column.kind for column in columns}) == 1:
        return ()
    return tuple(wide(column) for column in columns if column.kind is Kind.INTEGER)


def ignoring(arguments: Arguments, columns: Sequence[Seen], ways: dict[str, str]) -> str:
    """The rows that ignore_row_if leaves. ways: what it may be, the default first."""
    way = arguments.get("ignore_row_if", next(iter(ways)))
    if not isinstance(way, str) or way not in ways:
        raise NotExact
    there = [f"{column} IS NOT NULL" for column in columns]
    return {"all": any_of(there), "any": all_of(there), "none": "TRUE"}[ways[way]]


PAIR_WAYS = {
    "both_values_are_missing": "all",
    "either_value_is_missing": "any",
    "neither": "none",
}
LIST_WAYS = {
    "all_values_are_missing": "all",
    "any_value_is_missing": "any",
    "never": "none",
}


def _of_pair(arguments: Arguments, meets: str, doubts: Sequence[str] = ()) -> RowCheck:
    pair = arguments.column("column_A"), arguments.column("column_B")
    if pair[0] == pair[1]:
        raise NotExact
    where = arguments.where()
    return RowCheck(
        columns=pair,
        reads=tuple(arguments.reads),
        shape=Shape.PAIR,
        where=where,
        considered=both(where, ignoring(arguments, pair, PAIR_WAYS)),
        mostly=arguments.mostly(),
        bad=f"NOT coalesce({meets}, FALSE)",
        doubts=tuple(doubts),
    )


def pair_equal(arguments: Arguments) -> RowCheck:
    arguments.only(*PAIR)
    pair = arguments.column("column_A"), arguments.column("column_B")
    same_family(pair)
    return _of_pair(arguments, f"{pair[0]} = {pair[1]}", mixed_doubts(pair))


def pair_greater(arguments: Arguments) -> RowCheck:
    arguments.only(*PAIR, "or_equal")
    pair = arguments.column("column_A"), arguments.column("column_B")
    same_family(pair)
    if pair[0].kind is Kind.BOOLEAN:
        raise NotExact
    or_equal = arguments.get("or_equal") is not None and arguments.flag("or_equal")
    sign = ">=" if or_equal else ">"
    return _of_pair(arguments, f"{pair[0]} {sign} {pair[1]}", mixed_doubts(pair))


def pair_in_set(arguments: Arguments) -> RowCheck:
    # Great Expectations leaves a row condition aside here: so does nobody who gives one mean it.
    arguments.only("column_A", "column_B", "mostly", "ignore_row_if", "value_pairs_set")
    pair = arguments.column("column_A"), arguments.column("column_B")
    wanted = arguments.get("value_pairs_set")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= literals.MEMBERS // 10:
        raise NotExact
    parts = []
    for one in wanted:
        if not isinstance(one, list | tuple) or len(one) != 2:
            raise NotExact
        parts.append(all_of(_is(column, value) for column, value in zip(pair, one, strict=True)))
    return _of_pair(arguments, any_of(parts))


def _is(column: Seen, value: Any) -> str:
    if value is None:
        return f"{column} IS NULL"
    return f"{column} IS NOT DISTINCT FROM {literals.member(column, value)}"


def _of_list(
    arguments: Arguments,
    columns: tuple[Seen, ...],
    meets: str,
    doubts: Sequence[str] = (),
    repeated: tuple[Seen, ...] = (),
) -> RowCheck:
    where = arguments.where()
    return RowCheck(
        columns=columns,
        reads=tuple(arguments.reads),
        shape=Shape.MANY,
        where=where,
        considered=both(where, ignoring(arguments, columns, LIST_WAYS)),
        mostly=arguments.mostly(),
        bad=f"NOT coalesce({meets}, FALSE)",
        doubts=tuple(doubts),
        repeated=repeated,
    )


def compound_unique(arguments: Arguments) -> RowCheck:
    arguments.only(*LIST)
    columns = arguments.column_list()
    return _of_list(arguments, columns, "TRUE", repeated=columns)


def sum_equals(arguments: Arguments) -> RowCheck:
    arguments.only(*LIST, "sum_total")
    columns = arguments.column_list()
    if not all(column.kind.is_number for column in columns):
        raise NotExact
    integers = [column for column in columns if column.kind is Kind.INTEGER]
    # From eight numbers on, numpy adds in pairs, and rounds otherwise.
    if len(integers) < len(columns) and len(columns) >= 8:
        raise NotExact
    wide_type = "HUGEINT" if len(integers) == len(columns) else "DOUBLE"
    total = " + ".join(f"CAST({column} AS {wide_type})" for column in columns)
    wanted = literals.number(arguments.get("sum_total"))
    doubts = tuple(wide(column) for column in integers)
    return _of_list(arguments, columns, f"({total}) = {wanted}", doubts)


def all_equal(arguments: Arguments) -> RowCheck:
    arguments.only(*LIST)
    columns = arguments.column_list()
    same_family(columns)
    meets = all_of(f"{columns[0]} IS NOT DISTINCT FROM {column}" for column in columns[1:])
    return _of_list(arguments, columns, meets, mixed_doubts(columns))


def unique_within_record(arguments: Arguments) -> RowCheck:
    arguments.only(*LIST)
    columns = arguments.column_list()
    same_family(columns)
    meets = all_of(f"{a} IS DISTINCT FROM {b}" for a, b in combinations(columns, 2))
    return _of_list(arguments, columns, meets, mixed_doubts(columns))


COMPILED: dict[str, Callable[[Arguments], RowCheck]] = {
    "expect_column_pair_values_to_be_equal": pair_equal,
    "expect_column_pair_values_a_to_be_greater_than_b": pair_greater,
    "expect_column_pair_values_to_be_in_set": pair_in_set,
    "expect_compound_columns_to_be_unique": compound_unique,
    "expect_multicolumn_sum_to_equal": sum_equals,
    "expect_multicolumn_values_to_be_equal": all_equal,
    "expect_select_column_values_to_be_unique_within_record": unique_within_record,
}
