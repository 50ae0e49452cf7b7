"""Great Expectations itself, on pandas, for what is not compiled.

It sees the data that DuckDB sees (columns.py brings every column to one of five kinds first), in
these columns of pandas:

    integer   int64; with missing values, Python integers and NaN in an object column, which keeps
              them exact, and keeps 5 from becoming 5.0
    float     float64, missing as NaN
    boolean   bool; with missing values True, False and NaN in an object column
    time      datetime64[us], missing as NaT
    text      str, missing as NaN

The index counts rows from 0. Where a bound of a time column is a date alone, it is taken for the
midnight it begins with: Great Expectations reads it as a date, which pandas does not compare with
times.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlpi.checks.engine.columns import Kind, Seen, selected
from mlpi.checks.engine.outcomes import NO_EXCEPTION, PARTIAL, Format
from mlpi.checks.engine.table import Table

MARK = "mlpi_position"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NAMED = {"column", "column_A", "column_B", "column_list", "column_index"}
_OF_TABLE = ("expect_table_column", "expect_column_to_exist", "unexpected_rows", "expect_query")
_BASIC_LACKS = ("partial_unexpected_counts", "partial_unexpected_index_list")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Great Expectations said. rows: numbers of the first of the unexpected rows, from 1."""

    success: bool
    result: Mapping[str, Any]
    exception_info: Mapping[str, Any]
    rows: Sequence[int] = ()
    unexpected: int = 0


def judge(
    table: Table,
    columns: Mapping[str, Seen],
    expectations: Mapping[int, Mapping[str, Any]],
    wanted: Format,
) -> dict[int, Verdict]:
    """Verdicts by position. One bad expectation is its own verdict and spoils no other."""
    with _quiet():
        from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
            ExpectationConfiguration,
        )

        verdicts: dict[int, Verdict] = {}
        made: dict[int, Any] = {}
        for position, expectation in expectations.items():
            try:
                made[position] = ExpectationConfiguration(
                    type=expectation["type"],
                    kwargs=_kwargs(expectation.get("kwargs") or {}, columns),
                    meta={MARK: position},
                ).to_domain_obj()
            except Exception as error:
                verdicts[position] = _refused(error)
        if made:
            asked = [expectations[position] for position in made]
            data = frame(table, needed(asked, columns))
            verdicts.update(_judged(data, made, wanted))
    return verdicts


def frame(table: Table, columns: Sequence[Seen]) -> Any:
    """A DataFrame of all rows for Great Expectations, in the source's order."""
    import numpy as np  # noqa: PLC0415 - heavy, and only here
    import pandas as pd  # noqa: PLC0415

    if not columns:
        count = table.connection.execute(
            f"SELECT count(*) FROM {table.relation}"  # noqa: S608 - quoted by who opened it
        ).fetchone()
        assert count is not None
        return pd.DataFrame(index=pd.RangeIndex(count[0]))
    statement = f"SELECT * FROM {selected(columns, table.relation)}"  # noqa: S608
    read = table.connection.execute(statement).to_arrow_table()
    assert read is not None
    made: dict[str, Any] = {}
    for column, values in zip(columns, read.columns, strict=True):
        series = values.to_pandas(integer_object_nulls=True)
        if column.kind is Kind.TEXT:
            series = series.astype("str")
        elif series.dtype == object:
            objects = series.to_numpy(dtype=object, copy=True)
            objects[series.isna().to_numpy()] = np.nan  # one and the same, where None was
            series = pd.Series(objects, dtype=object)
        made[column.name] = series
    return pd.DataFrame(made)


def needed(expectations: Sequence[Mapping[str, Any]], columns: Mapping[str, Seen]) -> list[Seen]:
    """The columns that expectations read, in the table's order; all, where that is not known."""
    names: set[str] = set()
    for expectation in expectations:
        kwargs = expectation.get("kwargs") or {}
        if str(expectation["type"]).startswith(_OF_TABLE) or not _NAMED & set(kwargs):
            return list(columns.values())
        for key in _NAMED & set(kwargs):
            value = kwargs[key]
            names.update(map(str, value) if isinstance(value, list) else [str(value)])
        condition = str(kwargs.get("row_condition") or "")
        names.update(name for name in columns if name in condition)
    return [column for name, column in columns.items() if name in names]


def _kwargs(kwargs: Mapping[str, Any], columns: Mapping[str, Seen]) -> dict[str, Any]:
    made = copy.deepcopy(dict(kwargs))
    name = made.get("column")
    column = columns.get(name) if isinstance(name, str) else None
    if column is not None and column.kind is Kind.TIME:
        for key in ("min_value", "max_value"):
            if isinstance(made.get(key), str) and _DATE.fullmatch(made[key]):
                made[key] += "T00:00:00"
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is sent anywhere, and nothing is printed."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


@functools.cache
def _definition() -> Any:
    """One context for the process: it lives in memory, and making it takes longer than judging."""
    import great_expectations as gx  # noqa: PLC0415 - 4 s and 105 MB
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("mlpi").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("all")


def _judged(data: Any, made: Mapping[int, Any], wanted: Format) -> dict[int, Verdict]:
    batch = _definition().get_batch({"dataframe": data})
    try:
        return _validated(batch, made, wanted)
    except Exception:
        verdicts: dict[int, Verdict] = {}
        for position, expectation in made.items():
            try:
                verdicts.update(_validated(batch, {position: expectation}, wanted))
            except Exception as error:
                verdicts[position] = _refused(error)
        return verdicts


def _validated(batch: Any, made: Mapping[int, Any], wanted: Format) -> dict[int, Verdict]:
    from great_expectations.core.expectation_suite import ExpectationSuite  # noqa: PLC0415

    suite = ExpectationSuite(name="mlpi", expectations=list(made.values()))
    options = dict(wanted.asked)
    if wanted.level in ("BOOLEAN_ONLY", "BASIC") and wanted.is_plain:
        options["result_format"] = "SUMMARY"  # which tells the rows; the rest is cut off below
    answer = batch.validate(suite, result_format=options)
    verdicts = {}
    for one in answer.results:
        told = one.to_json_dict()
        position = told["expectation_config"]["meta"][MARK]
        result = _plain(told.get("result") or {})
        positions = result.get("partial_unexpected_index_list") or []
        verdicts[position] = Verdict(
            bool(told["success"]),
            _cut(result, wanted),
            _exception(told.get("exception_info") or {}),
            [number + 1 for number in positions[:PARTIAL] if isinstance(number, int)],
            result.get("unexpected_count") or 0,
        )
    return verdicts


def _cut(result: dict[str, Any], wanted: Format) -> dict[str, Any]:
    if wanted.level == "BOOLEAN_ONLY" and wanted.is_plain:
        return {}
    if wanted.level == "BASIC":
        return {key: value for key, value in result.items() if key not in _BASIC_LACKS}
    return result


def _plain(value: Any) -> Any:
    """Without the numpy scalars that Great Expectations leaves in its JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)
    return value


def raised(error: Exception) -> dict[str, Any]:
    """The exception_info of an expectation that could not be judged."""
    return {
        "raised_exception": True,
        "exception_traceback": None,
        "exception_message": str(error) or type(error).__name__,
    }


def _refused(error: Exception) -> Verdict:
    return Verdict(False, {}, raised(error))


def _exception(info: Mapping[str, Any]) -> dict[str, Any]:
    """As Great Expectations gives it, but for tracebacks, which name this machine's paths."""
    if not info:
        return dict(NO_EXCEPTION)
    if "raised_exception" in info:
        return {**info, "exception_traceback": None}
    return {
        str(metric): {**one, "exception_traceback": None} if isinstance(one, dict) else one
        for metric, one in info.items()
    }
