"""Profiles: every figure is that of the data, and all of it is JSON."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlpi.checks.engine import profiling, sampling
from mlpi.checks.engine.profiling import preview, profile
from mlpi.checks.engine.reading import open_table
from mlpi.checks.engine.table import Column, Table
from mlpi.checks.source import Source


def profiled(sql: str, **more: Any) -> dict[str, Any]:
    """The profile of a query's rows, through JSON."""
    with duckdb.connect(config={"threads": 2}) as connection:
        found = profile(table_of(connection, sql), **more)
    return json.loads(json.dumps(found, allow_nan=False))  # type: ignore[no-any-return]


def table_of(connection: duckdb.DuckDBPyConnection, sql: str) -> Table:
    connection.execute(f"CREATE TABLE data AS {sql}")
    described = connection.execute("DESCRIBE data").fetchall()
    return Table(connection, "data", tuple(Column(row[0], row[1]) for row in described))


def column(sql: str) -> dict[str, Any]:
    """The figures of the only column."""
    (found,) = profiled(sql)["columns"]
    return found  # type: ignore[no-any-return]


def test_figures_of_numbers() -> None:
    found = column(
        "SELECT CASE WHEN i % 10 > 0 THEN i * 0.5 END::DOUBLE AS x FROM range(1000) t(i)"
    )
    values = [i * 0.5 for i in range(1000) if i % 10]
    assert (found["kind"], found["type"], found["name"]) == ("number", "DOUBLE", "x")
    assert (found["missing"], found["missing_percent"]) == (100, 10.0)
    assert (found["min"], found["max"], found["distinct"]) == (0.5, 499.5, 900)
    assert found["distinct_exact"] is True
    assert found["is_unique"] is True
    assert found["mean"] == pytest.approx(statistics.fmean(values))
    assert found["stdev"] == pytest.approx(statistics.stdev(values))
    for at, point in found["quantiles"].items():
        assert point == pytest.approx(float(at) * 500, abs=10)
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    assert (len(edges), len(counts), sum(counts)) == (21, 20, 900)
    assert (edges[0], edges[-1]) == (0.5, pytest.approx(499.5))
    expected = [0] * 20
    for value in values:
        expected[min(19, int((value - 0.5) / (499 / 20)))] += 1
    assert counts == expected


def test_few_whole_numbers_have_a_bin_each() -> None:
    found = column("SELECT (i % 6)::BIGINT AS stars FROM range(60) t(i)")
    assert found["histogram"] == {"edges": [0, 1, 2, 3, 4, 5, 6], "counts": [10] * 6}
    assert found["top"] == [[star, 10] for star in range(6)]
    assert (found["kind"], found["is_unique"], found["is_sorted"]) == ("integer", False, None)


def test_infinite_numbers_are_counted_and_left_out() -> None:
    report = profiled("SELECT unnest(['1', '3', 'Infinity', '-Infinity', NULL])::DOUBLE AS x")
    (found,) = report["columns"]
    assert (found["infinite"], found["missing"], found["mean"]) == (2, 1, 2.0)
    assert (found["min"], found["max"]) == (1.0, 3.0)
    assert sum(found["histogram"]["counts"]) == 2
    assert "2 infinite values" in report["warnings"][0]


@pytest.mark.parametrize(
    "values",
    ["[1e308, -1e308, 1e308]", "[5e-324, 0.0]", "[0.1, 0.1, 0.1]", "[9e15, 9e15 + 2]", "[NULL]"],
)
def test_numbers_at_the_edges_of_doubles_do_not_break_it(values: str) -> None:
    found = column(f"SELECT unnest({values})::DOUBLE AS x")
    filled = found["filled"]
    if found["histogram"]:
        assert sum(found["histogram"]["counts"]) == filled


def test_huge_whole_numbers_stay_whole() -> None:
    found = column("SELECT unnest([170141183460469231731687303715884105727, 1])::HUGEINT AS x")
    assert found["max"] == 170141183460469231731687303715884105727


def test_figures_of_text() -> None:
    sql = (
        "SELECT 'AB-' || (100 + i % 3) AS code FROM range(99) t(i)"
        " UNION ALL SELECT 'é' || repeat('x', 500)"
    )
    found = column(sql)
    assert found["kind"] == "text"
    assert found["length"] == {"min": 6, "max": 501, "mean": pytest.approx((99 * 6 + 501) / 100)}
    assert found["top"] == [["AB-100", 33], ["AB-101", 33], ["AB-102", 33], [found["max"], 1]]
    assert found["patterns"][0] == ["AA-999", 0.99]
    assert (len(found["max"]), found["max"][-1]) == (200, "…")
    assert all(len(sample) <= 200 for sample in found["samples"])


def test_figures_of_dates_and_times() -> None:
    sql = (
        "SELECT date '2026-01-01' + (i % 5)::INT AS day, time '01:02:03' AS clock,"
        " timestamp '2026-01-01' + to_hours(i) AS at FROM range(100) t(i)"
    )
    day, clock, at = profiled(sql)["columns"]
    assert (day["kind"], at["kind"], clock["kind"]) == ("date", "date", "time")
    assert day["histogram"]["edges"] == [f"2026-01-0{one}" for one in range(1, 7)]
    assert day["histogram"]["counts"] == [20] * 5
    assert (at["min"], at["max"]) == ("2026-01-01 00:00:00", "2026-01-05 03:00:00")
    assert (len(at["histogram"]["edges"]), sum(at["histogram"]["counts"])) == (21, 100)
    assert at["quantiles"]["0.5"].startswith("2026-01-03 0")
    assert (at["is_sorted"], at["is_unique"]) == ("increasing", True)
    assert (clock["top"], clock["min"]) == ([["01:02:03", 100]], "01:02:03")


def test_booleans_blobs_and_columns_without_values() -> None:
    report = profiled("SELECT i < 3 AS yes, 'a'::BLOB AS b, NULL::BIGINT AS n FROM range(4) t(i)")
    yes, blob, nothing = report["columns"]
    assert yes["top"] == [[True, 3], [False, 1]]
    assert (blob["kind"], blob["top"]) == ("other", [["a", 4]])
    assert (nothing["missing_percent"], nothing["distinct"], nothing["mean"]) == (100, 0, None)
    assert nothing["is_unique"] is False
    assert report["warnings"] == ["column 'n' has no value at all"]


def test_a_table_without_rows() -> None:
    sql = "SELECT 1 AS i, 'x' AS word, DATE '2026-01-01' AS d, 1.5::DOUBLE AS x LIMIT 0"
    report = profiled(sql)
    assert (report["row_count"], report["sampled_rows"]) == (0, None)
    assert [one["histogram"] for one in report["columns"]] == [None] * 4
    assert report["correlations"]["matrix"] == [[None, None], [None, None]]


def test_correlations() -> None:
    sql = "SELECT i AS a, -2 * i AS b, 7 AS same, (i * 1e300)::DOUBLE AS large FROM range(50) t(i)"
    found = profiled(sql)["correlations"]
    assert found["columns"] == ["a", "b", "same", "large"]
    a = found["matrix"][0]
    assert (a[0], a[1], a[2], a[3]) == (pytest.approx(1), pytest.approx(-1), None, pytest.approx(1))
    assert all(found["matrix"][x][y] == found["matrix"][y][x] for x in range(4) for y in range(4))


def test_a_large_table_is_sampled_and_says_so_and_the_rest_is_exact() -> None:
    rows = 3 * sampling.ROWS + 1
    # One duplicate, and one step down, both outside of the sample.
    sql = (
        "SELECT CASE i WHEN 5 THEN 4 ELSE i END AS almost_unique, i AS key, -i AS down,"
        f" CASE i WHEN 7 THEN 100 ELSE i END AS almost_sorted, i % 50 AS g FROM range({rows}) t(i)"
    )
    report = profiled(sql)
    figures = {one["name"]: one for one in report["columns"]}
    assert (report["row_count"], report["sampled_rows"]) == (rows, math.ceil(rows / 4))
    assert (figures["key"]["is_unique"], figures["almost_unique"]["is_unique"]) == (True, False)
    assert figures["almost_unique"]["distinct"] == rows - 1
    orders = [figures[name]["is_sorted"] for name in ("key", "down", "almost_sorted", "g")]
    assert orders == ["increasing", "decreasing", None, None]
    assert figures["g"]["distinct"] == 50
    assert figures["g"]["top"][0] == [0, 1201]
    assert profiled(sql) == report, "the same data must give the same profile"


def test_a_frequent_value_is_found_among_many_rare_ones() -> None:
    sql = "SELECT CASE WHEN i % 10 = 0 THEN 'often' ELSE 'w' || i END AS w FROM range(50000) t(i)"
    found = column(sql)
    assert found["top"][0] == ["often", 5000]


def test_wide_tables_are_profiled_in_parts() -> None:
    parts = ", ".join(f"i + {at} AS c{at}" for at in range(250))
    found = profiled(f"SELECT {parts} FROM range(10) t(i)")
    assert [one["min"] for one in found["columns"]] == list(range(250))
    assert len(found["correlations"]["columns"]) == sampling.MAX_CORRELATED


def test_names_may_be_anything() -> None:
    sql = """SELECT 1 AS "a""b", 2 AS "number", 3 AS "select", 'x' AS "<b>é", 4 AS "c0" """
    assert [one["top"] for one in profiled(sql)["columns"]] == [[]] * 5


def test_progress_goes_from_none_to_all() -> None:
    heard: list[float] = []
    profiled("SELECT 1 AS i", progress=lambda part, words: heard.append(part) if words else None)
    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0.0, 1.0)


def test_what_the_reading_noted_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,a\n1,2\n1,2,3\n3,4\n")
    source = Source("csv", path=str(path), options={"ignore_bad_lines": True})
    with open_table(source, folder=tmp_path / "scratch") as table:
        report = profile(table)
    assert (report["row_count"], report["skipped_lines"]) == (2, 1)
    assert "'a_1'" in report["warnings"][0]


def test_preview_shows_the_first_rows_as_they_are() -> None:
    sql = (
        "SELECT i, '=1+' || i AS formula, '<b>' AS html, 'x' || chr(0) AS nul, 'inf'::DOUBLE AS x,"
        " repeat('y', 1000) AS long, DATE '2026-01-02' AS day, NULL AS nothing FROM range(500) t(i)"
    )
    with duckdb.connect() as connection:
        found = preview(table_of(connection, sql), limit=3)
    assert len(found["rows"]) == 3
    json.dumps(found, allow_nan=False)
    row = found["rows"][2]
    assert row[:5] == [2, "=1+2", "<b>", "x␀", "Infinity"]
    assert (len(row[5]), row[6:]) == (200, ["2026-01-02", None])


def test_preview_stays_small() -> None:
    parts = ", ".join(f"repeat('é', 1000) AS c{at}" for at in range(1000))
    with duckdb.connect() as connection:
        found = preview(table_of(connection, f"SELECT {parts} FROM range(200)"))
    assert found["rows"]
    size = len(json.dumps(found["rows"], ensure_ascii=False).encode())
    assert size <= profiling.PREVIEW_BYTES


@pytest.mark.parametrize("threads", [1, 3])
def test_a_wide_table_needs_no_more_memory_than_a_small_pi_gives(
    tmp_path: Path, threads: int
) -> None:
    path, count = tmp_path / "wide.csv", 120
    lines = [",".join(f"c{at}" for at in range(count))]
    for row in range(300):
        texts, numbers = f"word{row % 200}", f"{(row * 7919) % 1000 / 997:.5f}"
        lines.append(",".join(texts if at % 3 else numbers for at in range(count)))
    path.write_text("\n".join(lines) + "\n")
    source, scratch = Source("csv", path=str(path)), tmp_path / "scratch"
    with open_table(source, folder=scratch, memory_bytes=256 << 20, threads=threads) as table:
        found = profile(table)
    assert (found["row_count"], len(found["columns"])) == (300, count)
