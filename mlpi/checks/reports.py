"""What a report shows, from Great Expectations' result JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.checks.models import Validation
from mlpi.checks.suites import sentences as suite_sentences

SEVERITIES = ("critical", "warning", "info")
ENGINES = {"duckdb": "DuckDB", "great_expectations": "Great Expectations"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation and how it went."""

    key: str
    type: str
    subject: str
    phrase: str
    severity: str
    success: bool
    engine: str
    observed: str
    notes: str
    error: str
    traceback: str
    counts: list[tuple[str, Any]]
    unexpected: list[tuple[Any, int | None]]
    rows: list[Mapping[str, Any]]
    row_columns: list[str]
    rows_total: int
    chart: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a trend: x from 0 to 1, y from 0 (highest) to 1."""

    run: int
    x: float
    y: float
    success: bool
    label: str


@dataclass(frozen=True, slots=True)
class Trend:
    """How one expectation went over the runs, oldest first."""

    key: str
    subject: str
    phrase: str
    points: list[Point]
    least: float | None
    most: float | None
    unit: str = ""


def verdicts(result: Mapping[str, Any], profile: Mapping[str, Any] | None) -> list[Verdict]:
    """All expectations of a result: what is wrong first, the severe before the mild."""
    columns = {one["name"]: one for one in (profile or {}).get("columns", ())}
    found = [_verdict(number, one, columns) for number, one in enumerate(result["results"])]
    return sorted(found, key=lambda one: (one.success, _rank(one.severity)))


def trends(runs: Sequence[Validation], expectations: Sequence[Mapping[str, Any]]) -> list[Trend]:
    """Per expectation, what was seen in these runs (newest first, as the store gives them)."""
    ordered = list(reversed(runs))
    found = []
    for number, expectation in enumerate(expectations):
        key = str(expectation.get("id") or number)
        seen = [(run, run.observed[key]) for run in ordered if key in run.observed]
        if not seen:
            continue
        values = [one["value"] for _, one in seen if one["value"] is not None]
        least, most = (min(values), max(values)) if values else (None, None)
        points = [
            Point(
                run.id,
                _share(place, len(seen)),
                _height(one["value"], least, most),
                one["success"],
                f"{run.target}: {_shown(one['value'])}",
            )
            for place, (run, one) in enumerate(seen)
            if one["value"] is not None or not values
        ]
        subject, phrase = _words(expectation)
        unit = next((one["unit"] for _, one in seen if one.get("unit")), "")
        found.append(Trend(key, subject, phrase, points, least, most, unit))
    return found


def _verdict(number: int, one: Mapping[str, Any], columns: Mapping[str, Any]) -> Verdict:
    config, seen = one["expectation_config"], one.get("result") or {}
    own = (one.get("meta") or {}).get("mlpi", {})
    trouble = one.get("exception_info") or {}
    if trouble and "raised_exception" not in trouble:
        trouble = next(iter(trouble.values()), {})  # GX keys it by metric when one failed
    subject, phrase = _words(config)
    rows = list(own.get("rows", ()))
    row_columns = list(rows[0]["values"]) if rows else []
    column = columns.get(config.get("kwargs", {}).get("column"))
    return Verdict(
        key=str(config.get("id") or number),
        type=config["type"],
        subject=subject,
        phrase=phrase,
        severity=str(config.get("severity") or "critical"),
        success=bool(one["success"]),
        engine=ENGINES.get(own.get("engine", "great_expectations"), "Great Expectations"),
        observed=_observed(seen),
        notes=_notes(config.get("notes")),
        error=str(trouble.get("exception_message") or "")
        if trouble.get("raised_exception")
        else "",
        traceback=str(trouble.get("exception_traceback") or ""),
        counts=[
            (words, seen[key])
            for key, words in _COUNTS
            if (seen.get(key) not in (None, 0, 0.0) or (key in seen and key == "element_count"))
            and (key not in _OBSERVED or "observed_value" in seen)
        ],
        unexpected=_unexpected(seen),
        rows=rows,
        row_columns=row_columns,
        rows_total=int(own.get("rows_total", len(rows))),
        chart=column if column and not one["success"] else None,
        raw=one,
    )


_COUNTS = (
    ("element_count", "rows"),
    ("unexpected_count", "unexpected"),
    ("unexpected_percent", "% unexpected"),
    ("missing_count", "missing"),
    ("missing_percent", "% missing"),
)
_OBSERVED = {"unexpected_count", "unexpected_percent"}  # what _observed says where nothing else is


def _words(expectation: Mapping[str, Any]) -> tuple[str, str]:
    config: Any = {"kwargs": {}, **expectation}
    return suite_sentences.subject(config), suite_sentences.phrase(config)


def _observed(seen: Mapping[str, Any]) -> str:
    if "observed_value" in seen:
        return _shown(seen["observed_value"])
    if "unexpected_count" in seen:
        percent = seen.get("unexpected_percent")
        share = f" ({percent:.3g} %)" if isinstance(percent, int | float) and percent else ""
        return f"{seen['unexpected_count']:,} unexpected{share}"
    return ""


def _unexpected(seen: Mapping[str, Any]) -> list[tuple[Any, int | None]]:
    counted = seen.get("partial_unexpected_counts")
    if counted and all(isinstance(one, Mapping) and "value" in one for one in counted):
        return [(one["value"], one["count"]) for one in counted[:10]]
    return [(value, None) for value in (seen.get("partial_unexpected_list") or [])[:10]]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list) and len(value) > 8:
        return f"{', '.join(_shown(one) for one in value[:8])}, … ({len(value)})"
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_shown(one)}" for key, one in list(value.items())[:6])
    return suite_sentences.value(value)


def _notes(notes: Any) -> str:
    return "\n".join(notes) if isinstance(notes, list) else str(notes or "")


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _share(place: int, count: int) -> float:
    return place / (count - 1) if count > 1 else 0.5


def _height(value: float | None, least: float | None, most: float | None) -> float:
    if value is None or least is None or most is None or least == most:
        return 0.5
    return 1 - (value - least) / (most - least)
