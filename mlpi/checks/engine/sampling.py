"""Every n-th row of a table, for what would cost too much on all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.table import Table

if TYPE_CHECKING:
    from mlpi.checks.engine.profiling import Subject

ROWS = 20_000
MAX_CORRELATED = 30
_PATTERNS, _SAMPLES = 5, 5
_PATTERN_CHARACTERS = 40
_NAME = "mlpi_sample"


@dataclass
class Sample:
    """A temporary table of columns c0, c1, … and number, the row's place from 0."""

    table: Table
    every: int
    rows: int
    places: dict[str, int]

    @classmethod
    @contextmanager
    def of(cls, table: Table, subjects: Sequence[Subject], row_count: int) -> Iterator[Sample]:
        """Taken in file order, so that the same file gives the same sample."""
        every = max(1, -(-row_count // ROWS))
        parts = [f"{one.word} AS c{at}" for at, one in enumerate(subjects)]
        inner = (
            f"SELECT {', '.join(parts)}, row_number() OVER () - 1 AS number FROM {table.relation}"  # noqa: S608
        )
        table.connection.execute(
            f"CREATE TEMP TABLE {_NAME} AS SELECT * FROM ({inner}) WHERE number % {every} = 0"  # noqa: S608
        )
        try:
            row = table.connection.execute(f"SELECT count(*) FROM {_NAME}").fetchone()  # noqa: S608
            assert row is not None
            yield cls(
                table, every, row[0], {one.column.name: at for at, one in enumerate(subjects)}
            )
        finally:
            table.connection.execute(f"DROP TABLE {_NAME}")

    def describe(self, subject: Subject) -> None:
        """A few of its values, and of texts the shapes that they have."""
        from mlpi.checks.engine.profiling import text_of  # noqa: PLC0415 - they know each other

        name = self._name(subject)
        rows = self._all(
            f"SELECT {name}::VARCHAR FROM {_NAME} WHERE {name} IS NOT NULL"  # noqa: S608
            f" GROUP BY {name} ORDER BY min(number) LIMIT {_SAMPLES}"
        )
        subject.figures["samples"] = [text_of(one) for (one,) in rows]
        if subject.kind != "text":
            return
        short = f"left({name}, {_PATTERN_CHARACTERS})"
        shape = (
            f"regexp_replace(regexp_replace({short}, '\\p{{L}}', 'A', 'g'), '\\p{{Nd}}', '9', 'g')"
        )
        rows = self._all(
            f"SELECT {shape} AS shape, count(*) AS many, sum(count(*)) OVER () FROM {_NAME}"  # noqa: S608
            f" WHERE {name} IS NOT NULL GROUP BY shape ORDER BY many DESC, shape LIMIT {_PATTERNS}"
        )
        subject.figures["patterns"] = [
            [text_of(shape), many / float(whole)] for shape, many, whole in rows
        ]

    def correlations(self, subjects: Sequence[Subject]) -> dict[str, Any]:
        """Pearson's, of the first columns with numbers; None where one of a pair never varies."""
        chosen = [one for one in subjects if one.is_number][:MAX_CORRELATED]
        names = [one.column.name for one in chosen]
        size = len(chosen)
        matrix: list[list[float | None]] = [[None] * size for _ in range(size)]
        pairs = [(a, b) for a in range(size) for b in range(a, size)]
        if pairs and self.rows > 1:
            # Scaled, for the squares of large numbers would overflow.
            values = [self._scaled(one) for one in chosen]
            asked = ", ".join(f"corr({values[a]}, {values[b]})" for a, b in pairs)
            (row,) = self._all(f"SELECT {asked} FROM {_NAME}")  # noqa: S608
            for (a, b), value in zip(pairs, row, strict=True):
                known = None if value is None or math.isnan(value) else max(-1.0, min(1.0, value))
                matrix[a][b] = matrix[b][a] = known
        return {"columns": names, "matrix": matrix}

    def maybe_sorted(self, subjects: Sequence[Subject]) -> list[Subject]:
        """Those without missing values whose values only rise, or only fall, in the sample."""
        asked = [
            one
            for one in subjects
            if one.kind != "other" and self.rows > 1 and not one.figures["missing"]
        ]
        found = []
        for subject in asked:
            name = self._name(subject)
            ((rises, falls),) = self._all(
                f"SELECT bool_and({name} >= before), bool_and({name} <= before) FROM"  # noqa: S608
                f" (SELECT {name}, lag({name}) OVER (ORDER BY number) AS before FROM {_NAME})"
            )
            if rises or falls:
                found.append(subject)
        return found

    def _scaled(self, subject: Subject) -> str:
        name = self._name(subject)
        number = f"{name}::DOUBLE"
        if subject.column.type in ("DOUBLE", "FLOAT"):
            number = f"(CASE WHEN isfinite({name}) THEN {number} END)"
        figures = subject.figures
        largest = max(abs(float(figures["min"] or 0)), abs(float(figures["max"] or 0)))
        return f"{number} / {largest!r}::DOUBLE" if largest else number

    def _name(self, subject: Subject) -> str:
        return f"c{self.places[subject.column.name]}"

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self.table.connection.execute(sql).fetchall()
