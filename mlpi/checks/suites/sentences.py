"""Expectations in words, for pages and for the notes of versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mlpi.checks.suites import conditions, vocabulary
from mlpi.checks.suites.rules import PARAMETER, Expectation, is_parameter

MAX_VALUES = 6
MAX_TEXT = 120

Kwargs = Mapping[str, Any]


def subject(expectation: Expectation) -> str:
    """What it is about: a column, several, or the table."""
    kwargs = expectation["kwargs"]
    if isinstance(kwargs.get("column"), str):
        return str(kwargs["column"])
    if "column_A" in kwargs:
        return f"{kwargs['column_A']}, {kwargs['column_B']}"
    if expectation["type"] in _ABOUT_TABLE or not isinstance(kwargs.get("column_list"), list):
        return "table"
    return ", ".join(kwargs["column_list"])


def phrase(expectation: Expectation) -> str:
    """What it expects of its subject, such as 'between 11 and 15 in at least 95 % of rows'."""
    kwargs = expectation["kwargs"]
    write = _PHRASES.get(expectation["type"])
    said = write(kwargs) if write else _plain(expectation)
    mostly = kwargs.get("mostly", 1)
    if is_parameter(mostly):
        said += f" in at least {value(mostly)} of rows"
    elif mostly != 1:
        said += f" in at least {percent(mostly)} of rows"
    condition = kwargs.get("row_condition")
    return f"{said}, where {conditions.words(condition)}" if condition else said


def sentence(expectation: Expectation) -> str:
    """Subject and phrase: 'alcohol: between 11 and 15'."""
    return f"{subject(expectation)}: {phrase(expectation)}"


def value(one: Any) -> str:
    """A value to read: numbers and text bare, the rest as JSON, long text cut."""
    if is_parameter(one):
        return f"${one[PARAMETER]}"
    if isinstance(one, float):
        return f"{one:.6g}"
    text = one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def percent(share: float) -> str:
    """0.975 is '97.5 %'."""
    return f"{share * 100:.6g} %"


def listed(values: Any) -> str:
    """The first few of a list, and how many more there are."""
    if not isinstance(values, list):
        return value(values)
    shown = ", ".join(value(one) for one in values[:MAX_VALUES])
    more = len(values) - MAX_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _bounds(kwargs: Kwargs, unit: str = "") -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    over, under = kwargs.get("strict_min") is True, kwargs.get("strict_max") is True
    if low is not None and low == high:
        return f"exactly {value(low)}{unit}"
    if low is not None and high is not None and not over and not under:
        return f"between {value(low)} and {value(high)}{unit}"
    parts = []
    if low is not None:
        parts.append(f"{'more than' if over else 'at least'} {value(low)}{unit}")
    if high is not None:
        parts.append(f"{'less than' if under else 'at most'} {value(high)}{unit}")
    return " and ".join(parts) or "anything"


def _bounded(what: str, unit: str = "") -> Callable[[Kwargs], str]:
    return lambda kwargs: f"{what} {_bounds(kwargs, unit)}".strip()


def _said(words: str) -> Callable[[Kwargs], str]:
    return lambda _kwargs: words


def _of(template: str, name: str) -> Callable[[Kwargs], str]:
    """The template with one argument in it; lists are cut to their first few."""
    return lambda kwargs: template.format(listed(kwargs.get(name)))


def _direction(word: str) -> Callable[[Kwargs], str]:
    return lambda kwargs: f"{'strictly ' if kwargs.get('strictly') else ''}{word}"


def _patterns(what: str, name: str, default: str) -> Callable[[Kwargs], str]:
    def write(kwargs: Kwargs) -> str:
        which = "all" if kwargs.get("match_on", default) == "all" else default
        return f"{what} {which} of {listed(kwargs.get(name))}"

    return write


def _quantiles(kwargs: Kwargs) -> str:
    ranges = kwargs["quantile_ranges"]
    if is_parameter(ranges):
        return f"quantiles within {value(ranges)}"
    pairs = zip(ranges["quantiles"], ranges["value_ranges"], strict=False)
    return "; ".join(
        f"{percent(quantile)} quantile {_bounds({'min_value': low, 'max_value': high})}"
        for quantile, (low, high) in pairs
    )


def _greater(kwargs: Kwargs) -> str:
    relation = "at least" if kwargs.get("or_equal") else "greater than"
    return f"{kwargs['column_A']} {relation} {kwargs['column_B']}"


def _z_scores(kwargs: Kwargs) -> str:
    sides = "on both sides" if kwargs.get("double_sided") is True else "above"
    return f"z-score less than {value(kwargs['threshold'])} {sides}"


def _outliers(kwargs: Kwargs) -> str:
    spread = "interquartile ranges" if kwargs.get("method", "iqr") == "iqr" else "deviations"
    return f"no outliers beyond {value(kwargs.get('multiplier', 1.5))} {spread}"


def _exists(kwargs: Kwargs) -> str:
    at = kwargs.get("column_index")
    return "exists" if at is None else f"exists, as column {value(at)} counted from 0"


def _column_set(kwargs: Kwargs) -> str:
    scope = "exactly" if kwargs.get("exact_match", True) is True else "at least"
    return f"has {scope} the columns {listed(kwargs.get('column_set'))}"


def _pairs(kwargs: Kwargs) -> str:
    return f"together one of {listed(kwargs['value_pairs_set'])}"


def _compare(kwargs: Kwargs) -> str:
    return (
        f"result of {value(kwargs['base_query'])} equals "
        f"{value(kwargs['comparison_query'])} in {value(kwargs['comparison_data_source_name'])}"
    )


def _plain(expectation: Expectation) -> str:
    """For what a newer library may bring: its title, and the arguments as they are."""
    kwargs = {
        name: one
        for name, one in expectation["kwargs"].items()
        if name not in vocabulary.COMMON and name not in ("column", "mostly")
    }
    known = vocabulary.load().get(expectation["type"])
    title = known.title if known else expectation["type"].replace("_", " ")
    said = ", ".join(f"{name} {listed(one)}" for name, one in kwargs.items())
    return f"{title}: {said}" if said else title


_ABOUT_TABLE = frozenset(
    {"expect_table_columns_to_match_ordered_list", "expect_table_columns_to_match_set"}
)
_PHRASES: dict[str, Callable[[Kwargs], str]] = {
    "expect_column_distinct_values_to_be_in_set": _of("distinct values all in {}", "value_set"),
    "expect_column_distinct_values_to_contain_set": _of("distinct values include {}", "value_set"),
    "expect_column_distinct_values_to_equal_set": _of("distinct values are {}", "value_set"),
    "expect_column_kl_divergence_to_be_less_than": _of(
        "distribution diverges less than {} (KL)", "threshold"
    ),
    "expect_column_max_to_be_between": _bounded("maximum"),
    "expect_column_mean_to_be_between": _bounded("mean"),
    "expect_column_median_to_be_between": _bounded("median"),
    "expect_column_min_to_be_between": _bounded("minimum"),
    "expect_column_most_common_value_to_be_in_set": _of("most common value in {}", "value_set"),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": _said("equal in each row"),
    "expect_column_pair_values_to_be_in_set": _pairs,
    "expect_column_proportion_of_non_null_values_to_be_between": _bounded("share not missing"),
    "expect_column_proportion_of_unique_values_to_be_between": _bounded("share of unique values"),
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_stdev_to_be_between": _bounded("standard deviation"),
    "expect_column_sum_to_be_between": _bounded("sum"),
    "expect_column_to_exist": _exists,
    "expect_column_type_to_be": _of("column type {}", "type_"),
    "expect_column_unique_value_count_to_be_between": _bounded("", " distinct values"),
    "expect_column_value_lengths_to_be_between": _bounded("length"),
    "expect_column_value_lengths_to_equal": _of("length exactly {}", "value"),
    "expect_column_value_z_scores_to_be_less_than": _z_scores,
    "expect_column_values_to_be_between": _bounded(""),
    "expect_column_values_to_be_dateutil_parseable": _said("readable as a date"),
    "expect_column_values_to_be_decreasing": _direction("decreasing"),
    "expect_column_values_to_be_in_set": _of("one of {}", "value_set"),
    "expect_column_values_to_be_in_type_list": _of("of one of the types {}", "type_list"),
    "expect_column_values_to_be_increasing": _direction("increasing"),
    "expect_column_values_to_be_json_parseable": _said("readable as JSON"),
    "expect_column_values_to_be_null": _said("missing"),
    "expect_column_values_to_be_of_type": _of("of type {}", "type_"),
    "expect_column_values_to_be_unique": _said("unique"),
    "expect_column_values_to_match_json_schema": _of("fits the JSON schema {}", "json_schema"),
    "expect_column_values_to_match_like_pattern": _of("like {}", "like_pattern"),
    "expect_column_values_to_match_like_pattern_list": _patterns(
        "like", "like_pattern_list", "any"
    ),
    "expect_column_values_to_match_regex": _of("matches {}", "regex"),
    "expect_column_values_to_match_regex_list": _patterns("matches", "regex_list", "any"),
    "expect_column_values_to_match_strftime_format": _of("dates as {}", "strftime_format"),
    "expect_column_values_to_not_be_in_set": _of("none of {}", "value_set"),
    "expect_column_values_to_not_be_null": _said("not missing"),
    "expect_column_values_to_not_be_outliers": _outliers,
    "expect_column_values_to_not_match_like_pattern": _of("not like {}", "like_pattern"),
    "expect_column_values_to_not_match_like_pattern_list": _of(
        "like none of {}", "like_pattern_list"
    ),
    "expect_column_values_to_not_match_regex": _of("does not match {}", "regex"),
    "expect_column_values_to_not_match_regex_list": _of("matches none of {}", "regex_list"),
    "expect_compound_columns_to_be_unique": _said("unique together"),
    "expect_multicolumn_sum_to_equal": _of("sum to {} in each row", "sum_total"),
    "expect_multicolumn_values_to_be_equal": _said("equal in each row"),
    "expect_query_results_to_match_comparison": _compare,
    "expect_select_column_values_to_be_unique_within_record": _said("differ within each row"),
    "expect_table_column_count_to_be_between": _bounded("has", " columns"),
    "expect_table_column_count_to_equal": _of("has exactly {} columns", "value"),
    "expect_table_columns_to_match_ordered_list": _of(
        "has the columns {}, in this order", "column_list"
    ),
    "expect_table_columns_to_match_set": _column_set,
    "expect_table_row_count_to_be_between": _bounded("has", " rows"),
    "expect_table_row_count_to_equal": _of("has exactly {} rows", "value"),
    "expect_table_row_count_to_equal_other_table": _of(
        "has as many rows as {}", "other_table_name"
    ),
    "unexpected_rows_expectation": _of("no row is found by {}", "unexpected_rows_query"),
}
