"""The page of hyperparameters: a table of sessions, a drawing of them, a file of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from mlpi.boards.kinds.hparams import Value
from mlpi.boards.kinds.sessions import Column, Row, Table, table
from mlpi.boards.looks import DASHES
from mlpi.boards.pages.table_view import TableView
from mlpi.boards.room import Room, page, query_of, room_of
from mlpi.boards.service import BoardsService
from mlpi.errors import Invalid
from mlpi.web.render import here, principal_of

AT = "/boards/hparams"
MOST_ROWS = 300  # of the page; the file has all
MOST_AXES = 14
CHUNK = 200  # rows of a file at once
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows. found: how many rows there are, before MOST_ROWS."""

    table: Table
    columns: list[Column]
    rows: list[Row]
    found: int
    wrong: str


def router(service: BoardsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get(AT)
    def hparams(request: Request) -> Response:
        room, view, shown = _shown(request, service)
        principal = principal_of(request)

        def to(path: str = "", query: dict[str, Any] | None = None) -> str:
            asked = view.query() if query is None else query
            return here(principal, AT + path, **room.choice.query(), **asked)

        return page(
            request,
            "boards/hparams.html",
            room,
            view=view,
            shown=shown,
            to=to,
            dashes="|".join(DASHES),
            axes=[column for column in shown.columns if _is_drawn(column, shown.rows)][:MOST_AXES],
        )

    @pages.get(AT + "/values.json")
    def values(request: Request) -> Response:
        _, _, shown = _shown(request, service)
        axes = [column for column in shown.columns if _is_drawn(column, shown.rows)][:MOST_AXES]
        runs = [
            {"id": row.run, "values": [_drawn(row.cells.get(axis.field)) for axis in axes]}
            for row in shown.rows
        ]
        return JSONResponse({"fields": [axis.field for axis in axes], "runs": runs})

    @pages.get(AT + "/data.csv")
    def data(request: Request) -> Response:
        room = room_of(request, service)
        view = TableView.of(query_of(request))
        made = table([one.run for one in room.chosen])
        rows = view.rows(made)
        columns = made.columns if view.picked is None else view.columns(made)
        return StreamingResponse(
            _lines(columns, rows),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="hparams.csv"'},
        )

    return pages


def _shown(request: Request, service: BoardsService) -> tuple[Room, TableView, Shown]:
    room = room_of(request, service)
    made = table([one.run for one in room.chosen])
    wrong = ""
    query = query_of(request)
    try:
        view = TableView.of(query)
        rows = view.rows(made)
    except Invalid as error:
        wrong = error.line()
        kept = {name: values for name, values in query.items() if name not in _FILTERS}
        view = TableView.of(kept)
        rows = view.rows(made)
    return room, view, Shown(made, view.columns(made), rows[:MOST_ROWS], len(rows), wrong)


_FILTERS = ("where", "given", "field", "find")


def _is_drawn(column: Column, rows: list[Row]) -> bool:
    """Whether an axis says something: with one value for all it does not, unless it is a result."""
    values = {row.cells.get(column.field) for row in rows}
    return bool(values - {None}) and (column.is_metric or len(values) > 1)


def _drawn(value: Value | None) -> float | str | None:
    return str(value).lower() if isinstance(value, bool) else value


def _lines(columns: list[Column], rows: list[Row]) -> Iterator[str]:
    yield _csv([["run", "status", *(_safe(column.field) for column in columns)]])
    for first in range(0, len(rows), CHUNK):
        yield _csv(
            [
                [
                    _safe(row.run),
                    row.status,
                    *(_safe(row.cells.get(one.field, "")) for one in columns),
                ]
                for row in rows[first : first + CHUNK]
            ]
        )


def _safe(value: Value) -> Value:
    """Texts that a spreadsheet would take for a formula get an apostrophe before them."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
