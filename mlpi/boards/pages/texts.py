"""The page of texts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from mlpi.boards.kinds.errors import ContentBroken
from mlpi.boards.kinds.texts import Text, text
from mlpi.boards.kinds.timeline import TEXT, Timeline
from mlpi.boards.pages.answer import cards_page
from mlpi.boards.pages.cards import stops
from mlpi.boards.pages.media import timeline
from mlpi.boards.pages.view import View
from mlpi.boards.room import query_of
from mlpi.boards.service import BoardsService
from mlpi.web.render import render

LONG = 1200  # characters, beyond which a text is folded


def router(service: BoardsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards/text")
    def texts(request: Request) -> Response:
        view = View.of(query_of(request))
        return cards_page(request, service, TEXT, view, said=said, long=LONG)

    @pages.get("/boards/text/stops.json")
    def its_stops(request: Request, run: str = "", tag: str = "") -> Response:
        return JSONResponse({**stops(timeline(service, request, run, tag, TEXT)), "samples": 1})

    @pages.get("/boards/text/one")
    def one(request: Request, run: str = "", tag: str = "", index: int = 0) -> Response:
        found = said(timeline(service, request, run, tag, TEXT), index)
        return render(request, "boards/_text.html", found=found, long=LONG)

    return pages


def said(line: Timeline, index: int) -> Text | str:
    """A text, or what is wrong with it. Raises NotFound."""
    try:
        return line.read(index, text)
    except ContentBroken as error:
        return error.message
