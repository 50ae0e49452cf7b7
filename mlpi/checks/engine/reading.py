"""Opening a source: a file is scanned where it lies, a database's rows pass through a scratch file.

What every table has in common, whatever its source:
- NaN is NULL; infinities stay.
- A time with a zone is the same moment in UTC, as TIMESTAMP; a TIME WITH TIME ZONE is text.
- Nested values (lists, structs, maps, JSON) are JSON text.
- All rows were read once before the table is given out, so that a bad line in the middle of 3 GB
  is named at the start, and memory stays flat however long the file. A text whose content was
  read so before (Source.reading) is not read for that again.
After the opening DuckDB reaches no other file and its settings are locked: the SQL of a suite may
come from people.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlpi.checks.engine import databases, excel, json_lines, parquet, text_files
from mlpi.checks.engine.delimited import Scan
from mlpi.checks.engine.table import Column, Table, literal, quoted
from mlpi.checks.engine.timeouts import Timeouts
from mlpi.checks.engine.unreadable import SourceUnreadable
from mlpi.checks.source import FORMATS, SQL, Source

if TYPE_CHECKING:
    import duckdb

__all__ = ["SourceUnreadable", "Timeouts", "open_table"]

# DuckDB spills to disk beyond it. A quarter of a small Pi's memory, and no more than is of use.
_LEAST_BYTES, _MOST_BYTES = 256 << 20, 1 << 30
_NESTED = ("[]", "STRUCT", "MAP", "UNION", "JSON", "VARIANT", "LIST", "ARRAY")
_GLOB = "*?["
_READERS: dict[str, Callable[[duckdb.DuckDBPyConnection, Source, Path], Scan]] = {
    "csv": text_files.read,
    "tsv": text_files.read,
    "jsonl": json_lines.read,
    "parquet": parquet.read,
    "excel": excel.read,
}


@contextmanager
def open_table(
    source: Source,
    *,
    folder: Path,
    memory_bytes: int | None = None,
    threads: int | None = None,
    timeouts: Timeouts | None = None,
) -> Iterator[Table]:
    """The source's rows, as long as the block lasts. Raises SourceUnreadable.

    folder: for what DuckDB spills and for copies; nothing of it stays. memory_bytes: what DuckDB
    may hold, a quarter of the machine's memory and at most 1 GiB unless told. threads: all cores
    but one unless told, for the machine has other things to do.
    """
    import duckdb  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="table-", dir=folder))
    memory_bytes = memory_bytes or _usual_memory()
    try:
        with _connection(scratch, memory_bytes, threads or _usual_threads()) as connection:
            try:
                scan = _scan(connection, source, scratch, timeouts or Timeouts())
                table = _table(connection, scan)
                if source.format != SQL:
                    _close_doors(connection, _reached(source, scratch))
                connection.execute("SET lock_configuration = true")
                yield table
            except duckdb.OutOfMemoryException:
                raise SourceUnreadable(
                    f"{_name(source)} needs more than the {memory_bytes >> 20} MB of memory that "
                    "may be used here, or more space for what is spilled to disk."
                ) from None
            except duckdb.Error as error:
                if _is_of_source(error, source):
                    raise SourceUnreadable(f"{_name(source)}: {_first_line(error)}") from None
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _connection(
    scratch: Path, memory_bytes: int, threads: int
) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{memory_bytes // 1000}kB",
            "threads": threads,
            "temp_directory": str(scratch / "spill"),
            "preserve_insertion_order": "true",
            "python_enable_replacements": "false",
            # A file that is scanned again comes from the system's cache; DuckDB need not keep it.
            "enable_external_file_cache": "false",
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        yield connection
    finally:
        connection.close()


def _scan(
    connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path, timeouts: Timeouts
) -> Scan:
    if source.format == SQL:
        return databases.read(connection, source, scratch, timeouts)
    if source.format not in FORMATS:
        known = ", ".join((*FORMATS, SQL))
        raise SourceUnreadable(f"the format {source.format!r} is not known; {known} are.")
    path = Path(source.path)
    if not path.is_file():
        why = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise SourceUnreadable(f"{path.name or 'the file'} {why}.")
    if not os.access(path, os.R_OK):
        raise SourceUnreadable(f"{path.name} may not be read by mlpi: give its user the right to.")
    if not path.stat().st_size:
        raise SourceUnreadable(f"{path.name} is empty: it has 0 bytes.")
    return _READERS[source.format](connection, _plainly_named(source, scratch), scratch)


def _plainly_named(source: Source, scratch: Path) -> Source:
    """DuckDB takes some characters in a path for patterns: such a file gets another name."""
    if not any(mark in source.path for mark in _GLOB):
        return source
    name = Path(source.path).name
    link = scratch / "".join("_" if mark in _GLOB else mark for mark in name)
    link.symlink_to(Path(source.path).resolve())
    return Source.of_params({**source.as_params(), "path": str(link)})


def _table(connection: duckdb.DuckDBPyConnection, scan: Scan) -> Table:
    if not scan.columns:
        raise SourceUnreadable("the source has no columns.")
    columns, parts = [], []
    for name, kind in scan.columns:
        expression, given = _plain(quoted(name), kind)
        columns.append(Column(name, given))
        parts.append(
            f"{expression} AS {quoted(name)}" if expression != quoted(name) else expression
        )
    connection.execute(f"CREATE VIEW rows_of_source AS SELECT {', '.join(parts)} FROM {scan.sql}")  # noqa: S608
    return Table(
        connection,
        "rows_of_source",
        tuple(columns),
        skipped_lines=scan.skipped_lines,
        warnings=scan.warnings,
        reading=scan.reading,
    )


def _plain(name: str, kind: str) -> tuple[str, str]:
    """A column as every table gives it, and its type then."""
    if kind in ("DOUBLE", "FLOAT"):
        return f"CASE WHEN NOT isnan({name}) THEN {name} END", kind
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"({name} AT TIME ZONE 'UTC')", "TIMESTAMP"
    if kind == "TIME WITH TIME ZONE":
        return f"{name}::VARCHAR", "VARCHAR"
    if kind == "JSON":
        return f"{name}::VARCHAR", "VARCHAR"
    if kind.endswith("]") or kind.startswith(_NESTED[1:]):
        return f"to_json({name})::VARCHAR", "VARCHAR"
    return name, kind


def _close_doors(connection: duckdb.DuckDBPyConnection, reached: list[Path]) -> None:
    paths = ", ".join(literal(str(path)) for path in reached)
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")


def _reached(source: Source, scratch: Path) -> list[Path]:
    """The file itself and its copies. What DuckDB spills it may always read."""
    path = Path(source.path)
    copies = [one for one in scratch.iterdir() if one.is_file()]
    return [path, *copies]


def _usual_memory() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(_MOST_BYTES, max(_LEAST_BYTES, machine // 4))


def _usual_threads() -> int:
    cores = len(os.sched_getaffinity(0))
    return max(min(2, cores), cores - 1)


def _name(source: Source) -> str:
    return Path(source.path).name or source.table or "the query"


def _is_of_source(error: duckdb.Error, source: Source) -> bool:
    """Whether the file is to blame, and not the SQL of whoever asks."""
    text = str(error)
    return bool(source.path) and (
        Path(source.path).name in text or "CSV Error" in text or "TProtocolException" in text
    )


def _first_line(error: duckdb.Error) -> str:
    first = str(error).strip().splitlines()[0]
    return first.removeprefix("Invalid Input Error: ").removeprefix("IO Error: ")
