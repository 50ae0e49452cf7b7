"""What a table holds: figures of each column, their correlations, and the first rows.

How often the table is read: once for sums, once for counts in bins and of frequent values, once for
the sample; and once more for columns that look unique or sorted, to be sure. Memory does not grow
with the rows. What is not exact says so:
- distinct is exact up to some 10,000 values and for columns that are nearly unique, else estimated
  (HyperLogLog, "distinct_exact": false);
- quantiles are estimated by t-digest, to about a percent of rank;
- frequent values are found by the space-saving algorithm, and their counts are exact;
- patterns, samples and correlations come from every n-th row, about 20,000 of them
  ("sampled_rows"; None when all rows were taken).
Infinite numbers count as filled; the other figures leave them out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.checks.engine.histograms import Bins, bins_of, moment
from mlpi.checks.engine.sampling import Sample
from mlpi.checks.engine.table import Column, Table, literal

CELL = 200  # characters of a value that are shown
PREVIEW_BYTES = 500_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TOP = 10
_CANDIDATES = 40
_EXACT_DISTINCT = 10_000
# The estimate is off by up to a third in rare cases.
_NEARLY_UNIQUE = 0.6
_TOGETHER = 100  # columns in one statement
# Where each keeps maps and sets of values, of which every thread has its own.
_TOGETHER_WITH_VALUES = 12
_INTEGERS = frozenset(
    f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")
) | {"INTEGER", "UINTEGER"}

Progress = Callable[[float, str], None]


def profile(table: Table, *, progress: Progress = lambda part, words: None) -> dict[str, Any]:
    """Everything of the table as JSON: row_count, columns, correlations, warnings, sampled_rows."""
    subjects = [Subject.of(column) for column in table.columns]
    progress(0.0, "reading")
    row_count = _sums(table, subjects)
    progress(0.3, "counting values")
    _counts(table, subjects, row_count)
    progress(0.55, "sampling")
    with Sample.of(table, subjects, row_count) as sample:
        progress(0.75, "looking for patterns")
        for subject in subjects:
            sample.describe(subject)
        correlations = sample.correlations(subjects)
        maybe_sorted = sample.maybe_sorted(subjects)
    progress(0.85, "looking for order")
    _order(table, maybe_sorted)
    progress(0.9, "looking for unique columns")
    _uniqueness(table, subjects)
    progress(1.0, "profiled")
    return {
        "row_count": row_count,
        "columns": [subject.figures for subject in subjects],
        "correlations": correlations,
        "sampled_rows": sample.rows if sample.every > 1 else None,
        "skipped_lines": table.skipped_lines,
        "warnings": [*table.warnings, *_warnings(subjects, row_count)],
    }


def preview(table: Table, *, limit: int = 200) -> dict[str, Any]:
    """The first rows as JSON: columns and rows, cells cut at CELL characters, few enough bytes."""
    # Of very wide tables each cell shows less, so that some rows fit.
    cell = max(8, min(CELL, PREVIEW_BYTES // 10 // max(1, len(table.columns))))
    parts = [shown(column, cell) for column in table.columns]
    cursor = table.connection.execute(
        f"SELECT {', '.join(parts)} FROM {table.relation} LIMIT {int(limit)}"  # noqa: S608
    )
    rows: list[list[Any]] = []
    size = 0
    while row := cursor.fetchone():
        cells = [_json(value) for value in row]
        size += len(json.dumps(cells, ensure_ascii=False).encode()) + 2
        if size > PREVIEW_BYTES:
            break
        rows.append(cells)
    return {"columns": [column.name for column in table.columns], "rows": rows}


def kind_of(type_name: str) -> str:
    """number, integer, text, date, time, boolean or other."""
    if type_name in _INTEGERS:
        return "integer"
    if type_name in ("DOUBLE", "FLOAT") or type_name.startswith("DECIMAL"):
        return "number"
    if type_name in ("VARCHAR", "UUID") or type_name.startswith("ENUM"):
        return "text"
    if type_name == "DATE" or type_name.startswith("TIMESTAMP"):
        return "date"
    if type_name.startswith("TIME"):
        return "time"
    return "boolean" if type_name == "BOOLEAN" else "other"


def cut(sql: str, characters: int = CELL) -> str:
    """SQL of a value as a short text. NUL, which PostgreSQL's JSON refuses, becomes visible."""
    text = f"replace({sql}::VARCHAR, chr(0), '␀')"
    return (
        f"CASE WHEN length({text}) > {characters}"
        f" THEN left({text}, {characters - 1}) || '…' ELSE {text} END"
    )


def text_of(value: str | None) -> str | None:
    """The same for a value that was cut in SQL already, and so may have lost its end."""
    if value is None:
        return None
    return (value if len(value) < CELL else value[: CELL - 1] + "…").replace("\0", "␀")


def shown(column: Column, characters: int = CELL) -> str:
    """SQL of a value as JSON can hold it."""
    kind = kind_of(column.type)
    if kind in ("integer", "boolean"):
        return column.sql
    return f"{column.sql}::DOUBLE" if kind == "number" else cut(column.sql, characters)


@dataclass
class Subject:
    """A column and what is known of it so far."""

    column: Column
    kind: str
    figures: dict[str, Any]
    bins: Bins | None = None
    candidates: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, column: Column) -> Subject:
        kind = kind_of(column.type)
        nothing = dict.fromkeys(
            ("min", "max", "mean", "stdev", "quantiles", "histogram", "length", "is_sorted")
        )
        figures = {"name": column.name, "type": column.type, "kind": kind, **nothing}
        return cls(column, kind, {**figures, "top": [], "patterns": [], "samples": []})

    @property
    def is_number(self) -> bool:
        return self.kind in ("number", "integer")

    @property
    def number(self) -> str:
        """SQL of its value on an axis: a number, or seconds since 1970. NULL where infinite."""
        name = self.column.sql
        if self.kind == "date":
            return f"epoch(CASE WHEN isfinite({name}) THEN {name}::TIMESTAMP END)"
        if self.column.type in ("DOUBLE", "FLOAT"):
            return f"CASE WHEN isfinite({name}) THEN {name}::DOUBLE END"
        return f"{name}::DOUBLE"

    @property
    def finite(self) -> str:
        """SQL of the value itself, NULL where infinite."""
        name = self.column.sql
        if self.column.type in ("DOUBLE", "FLOAT"):
            return f"CASE WHEN isfinite({name}) THEN {name} END"
        return name

    @property
    def word(self) -> str:
        """SQL of the value as it is counted: itself, or a short text."""
        name = self.column.sql
        return f"left({name}::VARCHAR, {CELL})" if self.kind in ("text", "other", "time") else name


def _sums(table: Table, subjects: Sequence[Subject]) -> int:
    row_count = 0
    for group in _groups(subjects):
        asked: list[str] = []
        for subject in group:
            asked += _sums_of(subject)
        row = _one(table, f"SELECT count(*), {', '.join(asked)} FROM {table.relation}")  # noqa: S608
        row_count = row[0]
        answers = iter(row[1:])
        for subject in group:
            _keep_sums(subject, row_count, [next(answers) for _ in _sums_of(subject)])
    return row_count


def _sums_of(subject: Subject) -> list[str]:
    name, finite, number = subject.column.sql, subject.finite, subject.number
    asked = [
        f"count({name})",
        f"approx_count_distinct({name})",
        f"approx_top_k({subject.word}, {_CANDIDATES})::VARCHAR[]",
    ]
    points = f"approx_quantile({number}, {list(QUANTILES)})"
    if subject.is_number:
        moments = [f"avg({number})", f"stddev_samp({number} / 1e150) * 1e150"]
        return [*asked, f"min({finite})", f"max({finite})", points, *moments, f"count({number})"]
    if subject.kind == "date":
        ends = [f"min({number})", f"max({number})", points]
        return [*asked, *ends, f"min({name})::VARCHAR", f"max({name})::VARCHAR"]
    if subject.kind == "text":
        length = f"length({name}::VARCHAR)"
        ends = [f"min({subject.word})", f"max({subject.word})"]
        return [*asked, *ends, f"min({length})", f"max({length})", f"avg({length})"]
    if subject.kind == "other":
        return asked
    return [*asked, f"min({name})::VARCHAR", f"max({name})::VARCHAR"]


def _keep_sums(subject: Subject, row_count: int, answers: list[Any]) -> None:
    figures = subject.figures
    filled, distinct, candidates, *rest = answers
    figures["missing"] = row_count - filled
    figures["missing_percent"] = _percent(row_count - filled, row_count)
    figures["filled"] = filled
    figures["distinct"], figures["distinct_exact"] = min(distinct, filled), False
    subject.candidates = [one for one in candidates or [] if one is not None]
    if subject.is_number:
        low, high, points, mean, stdev, finite = rest
        figures |= {
            "min": _json(low),
            "max": _json(high),
            "mean": _json(mean),
            "stdev": _json(stdev),
        }
        figures["quantiles"] = _quantiles(points, _json)
        figures["infinite"] = filled - finite
        subject.bins = bins_of(low, high, is_whole=subject.kind == "integer")
    elif subject.kind == "date":
        low, high, points, figures["min"], figures["max"] = rest
        figures["quantiles"] = _quantiles(points, lambda value: moment(value, subject.column.type))
        subject.bins = bins_of(low, high, of_type=subject.column.type)
    elif subject.kind == "text":
        low, high, shortest, longest, usual = rest
        figures["min"], figures["max"] = text_of(low), text_of(high)
        if filled:
            figures["length"] = {"min": shortest, "max": longest, "mean": usual}
    elif rest:
        figures["min"], figures["max"] = rest


def _quantiles(points: list[float] | None, shape: Callable[[float], Any]) -> dict[str, Any] | None:
    if not points or any(point is None for point in points):
        return None
    return {str(at): shape(point) for at, point in zip(QUANTILES, points, strict=True)}


def _counts(table: Table, subjects: Sequence[Subject], row_count: int) -> None:
    """Bins, frequent values, and distinct values where they are few."""
    for group in _groups(subjects, _TOGETHER_WITH_VALUES):
        asked: list[str] = []
        for subject in group:
            word, distinct = subject.word, "NULL"
            if subject.figures["distinct"] <= _EXACT_DISTINCT:
                distinct = f"count(DISTINCT {subject.column.sql})"
            asked += [subject.bins.sql(subject.number) if subject.bins else "NULL", distinct]
            if subject.candidates:
                # Texts were cut, and are compared as such.
                kind = "VARCHAR" if word != subject.column.sql else subject.column.type
                among = ", ".join(f"{literal(one)}::{kind}" for one in subject.candidates)
                counted = f"histogram(CASE WHEN {word} IN ({among}) THEN {word} END)"
                asked += [f"map_keys({counted})::VARCHAR[]", f"map_values({counted})"]
            else:
                asked += ["NULL", "NULL"]
        answers = iter(_one(table, f"SELECT {', '.join(asked)} FROM {table.relation}"))  # noqa: S608
        for subject in group:
            binned, distinct, words, counts = (next(answers) for _ in range(4))
            figures = subject.figures
            if subject.bins and binned:
                figures["histogram"] = subject.bins.filled(binned)
            if distinct is not None:
                figures["distinct"], figures["distinct_exact"] = distinct, True
            ranked = sorted(
                zip(words or (), counts or (), strict=True), key=lambda one: (-one[1], one[0])
            )
            if ranked and ranked[0][1] > 1:
                figures["top"] = [[_value(subject, one), count] for one, count in ranked[:TOP]]


def _value(subject: Subject, text: str) -> Any:
    if subject.kind == "integer":
        return int(text)
    if subject.kind == "number":
        return _json(float(text))
    return text == "true" if subject.kind == "boolean" else text_of(text)


def _order(table: Table, subjects: Sequence[Subject]) -> None:
    """Whether columns that are sorted in the sample are so in all rows."""
    for group in _groups(subjects):
        inner = ", ".join(
            f"{one.column.sql} AS v{at}, lag({one.column.sql}) OVER () AS w{at}"
            for at, one in enumerate(group)
        )
        outer = ", ".join(
            f"bool_and(v{at} >= w{at}), bool_and(v{at} <= w{at})" for at in range(len(group))
        )
        answers = iter(_one(table, f"SELECT {outer} FROM (SELECT {inner} FROM {table.relation})"))  # noqa: S608
        for subject in group:
            rises, falls = next(answers), next(answers)
            if rises != falls:
                subject.figures["is_sorted"] = "increasing" if rises else "decreasing"


def _uniqueness(table: Table, subjects: Sequence[Subject]) -> None:
    """Count what is nearly unique, by hash: 64 bits do not collide among so many rows."""
    for subject in subjects:
        figures = subject.figures
        filled = figures["filled"]
        if not figures["distinct_exact"] and figures["distinct"] >= _NEARLY_UNIQUE * filled:
            name = subject.column.sql
            groups = (
                f"SELECT 1 FROM {table.relation} WHERE {name} IS NOT NULL GROUP BY hash({name})"  # noqa: S608
            )
            figures["distinct"] = _one(table, f"SELECT count(*) FROM ({groups})")[0]  # noqa: S608
            figures["distinct_exact"] = True
        figures["is_unique"] = bool(
            filled and figures["distinct_exact"] and figures["distinct"] == filled
        )


def _warnings(subjects: Sequence[Subject], row_count: int) -> Iterator[str]:
    for subject in subjects:
        figures = subject.figures
        if row_count and figures["missing"] == row_count:
            yield f"column {figures['name']!r} has no value at all"
        if figures.get("infinite"):
            yield f"column {figures['name']!r} has {figures['infinite']:,} infinite values"


def _groups(subjects: Sequence[Subject], together: int = _TOGETHER) -> Iterator[Sequence[Subject]]:
    return (subjects[at : at + together] for at in range(0, len(subjects), together))


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _json(value: Any) -> Any:
    """A number that JSON can hold: infinity becomes a word, a decimal a float."""
    if value is None or isinstance(value, bool | int | str):
        return value
    number = float(value)
    if math.isnan(number):
        return None
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _one(table: Table, sql: str) -> tuple[Any, ...]:
    row = table.connection.execute(sql).fetchone()
    assert row is not None
    return row
