"""The pages of labeling."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.labels import project_routes
from mlpi.labels.editor import routes as editor_routes
from mlpi.labels.room import Room


def router(room: Room) -> APIRouter:
    """The room's pages over its services."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(project_routes.router(room))
    pages.include_router(editor_routes.router(room))
    return pages
