"""The pages and the API of boards."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.boards.curves import api as curves_api
from mlpi.boards.curves import routes as curves
from mlpi.boards.curves.service import CurvesService
from mlpi.boards.pages import histograms, hparams, media, texts
from mlpi.boards.room import room_of
from mlpi.boards.service import BoardsService, page_of
from mlpi.web.render import render


def router(service: BoardsService) -> APIRouter:
    """The room's pages and API over its service."""
    pages = APIRouter(include_in_schema=False)
    every = APIRouter()

    @pages.get("/boards/tree")
    def tree(request: Request) -> Response:
        room = room_of(request, service)
        return render(request, "boards/_tree.html", room.status, room=room, page_of=page_of)

    every.include_router(pages)
    every.include_router(curves.router(service, CurvesService()))
    every.include_router(curves_api.router(service))
    for kind in (media, histograms, texts, hparams):
        every.include_router(kind.router(service))
    return every
