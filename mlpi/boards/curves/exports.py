"""The points of the chosen runs and tags as files: all of them, in full precision."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from mlpi.boards.curves.service import text_of
from mlpi.boards.reader.columns import SegmentGone
from mlpi.boards.service import Shown
from mlpi.errors import NotFound, NotReady
from mlpi.web import parquet

ROWS = 5000  # of one chunk
HEADS: tuple[parquet.Column, ...] = (
    ("run", "text"),
    ("tag", "text"),
    ("step", "integer"),
    ("wall_time", "number"),
    ("value", "number"),
)
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = tuple[str, str, int, float, float]


def as_csv(chosen: Sequence[Shown], tags: Sequence[str]) -> Iterator[str]:
    """Lines of CSV, with wall_time in Unix seconds.

    Numbers are the shortest that are equal to what the logs hold; names that a spreadsheet would
    take for a formula begin with "'". Raises NotFound before the first line.
    """
    batches = _batches(chosen, _held(chosen, tags))
    return _lines(batches)


def as_parquet(chosen: Sequence[Shown], tags: Sequence[str]) -> Iterator[bytes]:
    """The bytes of a file. Raises NotFound, ParquetFailed before the first of them."""
    return parquet.stream(HEADS, _batches(chosen, _held(chosen, tags)))


def _held(chosen: Sequence[Shown], tags: Sequence[str]) -> list[str]:
    """The asked tags that a run has; without any asked, all. Raises NotFound."""
    every = dict.fromkeys(
        tag for one in chosen for tag in list(one.run.reader.held.series) if not tags or tag in tags
    )
    if not every:
        raise NotFound("None of the chosen runs has such a tag.")
    return [tag for tag in tags if tag in every] or sorted(every)


def _lines(batches: Iterator[list[Row]]) -> Iterator[str]:
    yield ",".join(name for name, _ in HEADS) + "\r\n"
    for rows in batches:
        text = io.StringIO()
        run, tag = (_plain(name) for name in rows[0][:2])
        csv.writer(text, lineterminator="\r\n").writerows(
            (run, tag, step, at, text_of(value)) for _, _, step, at, value in rows
        )
        yield text.getvalue()


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name


def _batches(chosen: Sequence[Shown], tags: Sequence[str]) -> Iterator[list[Row]]:
    """Each of one run and tag."""
    for one in chosen:
        for tag in tags:
            series = one.run.reader.held.series.get(tag)
            if series is None or not len(series):
                continue
            try:
                points = series.points()
            except SegmentGone:
                # The answer has begun: it breaks off, so that nobody takes the file for whole.
                raise NotReady("These runs are being read anew.", retry_after_s=1) from None
            for begin in range(0, len(points.steps), ROWS):
                part = points.at(slice(begin, begin + ROWS))
                columns = (column.tolist() for column in part)
                yield [(one.name, tag, *row) for row in zip(*columns, strict=True)]
