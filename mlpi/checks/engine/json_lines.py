"""JSON Lines: an object per line. Nested values are given as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine import encodings
from mlpi.checks.engine.delimited import TEXT, Scan
from mlpi.checks.engine.table import literal, quoted
from mlpi.checks.engine.unreadable import SourceUnreadable, beginning

if TYPE_CHECKING:
    import duckdb

    from mlpi.checks.source import Source

_MAX_KEYS = 5000
_TYPES = {"UBIGINT": "BIGINT", "BIGINT": "BIGINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}
_SKIP = "Mend the line, or let bad lines be skipped (ignore_bad_lines)."


def read(connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path) -> Scan:
    """A scan with a column for every key of any line, in the order in which they first appear."""
    import duckdb  # noqa: PLC0415

    name = Path(source.path).name
    path, note = encodings.utf8_file(
        Path(source.path), str(source.options.get("encoding") or ""), scratch
    )
    if encodings.is_blank(path):
        raise SourceUnreadable(f"{name} is empty: an object per line is needed.")
    skipped = 0
    ignore = bool(source.options.get("ignore_bad_lines"))
    try:
        scan = _scan(connection, path, source.row_limit)
    except (duckdb.Error, _NotObjects) as error:
        if not ignore:
            bad = next(_bad_lines(path), None)
            if bad is None:
                raise SourceUnreadable(f"{name}: {_first_line(error)}") from None
            raise SourceUnreadable(f"{name}, line {bad[0]:,}: {bad[1]} {_SKIP}") from None
        path, skipped = _good_lines(path, scratch)
        scan = _scan(connection, path, source.row_limit)
    notes = [note] if note else []
    return replace(scan, skipped_lines=skipped, warnings=(*notes, *scan.warnings))


class _NotObjects(Exception):
    """A line is JSON, but no object."""


def _scan(connection: duckdb.DuckDBPyConnection, path: Path, row_limit: int | None) -> Scan:
    objects = f"read_ndjson_objects({literal(str(path))}, compression='none')"
    limit = "" if row_limit is None else f" LIMIT {int(row_limit)}"
    row = connection.execute(
        "SELECT count(*), count(*) FILTER (json_type(json) IS DISTINCT FROM 'OBJECT'),"  # noqa: S608
        " json_group_structure(CASE WHEN json_type(json) = 'OBJECT' THEN json END)"
        f" FROM (SELECT json FROM {objects}{limit})"
    ).fetchone()
    assert row is not None
    if row[1]:
        raise _NotObjects("a line is not an object")
    structure = json.loads(row[2]) if row[2] else {}
    if not structure:
        raise SourceUnreadable("no line has a key: nothing would be a column.")
    if len(structure) > _MAX_KEYS:
        raise SourceUnreadable(
            f"{len(structure):,} different keys: at most {_MAX_KEYS:,} can be columns. Keys "
            "that are data belong into values."
        )
    keys = _ordered(path, structure)
    names, renamed = _distinct(keys)
    if renamed:
        raise SourceUnreadable(
            f"the keys {renamed[0]!r} and {renamed[1]!r} differ by case alone: rename one of them."
        )
    types = {key: _type(structure[key]) for key in names}
    types |= _times(connection, path, [key for key in names if structure[key] == TEXT], limit)
    # Mixed values come as the text they are.
    return Scan(_call(path, types, limit), tuple(types.items()))


def _call(path: Path, types: dict[str, str], limit: str) -> str:
    columns = ", ".join(f"{literal(key)}: {literal(kind)}" for key, kind in types.items())
    call = (
        f"read_json({literal(str(path))}, format='newline_delimited', compression='none',"
        f" columns={{{columns}}})"
    )
    return f"(SELECT * FROM {call}{limit})"  # noqa: S608


def _type(structure: Any) -> str:
    return _TYPES.get(structure, TEXT) if isinstance(structure, str) else TEXT


def _times(
    connection: duckdb.DuckDBPyConnection, path: Path, keys: list[str], limit: str
) -> dict[str, str]:
    """Of the keys with text, those whose every value is an ISO date or time.

    Also parses every line a second time into columns, as later scans will.
    """
    if not keys:
        return {}
    counts = []
    for key in keys:
        one = quoted(key)
        looks = f"regexp_full_match({one}, '\\d{{4}}-\\d\\d-\\d\\d')"
        begins = f"regexp_matches({one}, '^\\d{{4}}-\\d\\d-\\d\\d[T ]\\d')"
        counts += [
            f"count({one})",
            f"count(*) FILTER ({looks} AND TRY_CAST({one} AS DATE) IS NOT NULL)",
            f"count(*) FILTER ({begins} AND TRY_CAST({one} AS TIMESTAMP) IS NOT NULL)",
        ]
    texts = dict.fromkeys(keys, TEXT)
    row = connection.execute(
        f"SELECT {', '.join(counts)} FROM {_call(path, texts, limit)}"  # noqa: S608
    ).fetchone()
    assert row is not None
    found = {}
    for at, key in enumerate(keys):
        filled, dates, times = row[3 * at : 3 * at + 3]
        if filled and filled == dates:
            found[key] = "DATE"
        elif filled and filled == times:
            found[key] = "TIMESTAMP"
    return found


def _ordered(path: Path, structure: dict[str, Any]) -> list[str]:
    """Keys in the order of the first lines; those that come late after them, by name."""
    keys: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in islice(file, 1000):
            if len(line) < encodings.CHUNK and line.strip():
                keys |= dict.fromkeys(key for key in json.loads(line) if key in structure)
    return [*keys, *sorted(set(structure) - set(keys))]


def _distinct(keys: list[str]) -> tuple[list[str], tuple[str, str] | None]:
    seen: dict[str, str] = {}
    for key in keys:
        if key.lower() in seen:
            return keys, (seen[key.lower()], key)
        seen[key.lower()] = key
    return keys, None


def _lines(path: Path) -> Iterator[tuple[int, bytes, str | None]]:
    """Each line that is not blank: its number, its bytes, and what is wrong with it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line, _fault(line)


def _fault(line: bytes) -> str | None:
    shown = beginning(line[:1000].decode("utf-8", "replace"))
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return f"not UTF-8 from its byte {error.start + 1} on: {shown}. Set the encoding."
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "nested too deeply"
        return f"not JSON ({why}): {shown}."
    if not isinstance(value, dict):
        return f"an object {{…}} is expected, found {shown}."
    return None


def _bad_lines(path: Path) -> Iterator[tuple[int, str]]:
    return ((number, fault) for number, _, fault in _lines(path) if fault)


def _good_lines(path: Path, scratch: Path) -> tuple[Path, int]:
    """A copy of the lines that are objects, and how many were left out."""
    copy, skipped = scratch / "good.jsonl", 0
    with copy.open("wb") as out:
        for _, line, fault in _lines(path):
            if fault:
                skipped += 1
            else:
                out.write(line if line.endswith(b"\n") else line + b"\n")
    if not copy.stat().st_size:
        raise SourceUnreadable(f"none of the {skipped:,} lines is a JSON object.")
    return copy, skipped


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].removeprefix("Invalid Input Error: ")
