"""Results in Great Expectations' own form: what its _format_map_output and others write."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mlpi.checks.engine.columns import as_json
from mlpi.errors import Invalid

FORMATS = ("BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE")
PARTIAL = 20
# Values that Great Expectations puts into a list at most, and distinct values.
MOST_VALUES, MOST_DISTINCT = 200, 20
NO_EXCEPTION = {
    "raised_exception": False,
    "exception_traceback": None,
    "exception_message": None,
}


class ResultFormatUnknown(Invalid):
    """The result format is unknown: use BOOLEAN_ONLY, BASIC, SUMMARY or COMPLETE."""


@dataclass(frozen=True, slots=True)
class Format:
    """How much a result tells.

    partial: values and counts in the partial lists. is_plain: nothing is asked for that only
    Great Expectations makes, such as the unexpected rows as a table.
    """

    level: str
    partial: int
    with_query: bool
    is_plain: bool
    asked: Mapping[str, Any]

    @classmethod
    def of(cls, asked: Mapping[str, Any] | str) -> Format:
        """Raises ResultFormatUnknown."""
        options = {"result_format": asked} if isinstance(asked, str) else dict(asked)
        level = options.get("result_format")
        partial = options.get("partial_unexpected_count", PARTIAL)
        if level not in FORMATS or not isinstance(partial, int) or partial < 0:
            raise ResultFormatUnknown
        known = {"result_format", "partial_unexpected_count", "return_unexpected_index_query"}
        unusual = {name for name, value in options.items() if name not in known and value}
        return cls(
            level,
            partial,
            options.get("return_unexpected_index_query") is not False,
            not unusual and not options.get("return_unexpected_index_query", False),
            options,
        )

    @property
    def values(self) -> int:
        """Unexpected values that a list holds at most."""
        return MOST_VALUES if self.level == "COMPLETE" else min(self.partial, MOST_VALUES)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What a check of every row found. present: None where missing rows are not counted apart."""

    elements: int
    present: int | None
    unexpected: int


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Rows that failed, from the first: values as pandas would hold them, positions from 0."""

    values: Sequence[Any]
    positions: Sequence[int]


def is_success(counts: RowCounts, mostly: float) -> bool:
    considered = counts.elements if counts.present is None else counts.present
    if counts.elements == 0 or considered == 0:
        return True
    if counts.present is None:
        return (considered - counts.unexpected) / considered >= mostly
    return (float(considered) - float(counts.unexpected)) / float(considered) >= mostly


def of_rows(
    counts: RowCounts, unexpected: Unexpected, wanted: Format, *, micros: bool = False
) -> dict[str, Any]:
    """The "result" of a check of every row. micros: how times in it are written."""
    if wanted.level == "BOOLEAN_ONLY":
        return {}
    values, elements = list(unexpected.values[: wanted.values]), counts.elements
    share = counts.unexpected / elements * 100 if elements else None
    result: dict[str, Any] = {
        "element_count": elements,
        "unexpected_count": counts.unexpected,
        "unexpected_percent": share,
        "partial_unexpected_list": as_json(values[: wanted.partial], micros=micros),
    }
    if counts.present is not None:
        missing = elements - counts.present
        of_present = counts.unexpected / counts.present * 100 if counts.present else None
        result["unexpected_percent"] = of_present
        result["missing_count"] = missing
        result["missing_percent"] = missing / elements * 100 if elements else None
        result["unexpected_percent_total"] = share
        result["unexpected_percent_nonmissing"] = of_present
    if wanted.level == "BASIC":
        return result
    if wanted.partial > 0:
        counted = _counted(values, wanted.partial)
        if counted is not None:
            result["partial_unexpected_counts"] = as_json(counted, micros=micros)
        result["partial_unexpected_index_list"] = list(unexpected.positions[: wanted.partial])
    if wanted.level == "COMPLETE":
        result["unexpected_list"] = as_json(values, micros=micros)
        result["unexpected_index_list"] = list(unexpected.positions)
        if wanted.with_query:
            positions = list(unexpected.positions)
            result["unexpected_index_query"] = f"df.filter(items={positions}, axis=0)"
    return result


def _counted(values: Sequence[Any], most: int) -> list[dict[str, Any]] | None:
    """The commonest values; None where they have no order, as in Great Expectations."""
    keys = [tuple(one.values()) if isinstance(one, dict) else one for one in values]
    try:
        ordered = sorted(Counter(keys).most_common(most), key=lambda pair: (-pair[1], pair[0]))
    except TypeError:
        return None
    return [{"value": key, "count": count} for key, count in ordered]


def of_suite(
    suite: Mapping[str, Any], results: Sequence[dict[str, Any]], meta: Mapping[str, Any]
) -> dict[str, Any]:
    """An ExpectationSuiteValidationResult as JSON."""
    good = sum(one["success"] for one in results)
    return {
        "success": good == len(results),
        "results": list(results),
        "suite_name": suite.get("name", ""),
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": good / len(results) * 100 if results else None,
        },
        "meta": {"great_expectations_version": version("great_expectations"), **meta},
        "id": None,
    }


def of_expectation(
    expectation: Mapping[str, Any],
    engine: str,
    success: bool,
    result: Mapping[str, Any],
    exception_info: Mapping[str, Any] = NO_EXCEPTION,
) -> dict[str, Any]:
    """An ExpectationValidationResult as JSON; meta says which engine judged."""
    config = {
        "type": expectation.get("type"),
        "kwargs": expectation.get("kwargs") or {},
        "meta": expectation.get("meta") or {},
        "severity": expectation.get("severity") or "critical",
    }
    for name in ("id", "notes", "description", "rendered_content"):
        if expectation.get(name) is not None:
            config[name] = expectation[name]
    return {
        "success": success,
        "expectation_config": config,
        "result": dict(result),
        "meta": {"mlpi": {"engine": engine}},
        "exception_info": dict(exception_info),
    }


def json_safe(value: Any) -> Any:
    """Without numbers that JSON lacks: infinities become text; NaN is null, as for GX."""
    if isinstance(value, dict):
        return {str(key): json_safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return None
        return "Infinity" if value > 0 else "-Infinity"
    return value
