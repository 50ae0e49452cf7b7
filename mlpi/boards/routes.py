"""The pages of boards."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.boards.service import BoardsService
from mlpi.web.render import render, workspace_of


def router(service: BoardsService) -> APIRouter:
    """The room's pages over its service."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/boards")
    def boards(request: Request) -> Response:
        workspace = workspace_of(request)
        return render(
            request,
            "boards/boards.html",
            runs=service.listed(workspace),
            pending=service.library.pending(workspace),
        )

    return pages
