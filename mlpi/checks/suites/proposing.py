"""A suite from what a profile saw: proposals with their evidence, for a person to choose from.

Nothing here looks at data; the profile is all there is. A proposal is made when a data engineer
would probably keep it, and never two that say the same of a column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.checks.suites.rules import Expectation, checked
from mlpi.checks.suites.sentences import listed, percent

MARGIN = 0.1  # of the range, either way: tomorrow's extremes are rarely today's
ENOUGH_ROWS = 20  # below, one more row may change everything
MOST_VALUES = 10  # as many as a profile's top holds
ROWS_PER_VALUE = 5  # a value seen less often is one of many more to come
MOST_MISSING_PERCENT = 20
DOMINANT = 0.95
LONGEST_KEY = 64  # letters
LONGEST_SHAPE = 40  # letters
CUT = 200  # letters; a profile cuts longer values, which then say nothing of the whole

Column = Mapping[str, Any]

_KEY_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|code|nr|number|sku|isbn|iban)$", re.IGNORECASE)
# Names of types by DuckDB and by pandas: a suite must hold on either.
_TYPES = {
    "integer": ["BIGINT", "INTEGER", "HUGEINT", "SMALLINT", "int64", "Int64", "int32"],
    "number": ["DOUBLE", "FLOAT", "float64", "Float64", "float32"],
    "boolean": ["BOOLEAN", "bool", "boolean"],
}
_SHAPES = (
    (
        "a UUID",
        "expect_column_values_to_match_regex",
        {"regex": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    ),
    (
        "an e-mail address",
        "expect_column_values_to_match_regex",
        {"regex": r"^[^@\s]+@[^@\s]+\.[^@\s]+$"},
        re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    ),
    (
        "a web address",
        "expect_column_values_to_match_regex",
        {"regex": r"^https?://\S+$"},
        re.compile(r"https?://\S+"),
    ),
    (
        "a date",
        "expect_column_values_to_match_strftime_format",
        {"strftime_format": "%Y-%m-%d"},
        re.compile(r"(19|20)\d\d-(0\d|1[012])-([012]\d|3[01])"),
    ),
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One expectation that the data seen fulfils.

    evidence: what was seen, in words. confidence: 0–1, how sure it is that it is meant to hold.
    """

    expectation: Expectation
    evidence: str
    confidence: float


def propose(profile: Mapping[str, Any], columns: Sequence[Sequence[str]] = ()) -> list[Proposal]:
    """Proposals for a profiled table, surest first.

    profile: as mlpi/checks/engine/profiling.py makes it; what it lacks is not proposed.
    columns: [name, type] of each, in order.
    """
    row_count = _whole(profile.get("row_count"))
    found = list(_of_table(row_count, [str(one[0]) for one in columns]))
    for column in profile.get("columns") or ():
        if isinstance(column, Mapping) and column.get("name"):
            found += _of_column(column, row_count)
    return sorted(found, key=lambda one: -one.confidence)


def _of_table(row_count: int, names: list[str]) -> Iterator[Proposal]:
    if names:
        yield _proposal(
            "expect_table_columns_to_match_ordered_list",
            {"column_list": names},
            f"{len(names)} column{'s' if len(names) != 1 else ''}, in this order.",
            0.95,
        )
    if row_count > 0:
        least, most = max(1, row_count // 2), math.ceil(row_count * 1.5)
        yield _proposal(
            "expect_table_row_count_to_be_between",
            {"min_value": least, "max_value": most},
            f"{_rows(row_count)}; from half as many to half as many again.",
            0.5 if row_count >= ENOUGH_ROWS else 0.3,
            "warning",
        )


def _of_column(column: Column, row_count: int) -> Iterator[Proposal]:
    kind, seen = column.get("kind"), row_count - _whole(column.get("missing"))
    if row_count <= 0 or seen <= 0:
        return
    yield from _type(column, kind, seen)
    yield from _presence(column, row_count)
    yield from _unique(column, kind, row_count)
    values = list(_set(column, kind, seen))
    yield from values
    if values:
        return
    is_key = bool(column.get("is_unique")) and _is_named_as_key(column)
    if kind in ("integer", "number") and not is_key:
        yield from _range(column, seen)
        yield from _middle(column, seen)
    elif kind in ("date", "time"):
        yield from _earliest(column, kind, seen)
    elif kind == "text":
        yield from _shape(column) or _lengths(column, seen)


def _type(column: Column, kind: Any, seen: int) -> Iterator[Proposal]:
    own = str(column.get("type") or "")
    # pandas has no missing value of these kinds, and makes the column another kind for it.
    is_shifting = kind != "number" and _whole(column.get("missing")) > 0
    if kind in _TYPES and own and not is_shifting:
        names = list(dict.fromkeys([own, *_TYPES[kind]]))
        yield _of(
            column,
            "expect_column_values_to_be_in_type_list",
            {"type_list": names},
            f"{_rows(seen)} read as {own}; the other names are the same kind elsewhere. "
            "Types are judged by Great Expectations itself, which takes longer.",
            0.4,
        )


def _presence(column: Column, row_count: int) -> Iterator[Proposal]:
    missing = _whole(column.get("missing"))
    if not missing:
        confidence = 0.9 if row_count >= ENOUGH_ROWS else 0.6
        evidence = f"{row_count:,} of {_rows(row_count)} have a value."
        yield _of(column, "expect_column_values_to_not_be_null", {}, evidence, confidence)
    elif missing * 100 <= MOST_MISSING_PERCENT * row_count:
        share = missing / row_count
        mostly = max(0.0, math.floor((1 - share) * 100 - 1) / 100)
        yield _of(
            column,
            "expect_column_values_to_not_be_null",
            {"mostly": mostly},
            f"{missing:,} of {_rows(row_count)} missing ({percent(round(share, 4))}); "
            "a point more may be.",
            0.6 if row_count >= ENOUGH_ROWS else 0.3,
        )


def _unique(column: Column, kind: Any, row_count: int) -> Iterator[Proposal]:
    is_short = kind == "integer" or (kind == "text" and _length(column, "max") <= LONGEST_KEY)
    if column.get("is_unique") and is_short and row_count >= ENOUGH_ROWS:
        is_key = _is_named_as_key(column)
        evidence = f"{_rows(row_count)}, no value twice"
        yield _of(
            column,
            "expect_column_values_to_be_unique",
            {},
            f"{evidence}; its name is a key's." if is_key else f"{evidence}.",
            0.85 if is_key else 0.45,
        )


def _set(column: Column, kind: Any, seen: int) -> Iterator[Proposal]:
    """For columns of a few values, each seen often, all of them in the profile's top."""
    top = [tuple(one) for one in column.get("top") or () if len(one) == 2]
    values = [value for value, _count in top if value is not None]
    if kind not in ("text", "integer") or not values or len(values) > MOST_VALUES:
        return
    if sum(_whole(count) for value, count in top if value is not None) != seen:
        return
    is_cut = any(isinstance(value, str) and len(value) >= CUT for value in values)
    is_scarce = seen < ROWS_PER_VALUE * len(values) or (kind == "integer" and len(values) > 5)
    if is_cut or is_scarce or seen < ENOUGH_ROWS:
        return
    values = sorted(values, key=lambda one: (isinstance(one, str), one))
    yield _of(
        column,
        "expect_column_values_to_be_in_set",
        {"value_set": values},
        f"{_rows(seen)} of only {len(values)} value{'s' if len(values) != 1 else ''}: "
        f"{listed(values)}.",
        0.85 if seen >= 10 * len(values) else 0.6,
    )


def _range(column: Column, seen: int) -> Iterator[Proposal]:
    low, high = _number(column.get("min")), _number(column.get("max"))
    if low is None or high is None or low > high:
        return
    span = high - low or abs(high) or 1
    is_whole = column.get("kind") == "integer"
    least, most = _outward(low - MARGIN * span, high + MARGIN * span, span, is_whole)
    floor = ""
    if low >= 0 > least:
        least, floor = 0, ", but not below zero"
    yield _of(
        column,
        "expect_column_values_to_be_between",
        {"min_value": least, "max_value": most},
        f"{_rows(seen)}; smallest {low:.6g}, largest {high:.6g}; "
        f"bounds widened by {percent(MARGIN)} of the range{floor}.",
        0.7 if seen >= ENOUGH_ROWS else 0.4,
    )


def _middle(column: Column, seen: int) -> Iterator[Proposal]:
    """A band for the mean, or for the median where the mean is far from it."""
    mean, deviation = _number(column.get("mean")), _number(column.get("stdev"))
    if mean is None or not deviation or seen < ENOUGH_ROWS:
        return
    if _whole(column.get("distinct")) <= MOST_VALUES:
        return
    quantiles = column.get("quantiles") or {}
    lower, median, upper = (_number(quantiles.get(q)) for q in ("0.25", "0.5", "0.75"))
    is_skewed = median is not None and abs(mean - median) > deviation / 2
    if is_skewed and lower is not None and upper is not None and lower < upper:
        least, most = _outward(lower, upper, upper - lower)
        yield _of(
            column,
            "expect_column_median_to_be_between",
            {"min_value": least, "max_value": most},
            f"Median {median:.6g}, far from the mean {mean:.6g}; bounds are the quartiles.",
            0.4,
            "warning",
        )
    elif not is_skewed:
        least, most = _outward(mean - deviation / 2, mean + deviation / 2, deviation)
        yield _of(
            column,
            "expect_column_mean_to_be_between",
            {"min_value": least, "max_value": most},
            f"Mean {mean:.6g} of {_rows(seen)}; half a standard deviation ({deviation:.4g}) "
            "either way.",
            0.45,
            "warning",
        )


def _earliest(column: Column, kind: Any, seen: int) -> Iterator[Proposal]:
    low, high = column.get("min"), column.get("max")
    if kind == "date" and isinstance(low, str) and re.match(r"\d{4}-\d\d-\d\d", low):
        yield _of(
            column,
            "expect_column_values_to_be_between",
            {"min_value": low},
            f"{_rows(seen)}; earliest {low}, latest {high}; later ones may come.",
            0.5,
        )
    if column.get("is_sorted") == "increasing" and seen >= ENOUGH_ROWS:
        yield _of(
            column,
            "expect_column_values_to_be_increasing",
            {},
            f"{_rows(seen)}, each at or after the one before.",
            0.4,
        )


def _shape(column: Column) -> list[Proposal]:
    """What the text looks like: a known thing by its samples, or one dominant shape."""
    samples = [one for one in column.get("samples") or () if isinstance(one, str)]
    if len(samples) < 3:
        return []
    for name, kind, kwargs, known in _SHAPES:
        if all(known.fullmatch(one) for one in samples):
            evidence = f"All of {len(samples)} samples are {name}, such as {listed(samples[:1])}."
            return [_of(column, kind, kwargs, evidence, 0.5)]
    shapes = [one for one in column.get("patterns") or () if len(one) == 2]
    if not shapes:
        return []
    shape, share = str(shapes[0][0]), _number(shapes[0][1]) or 0.0
    regex = regex_of(shape)
    # A profile cuts longer texts before it looks at their shape.
    if share < DOMINANT or not regex or _length(column, "max") > LONGEST_SHAPE:
        return []
    fitting = [one for one in samples if re.fullmatch(regex[1:-1], one)]
    if len(fitting) < DOMINANT * len(samples):  # letters beyond a–z
        return []
    # One point of slack, where not every row had the shape.
    mostly = 1 if share == 1 else math.floor(share * 100 - 1) / 100
    return [
        _of(
            column,
            "expect_column_values_to_match_regex",
            {"regex": regex, "mostly": mostly},
            f"{percent(round(share, 4))} of the rows looked at have the shape {shape} "
            f"(A a letter, 9 a digit), such as {listed(fitting[:1])}.",
            0.7 if share == 1 else 0.55,
        )
    ]


def regex_of(shape: str) -> str:
    """'AA-999' is ^[A-Za-z]{2}-[0-9]{3}$; empty for a shape of letters alone, which says little."""
    if not re.search(r"[^A\s]", shape):
        return ""
    parts = []
    for run in re.finditer(r"(.)\1*", shape, re.DOTALL):
        one, count = run[1], len(run[0])
        part = {"A": "[A-Za-z]", "9": "[0-9]"}.get(one, re.escape(one))
        parts.append(part if count == 1 else f"{part}{{{count}}}")
    return f"^{''.join(parts)}$"


def _lengths(column: Column, seen: int) -> list[Proposal]:
    least, most = _length(column, "min"), _length(column, "max")
    if seen < ENOUGH_ROWS or not most:
        return []
    if least == most > 0:
        evidence = f"{_rows(seen)}, all of length {most}."
        kwargs: dict[str, Any] = {"value": most}
        return [_of(column, "expect_column_value_lengths_to_equal", kwargs, evidence, 0.65)]
    kwargs = {"min_value": min(least, 1), "max_value": math.ceil(most * 1.5)}
    return [
        _of(
            column,
            "expect_column_value_lengths_to_be_between",
            kwargs,
            f"{_rows(seen)}; shortest {least}, longest {most}; half as long again may be.",
            0.35,
            "warning",
        )
    ]


def _of(
    column: Column,
    kind: str,
    kwargs: dict[str, Any],
    evidence: str,
    confidence: float,
    severity: str = "critical",
) -> Proposal:
    name = {"column": str(column["name"])}
    return _proposal(kind, name | kwargs, evidence, confidence, severity)


def _proposal(
    kind: str, kwargs: dict[str, Any], evidence: str, confidence: float, severity: str = "critical"
) -> Proposal:
    expectation = checked({"type": kind, "kwargs": kwargs, "severity": severity})
    return Proposal(expectation, evidence, confidence)


def _outward(low: float, high: float, span: float, is_whole: bool = False) -> tuple[float, float]:
    """Bounds on round figures, about a hundredth of the span, never within what was asked."""
    digits = min(12, 2 - math.floor(math.log10(span)))
    if digits <= 0 or is_whole:
        step = 10 ** max(0, -digits)
        return math.floor(low / step) * step, math.ceil(high / step) * step
    scale = 10**digits
    # Rounded first: 10.65 must not become 10.64 because a sum of floats fell short of it.
    least, most = round(low * scale, 6), round(high * scale, 6)
    return math.floor(least) / scale, math.ceil(most) / scale


def _length(column: Column, end: str) -> int:
    """The shortest or the longest text of a column, in letters; 0 when it is not known."""
    lengths = column.get("length")
    return _whole(lengths.get(end)) if isinstance(lengths, Mapping) else 0


def _is_named_as_key(column: Column) -> bool:
    return bool(_KEY_NAME.search(str(column["name"])))


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def _number(value: Any) -> float | None:
    """A finite number, or None; whole ones stay whole."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
