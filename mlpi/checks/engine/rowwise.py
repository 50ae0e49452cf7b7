"""Expectations about every row, compiled to conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlpi.checks.engine import literals, regexes
from mlpi.checks.engine.columns import Kind, Seen
from mlpi.checks.engine.literals import EXACT, NotExact, all_of, any_of
from mlpi.checks.engine.plan import Arguments, RowCheck, Shape, both

COLUMN = ("column", "mostly", "row_condition", "condition_parser")


def of_column(
    arguments: Arguments, meets: str, doubts: Sequence[str] = (), **more: Any
) -> RowCheck:
    """A check of one column's values where they are there."""
    column, where = arguments.column(), arguments.where()
    return RowCheck(
        columns=(column,),
        reads=tuple(arguments.reads),
        shape=Shape.SINGLE,
        where=where,
        considered=both(where, f"{column} IS NOT NULL"),
        mostly=arguments.mostly(),
        **{"bad": f"NOT ({meets})", "doubts": tuple(doubts), **more},
    )


def wide(column: Seen) -> str:
    """Integers that a double does not hold exactly, which is what pandas may compute with."""
    return f"{column} > {EXACT} OR {column} < -{EXACT}"


def between(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "min_value", "max_value", "strict_min", "strict_max")
    return of_column(arguments, in_bounds(arguments, arguments.column()))


def in_bounds(arguments: Arguments, column: Seen) -> str:
    least, most = arguments.get("min_value"), arguments.get("max_value")
    strict = arguments.flag("strict_min"), arguments.flag("strict_max")
    if least is None and most is None:
        raise NotExact
    parts = []
    if least is not None:
        parts.append(f"{column} >{'' if strict[0] else '='} {literals.bound(column, least)}")
    if most is not None:
        parts.append(f"{column} <{'' if strict[1] else '='} {literals.bound(column, most)}")
    if least is not None and most is not None:
        ends = (least, most)
        if column.kind is Kind.TIME:
            ends = (literals.moment(least), literals.moment(most))
        if ends[0] > ends[1]:
            raise NotExact  # an error there
    return all_of(parts)


def in_set(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "value_set")
    return of_column(arguments, literals.is_in(arguments.column(), arguments.get("value_set")))


def not_in_set(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "value_set")
    inside = literals.is_in(arguments.column(), arguments.get("value_set"))
    return of_column(arguments, f"NOT {inside}")


def _nullness(arguments: Arguments, bad: str) -> RowCheck:
    arguments.only(*COLUMN)
    column, where = arguments.column(), arguments.where()
    return RowCheck(
        columns=(column,),
        reads=tuple(arguments.reads),
        shape=Shape.SINGLE,
        where=where,
        considered=where,
        mostly=arguments.mostly(),
        bad=f"{column} {bad}",
        counts_present=False,
    )


def not_null(arguments: Arguments) -> RowCheck:
    return _nullness(arguments, "IS NULL")


def null(arguments: Arguments) -> RowCheck:
    return _nullness(arguments, "IS NOT NULL")


def unique(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN)
    return of_column(arguments, "TRUE", repeated=(arguments.column(),))


def _in_order(arguments: Arguments, comes: str) -> RowCheck:
    arguments.only(*COLUMN, "strictly")
    column = arguments.column()
    if column.kind in (Kind.TEXT, Kind.BOOLEAN):
        raise NotExact
    strictly = arguments.get("strictly") is not None and arguments.flag("strictly")
    meets = f"{column} {comes}{'' if strictly else '='} before"
    if column.kind is Kind.FLOAT:
        # The difference of two infinities is no number, and passes.
        meets = f"{meets} OR ({column} = before AND isinf({column}))"
    doubts = [wide(column)] if column.kind is Kind.INTEGER else []
    return of_column(
        arguments, "TRUE", doubts, ordered=column, bad=f"before IS NOT NULL AND NOT ({meets})"
    )


def increasing(arguments: Arguments) -> RowCheck:
    return _in_order(arguments, ">")


def decreasing(arguments: Arguments) -> RowCheck:
    return _in_order(arguments, "<")


def _written(column: Seen) -> str:
    """A value as Python's str() writes it."""
    if column.kind is Kind.TEXT:
        return column.alias
    if column.kind is Kind.INTEGER:
        return f"CAST({column} AS VARCHAR)"
    raise NotExact


def length_equals(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "value")
    length = f"length({_written(arguments.column())})"
    return of_column(arguments, f"{length} = {literals.number(arguments.get('value'))}")


def length_between(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "min_value", "max_value", "strict_min", "strict_max")
    length = f"length({_written(arguments.column())})"
    parts = []
    for name, strict, sign in (("min_value", "strict_min", ">"), ("max_value", "strict_max", "<")):
        limit, strictly = arguments.get(name), arguments.flag(strict)
        if limit is not None:
            if not isinstance(limit, int):
                raise NotExact
            parts.append(f"{length} {sign}{'' if strictly else '='} {literals.number(limit)}")
    if not parts:
        raise NotExact
    return of_column(arguments, all_of(parts))


def _matching(
    arguments: Arguments, patterns: Any, join: Callable[[Sequence[str]], str], *, negated: bool
) -> RowCheck:
    column = arguments.column()
    if not isinstance(patterns, list) or not patterns:
        raise NotExact
    made = [regexes.translate(one, arguments.compiler.connection) for one in patterns]
    meets = join([f"regexp_matches({_written(column)}, {one.sql})" for one in made])
    doubts = [doubt for one in made for doubt in one.doubts(column)]
    if column.kind is not Kind.TEXT:
        doubts = []  # digits only
    return of_column(arguments, f"NOT ({meets})" if negated else meets, doubts)


def match_regex(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "regex")
    return _matching(arguments, [arguments.get("regex")], any_of, negated=False)


def not_match_regex(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "regex")
    return _matching(arguments, [arguments.get("regex")], any_of, negated=True)


def match_regex_list(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "regex_list", "match_on")
    return _matching(arguments, arguments.get("regex_list"), _join(arguments), negated=False)


def not_match_regex_list(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "regex_list")
    return _matching(arguments, arguments.get("regex_list"), any_of, negated=True)


def _join(arguments: Arguments) -> Callable[[Sequence[str]], str]:
    ways: dict[Any, Callable[[Sequence[str]], str]] = {"any": any_of, "all": all_of}
    way = arguments.get("match_on", "any")
    if not isinstance(way, str) or way not in ways:
        raise NotExact
    return ways[way]


def _like(
    arguments: Arguments, patterns: Any, join: Callable[[Sequence[str]], str], *, negated: bool
) -> RowCheck:
    """SQL's own matching. Great Expectations has it for databases only, with this meaning."""
    column, escape = arguments.column(), arguments.get("escape")
    if column.kind is not Kind.TEXT or not isinstance(patterns, list) or not patterns:
        raise NotExact
    ending = ""
    if escape is not None:
        if not isinstance(escape, str) or len(escape) != 1 or escape in "%_":
            raise NotExact
        ending = f" ESCAPE {literals.text(escape)}"
        for pattern in patterns:
            _check_escapes(pattern, escape)
    meets = join([f"{column} LIKE {literals.text(one)}{ending}" for one in patterns])
    return of_column(arguments, f"NOT ({meets})" if negated else meets)


def _check_escapes(pattern: Any, escape: str) -> None:
    """Only %, _ and the escape itself may follow it; databases differ on the rest."""
    if not isinstance(pattern, str):
        raise NotExact
    rest = pattern
    for one in (escape * 2, f"{escape}%", f"{escape}_"):
        rest = rest.replace(one, "")
    if escape in rest:
        raise NotExact


def like(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "like_pattern", "escape")
    return _like(arguments, [arguments.get("like_pattern")], any_of, negated=False)


def not_like(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "like_pattern", "escape")
    return _like(arguments, [arguments.get("like_pattern")], any_of, negated=True)


def like_list(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "like_pattern_list", "match_on", "escape")
    return _like(arguments, arguments.get("like_pattern_list"), _join(arguments), negated=False)


def not_like_list(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "like_pattern_list", "escape")
    return _like(arguments, arguments.get("like_pattern_list"), any_of, negated=True)


COMPILED: dict[str, Callable[[Arguments], RowCheck]] = {
    "expect_column_values_to_be_between": between,
    "expect_column_values_to_be_in_set": in_set,
    "expect_column_values_to_not_be_in_set": not_in_set,
    "expect_column_values_to_be_null": null,
    "expect_column_values_to_not_be_null": not_null,
    "expect_column_values_to_be_unique": unique,
    "expect_column_values_to_be_increasing": increasing,
    "expect_column_values_to_be_decreasing": decreasing,
    "expect_column_value_lengths_to_equal": length_equals,
    "expect_column_value_lengths_to_be_between": length_between,
    "expect_column_values_to_match_regex": match_regex,
    "expect_column_values_to_not_match_regex": not_match_regex,
    "expect_column_values_to_match_regex_list": match_regex_list,
    "expect_column_values_to_not_match_regex_list": not_match_regex_list,
    "expect_column_values_to_match_like_pattern": like,
    "expect_column_values_to_not_match_like_pattern": not_like,
    "expect_column_values_to_match_like_pattern_list": like_list,
    "expect_column_values_to_not_match_like_pattern_list": not_like_list,
}
