"""Validating: which engine judges, what a result tells, and what becomes of bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mlpi.checks.engine import scan
from mlpi.checks.engine.outcomes import ResultFormatUnknown
from mlpi.checks.engine.table import Column, Table
from mlpi.checks.engine.validation import (
    DUCKDB,
    GREAT_EXPECTATIONS,
    SuiteUnreadable,
    validate,
)

SHOP = """
    SELECT * FROM (VALUES
        (1, 'AT', 'ann@example.org',  10.5,  DATE '2024-01-01', DECIMAL '1.10'),
        (2, 'DE', 'bob@example',      20.0,  DATE '2024-01-02', DECIMAL '2.20'),
        (3, 'XX', NULL,               NULL,  DATE '2024-02-01', DECIMAL '0.10'),
        (4, 'DE', 'dan@example.org', -1.0,   NULL,              DECIMAL '0.10'),
        (5, 'YY', 'eve@example.org', 'inf'::DOUBLE, DATE '2023-12-31', NULL)
    ) AS t(id, country, email, amount, bought, price)
"""
EMAIL = r"^[^@]+@[^@]+\.org$"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture
def shop(connection: duckdb.DuckDBPyConnection) -> Table:
    return opened(connection, SHOP)


def opened(connection: duckdb.DuckDBPyConnection, query: str) -> Table:
    connection.execute(f"CREATE TABLE shop AS {query}")
    described = connection.execute("DESCRIBE shop").fetchall()
    return Table(connection, "shop", tuple(Column(one[0], one[1]) for one in described))


def expectation(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


def suite(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"name": "shop", "expectations": list(expectations), "meta": {}}


def judged(table: Table, *expectations: dict[str, Any], wanted: Any = "SUMMARY") -> list[Any]:
    told = validate(table, suite(*expectations), result_format=wanted)
    json.dumps(told, allow_nan=False)
    return list(told["results"])


def engine(result: dict[str, Any]) -> str:
    return str(result["meta"]["mlpi"]["engine"])


def test_a_suite_is_answered_as_great_expectations_answers(shop: Table) -> None:
    told = validate(
        shop,
        suite(
            expectation("table_row_count_to_equal", value=5),
            {**expectation("column_values_to_not_be_null", column="email"), "id": "of-mine"},
        ),
    )
    assert told["success"] is False
    assert told["suite_name"] == "shop"
    assert told["statistics"] == {
        "evaluated_expectations": 2,
        "successful_expectations": 1,
        "unsuccessful_expectations": 1,
        "success_percent": 50.0,
    }
    failed = told["results"][1]
    assert failed["expectation_config"] == {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "email"},
        "meta": {},
        "severity": "critical",
        "id": "of-mine",
    }
    assert failed["exception_info"]["raised_exception"] is False
    assert failed["result"]["unexpected_count"] == 1


def test_a_suite_of_nothing_succeeds(shop: Table) -> None:
    told = validate(shop, suite())
    assert told["success"] is True
    assert told["statistics"]["success_percent"] is None


def test_failed_rows_are_told_by_number_and_value(shop: Table) -> None:
    (result,) = judged(
        shop,
        expectation("column_values_to_be_in_set", column="country", value_set=["AT", "DE"]),
    )
    assert result["meta"]["mlpi"] == {
        "engine": DUCKDB,
        "rows": [
            {"row": 3, "values": {"country": "XX"}},
            {"row": 5, "values": {"country": "YY"}},
        ],
        "rows_total": 2,
    }


def test_great_expectations_tells_the_same_rows(shop: Table) -> None:
    (result,) = judged(
        shop,
        expectation(
            "column_values_to_match_strftime_format", column="country", strftime_format="%j"
        ),
    )
    assert engine(result) == GREAT_EXPECTATIONS
    assert result["meta"]["mlpi"]["rows_total"] == 5
    assert result["meta"]["mlpi"]["rows"][2] == {"row": 3, "values": {"country": "XX"}}


@pytest.mark.parametrize("wanted", ["BOOLEAN_ONLY", "BASIC"])
def test_rows_are_told_whatever_the_result_format(shop: Table, wanted: str) -> None:
    for result in judged(
        shop,
        expectation("column_values_to_not_be_in_set", column="id", value_set=[4]),
        expectation("column_values_to_be_json_parseable", column="country"),
        wanted=wanted,
    ):
        assert result["meta"]["mlpi"]["rows"]
        assert "partial_unexpected_index_list" not in result["result"]


def test_no_more_than_twenty_rows_are_told(connection: duckdb.DuckDBPyConnection) -> None:
    table = opened(connection, "SELECT n FROM range(1000) r(n)")
    (result,) = judged(
        table,
        expectation("column_values_to_be_between", column="n", max_value=99),
        wanted="COMPLETE",
    )
    about = result["meta"]["mlpi"]
    assert [row["row"] for row in about["rows"]] == list(range(101, 121))
    assert about["rows_total"] == 900
    assert len(result["result"]["unexpected_list"]) == 200  # as many as Great Expectations lists
    assert len(result["result"]["unexpected_index_list"]) == 900


@pytest.mark.parametrize(
    "kwargs",
    [
        {"column": "id", "min_value": 5, "max_value": 1},
        {"column": "nobody", "min_value": 1},
        {"column": "country", "min_value": 1},
        {"column": "id"},
        {"column": "id", "min_value": 1, "colour": "red"},
        {"column": "id", "min_value": 1, "mostly": 7},
    ],
)
def test_what_cannot_be_judged_fails_alone_and_says_why(
    shop: Table, kwargs: dict[str, Any]
) -> None:
    bad, good = judged(
        shop,
        expectation("column_values_to_be_between", **kwargs),
        expectation("column_values_to_be_unique", column="id"),
    )
    assert bad["success"] is False
    assert engine(bad) == GREAT_EXPECTATIONS
    info = bad["exception_info"]
    said = info if "exception_message" in info else next(iter(info.values()))
    assert said["raised_exception"] is True
    assert said["exception_message"]
    assert said["exception_traceback"] is None
    assert good["success"] is True


def test_an_unknown_expectation_fails_alone(shop: Table) -> None:
    bad, good = judged(
        shop,
        expectation("nobody_to_expect_it", column="id"),
        expectation("column_values_to_match_strftime_format", column="email", strftime_format="%Y"),
    )
    assert "not found" in bad["exception_info"]["exception_message"]
    assert good["exception_info"]["raised_exception"] is False


@pytest.mark.parametrize(
    "given",
    [{}, {"expectations": None}, {"expectations": [{"kwargs": {}}]}, {"expectations": ["x"]}],
)
def test_what_is_no_suite_is_refused(shop: Table, given: dict[str, Any]) -> None:
    with pytest.raises(SuiteUnreadable):
        validate(shop, given)


@pytest.mark.parametrize(
    "wanted", ["ALL", {}, {"result_format": "BASIC", "partial_unexpected_count": -1}]
)
def test_an_unknown_result_format_is_refused(shop: Table, wanted: Any) -> None:
    with pytest.raises(ResultFormatUnknown):
        validate(shop, suite(), result_format=wanted)


def test_infinity_becomes_text(shop: Table) -> None:
    """JSON has no infinity, and PostgreSQL takes none."""
    (result,) = judged(shop, expectation("column_max_to_be_between", column="amount", max_value=9))
    assert result["result"]["observed_value"] == "Infinity"
    assert result["success"] is False


def test_a_date_alone_is_a_bound_for_both_engines(shop: Table) -> None:
    compiled, by_gx = judged(
        shop,
        expectation("column_values_to_be_between", column="bought", min_value="2024-01-01"),
        expectation(
            "column_values_to_be_between",
            column="bought",
            min_value="2024-01-01",
            row_condition="id > 0",
            condition_parser="pandas",
        ),
    )
    assert (engine(compiled), engine(by_gx)) == (DUCKDB, GREAT_EXPECTATIONS)
    assert compiled["result"] == by_gx["result"]
    assert compiled["result"]["partial_unexpected_list"] == ["2023-12-31T00:00:00"]


def test_decimals_are_judged_by_their_value(shop: Table) -> None:
    for result in judged(
        shop,
        expectation("column_values_to_be_in_set", column="price", value_set=[0.1, 1.1, 2.2]),
        expectation(
            "column_distinct_values_to_equal_set", column="price", value_set=[0.1, 1.1, 2.2]
        ),
    ):
        assert result["success"] is True


def test_integers_with_gaps_stay_integers(connection: duckdb.DuckDBPyConnection) -> None:
    table = opened(connection, f"SELECT * FROM (VALUES ({2**62 + 1}), (NULL), (7)) t(n)")
    for result in judged(
        table,
        expectation("column_values_to_match_regex", column="n", regex="^7$"),
        expectation("column_values_to_match_regex", column="n", regex="^7(?!x)$"),
    ):
        assert result["result"]["partial_unexpected_list"] == [2**62 + 1]


def test_names_and_values_are_quoted(connection: duckdb.DuckDBPyConnection) -> None:
    table = opened(connection, """SELECT 'it''s {table} "q"' AS "a ""b"" {c}; --", 1 AS "c0" """)
    name = table.columns[0].name
    for result in judged(
        table,
        expectation("column_values_to_be_in_set", column=name, value_set=['it\'s {table} "q"']),
        expectation(
            "column_most_common_value_to_be_in_set", column=name, value_set=['it\'s {table} "q"']
        ),
        expectation("column_values_to_match_regex", column=name, regex=r"\{table\}"),
        expectation("compound_columns_to_be_unique", column_list=[name, "c0"]),
    ):
        assert (result["success"], engine(result)) == (True, DUCKDB)


def test_like_is_sql_s_own(shop: Table) -> None:
    """Great Expectations has it for databases only."""
    good, escaped, by_gx = judged(
        shop,
        expectation(
            "column_values_to_match_like_pattern", column="email", like_pattern="%@example%"
        ),
        expectation(
            "column_values_to_not_match_like_pattern",
            column="email",
            like_pattern="%!%%",
            escape="!",
        ),
        expectation("column_values_to_match_like_pattern", column="id", like_pattern="%"),
    )
    assert good["success"]
    assert escaped["success"]
    assert engine(by_gx) == GREAT_EXPECTATIONS
    assert not by_gx["success"]


def test_a_pattern_that_backtracks_for_ever_on_python_is_run_by_re2(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    table = opened(connection, "SELECT repeat('a', 5000) || 'b' AS s")
    (result,) = judged(
        table, expectation("column_values_to_match_regex", column="s", regex=r"^(a+)+c")
    )
    assert (result["success"], engine(result)) == (False, DUCKDB)


FOR_EVER = """
import resource, time
import duckdb, great_expectations
from mlpi.checks.engine.table import Column, Table
from mlpi.checks.engine.validation import validate
with duckdb.connect() as connection:
    connection.execute("CREATE TABLE t AS SELECT repeat('a', 5000) || 'b' AS s")
    kwargs = {"column": "s", "regex": r"^(a+)+c(?=d)"}
    suite = {"expectations": [{"type": "expect_column_values_to_match_regex", "kwargs": kwargs}]}
    limit = int(time.process_time()) + 3
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 60))
    validate(Table(connection, "t", (Column("s", "VARCHAR"),)), suite)
"""


def test_a_pattern_that_only_python_runs_ends_with_its_worker() -> None:
    """Killed from outside, as a job past its time is: here by the kernel, for its CPU time."""
    ended = subprocess.run([sys.executable, "-c", FOR_EVER], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGXCPU


LIGHT = """
import sys, duckdb
from mlpi.checks.engine.table import Column, Table
from mlpi.checks.engine.validation import validate
with duckdb.connect() as connection:
    connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    unique = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "n"}}
    suite = {"expectations": [unique]}
    assert validate(Table(connection, "t", (Column("n", "INTEGER"),)), suite)["success"]
heavy = {"pandas", "numpy", "pyarrow", "great_expectations"} & set(sys.modules)
assert not heavy, heavy
"""


def test_a_suite_that_compiles_loads_neither_pandas_nor_great_expectations() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", LIGHT], check=True)


def test_ranks_of_a_long_column_are_sorted_instead(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = opened(connection, "SELECT (n * 7919) % 1001 AS n FROM range(1001) r(n)")
    asked = [
        expectation("column_median_to_be_between", column="n", min_value=500, max_value=500),
        expectation(
            "column_quantile_values_to_be_between",
            column="n",
            quantile_ranges={"quantiles": [0.1, 0.9], "value_ranges": [[100, 100], [900, 900]]},
        ),
        expectation("column_values_to_not_be_outliers", column="n"),
    ]
    held = judged(table, *asked)
    monkeypatch.setattr(scan, "HELD", 10)
    assert judged(table, *asked) == held
    assert all(result["success"] for result in held)


def test_a_mean_on_its_bound_is_left_to_great_expectations(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    table = opened(connection, "SELECT * FROM (VALUES (0.1::DOUBLE), (0.2), (0.3)) t(x)")
    near, far = judged(
        table,
        expectation("column_mean_to_be_between", column="x", max_value=0.2),
        expectation("column_mean_to_be_between", column="x", max_value=0.3),
    )
    assert (engine(near), engine(far)) == (GREAT_EXPECTATIONS, DUCKDB)


@pytest.fixture
def closed(shop: Table) -> Table:
    """As whoever opens a source leaves it: other files are out of reach."""
    shop.connection.execute("SET enable_external_access = false")
    return shop


def query(sql: str) -> dict[str, Any]:
    return {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": sql}}


def test_rows_that_a_query_finds_are_unexpected(closed: Table) -> None:
    none, two = judged(
        closed,
        query("SELECT * FROM {batch} WHERE id > 9"),
        query("SELECT b.id, price FROM {batch} AS b WHERE country NOT IN ('AT', 'DE') -- odd\n;"),
        wanted="COMPLETE",
    )
    assert (none["success"], none["result"]["observed_value"]) == (True, 0)
    assert (two["success"], engine(two)) == (False, DUCKDB)
    assert two["result"] == {
        "observed_value": 2,
        "details": {"unexpected_rows": [{"id": 3, "price": 0.1}, {"id": 5, "price": None}]},
    }


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE shop",
        "SELECT 1; DROP TABLE shop",
        "SELECT 1) AS a; DROP TABLE shop; SELECT (1",
        "SELECT nobody FROM {batch}",
        "SELECT * FROM {other}",
        "SELECT {",
        "SELECT * FROM read_text('/etc/hostname')",
    ],
)
def test_a_query_that_may_not_or_cannot_run_fails_alone(closed: Table, sql: str) -> None:
    bad, good = judged(closed, query(sql), expectation("table_row_count_to_equal", value=5))
    assert bad["success"] is False
    assert bad["exception_info"]["raised_exception"] is True
    assert good["success"] is True


def test_a_query_does_not_run_where_other_files_are_in_reach(shop: Table) -> None:
    (result,) = judged(shop, query("SELECT * FROM {batch}"))
    assert engine(result) == GREAT_EXPECTATIONS
    assert result["exception_info"]["raised_exception"] is True


def test_progress_ends_at_one(shop: Table) -> None:
    heard: list[tuple[float, str]] = []
    validate(
        shop,
        suite(
            expectation("column_values_to_be_unique", column="id"),
            expectation("column_values_to_be_json_parseable", column="id"),
        ),
        progress=lambda share, text: heard.append((share, text)),
    )
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert all(text for _, text in heard)
