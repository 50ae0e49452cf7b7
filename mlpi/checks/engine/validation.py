"""A suite judged on a table: by DuckDB where the meaning is exact, else by Great Expectations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlpi.checks.engine import (
    aggregates,
    distinct,
    dtypes,
    fallback,
    layout,
    queries,
    rowwise,
    several,
    spread,
)
from mlpi.checks.engine.columns import see
from mlpi.checks.engine.literals import NotExact
from mlpi.checks.engine.outcomes import (
    Format,
    RowCounts,
    is_success,
    json_safe,
    of_expectation,
    of_rows,
    of_suite,
)
from mlpi.checks.engine.plan import (
    AggregateCheck,
    Arguments,
    Check,
    Compiler,
    RowCheck,
    Shape,
    Unjudgeable,
)
from mlpi.checks.engine.scan import ROWS, FailedRows, Scan, shown, unexpected
from mlpi.checks.engine.table import Table
from mlpi.errors import Invalid

DUCKDB, GREAT_EXPECTATIONS = "duckdb", "great_expectations"

COMPILED: dict[str, Callable[[Arguments], Check]] = {
    **rowwise.COMPILED,
    **several.COMPILED,
    **aggregates.COMPILED,
    **distinct.COMPILED,
    **spread.COMPILED,
    **layout.COMPILED,
    **dtypes.COMPILED,
    **queries.COMPILED,
}

Progress = Callable[[float, str], None]


class SuiteUnreadable(Invalid):
    """The suite is not what Great Expectations writes: a list of expectations, each with a type."""


def _silent(_share: float, _text: str) -> None:
    """Nobody listens."""


def validate(
    table: Table,
    suite: Mapping[str, Any],
    *,
    result_format: Mapping[str, Any] | str = "SUMMARY",
    progress: Progress = _silent,
) -> dict[str, Any]:
    """The ExpectationSuiteValidationResult of Great Expectations 1.x, as JSON.

    suite: as Great Expectations 1.x writes it. progress: told a share of 1 and what comes next.
    Each result's meta["mlpi"] says which engine judged, and for an expectation about rows that
    failed, the first of them. Infinite numbers, which JSON lacks, are the texts "Infinity" and
    "-Infinity". An expectation that can not be judged is a result that failed, and says why in
    exception_info.
    Raises SuiteUnreadable and ResultFormatUnknown.
    """
    run = _Run(table, _expectations(suite), Format.of(result_format), progress)
    results = run.results()
    return json_safe(of_suite(suite, results, {}))  # type: ignore[no-any-return] # a dict stays one


def _expectations(suite: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    expectations = suite.get("expectations")
    if not isinstance(expectations, list):
        raise SuiteUnreadable
    for number, one in enumerate(expectations, start=1):
        if not isinstance(one, Mapping) or not isinstance(one.get("type"), str):
            raise SuiteUnreadable(f"Expectation {number} of the suite has no type.")
        if not isinstance(one.get("kwargs") or {}, Mapping):
            raise SuiteUnreadable(f"Expectation {number} of the suite: kwargs is no mapping.")
    return expectations


class _Run:
    """One suite on one table."""

    def __init__(
        self,
        table: Table,
        expectations: Sequence[Mapping[str, Any]],
        wanted: Format,
        progress: Progress,
    ) -> None:
        self._table = table
        self._expectations = expectations
        self._wanted = wanted
        self._progress = progress
        self._columns = see(table)
        self._scan = Scan(table, wanted)
        self._results: dict[int, dict[str, Any]] = {}

    def results(self) -> list[dict[str, Any]]:
        """In the suite's order."""
        checks = self._compiled()
        if checks:
            self._progress(0.0, "Reading the data")
            self._scan.gather(checks.values())
            self._progress(0.5, "Judging")
            self._judge_figures(checks)
            self._judge_rows(checks)
        rest = [one for one in range(len(self._expectations)) if one not in self._results]
        if rest:
            self._progress(0.8, f"Great Expectations judges {len(rest)}")
            self._judge_rest(rest)
        self._progress(1.0, "Done")
        return [self._results[position] for position in range(len(self._expectations))]

    def _compiled(self) -> dict[int, Check]:
        """Checks by their expectation's position; what has none is for Great Expectations."""
        compiler = Compiler(
            self._columns, self._table.connection, self._table.relation, self._wanted
        )
        checks: dict[int, Check] = {}
        for position, expectation in enumerate(self._expectations):
            compile_ = COMPILED.get(expectation["type"])
            if compile_ is None:
                continue
            try:
                check = compile_(Arguments(expectation.get("kwargs") or {}, compiler))
            except NotExact:
                continue
            if isinstance(check, AggregateCheck) or self._wanted.is_plain:
                checks[position] = check
        return checks

    def _judge_figures(self, checks: Mapping[int, Check]) -> None:
        for position, check in checks.items():
            if isinstance(check, AggregateCheck):
                try:
                    success, result = check.judge(self._scan.facts(check))
                except NotExact:
                    continue
                except Unjudgeable as error:
                    self._add(position, DUCKDB, False, {}, fallback.raised(error))
                    continue
                kept = {} if self._wanted.level == "BOOLEAN_ONLY" else result
                self._add(position, DUCKDB, success, kept)

    def _judge_rows(self, checks: Mapping[int, Check]) -> None:
        by_row = {at: check for at, check in checks.items() if isinstance(check, RowCheck)}
        settled = self._scan.settle(by_row.values())
        sure = [check for check in by_row.values() if isinstance(settled[id(check)], RowCounts)]
        failed = self._scan.failed_rows(sure)
        for position, check in by_row.items():
            counts = settled[id(check)]
            if isinstance(counts, RowCounts):
                self._add_rows(position, check, counts, failed.get(id(check)))

    def _add_rows(
        self, position: int, check: RowCheck, counts: RowCounts, failed: FailedRows | None
    ) -> None:
        success = is_success(counts, check.mostly)
        result = of_rows(
            counts,
            unexpected(check, failed),
            self._wanted,
            micros=check.shape is Shape.PAIR,
        )
        self._add(position, DUCKDB, success, result)
        if not success and failed:
            rows = shown(check.columns, failed.numbers, failed.values)
            self._tell_rows(position, rows, counts.unexpected)

    def _judge_rest(self, rest: Sequence[int]) -> None:
        asked = {position: self._expectations[position] for position in rest}
        verdicts = fallback.judge(self._table, self._columns, asked, self._wanted)
        for position, verdict in verdicts.items():
            result, info = verdict.result, verdict.exception_info
            self._add(position, GREAT_EXPECTATIONS, verdict.success, result, info)
        failed = {at: one for at, one in verdicts.items() if not one.success and one.rows}
        numbers = [number for one in failed.values() for number in one.rows[:ROWS]]
        needed = fallback.needed([asked[position] for position in failed], self._columns)
        values = self._scan.values_of(numbers, needed)
        for position, verdict in failed.items():
            own = fallback.needed([asked[position]], self._columns)
            places = [needed.index(column) for column in own]
            rows = [[values[number][place] for place in places] for number in verdict.rows]
            self._tell_rows(position, shown(own, verdict.rows, rows), verdict.unexpected)

    def _add(
        self,
        position: int,
        engine: str,
        success: bool,
        result: Mapping[str, Any],
        exception_info: Mapping[str, Any] | None = None,
    ) -> None:
        told = {} if exception_info is None else {"exception_info": exception_info}
        expectation = self._expectations[position]
        self._results[position] = of_expectation(expectation, engine, bool(success), result, **told)

    def _tell_rows(self, position: int, rows: Sequence[Any], total: int) -> None:
        about: dict[str, Any] = self._results[position]["meta"]["mlpi"]
        about["rows"], about["rows_total"] = list(rows), total
