"""JSON Lines: an object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from mlpi.vectors.transfer.formats.source import LONGEST_LINE, BadRow, FileBroken, Head, Raw

_LOOKED_AT = 200  # lines whose keys are the columns; later ones may bring more, which is no error
_NAMES = ("id", "document", "uri", "metadata", "embedding")


class JsonLinesFile:
    """A file of JSON objects in UTF-8, one a line. Empty lines do not count."""

    def __init__(self, path: Path) -> None:
        self._size = path.stat().st_size
        self._file = path.open("rb")
        try:
            self.head = Head(columns_of(self._file))
            self._file.seek(0)
        except BaseException:
            self.close()
            raise

    def rows(self, skip: int = 0) -> Iterator[Raw]:
        number = 0
        for line_number, line in enumerate(lines_of(self._file), 1):
            if not line.strip():
                continue
            number += 1
            if number > skip:
                yield Raw(number, line_number, parsed(line))

    def fraction(self) -> float | None:
        return self._file.tell() / self._size if self._size else None

    def close(self) -> None:
        self._file.close()


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """Lines of a file. Raises FileBroken at one that is too long."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise FileBroken(
                f"A line is longer than {LONGEST_LINE:,} bytes.",
                advice="JSON Lines have one object a line.",
            )
        yield line


def columns_of(file: IO[bytes], *, may_be_bare: bool = False) -> list[str]:
    """The keys of the first lines. Raises FileBroken when none has any, unless that may be."""
    found: dict[str, None] = {}
    reason = "The file is empty."
    for number, line in zip(range(1, _LOOKED_AT + 1), lines_of(file), strict=False):
        if not line.strip():
            continue
        values = parsed(line)
        if isinstance(values, BadRow):
            reason = f"Line {number}: {values.reason}."
        else:
            found |= dict.fromkeys(values)
    if not found and not may_be_bare:
        raise FileBroken(reason, advice="JSON Lines have one object a line.")
    return list(found)


def parsed(line: bytes) -> dict[str, Any] | BadRow:
    """The object of a line."""
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return BadRow(f"it is no JSON: {error}")
    if not isinstance(values, dict):
        return BadRow("it is no JSON object")
    return values


def lines(rows: Iterable[Sequence[Any]], *, vectors: bool = True) -> bytes:
    """Rows of (id, document, uri, metadata, embedding) as lines. What is not there is left out."""
    names = _NAMES if vectors else _NAMES[:-1]
    return b"".join(
        orjson.dumps(
            {
                name: value
                for name, value in zip(names, row, strict=False)
                if value is not None and value != {}
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row in rows
    )
