"""Rows as the bytes of those formats that can be sent while they are read."""

from __future__ import annotations

from collections.abc import Iterator

from mlpi.vectors.transfer.formats import CSV, delimited, jsonl
from mlpi.vectors.transfer.reading import Row


def written(pages: Iterator[list[Row]], kind: str) -> Iterator[bytes]:
    """Pages of rows as bytes of a CSV or JSON Lines file, one piece for each page."""
    if kind == CSV:
        head, lines = delimited.head_line(), delimited.lines
    else:
        head, lines = b"", jsonl.lines
    page = next(pages, None)
    yield head + (lines(page) if page else b"")
    for page in pages:
        yield lines(page)
