"""A suite of 20 expectations on 1 M rows × 8 columns: mlpi against Great Expectations on pandas.

    python -m tests.bench.checks [--runs 3] [--rows 1000000] [--long]

Each validation is a process of its own, in turns: pandas reads the file and Great Expectations
judges the frame, or mlpi opens the file and judges it: a file that it has not seen, and one whose
profile is known, as that of every stored version is. All must say the same of every
expectation. Times are given with and without the start of Python and its imports; memory is the
process's peak. --long adds mlpi on ten times the rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.measure import machine, median, table
from tests.service import clean_environment

MEMORY_BYTES = 256 << 20  # that DuckDB may hold, on a small Pi
COUNTRIES = ["AT", "BR", "CA", "DE", "FR", "JP", "KE", "NZ"]
SHOP = f"""
    SELECT
        n AS id,
        {COUNTRIES}[1 + (hash(n) % 8)::INT] AS country,
        'user' || (hash(n + 1) % 200000) || '@example.org' AS email,
        round((hash(n + 2) % 1000000) / 997.0, 2) AS amount,
        1 + (hash(n + 3) % 12)::INT AS quantity,
        CASE WHEN hash(n + 4) % 50 = 0 THEN NULL ELSE (hash(n + 4) % 10000) / 10000.0 END AS score,
        TIMESTAMP '2024-01-01' + to_seconds(n * 7) AS bought,
        'ref-' || lpad(CAST(n AS VARCHAR), 10, '0') AS reference
    FROM range({{rows}}) r(n)
"""


def expectation(kind: str, column: str | None = None, **kwargs: Any) -> dict[str, Any]:
    if column:
        kwargs["column"] = column
    return {"type": kind, "kwargs": kwargs}


SUITE = {
    "name": "shop",
    "expectations": [
        expectation("expect_table_row_count_to_be_between", min_value=1),
        expectation("expect_column_to_exist", "score"),
        expectation("expect_column_values_to_not_be_null", "id"),
        expectation("expect_column_values_to_be_unique", "id"),
        expectation("expect_column_values_to_be_increasing", "id"),
        expectation("expect_column_values_to_not_be_null", "country"),
        expectation("expect_column_values_to_be_in_set", "country", value_set=COUNTRIES),
        expectation("expect_column_distinct_values_to_equal_set", "country", value_set=COUNTRIES),
        expectation("expect_column_values_to_match_regex", "email", regex=r"^[^@]+@[^@]+\.org"),
        expectation("expect_column_value_lengths_to_be_between", "email", max_value=40),
        expectation(
            "expect_column_values_to_be_between", "amount", min_value=0, max_value=1000, mostly=0.9
        ),
        expectation("expect_column_mean_to_be_between", "amount", min_value=400, max_value=600),
        expectation("expect_column_median_to_be_between", "amount", min_value=400, max_value=600),
        expectation("expect_column_stdev_to_be_between", "amount", min_value=100, max_value=400),
        expectation(
            "expect_column_values_to_be_between", "quantity", min_value=1, max_value=11
        ),  # about one in twelve fails
        expectation("expect_column_sum_to_be_between", "quantity", min_value=1),
        expectation("expect_column_values_to_not_be_null", "score", mostly=0.95),
        expectation(
            "expect_column_quantile_values_to_be_between",
            "score",
            quantile_ranges={
                "quantiles": [0.05, 0.5, 0.95],
                "value_ranges": [[0, 0.1], [0.4, 0.6], [0.9, 1]],
            },
        ),
        expectation("expect_column_max_to_be_between", "bought", min_value="2024-01-01T00:00:00"),
        expectation("expect_column_value_lengths_to_equal", "reference", value=14),
    ],
}


@dataclass(frozen=True)
class Sample:
    """One process: whole_s and cpu_s from its start, judged_s without the imports."""

    whole_s: float
    judged_s: float
    cpu_s: float
    peak_mb: float
    successes: list[bool]


def by_mlpi(path: Path, reading: Mapping[str, Any] | None = None) -> tuple[float, list[bool]]:
    from mlpi.checks.engine.reading import open_table
    from mlpi.checks.engine.validation import validate
    from mlpi.checks.source import Source

    began = time.perf_counter()
    source = Source(format=path.suffix[1:], path=str(path), reading=reading)
    with open_table(source, folder=path.parent / "scratch", memory_bytes=MEMORY_BYTES) as opened:
        told = validate(opened, SUITE)
    assert {one["meta"]["mlpi"]["engine"] for one in told["results"]} == {"duckdb"}
    return time.perf_counter() - began, [one["success"] for one in told["results"]]


def by_mlpi_again(path: Path) -> tuple[float, list[bool]]:
    """As a stored version is checked: its profile has settled before how it is read."""
    return by_mlpi(path, json.loads(path.with_suffix(".reading").read_text()))


def profile(path: Path) -> None:
    """Keep what a first opening finds out, as the profile of a version does."""
    from mlpi.checks.engine.reading import open_table
    from mlpi.checks.source import Source

    source = Source(format=path.suffix[1:], path=str(path))
    with open_table(source, folder=path.parent / "scratch", memory_bytes=MEMORY_BYTES) as opened:
        path.with_suffix(".reading").write_text(json.dumps(opened.reading))


def by_great_expectations(path: Path) -> tuple[float, list[bool]]:
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    began = time.perf_counter()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("shop").add_dataframe_asset("shop")
    whole = asset.add_batch_definition_whole_dataframe("all")
    if path.suffix == ".csv":
        data = pd.read_csv(path, parse_dates=["bought"])
    else:
        data = pd.read_parquet(path)
    suite = gx.ExpectationSuite(name="shop", expectations=SUITE["expectations"])
    told = whole.get_batch({"dataframe": data}).validate(suite, result_format="SUMMARY")
    # Results come in an order of its own.
    said = {
        json.dumps([one.expectation_config.type, one.expectation_config.kwargs.get("column")]): one
        for one in told.results
    }
    names = [
        json.dumps([one["type"], one["kwargs"].get("column")]) for one in SUITE["expectations"]
    ]
    return time.perf_counter() - began, [bool(said[name].success) for name in names]


ENGINES: dict[str, Callable[[Path], tuple[float, list[bool]]]] = {
    "mlpi, stored version": by_mlpi_again,
    "mlpi, unseen file": by_mlpi,
    "GX on pandas": by_great_expectations,
}


def peak_mb() -> float:
    """Of this process since it began to run Python."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError("VmHWM")


def child(engine: str, path: Path) -> None:
    judged_s, successes = ENGINES[engine](path)
    usage = time.process_time()
    print(json.dumps([judged_s, usage, peak_mb(), successes]))


def sample(engine: str, path: Path) -> Sample:
    command = [sys.executable, "-m", "tests.bench.checks", "--child", engine, str(path)]
    environment = clean_environment({"GX_ANALYTICS_ENABLED": "false"})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    whole_s = time.perf_counter() - began
    return Sample(whole_s, *json.loads(done.stdout.splitlines()[-1]))


def write(folder: Path, rows: int) -> list[Path]:
    import duckdb

    paths = [folder / f"shop-{rows}.csv", folder / f"shop-{rows}.parquet"]
    with duckdb.connect() as connection:
        for path in paths:
            connection.execute(f"COPY ({SHOP.format(rows=rows)}) TO '{path}'")
    return paths


FIGURES: list[tuple[str, Callable[[Sample], float]]] = [
    ("whole process, s", lambda one: one.whole_s),
    ("reading and judging, s", lambda one: one.judged_s),
    ("CPU of the process, s", lambda one: one.cpu_s),
    ("peak memory, MB", lambda one: one.peak_mb),
]


def compare(path: Path, runs: int) -> None:
    kept: dict[str, list[Sample]] = {engine: [] for engine in ENGINES}
    for turn in range(runs + 1):
        for engine, samples in kept.items():
            taken = sample(engine, path)
            if turn:  # the first warms the file and the bytecode
                samples.append(taken)
    stored, unseen, peers = kept.values()
    same = stored[0].successes == unseen[0].successes == peers[0].successes
    assert same, "the engines do not agree"
    rows = []
    for label, read in FIGURES:
        found = [median(map(read, samples)) for samples in (stored, unseen, peers)]
        ratios = [f"{found[2] / mine:.1f}x" for mine in found[:2]]
        rows.append([label, *(f"{one:.2f}" for one in found), *ratios])
    size_mb = path.stat().st_size / 1e6
    print(f"\n{path.name}, {size_mb:.0f} MB; {sum(stored[0].successes)} of 20 succeed\n")
    print(table(["", *ENGINES, "stored", "unseen"], rows))


def grow(paths: list[Path], runs: int) -> None:
    rows = []
    for path in paths:
        taken = [sample("mlpi, stored version", path) for _ in range(runs)]
        rows.append([path.name, *(f"{median(map(read, taken)):.2f}" for _, read in FIGURES)])
    print("\nmlpi on ten times the rows\n")
    print(table(["", *(label for label, _ in FIGURES)], rows))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--long", action="store_true", help="also ten times the rows")
    options.add_argument("--child", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        child(chosen.child[0], Path(chosen.child[1]))
        return
    print(f"{machine()}; median of {chosen.runs} runs each, in turns")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write(folder, chosen.rows)
        for path in paths:
            profile(path)
            compare(path, chosen.runs)
        if chosen.long:
            paths = write(folder, chosen.rows * 10)
            for path in paths:
                profile(path)
            grow(paths, chosen.runs)


if __name__ == "__main__":
    main()
