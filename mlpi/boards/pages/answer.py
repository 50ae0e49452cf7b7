"""A page of cards as an answer."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from mlpi.boards.pages.cards import deck
from mlpi.boards.pages.view import View
from mlpi.boards.room import page, room_of
from mlpi.boards.service import BoardsService
from mlpi.web.render import here, principal_of


def cards_page(
    request: Request, service: BoardsService, plugin: str, view: View, **context: Any
) -> Response:
    """The page of a plugin's cards at /boards/<plugin>, from its template."""
    room = room_of(request, service)
    at = f"/boards/{plugin}"

    def paged(number: int) -> str:
        query = {**room.choice.query(), **view.query(page=number)}
        return here(principal_of(request), at, **query)

    return page(
        request,
        f"boards/{plugin}.html",
        room,
        view=view,
        deck=deck(room, view, plugin),
        at=at,
        paged=paged,
        **context,
    )
