"""Texts: one, a column or a table of them, as HTML that is safe inside our pages."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from mlpi.boards.kinds.tensors import strings
from mlpi.web.markdown import rendered

MOST_ROWS = 300
MOST_CELLS = 2000
LONGEST = 100_000  # characters shown of a text


class Text(NamedTuple):
    """cells: one text, or rows of them. note: what is left out, in words."""

    rows: list[list[str]]
    is_table: bool
    note: str

    @property
    def length(self) -> int:
        """In characters."""
        return sum(len(cell) for row in self.rows for cell in row)

    def html(self) -> Markup:
        """Markdown of every cell."""
        if not self.is_table:
            return rendered(self.rows[0][0])
        body = Markup("").join(
            Markup("<tr>{}</tr>").format(
                Markup("").join(Markup("<td>{}</td>").format(rendered(cell)) for cell in row)
            )
            for row in self.rows
        )
        return Markup('<div class="scroll"><table class="text-table">{}</table></div>').format(body)


def text(data: bytes, form: str) -> Text:
    """A tensor of strings; of more than two dimensions the first plane. Raises ContentError."""
    del form
    found = strings(data)
    shape, values = found.shape, found.values
    if not shape:
        whole = values[0].decode("utf-8", "replace")
        return Text([[whole[:LONGEST]]], False, _cut_note(whole))
    notes = []
    if len(shape) > 2:
        notes.append(f"The first plane of a tensor of {len(shape)} dimensions.")
        shape = shape[-2:]
    row_count, column_count = shape[0], shape[1] if len(shape) == 2 else 1
    shown = min(row_count, MOST_ROWS, max(1, MOST_CELLS // max(1, column_count)))
    columns = min(column_count, MOST_CELLS)
    if shown < row_count or columns < column_count:
        notes.append(f"{shown} of {row_count} rows, {columns} of {column_count} columns are shown.")
    rows: list[list[str]] = []
    left = LONGEST
    for number in range(shown if columns else 0):
        start = number * column_count
        row = [one.decode("utf-8", "replace") for one in values[start : start + columns]]
        left -= sum(len(cell) for cell in row)
        if left < 0:
            notes.append(f"{len(rows)} of {row_count} rows are shown; the others are too long.")
            break
        rows.append(row)
    return Text(rows, True, " ".join(notes))


def _cut_note(whole: str) -> str:
    if len(whole) <= LONGEST:
        return ""
    return f"The first {LONGEST:,} of {len(whole):,} characters."
