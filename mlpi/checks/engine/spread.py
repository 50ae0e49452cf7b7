"""Expectations about how far values lie from the rest: z-scores and outliers. Two passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mlpi.checks.engine import literals
from mlpi.checks.engine.aggregates import CERTAIN, is_noise, present, tame
from mlpi.checks.engine.columns import Seen
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.plan import Arguments, Facts, Ranks, RowCheck, Settled, how_many
from mlpi.checks.engine.rowwise import COLUMN, of_column

NOBODY = Settled("FALSE")


def _figures(column: Seen, where: str) -> tuple[str, str, str]:
    """Aggregates: the mean, the sample deviation, how many values are too large for either."""
    small, giants = tame(column, where)
    return (
        f"avg({column}) FILTER (WHERE {small})",
        f"stddev_samp({column}) FILTER (WHERE {small})",
        giants,
    )


def _read(facts: Facts, figures: tuple[str, str, str]) -> tuple[float, float] | None:
    """Mean and deviation; None where a deviation does not exist. Raises NotExact."""
    average, deviation = facts[figures[0]], facts[figures[1]]
    if facts[figures[2]]:
        raise NotExact
    if average is None or deviation is None:
        return None
    if is_noise(deviation, average):
        raise NotExact
    return average, deviation


def z_scores(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "threshold", "double_sided")
    column, threshold = _number(arguments), arguments.get("threshold")
    literals.number(threshold)
    if not isinstance(arguments.get("double_sided"), bool):
        raise NotExact
    figures = _figures(column, present(arguments, column))

    def settle(facts: Facts) -> Settled:
        read = _read(facts, figures)
        if read is None or read[1] == 0:
            return NOBODY
        score = f"(({column} - {_double(read[0])}) / {_double(read[1])})"
        limit = float(threshold)
        if arguments.get("double_sided"):
            score, limit = f"abs({score})", abs(limit)
        return _beyond(score, "<", limit)

    return of_column(arguments, "TRUE", bad=settle, needs=figures)


def outliers(arguments: Arguments) -> RowCheck:
    arguments.only(*COLUMN, "method", "multiplier")
    column, multiplier = _number(arguments), arguments.get("multiplier", 1.5)
    literals.number(multiplier)
    method = arguments.get("method", "iqr")
    if multiplier < 0 or method not in ("iqr", "std"):
        raise NotExact
    where = present(arguments, column)
    if method == "iqr":
        return _beyond_quartiles(arguments, column, where, float(multiplier))
    figures = _figures(column, where)

    def settle(facts: Facts) -> Settled:
        read = _read(facts, figures)
        if read is None:
            return NOBODY
        limit = float(multiplier) * read[1]
        if limit <= 0:
            raise NotExact  # each value would have to be the mean itself
        return _beyond(f"abs({column} - {_double(read[0])})", "<", limit)

    return of_column(arguments, "TRUE", bad=settle, needs=figures)


def _beyond(distance: str, meets: str, limit: float) -> Settled:
    """Rows whose distance does not meet the limit, and those where rounding may decide."""
    scale = max(abs(limit), 1e-12)
    return Settled(
        f"NOT ({distance} {meets} {_double(limit)})",
        (f"abs({distance} - {_double(limit)}) <= {_double(CERTAIN * scale)}",),
    )


def _beyond_quartiles(
    arguments: Arguments, column: Seen, where: str, multiplier: float
) -> RowCheck:
    def settle(facts: Facts) -> Settled:
        values = [float(value) for value in facts.ranked()]
        if not values:
            return NOBODY
        count = facts[how_many(where)]
        first = _linear(values[0], values[1], _share(count, 0.25))
        third = _linear(values[2], values[3], _share(count, 0.75))
        reach = multiplier * (third - first)
        if not math.isfinite(reach):
            raise NotExact
        lower, upper = _double(first - reach), _double(third + reach)
        return Settled(f"NOT ({column} >= {lower} AND {column} <= {upper})")

    return of_column(
        arguments,
        "TRUE",
        bad=settle,
        needs=(how_many(where),),
        ranks=Ranks(column, where, _around_quartiles, tuple(arguments.reads)),
    )


def _around_quartiles(count: int) -> list[int]:
    """For the first and the third quartile, the places below and above."""
    places = []
    for quantile in (0.25, 0.75) if count else ():
        below = math.floor((count - 1) * quantile)
        places += [below, min(below + 1, count - 1)]
    return places


def _share(count: int, quantile: float) -> float:
    place = (count - 1) * quantile
    return place - math.floor(place)


def _linear(below: float, above: float, share: float) -> float:
    """Between two values, rounded as numpy rounds it."""
    difference = above - below
    if share >= 0.5:
        return above - difference * (1 - share)
    return below + difference * share


def _number(arguments: Arguments) -> Seen:
    column = arguments.column()
    if not column.kind.is_number:
        raise NotExact
    return column


def _double(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


COMPILED: dict[str, Callable[[Arguments], Any]] = {
    "expect_column_value_z_scores_to_be_less_than": z_scores,
    "expect_column_values_to_not_be_outliers": outliers,
}
