"""A delimited text in UTF-8, as DuckDB is told to read it, and the types that fit all its rows.

Every column is first read as text, in one pass over the whole file, and compared with the type that
its first rows suggest. A column with a value that does not fit takes a wider type (whole numbers
become numbers, dates become times, the rest text) and a warning names the row: a late "n/a" neither
ends the reading nor is lost, and 3.5 in a column of whole numbers is never rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.table import literal, quoted
from mlpi.checks.engine.unreadable import beginning

if TYPE_CHECKING:
    import duckdb

TEXT = "VARCHAR"
SAMPLE_ROWS = 20_480
MAX_LINE_BYTES = 4_000_000
REJECTS_LIMIT = 100_000
# Doubles hold every whole number up to here.
_EXACT = 2**53
_WIDER = {"BIGINT": "DOUBLE", "DATE": "TIMESTAMP"}
_GUESSES = ("BIGINT", "DOUBLE", "DATE", "TIMESTAMP")
_WORDS = {
    "BIGINT": "a whole number",
    "DOUBLE": "a number",
    "DATE": "a date",
    "TIMESTAMP": "a date with time",
    "TIMESTAMP WITH TIME ZONE": "a date with time and zone",
    "TIME": "a time",
    "BOOLEAN": "true or false",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """What follows FROM to read a source, with its columns as (name, DuckDB type).

    reading: what was found out by reading a text whole, for JSON; None where it does not hold for
    the file itself (see remembered).
    """

    sql: str
    columns: tuple[tuple[str, str], ...]
    skipped_lines: int = 0
    warnings: tuple[str, ...] = ()
    reading: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Delimited:
    """A file and how it is cut into values. names are all different, also but for their case."""

    path: Path
    names: tuple[str, ...]
    delimiter: str = ","
    quote: str = '"'
    has_header: bool = False
    skip_rows: int = 0
    nulls: tuple[str, ...] = ("",)
    is_quoted_null: bool = True  # whether a quoted empty value is missing too
    decimal: str = "."
    date_format: str = ""
    timestamp_format: str = ""
    ignore_bad_lines: bool = False
    row_limit: int | None = None
    max_line_bytes: int = MAX_LINE_BYTES
    unseen: frozenset[str] = field(default_factory=frozenset)  # names without a value in the sample

    def sql(self, types: Sequence[str], *extra: str) -> str:
        """The call of read_csv, with the row limit around it."""
        columns = ", ".join(
            f"{literal(name)}: {literal(kind)}"
            for name, kind in zip(self.names, types, strict=True)
        )
        options = [
            "auto_detect=false",
            "compression='none'",
            f"delim={literal(self.delimiter)}",
            f"quote={literal(self.quote)}",
            f"escape={literal(self.quote)}",
            f"header={str(self.has_header).lower()}",
            f"skip={int(self.skip_rows)}",
            f"nullstr=[{', '.join(literal(one) for one in self.nulls)}]",
            f"allow_quoted_nulls={str(self.is_quoted_null).lower()}",
            f"decimal_separator={literal(self.decimal)}",
            f"max_line_size={self.max_line_bytes}",
            f"buffer_size={2 * self.max_line_bytes}",
            f"columns={{{columns}}}",
            *extra,
        ]
        if self.date_format:
            options.append(f"dateformat={literal(self.date_format)}")
        if self.timestamp_format:
            options.append(f"timestampformat={literal(self.timestamp_format)}")
        limit = ""
        if self.row_limit is not None:
            # Other threads would run ahead into lines that nobody asked for.
            options.append("parallel=false")
            limit = f" LIMIT {int(self.row_limit)}"
        call = f"read_csv({literal(str(self.path))}, {', '.join(options)})"
        return f"(SELECT * FROM {call}{limit})"  # noqa: S608

    def texts(self, *extra: str) -> str:
        """The same with every column as text."""
        return self.sql([TEXT] * len(self.names), *extra)


# What of a Delimited is found out by looking at the file.
_FOUND = (
    *("names", "delimiter", "quote", "has_header", "skip_rows", "nulls", "is_quoted_null"),
    *("decimal", "date_format", "timestamp_format"),
)


def remembered(reading: Mapping[str, Any], path: Path, row_limit: int | None) -> Scan:
    """A file whose content was read whole before, as it was settled then."""
    found = {key: _tupled(reading[key]) for key in _FOUND}
    text = Delimited(path, row_limit=row_limit, **found)
    types = reading["types"]
    return Scan(
        text.sql(types),
        tuple(zip(text.names, types, strict=True)),
        warnings=tuple(reading["warnings"]),
        reading=reading,
    )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def fitted(connection: duckdb.DuckDBPyConnection, text: Delimited, wanted: Sequence[str]) -> Scan:
    """Read the whole text once and settle its types, starting from the wanted ones.

    Raises duckdb.Error where a line does not parse.
    """
    types = [kind if kind in _WORDS or kind.startswith("DECIMAL") else TEXT for kind in wanted]
    asked: list[tuple[int, str]] = []
    sums = ["count(*)"]
    for at, (name, kind) in enumerate(zip(text.names, types, strict=True)):
        if kind != TEXT:
            asked.append((at, kind))
        elif name in text.unseen:
            asked.extend((at, guess) for guess in _GUESSES)
            sums.append(f"count({quoted(name)})")
        else:
            # Counted so that it is parsed, and found to be UTF-8.
            sums.append(f"count({quoted(name)})")
    sums += [f"count(*) FILTER (WHERE {_misfit(text, at, kind)})" for at, kind in asked]
    row = _one(connection, f"SELECT {', '.join(sums)} FROM {text.texts()}")  # noqa: S608
    misfits = dict(zip(asked, row[len(row) - len(asked) :], strict=True))
    filled = dict(
        zip(
            [name for name, kind in zip(text.names, types, strict=True) if kind == TEXT],
            row[1:],
            strict=False,
        )
    )
    too_narrow = []
    for at, name in enumerate(text.names):
        if types[at] != TEXT:
            if misfits[at, types[at]]:
                too_narrow.append(at)
        elif name in text.unseen and filled[name]:
            types[at] = next((kind for kind in _GUESSES if not misfits[at, kind]), TEXT)
    warnings = _widen(connection, text, types, too_narrow)
    columns = tuple(zip(text.names, types, strict=True))
    reading = {key: getattr(text, key) for key in _FOUND} | {"types": types}
    return Scan(text.sql(types), columns, warnings=tuple(warnings), reading=reading)


def _widen(
    connection: duckdb.DuckDBPyConnection, text: Delimited, types: list[str], columns: list[int]
) -> list[str]:
    """Give each of these columns a type that fits; returns a warning for each."""
    if not columns:
        return []
    asked = []
    for at in columns:
        name = quoted(text.names[at])
        misfit = _misfit(text, at, types[at])
        asked += [
            f"min(mlpi_row) FILTER ({misfit})",
            f"arg_min({name}, mlpi_row) FILTER ({misfit})",
        ]
        wider = _wider(types[at])
        fits = f"count(*) FILTER ({_misfit(text, at, wider)}) = 0" if wider != TEXT else "false"
        if wider == "DOUBLE" and types[at] == "BIGINT":
            fits += f" AND coalesce(max(abs({_number(text, name)})) <= {_EXACT}, true)"
        asked.append(fits)
    rows = f"(SELECT *, row_number() OVER () AS mlpi_row FROM {text.texts()})"  # noqa: S608
    answers = iter(_one(connection, f"SELECT {', '.join(asked)} FROM {rows}"))  # noqa: S608
    warnings = []
    for at in columns:
        row, value, is_fit = next(answers), next(answers), next(answers)
        old, new = types[at], _wider(types[at]) if is_fit else TEXT
        types[at] = new
        advice = "" if new != TEXT else "; if it means a missing value, name it in null_values"
        warnings.append(
            f"column {text.names[at]!r} is read as {_name(new)}: row {row:,} holds "
            f"{beginning(value)}, which is not {_WORDS.get(old, 'a number')}{advice}"
        )
    return warnings


def _wider(kind: str) -> str:
    return "DOUBLE" if kind.startswith("DECIMAL") else _WIDER.get(kind, TEXT)


def _name(kind: str) -> str:
    return {TEXT: "text", "DOUBLE": "numbers", "TIMESTAMP": "dates with times"}[kind]


def _misfit(text: Delimited, at: int, kind: str) -> str:
    """SQL that is true for a text which is not of this kind; never NULL."""
    name = quoted(text.names[at])
    if kind == "BIGINT":
        # DuckDB would round 3.5 and 15e-1, and read 0x1F and 1_000.
        odd = " OR ".join(f"contains({name}, '{mark}')" for mark in (".", "e", "E", "x", "_"))
        wrong = f"TRY_CAST({name} AS BIGINT) IS NULL OR {odd}"
    elif kind == "DOUBLE":
        wrong = f"{_number(text, name)} IS NULL"
    elif kind == "DATE" and text.date_format:
        wrong = f"try_strptime({name}, {literal(text.date_format)}) IS NULL"
    elif kind == "TIMESTAMP" and text.timestamp_format:
        wrong = f"try_strptime({name}, {literal(text.timestamp_format)}) IS NULL"
    elif kind == "DATE":
        # DuckDB would drop the time of day.
        wrong = f"TRY_CAST({name} AS DATE) IS NULL OR length(trim({name})) > 10"
    else:
        wrong = f"TRY_CAST({name} AS {kind}) IS NULL"
    return f"{name} IS NOT NULL AND ({wrong})"


def _number(text: Delimited, name: str) -> str:
    value = name if text.decimal == "." else f"replace({name}, {literal(text.decimal)}, '.')"
    return f"TRY_CAST({value} AS DOUBLE)"


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row
