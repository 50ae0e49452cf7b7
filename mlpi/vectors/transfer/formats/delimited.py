"""CSV and its kin: a head of names, then rows of texts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from mlpi.vectors.transfer.formats.source import LONGEST_LINE, BadRow, FileBroken, Head, Raw

COLUMNS = ("id", "document", "uri", "metadata", "embedding")
_DELIMITERS = ",\t;|"


class DelimitedFile:
    """A file of comma, tab, semicolon or bar separated values in UTF-8.

    The delimiter is the one that its head has most of.
    """

    def __init__(self, path: Path) -> None:
        csv.field_size_limit(LONGEST_LINE)
        self._size = path.stat().st_size
        self._raw = path.open("rb")
        # What is no UTF-8 is kept until its row is known.
        self._text = io.TextIOWrapper(
            self._raw, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        try:
            self.head = self._read_head()
        except BaseException:
            self.close()
            raise

    def _read_head(self) -> Head:
        first = self._text.readline(LONGEST_LINE)
        if not first.strip():
            raise FileBroken("The file has no head: its first line must name the columns.")
        self._text.seek(0)
        delimiter = max(_DELIMITERS, key=first.count)
        self._reader = csv.reader(_limited(self._text), delimiter=delimiter)
        try:
            names = [name.strip() for name in next(self._reader)]
        except csv.Error as error:
            raise FileBroken(f"Line 1 cannot be read: {error}.") from None
        if not _is_text(names):
            raise FileBroken("The file is no UTF-8 text.", advice="Save it as CSV in UTF-8.")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FileBroken(f"Two columns are called {twice!r}.", advice="Rename one of them.")
        return Head(names, texts=True)

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        names, number = self.head.columns, 0
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                number += 1
                if number > skip:
                    yield Raw(number, self._reader.line_num, BadRow(f"it cannot be read: {error}"))
                continue
            if not cells:
                continue
            number += 1
            if number > skip:
                yield Raw(number, self._reader.line_num, _values(names, cells))

    def fraction(self) -> float | None:
        return self._raw.tell() / self._size if self._size else None

    def close(self) -> None:
        self._text.close()


def _limited(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise FileBroken(f"A line is longer than {LONGEST_LINE:,} characters.")
        yield line


def _values(names: Sequence[str], cells: list[str]) -> dict[str, str] | BadRow:
    if len(cells) != len(names):
        return BadRow(f"it has {len(cells)} cells, and the head names {len(names)} columns")
    if not _is_text(cells):
        return BadRow("it is no UTF-8 text")
    return dict(zip(names, cells, strict=True))


def _is_text(cells: Iterable[str]) -> bool:
    joined = "".join(cells)
    if joined.isascii():
        return True
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True


def head_line() -> bytes:
    """The first line of an export."""
    return (",".join(COLUMNS) + "\r\n").encode()


def lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of (id, document, uri, metadata, embedding) as lines. What is not there is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    for id_, document, uri, metadata, vector in rows:
        writer.writerow((id_, document, uri, _json(metadata), _json(vector)))
    return text.getvalue().encode()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode() if value else ""
