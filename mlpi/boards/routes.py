"""The pages of boards."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.boards.curves import routes as curves
from mlpi.boards.room import room_of
from mlpi.boards.service import BoardsService, page_of
from mlpi.web.render import render


def router(service: BoardsService) -> APIRouter:
    """The room's pages over its service."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards/tree")
    def tree(request: Request) -> Response:
        room = room_of(request, service)
        return render(request, "boards/_tree.html", room.status, room=room, page_of=page_of)

    pages.include_router(curves.router(service))
    return pages
