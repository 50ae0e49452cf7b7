"""Excel workbooks (.xlsx, .xlsm), as a stream of rows. Formulas are the values that were saved."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpi.checks.engine.delimited import Scan
from mlpi.checks.engine.spool import Spool, distinct_names, spooled
from mlpi.checks.engine.unreadable import SourceUnreadable

if TYPE_CHECKING:
    import duckdb

    from mlpi.checks.source import Source

# A sheet is read as a stream, but the workbook's texts (sharedStrings.xml) are held in memory.
MAX_UNPACKED_BYTES = 2 << 30
MAX_TEXTS_BYTES = 100 << 20
# Sheets pack 10 to 50 times, bombs about 1000 times; small files may do as they please.
MAX_RATIO, RATIO_FROM_BYTES = 300, 16 << 20
_AHEAD = 1000  # rows that may make the table wider than its header
_ERRORS = frozenset(("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"))
_OLD_MAGIC = b"\xd0\xcf\x11\xe0"

Row = Sequence[Any]


def read(connection: duckdb.DuckDBPyConnection, source: Source, scratch: Path) -> Scan:
    """A scan of a sheet's rows, copied to scratch as text. Errors such as #N/A are missing values.

    Rows without any value are left out, as empty lines of a CSV are.
    """
    path = Path(source.path)
    _refuse_bombs(path)
    options = source.options
    has_header = options.get("has_header") is not False
    with _sheet(path, str(options.get("sheet") or "")) as sheet:
        rows = _filled(islice(sheet, int(options.get("skip_rows") or 0), None))
        first = list(islice(rows, _AHEAD))
        if not first:
            raise SourceUnreadable(f"{path.name}: the sheet is empty.")
        width = max(_width(row) for row in first)
        header = _padded(first.pop(0), width, 1) if has_header else [None] * width
        names, notes = distinct_names(header)
        nulls = frozenset(str(one) for one in options.get("null_values") or ()) | _ERRORS
        numbered = enumerate(chain(first, rows), 1 + has_header)
        body = (
            [None if value in nulls else value for value in _padded(row, width, at)]
            for at, row in numbered
        )
        spool = Spool(scratch / "sheet.csv", width)
        spool.write(islice(body, source.row_limit))
    scan = spooled(connection, spool.path, names, spool.types(), spool.longest)
    return replace(scan, warnings=(*(notes if has_header else ()), *scan.warnings))


@contextmanager
def _sheet(path: Path, wanted: str) -> Iterator[Iterator[Row]]:
    """The rows of the sheet of this name, or of the first one."""
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415 - only its error

    import openpyxl  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                sheets = {sheet.title: sheet for sheet in book.worksheets}
                if not sheets or (wanted and wanted not in sheets):
                    there = ", ".join(repr(name) for name in sheets) or "none"
                    raise SourceUnreadable(
                        f"{path.name} has no sheet {wanted!r}; its sheets: {there}."
                    )
                sheet = sheets[wanted] if wanted else next(iter(sheets.values()))
                # What the file says of its size may be wrong.
                sheet.reset_dimensions()
                yield sheet.iter_rows(values_only=True)
            finally:
                book.close()
    except SourceUnreadable:
        raise
    except (
        InvalidFileException,
        ParseError,
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        OSError,
    ) as error:
        raise SourceUnreadable(
            f"{path.name} is damaged ({str(error).splitlines()[0] if str(error) else 'no reason'})."
            " Save it again as .xlsx."
        ) from None


def _refuse_bombs(path: Path) -> None:
    """Refuse what is no workbook, or would unpack to more than the machine can bear."""
    with path.open("rb") as file:
        if file.read(4) == _OLD_MAGIC:
            raise SourceUnreadable(
                f"{path.name} is an old .xls workbook, or one with a password: save it as .xlsx."
            )
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise SourceUnreadable(f"{path.name} is not an Excel workbook (.xlsx).") from None
    unpacked = sum(part.file_size for part in parts)
    texts = sum(part.file_size for part in parts if "/worksheets/" not in part.filename)
    ratio = unpacked / max(1, path.stat().st_size)
    if (
        unpacked > MAX_UNPACKED_BYTES
        or texts > MAX_TEXTS_BYTES
        or (unpacked > RATIO_FROM_BYTES and ratio > MAX_RATIO)
    ):
        raise SourceUnreadable(
            f"{path.name} would unpack to {unpacked / 1e6:,.0f} MB, {ratio:,.0f} times its size: "
            "too much to read here. Save the sheet as CSV."
        )


def _filled(rows: Iterable[Row]) -> Iterator[Row]:
    return (row for row in rows if any(value is not None for value in row))


def _width(row: Row) -> int:
    """Without the empty cells at its end, which only carry a format."""
    return max((at for at, value in enumerate(row, 1) if value is not None), default=0)


def _padded(row: Row, width: int, number: int) -> Row:
    if len(row) < width:
        return [*row, *[None] * (width - len(row))]
    if len(row) > width and _width(row) > width:
        raise SourceUnreadable(
            f"row {number:,} of the sheet has {_width(row)} values, where the first rows have at "
            f"most {width}: give the column a name in the header."
        )
    return row[:width]
