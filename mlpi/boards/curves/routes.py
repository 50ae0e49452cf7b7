"""The page of curves, and the data it draws."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.boards.room import page, room_of
from mlpi.boards.service import BoardsService


def router(service: BoardsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards")
    def boards(request: Request) -> Response:
        return page(request, "boards/boards.html", room_of(request, service))

    return pages
