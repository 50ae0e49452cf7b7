"""The page of curves, the data it draws, and its downloads."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from mlpi.boards.curves.exports import as_csv, as_parquet
from mlpi.boards.curves.service import CurvesService, Tag, Window, key_of
from mlpi.boards.curves.view import BANDS, View
from mlpi.boards.room import Room, page, query_of, room_of
from mlpi.boards.service import BoardsService
from mlpi.errors import Invalid
from mlpi.web.render import here, principal_of, workspace_of

AT = "/boards/curves"
TABLE_RUNS, TABLE_TAGS = 20, 50
WAYS = {"step": "step", "relative": "time since its start", "time": "time"}


def router(service: BoardsService, curves: CurvesService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards")
    def boards(request: Request) -> Response:
        room, view = room_of(request, service), View.of(query_of(request))
        tags = curves.tags(room.chosen)
        principal = principal_of(request)

        def to(path: str = "/boards", **more: Any) -> str:
            return here(principal, path, **room.choice.query(), **{**view.query(), **more})

        return page(
            request,
            "boards/curves.html",
            room,
            view=view,
            to=to,
            ways=WAYS,
            bands=BANDS,
            start=orjson.dumps(_start(room, tags)).decode().replace("<", "\\u003c"),
            tags=tags,
            table=_table(room, tags, view, curves) if view.is_table else None,
        )

    @pages.get("/boards/version")
    async def version(request: Request) -> Response:
        number = service.library.version(workspace_of(request))
        return Response(b'{"version":"%d"}' % number, media_type="application/json")

    @pages.get(AT + "/state")
    def state(request: Request) -> Response:
        query = query_of(request)
        room = room_of(request, service)
        _refuse_wrong(room)
        found = _start(room, curves.tags(room.chosen))
        if (query.get("had") or [""])[-1] == found["key"]:
            del found["tags"]
        return _json(found)

    @pages.get(AT + "/data")
    def data(request: Request) -> Response:
        query = query_of(request)
        room, view = room_of(request, service), View.of(query)
        _refuse_wrong(room)
        found = curves.data(
            room.chosen,
            query.get("tag", []),
            view.along,
            since=_whole(query, "since"),
            only=query.get("only", ()),
            group=view.group,
            window=_window(query),
        )
        return _json({"version": str(room.version), **found})

    @pages.get(AT + "/data.csv")
    def csv(request: Request) -> Response:
        room = room_of(request, service)
        _refuse_wrong(room)
        lines = as_csv(room.chosen, query_of(request).get("tag", []))
        return StreamingResponse(
            lines, media_type="text/csv; charset=utf-8", headers=_named(room, "csv")
        )

    @pages.get(AT + "/data.parquet")
    def parquet(request: Request) -> Response:
        room = room_of(request, service)
        _refuse_wrong(room)
        chunks = as_parquet(room.chosen, query_of(request).get("tag", []))
        return StreamingResponse(
            chunks, media_type="application/vnd.apache.parquet", headers=_named(room, "parquet")
        )

    return pages


def _start(room: Room, tags: list[Tag]) -> dict[str, Any]:
    """What a page begins with and asks for again: key tells other tags, tree other runs."""
    return {
        "version": str(room.version),  # past what JavaScript's numbers hold
        "pending": room.pending,
        "tree": key_of((one.name, bool(one.run.failure)) for one in room.runs),
        "key": key_of(tags),
        "tags": [[tag.name, tag.runs, tag.points] for tag in tags],
    }


def _table(room: Room, tags: list[Tag], view: View, curves: CurvesService) -> dict[str, Any]:
    """Newest values, a row a run; parts of the tags by page."""
    begin = (view.page - 1) * TABLE_TAGS
    names = [tag.name for tag in tags[begin : begin + TABLE_TAGS]]
    return {
        "tags": names,
        "pages": -(-len(tags) // TABLE_TAGS),
        "rows": [
            (one, [curves.last(one, name) for name in names]) for one in room.chosen[:TABLE_RUNS]
        ],
        "left_out": max(0, len(room.chosen) - TABLE_RUNS),
    }


def _refuse_wrong(room: Room) -> None:
    if room.wrong:
        raise Invalid(room.wrong, field="runs")


def _window(query: dict[str, list[str]]) -> Window | None:
    if "from" not in query and "to" not in query:
        return None
    try:
        first, last = float(query["from"][-1]), float(query["to"][-1])
    except (KeyError, ValueError):
        first = last = float("nan")
    if not first <= last:
        raise Invalid("from and to must be numbers, the lesser first.", field="from")
    return first, last


def _whole(query: dict[str, list[str]], name: str) -> int:
    text = (query.get(name) or ["0"])[-1]
    if not text.isdecimal() or len(text) > 25:
        raise Invalid(f"{name} must be a whole number.", field=name)
    return int(text)


def _named(room: Room, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{room.workspace}-curves.{kind}"'}


def _json(body: dict[str, Any]) -> Response:
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )
