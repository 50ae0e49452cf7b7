"""CSV and TSV: how the file is cut, and which line is wrong."""

from __future__ import annotations

import csv
import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine import encodings
from mlpi.checks.engine.delimited import (
    MAX_LINE_BYTES,
    REJECTS_LIMIT,
    SAMPLE_ROWS,
    TEXT,
    Delimited,
    Scan,
    fitted,
    remembered,
)
from mlpi.checks.engine.table import literal, quoted
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb

    from mlpi.checks.source import Source

_DELIMITERS = ",;\t|"
_REJECTS = (
    "store_rejects=true",
    "rejects_table='mlpi_rejects'",
    "rejects_scan='mlpi_scans'",
    f"rejects_limit={REJECTS_LIMIT}",
)
# Lines taken out by hand, each with a copy of the file, before the file itself is taken for wrong.
_MAX_ROUNDS = 10
_SKIP = "Mend the line, or let bad lines be skipped (ignore_bad_lines)."

Reject = tuple[int, int, str, str, str]  # line_byte_position, byte_position, type, line, message


def read(connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path) -> Scan:
    """A scan of the file itself; of a copy where it is not UTF-8 or its lines end in two ways."""
    import duckdb  # noqa: PLC0415

    path = Path(source.path)
    name = path.name
    plain, note = encodings.utf8_file(path, str(source.options.get("encoding") or ""), scratch)
    if encodings.is_blank(plain):
        raise SourceUnreadable(f"{name} is empty: at least a line of column names is needed.")
    options = dict(source.options)
    is_known = source.reading is not None and source.reading["options"] == options
    if is_known and plain == path:
        assert source.reading is not None
        return remembered(source.reading, path, source.row_limit)
    notes = [note] if note else []
    is_itself = plain == path and not options.get("ignore_bad_lines")
    try:
        scan = _scan(connection, source, plain, scratch)
    except duckdb.Error as error:
        # DuckDB's parser takes one kind of line end per file.
        if "invalid state" not in str(error):
            raise
        notes.append(r"its lines end in two ways (\r\n and \n or \r): read as if in one")
        scan = _scan(connection, source, encodings.with_one_line_end(plain, scratch), scratch)
        is_itself = False
    warnings = (*notes, *scan.warnings)
    reading = None
    if is_itself and scan.reading is not None and source.row_limit is None:
        reading = {**scan.reading, "options": options, "warnings": warnings}
    return replace(scan, warnings=warnings, reading=reading)


def _scan(connection: duckdb.DuckDBPyConnection, source: Source, path: Path, scratch: Path) -> Scan:
    import duckdb  # noqa: PLC0415

    text, types, warnings = _dialect(connection, source, path)
    name = Path(source.path).name
    if not text.ignore_bad_lines:
        try:
            scan = fitted(connection, text, types)
        except duckdb.Error as error:
            rejects = [] if "invalid state" in str(error) else _rejects(connection, text)
            if not rejects:
                raise
            raise _refused(name, text, rejects[0]) from None
        return replace(scan, warnings=(*warnings, *scan.warnings))
    # DuckDB's own ignore_errors loses good lines beside bad ones: they are left out of a copy.
    skipped = 0
    for turn in range(_MAX_ROUNDS):
        rejects = _rejects(connection, replace(text, row_limit=None))
        wrong = next((one for one in rejects if one[2] == "INVALID ENCODING"), None)
        if wrong or len(rejects) >= REJECTS_LIMIT:
            raise _refused(name, text, wrong or rejects[0], count=len(rejects))
        if not rejects:
            scan = fitted(connection, text, types)
            return replace(scan, skipped_lines=skipped, warnings=(*warnings, *scan.warnings))
        spans = _bad_spans(text.path, rejects)
        text = replace(text, path=_without(text.path, spans, scratch, turn))
        skipped += len(spans)
    raise SourceUnreadable(
        f"{name} has {_MAX_ROUNDS} quotes or more that do not close: set quote to what the file "
        "uses, or to nothing."
    )


def _dialect(
    connection: duckdb.DuckDBPyConnection, source: Source, path: Path
) -> tuple[Delimited, Sequence[str], list[str]]:
    """How the file is cut, the types its first rows suggest, and notes on its names."""
    options = source.options
    delimiter = options.get("delimiter") or ("\t" if source.format == "tsv" else "")
    quote = options.get("quote", '"') or ""
    nulls = ("", *(str(one) for one in options.get("null_values") or ()))
    asked: dict[str, Any] = {
        "delim": delimiter or None,
        "quote": quote,
        "escape": quote,
        "skip": int(options.get("skip_rows") or 0),
        "header": options.get("has_header"),
        "nullstr": nulls,
        "decimal_separator": options.get("decimal") or ".",
        "dateformat": options.get("date_format") or None,
    }
    found = _sniffed(connection, path, asked)
    if not delimiter and (found is None or len(found["Columns"]) == 1):
        # Where no rule fits all lines DuckDB may take each line for one value.
        likely = _likely_delimiter(path, asked["skip"])
        if likely or found is None:
            asked["delim"] = likely or ","
            found = _sniffed(connection, path, asked)
    raw = _first_record(
        path, (found or {}).get("Delimiter") or asked["delim"], quote, asked["skip"]
    )
    if found is None:
        found = _sniffed(connection, path, asked, "ignore_errors=true")
    if found is None or len(found["Columns"]) != len(raw):
        has_header = asked["header"] is not False
        found = {
            "Delimiter": (found or {}).get("Delimiter") or asked["delim"],
            "HasHeader": has_header,
            "Columns": [{"name": one if has_header else "", "type": TEXT} for one in raw],
        }
    names = _distinct([one["name"] for one in found["Columns"]])
    text = Delimited(
        path,
        tuple(names),
        delimiter=found["Delimiter"],
        quote=quote,
        has_header=bool(found["HasHeader"]),
        skip_rows=asked["skip"],
        nulls=nulls,
        decimal=asked["decimal_separator"],
        date_format=asked["dateformat"] or found.get("DateFormat") or "",
        timestamp_format=found.get("TimestampFormat") or "",
        ignore_bad_lines=bool(options.get("ignore_bad_lines")),
        row_limit=source.row_limit,
    )
    text = replace(text, unseen=_unseen(connection, text))
    notes = _renamed(raw, names) if text.has_header else []
    return text, [one["type"] for one in found["Columns"]], notes


def _sniffed(
    connection: duckdb.DuckDBPyConnection, path: Path, asked: Mapping[str, Any], *more: str
) -> dict[str, Any] | None:
    """What DuckDB makes of the first rows, or None where they have no common shape."""
    import duckdb  # noqa: PLC0415

    # Named, so that neither an odd quote nor a line that starts with # is taken for the rule.
    words = ["comment=''", "compression='none'", f"max_line_size={MAX_LINE_BYTES}"]
    words.append(f"buffer_size={2 * MAX_LINE_BYTES}")
    for name, value in asked.items():
        if value is None:
            continue
        if isinstance(value, bool | int):
            words.append(f"{name}={str(value).lower()}")
        elif isinstance(value, tuple):
            words.append(f"{name}=[{', '.join(literal(one) for one in value)}]")
        else:
            words.append(f"{name}={literal(value)}")
    call = f"sniff_csv({literal(str(path))}, {', '.join([*words, *more])})"
    try:
        answer = connection.execute(f"SELECT * FROM {call}")  # noqa: S608 - quoted
    except duckdb.Error:
        return None
    row = answer.fetchone()
    assert row is not None
    found = dict(zip([one[0] for one in answer.description or ()], row, strict=True))
    return found if found["SkipRows"] in (0, asked["skip"]) else None


def _unseen(connection: duckdb.DuckDBPyConnection, text: Delimited) -> frozenset[str]:
    """Columns without a value in the first rows: those say nothing about their type."""
    sample = replace(text, row_limit=SAMPLE_ROWS)
    counts = ", ".join(f"count({quoted(name)})" for name in text.names)
    rows = sample.texts("ignore_errors=true")
    row = connection.execute(f"SELECT {counts} FROM {rows}").fetchone()  # noqa: S608
    assert row is not None
    return frozenset(name for name, count in zip(text.names, row, strict=True) if not count)


def _likely_delimiter(path: Path, skip: int) -> str:
    """The one that most of the first lines hold, or "" where less than half of them hold one."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line for line in islice(file, skip, skip + 100) if line.strip()]
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    counts = {mark: sum(mark in line for line in bare) for mark in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda mark: counts[mark])
    return best if counts[best] * 2 > len(lines) else ""


def _first_record(path: Path, delimiter: str, quote: str, skip: int) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = islice((line for line in file), skip, skip + 1000)
        style: dict[str, Any] = {"delimiter": delimiter}
        style |= {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        try:
            return next((record for record in csv.reader(lines, **style) if record), [""])
        except csv.Error:
            return [""]


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that differ also without their case, as DuckDB's columns must."""
    seen: set[str] = set()
    result = []
    for at, name in enumerate(names):
        one, number = name or f"column{at}", 0
        while one.lower() in seen:
            number += 1
            one = f"{name or f'column{at}'}_{number}"
        seen.add(one.lower())
        result.append(one)
    return result


def _renamed(raw: Sequence[str], names: Sequence[str]) -> list[str]:
    notes = []
    for at, (old, new) in enumerate(zip(raw, names, strict=False), 1):
        if old.strip() == new.strip():
            continue
        why = f"is called {old!r} like another" if old.strip() else "has no name"
        notes.append(f"column {at} {why}: it is read as {new!r}")
    return notes


def _rejects(connection: duckdb.DuckDBPyConnection, text: Delimited) -> list[Reject]:
    """The lines that do not parse, in file order, at most REJECTS_LIMIT."""
    counts = ", ".join(f"count({quoted(name)})" for name in text.names)
    try:
        connection.execute(f"SELECT {counts} FROM {text.texts(*_REJECTS)}").fetchall()  # noqa: S608
        return connection.execute(
            "SELECT line_byte_position - 1, coalesce(byte_position, line_byte_position) - 1,"
            " error_type::VARCHAR, csv_line, error_message FROM mlpi_rejects"
            " WHERE error_type <> 'CAST' ORDER BY 2, 1"
        ).fetchall()
    finally:
        connection.execute("DROP TABLE IF EXISTS mlpi_rejects")
        connection.execute("DROP TABLE IF EXISTS mlpi_scans")


def _refused(name: str, text: Delimited, reject: Reject, *, count: int = 1) -> SourceUnreadable:
    kind, message = reject[2], reject[4]
    if kind == "INVALID ENCODING":
        try:
            encodings.refuse_if_not_utf8(text.path)
        except SourceUnreadable as error:
            # A copy goes by another name.
            return SourceUnreadable(str(error).replace(text.path.name, name, 1))
    where = _at(text, reject)
    numbers = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    more = f" {count:,} lines or more are like this." if count >= REJECTS_LIMIT else ""
    if numbers:
        expected, got = (int(one) for one in numbers.groups())
        number, line = encodings.place_of(text.path, reject[0])
        hint = " (skip_rows leaves lines above the header out)" if number < 10 else ""
        return SourceUnreadable(
            f"{name}, line {number:,}: {expected} value{'s' * (expected != 1)} expected, "
            f"{got if got < expected else 'more'} found: {line}.{more} {_SKIP}{hint}"
        )
    if kind == "UNQUOTED VALUE":
        return SourceUnreadable(
            f"{name}, {where}: a quoted value does not end as it must.{more} {_SKIP}"
        )
    if kind == "LINE SIZE OVER MAXIMUM":
        number, line = encodings.place_of(text.path, reject[0])
        return SourceUnreadable(
            f"{name}, line {number:,}: longer than {text.max_line_bytes // 10**6} MB: {line}. "
            f"{_SKIP}"
        )
    return SourceUnreadable(f"{name}, {where}: {message.splitlines()[0]}{more} {_SKIP}")


def _at(text: Delimited, reject: Reject) -> str:
    """The line where it begins to be wrong. Of an open quote DuckDB names the line before."""
    position = reject[1] if reject[2] == "UNQUOTED VALUE" else reject[0]
    number, line = encodings.place_of(text.path, _line_start(text.path, position))
    return f"line {number:,} ({line})"


def _bad_spans(path: Path, rejects: Sequence[Reject]) -> list[tuple[int, int]]:
    """From where to where the bad lines go, without overlaps.

    A quote that does not close takes the good lines after it along: then its line alone goes, and
    what is wrong with the others is asked again.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:

        def span(first: int, last: int) -> tuple[int, int]:
            end = content.find(b"\n", last)
            return content.rfind(b"\n", 0, first) + 1, len(content) if end < 0 else end + 1

        spans: list[tuple[int, int]] = []
        for start, at, kind, line, _ in rejects:
            one = span(at, at)
            if kind == "UNQUOTED VALUE":
                here = content[one[0] : one[1]].strip(b"\r\n").decode("utf-8", "replace")
                if here != line.strip("\r\n"):
                    return [one]
            elif kind != "LINE SIZE OVER MAXIMUM":
                one = span(start, start + max(0, len(line.encode()) - 1))
            if not spans or one[0] >= spans[-1][1]:
                spans.append(one)
    return spans


def _without(path: Path, spans: Sequence[tuple[int, int]], scratch: Path, turn: int) -> Path:
    """A copy without these parts; the copy before it goes."""
    copy = scratch / f"without{turn}.txt"
    keep = zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), None], strict=True)
    with path.open("rb") as file, copy.open("wb") as out:
        for begin, end in keep:
            file.seek(begin)
            left = path.stat().st_size - begin if end is None else end - begin
            while left > 0 and (raw := file.read(min(encodings.CHUNK, left))):
                left -= len(raw)
                out.write(raw)
    if path.parent == scratch:
        path.unlink()
    return copy


def _line_start(path: Path, position: int) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.rfind(b"\n", 0, position) + 1
