"""Expectations about figures of a whole column, compiled to aggregates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mlpi.checks.engine import literals
from mlpi.checks.engine.columns import NAT, Kind, Seen, as_json
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.plan import AggregateCheck, Arguments, Facts, Ranks, both, how_many

COLUMN = ("column", "row_condition", "condition_parser")
BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
# Sums of doubles depend on the order of adding. So far apart may two of the same numbers be, as a
# share of the sum of their sizes; nearer to a bound than that, the order may decide.
SLACK = 1e-12
# A figure that is less certain than this, as a share of itself, is left to Great Expectations.
CERTAIN = 1e-9
# A deviation smaller than this share of the mean is computed too roughly to be compared.
NOISE = 1e-5
# Squares of larger numbers overflow.
TAME = "CAST('1e150' AS DOUBLE)"


def number_bounds(arguments: Arguments) -> Callable[[Any], bool]:
    """Whether a figure lies within the bounds given, which are numbers, dates or none."""
    return _bounds(arguments, _plain_number)


def _plain_number(value: Any) -> float | int:
    literals.number(value)
    return value  # type: ignore[no-any-return] # number() takes only these


def _bounds(arguments: Arguments, read: Callable[[Any], Any]) -> Callable[[Any], bool]:
    least, most = arguments.get("min_value"), arguments.get("max_value")
    strict_min, strict_max = arguments.flag("strict_min"), arguments.flag("strict_max")
    lower = None if least is None else read(least)
    upper = None if most is None else read(most)

    def is_inside(value: Any) -> bool:
        above = lower is None or (value > lower if strict_min else value >= lower)
        below = upper is None or (value < upper if strict_max else value <= upper)
        return bool(above and below)

    return is_inside


def observed(value: Any, is_inside: Callable[[Any], bool]) -> tuple[bool, dict[str, Any]]:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return False, {"observed_value": None}
    return is_inside(value), {"observed_value": as_json(value)}


def check_rounding(arguments: Arguments, value: float, slack: float) -> None:
    """Raises NotExact where rounding may decide, or shows. slack: by how much value may be off."""
    if slack > CERTAIN * abs(value):
        raise NotExact
    for name in ("min_value", "max_value"):
        limit = arguments.get(name)
        if limit is not None and abs(value - limit) <= 2 * slack:
            raise NotExact


def present(arguments: Arguments, column: Seen) -> str:
    return both(arguments.where(), f"{column} IS NOT NULL")


def _numeric(arguments: Arguments) -> tuple[Seen, str]:
    arguments.only(*COLUMN, *BOUNDS)
    column = arguments.column()
    if not column.kind.is_number:
        raise NotExact
    return column, present(arguments, column)


def _extreme(arguments: Arguments, function: str) -> AggregateCheck:
    arguments.only(*COLUMN, *BOUNDS)
    column = arguments.column()
    if column.kind in (Kind.TEXT, Kind.BOOLEAN):
        raise NotExact
    is_time = column.kind is Kind.TIME
    is_inside = _bounds(arguments, literals.moment if is_time else _plain_number)
    need = f"{function}({column}) FILTER (WHERE {present(arguments, column)})"

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        value = facts[need]
        if isinstance(value, str):
            raise NotExact  # a date that Python has no type for
        if is_time and value is None:
            return False, {"observed_value": as_json(NAT)}
        return observed(value, is_inside)

    return AggregateCheck(tuple(arguments.reads), (need,), judge)


def maximum(arguments: Arguments) -> AggregateCheck:
    return _extreme(arguments, "max")


def minimum(arguments: Arguments) -> AggregateCheck:
    return _extreme(arguments, "min")


def tame(column: Seen, where: str) -> tuple[str, str]:
    """Rows to compute with, and an aggregate that must be 0: how many are too large for it."""
    if column.kind is Kind.INTEGER:
        return where, "0"
    # NaN is missing already; infinities and giants are told apart here, so that nothing overflows.
    return both(where, f"abs({column}) < {TAME}"), how_many(both(where, f"abs({column}) >= {TAME}"))


def sizes(column: Seen, where: str) -> str:
    """The sum of the values' sizes, by which a sum's rounding is measured."""
    return f"sum(abs(CAST({column} AS DOUBLE))) FILTER (WHERE {where})"


def mean(arguments: Arguments) -> AggregateCheck:
    column, where = _numeric(arguments)
    is_inside = number_bounds(arguments)
    small, giants = tame(column, where)
    need, weight, count = (
        f"avg({column}) FILTER (WHERE {small})",
        sizes(column, small),
        how_many(where),
    )

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        if facts[giants]:
            raise NotExact
        if facts[need] is not None:
            check_rounding(arguments, facts[need], SLACK * facts[weight] / facts[count])
        return observed(facts[need], is_inside)

    return AggregateCheck(tuple(arguments.reads), (need, weight, count, giants), judge)


def stdev(arguments: Arguments) -> AggregateCheck:
    column, where = _numeric(arguments)
    is_inside = number_bounds(arguments)
    small, giants = tame(column, where)
    need = f"stddev_samp({column}) FILTER (WHERE {small})"
    average = f"avg({column}) FILTER (WHERE {small})"

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        if facts[giants] or is_noise(facts[need], facts[average]):
            raise NotExact
        if facts[need]:
            check_rounding(arguments, facts[need], CERTAIN / 2 * facts[need])
        return observed(facts[need], is_inside)

    return AggregateCheck(tuple(arguments.reads), (need, average, giants), judge)


def is_noise(deviation: float | None, average: float | None) -> bool:
    """A deviation that may be nothing but rounding: engines round differently there."""
    if deviation is None or average is None:
        return False
    return deviation <= NOISE * abs(average)


def total(arguments: Arguments) -> AggregateCheck:
    column, where = _numeric(arguments)
    is_inside = number_bounds(arguments)
    small, giants = tame(column, where)
    need, weight = f"sum({column}) FILTER (WHERE {small})", sizes(column, small)

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        value = 0 if facts[need] is None else facts[need]
        if facts[giants] or abs(value) >= 2**63:
            raise NotExact
        if column.kind is Kind.FLOAT and value:
            check_rounding(arguments, value, SLACK * facts[weight])
        return observed(value, is_inside)

    return AggregateCheck(tuple(arguments.reads), (need, weight, giants), judge)


def middle(count: int) -> list[int]:
    return [(count - 1) // 2, count // 2] if count else []


def median(arguments: Arguments) -> AggregateCheck:
    column, where = _numeric(arguments)
    is_inside = number_bounds(arguments)

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        values = facts.ranked()
        if not values:
            return observed(None, is_inside)
        lower, upper = float(values[0]), float(values[1])
        if not math.isfinite(lower + upper):
            raise NotExact
        return observed((lower + upper) / 2, is_inside)

    return AggregateCheck(
        tuple(arguments.reads),
        (how_many(where),),
        judge,
        Ranks(column, where, middle, tuple(arguments.reads)),
    )


def nearest(count: int, quantiles: Sequence[float]) -> list[int]:
    """The places of quantiles by numpy's method "nearest", which rounds halves to even."""
    places = []
    for quantile in quantiles:
        # pandas hands it on as a percentage, and numpy divides again.
        virtual = (count - 1) * (quantile * 100 / 100)
        below = math.floor(virtual)
        share = virtual - below
        is_below = share < 0.5 or (share == 0.5 and below % 2 == 0)
        places.append(below if is_below else below + 1)
    return places


def quantiles(arguments: Arguments) -> AggregateCheck:
    arguments.only(*COLUMN, "quantile_ranges", "allow_relative_error")
    column = arguments.column()
    asked = arguments.get("quantile_ranges")
    if not column.kind.is_number or not isinstance(asked, dict) or len(asked) != 2:
        raise NotExact
    if arguments.get("allow_relative_error", False) is not False:
        raise NotExact
    shares, ranges = _checked(asked.get("quantiles"), asked.get("value_ranges"))
    where = present(arguments, column)

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        values = list(facts.ranked())
        if not values or any(abs(value) > literals.EXACT for value in values):
            raise NotExact
        inside = [_is_near(value, *ends) for value, ends in zip(values, ranges, strict=True)]
        return all(inside), {
            "observed_value": {"quantiles": shares, "values": values},
            "details": {"success_details": inside},
        }

    at = Ranks(
        column,
        where,
        lambda count: nearest(count, shares) if count else [],
        tuple(arguments.reads),
    )
    return AggregateCheck(tuple(arguments.reads), (how_many(where),), judge, at)


def _checked(shares: Any, ranges: Any) -> tuple[list[float], list[list[float | None]]]:
    if not isinstance(shares, list) or not isinstance(ranges, list) or len(shares) != len(ranges):
        raise NotExact
    for share in shares:
        literals.number(share)
        if not 0 <= share <= 1:
            raise NotExact
    for ends in ranges:
        if not isinstance(ends, list) or len(ends) != 2:
            raise NotExact
        for end in ends:
            if end is not None:
                literals.number(end)
        if None not in ends and ends[0] > ends[1]:
            raise NotExact
    return shares, ranges


def _is_near(value: float, least: float | None, most: float | None) -> bool:
    """Within the range, or as good as on its ends: Great Expectations forgives one in 10,000."""
    for end in (least, most):
        if end is not None and math.isfinite(value):
            if abs(float(value) - float(end)) <= 1e-8 + 1e-4 * abs(float(end)):
                return True
        elif end is None and math.isinf(value):
            return True  # an open end is infinite, and near to itself or beyond all
    return (least is None or least <= value) and (most is None or value <= most)


def _distinct(arguments: Arguments) -> tuple[Seen, str, str]:
    arguments.only(*COLUMN, *BOUNDS)
    column = arguments.column()
    where = present(arguments, column)
    return column, where, f"count(DISTINCT {column}) FILTER (WHERE {where})"


def unique_count(arguments: Arguments) -> AggregateCheck:
    _, _, need = _distinct(arguments)
    is_inside = _bounds(arguments, _whole_number)
    return AggregateCheck(
        tuple(arguments.reads), (need,), lambda facts: observed(facts[need], is_inside)
    )


def _whole_number(value: Any) -> int:
    literals.number(value)
    if not isinstance(value, int):
        raise NotExact
    return value


def unique_share(arguments: Arguments) -> AggregateCheck:
    _, where, need = _distinct(arguments)
    is_inside = number_bounds(arguments)

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        count = facts[how_many(where)]
        return observed(facts[need] / count if count else 0, is_inside)

    return AggregateCheck(tuple(arguments.reads), (need, how_many(where)), judge)


def present_share(arguments: Arguments) -> AggregateCheck:
    arguments.only(*COLUMN, *BOUNDS)
    column = arguments.column()
    is_inside = number_bounds(arguments)
    there, all_rows = how_many(present(arguments, column)), how_many(arguments.where())

    def judge(facts: Facts) -> tuple[bool, dict[str, Any]]:
        count = facts[all_rows]
        return observed(facts[there] / count if count else 0, is_inside)

    return AggregateCheck(tuple(arguments.reads), (there, all_rows), judge)


COMPILED: dict[str, Callable[[Arguments], AggregateCheck]] = {
    "expect_column_max_to_be_between": maximum,
    "expect_column_min_to_be_between": minimum,
    "expect_column_mean_to_be_between": mean,
    "expect_column_median_to_be_between": median,
    "expect_column_stdev_to_be_between": stdev,
    "expect_column_sum_to_be_between": total,
    "expect_column_quantile_values_to_be_between": quantiles,
    "expect_column_unique_value_count_to_be_between": unique_count,
    "expect_column_proportion_of_unique_values_to_be_between": unique_share,
    "expect_column_proportion_of_non_null_values_to_be_between": present_share,
}
