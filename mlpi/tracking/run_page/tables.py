"""CSV by pages: a file of any size is read from where the last page ended, never as a whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PAGE_ROWS = 100
PAGE_BYTES = 2_000_000  # at most, also when the rows are long
LINE_BYTES = 1_000_000
CELL_CHARS = 300
FIELD_CHARS = 131_072  # longer ones are an open quote; csv's own limit is the whole process's
MOST_COLUMNS = 200
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class TablePage:
    """Some rows of a table, all values as text.

    at: the byte at which the rows begin, None for the first page. next_at: where the next page
    begins, None at the end. first_row counts from 1, the header left out. notice: what is odd.
    """

    columns: list[str]
    rows: list[list[str]]
    first_row: int = 1
    next_at: int | None = None
    total_rows: int | None = None
    notice: str = ""
    hidden_columns: int = 0

    @property
    def next_row(self) -> int:
        return self.first_row + len(self.rows)


def csv_page(path: Path, at: int = 0, first_row: int = 1, *, is_tabs: bool = False) -> TablePage:
    """A page of a CSV or TSV file, beginning at a byte; 0 is the first page.

    Raises ValueError with the reason when it cannot be read as a table.
    """
    with path.open("rb") as file:
        head = file.read(64_000)
        encoding, skip = encoding_of(head)
        if encoding not in ("utf-8",):
            raise ValueError(f"it is written in {encoding}, which is not paged")
        delimiter = "\t" if is_tabs else _delimiter(head)
        file.seek(skip)
        lines = _Lines(file)
        try:
            reader = csv.reader(lines, delimiter=delimiter)
            header = next(reader, [])
            if at > file.tell():
                file.seek(at)
                lines = _Lines(file)
                reader = csv.reader(lines, delimiter=delimiter)
            else:
                first_row = 1
            rows: list[list[str]] = []
            began = file.tell()
            while len(rows) < PAGE_ROWS and file.tell() - began < PAGE_BYTES:
                row = next(reader, None)
                if row is None:
                    break
                if any(len(cell) > FIELD_CHARS for cell in row):
                    raise csv.Error(f"a field is longer than {FIELD_CHARS:,} characters")
                if row:
                    rows.append([_short(cell) for cell in row[:MOST_COLUMNS]])
        except csv.Error as error:
            raise ValueError(str(error)) from None
        position = file.tell()
        is_end = position >= path.stat().st_size
    notice = "Not all of it is UTF-8; what could not be read is shown as �." if lines.is_odd else ""
    width = max((len(row) for row in rows), default=0)
    columns = [_short(name) for name in header[:MOST_COLUMNS]]
    columns += [""] * (width - len(columns))
    return TablePage(
        columns,
        [row + [""] * (len(columns) - len(row)) for row in rows],
        first_row,
        None if is_end else position,
        notice=notice,
        hidden_columns=max(0, len(header) - MOST_COLUMNS),
    )


class _Lines(Iterator[str]):
    """Lines of a file as text; the file stands exactly behind the last one given."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_odd = False

    def __next__(self) -> str:
        line = self._file.readline(LINE_BYTES)
        if not line:
            raise StopIteration
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            raise csv.Error(f"a line is longer than {LINE_BYTES:,} bytes")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            self.is_odd = True
            text = line.decode("utf-8", "replace")
        return text.replace("\x00", "�")


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding that a file's first bytes say, and how many they are; UTF-8 otherwise."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if head.startswith(mark):
            return encoding, len(mark)
    return "utf-8", 0


def _delimiter(head: bytes) -> str:
    """The one that occurs most in the first line."""
    first = io.StringIO(head.decode("utf-8", "replace")).readline()
    return max(_DELIMITERS, key=first.count)


def _short(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARS else cell[:CELL_CHARS] + "…"
