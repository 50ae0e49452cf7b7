"""Every compiled expectation against Great Expectations itself, over generated data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from mlpi.checks.engine import fallback, rowwise
from mlpi.checks.engine.columns import see
from mlpi.checks.engine.outcomes import FORMATS, Format, json_safe
from mlpi.checks.engine.table import Table
from mlpi.checks.engine.validation import COMPILED, DUCKDB, validate
from tests.checks_examples import ALL, ARGUMENTS, rows, table_of

FORMATS_ASKED: list[Any] = [
    *FORMATS,
    {"result_format": "SUMMARY", "partial_unexpected_count": 3},
    {"result_format": "COMPLETE", "partial_unexpected_count": 0},
    {"result_format": "COMPLETE", "return_unexpected_index_query": False},
]
# Great Expectations has SQL for databases only; test_checks_engine.py says what it is here.
OF_DATABASES = {"unexpected_rows_expectation"}
# In a set's order, which is nobody's.
UNORDERED = "partial_missing_list"
# Two of them, for two workers.
PARTS = {
    part: st.fixed_dictionaries(
        {kind: one for kind, one in ARGUMENTS.items() if (kind in rowwise.COMPILED) is is_first}
    )
    for part, is_first in (("values of one column", True), ("the rest", False))
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def reference(table: Table, asked: Mapping[int, Any], wanted: Any) -> dict[int, fallback.Verdict]:
    """What Great Expectations says on pandas. It has LIKE for databases only: there, as a regex."""
    said = {position: as_regex(one) for position, one in asked.items()}
    return fallback.judge(table, see(table), said, Format.of(wanted))


def as_regex(expectation: dict[str, Any]) -> dict[str, Any]:
    if "like_pattern" not in expectation["type"]:
        return expectation
    kwargs = dict(expectation["kwargs"])
    if "like_pattern" in kwargs:
        kwargs["regex"] = regex(kwargs.pop("like_pattern"))
    else:
        kwargs["regex_list"] = list(map(regex, kwargs.pop("like_pattern_list")))
    return {"type": expectation["type"].replace("like_pattern", "regex"), "kwargs": kwargs}


def regex(like: str) -> str:
    signs = {"%": ".*", "_": "."}
    return "(?s)^(?:" + "".join(signs.get(one, re.escape(one)) for one in like) + r")\Z"


def same(ours: Any, theirs: Any) -> bool:
    """Equal, but for the last digits of what is computed with doubles."""
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-8)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            same_unordered(ours[key], theirs[key])
            if key == UNORDERED
            else same(ours[key], theirs[key])
            for key in ours
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and bool(ours == theirs)


def same_unordered(ours: list[Any], theirs: list[Any]) -> bool:
    return same(sorted(ours, key=str), sorted(theirs, key=str)) or set(ours) == set(theirs)


def test_every_compiled_expectation_is_compared() -> None:
    assert set(ARGUMENTS) == set(COMPILED) - OF_DATABASES


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.timeout(400)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), given_rows=rows(), wanted=st.sampled_from(FORMATS_ASKED))
def test_duckdb_and_great_expectations_say_the_same(
    connection: duckdb.DuckDBPyConnection,
    part: str,
    data: st.DataObject,
    given_rows: list[tuple[Any, ...]],
    wanted: Any,
) -> None:
    arguments = data.draw(PARTS[part])
    table = table_of(connection, given_rows, ALL)
    compare(table, arguments, wanted)


ODD = [None, True, "", "x", "2020-13-01", 0.5, -1, 10**400, [], [1, "a"], [None], {}, {"a": 1}]


@pytest.mark.timeout(400)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking 100 arguments takes minutes
)
@given(data=st.data(), given_rows=rows())
def test_odd_arguments_are_judged_alike_or_left_to_great_expectations(
    connection: duckdb.DuckDBPyConnection, data: st.DataObject, given_rows: list[tuple[Any, ...]]
) -> None:
    table = table_of(connection, given_rows, ALL)
    arguments = data.draw(st.fixed_dictionaries(ARGUMENTS))
    for kwargs in arguments.values():
        name = data.draw(st.sampled_from([*kwargs, "mostly", "row_condition", "unknown"]))
        kwargs[name] = data.draw(st.sampled_from(ODD))
    compare(table, arguments, "SUMMARY")


def compare(table: Table, arguments: Mapping[str, Any], wanted: Any) -> None:
    """What DuckDB judged of these expectations, Great Expectations judges the same."""
    expectations = [{"type": kind, "kwargs": kwargs} for kind, kwargs in arguments.items()]
    told = validate(table, {"name": "all", "expectations": expectations}, result_format=wanted)
    ours = {
        position: one
        for position, one in enumerate(told["results"])
        if one["meta"]["mlpi"]["engine"] == DUCKDB
    }
    theirs = reference(table, {position: expectations[position] for position in ours}, wanted)
    for position, one in ours.items():
        verdict = theirs[position]
        note(f"{expectations[position]}\n{one['success']} {one['result']}\n{verdict}")
        assert verdict.exception_info["raised_exception"] is False
        assert one["success"] is verdict.success
        assert same(one["result"], json_safe(dict(verdict.result)))
