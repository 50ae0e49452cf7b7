"""The pages of labeling."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.labels import export_routes, import_routes, project_routes
from mlpi.labels.editor import routes as editor_routes
from mlpi.labels.grid import routes as grid_routes
from mlpi.labels.guessing import page_routes as model_routes
from mlpi.labels.hooks import routes as hook_routes
from mlpi.labels.review import routes as review_routes
from mlpi.labels.room import Room
from mlpi.uploads import Uploads


def router(room: Room, uploads: Uploads) -> APIRouter:
    """The room's pages over its services."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(project_routes.router(room))
    pages.include_router(import_routes.router(room, uploads))
    pages.include_router(export_routes.router(room))
    pages.include_router(grid_routes.router(room))
    pages.include_router(editor_routes.router(room))
    pages.include_router(review_routes.router(room))
    pages.include_router(hook_routes.router(room))
    pages.include_router(model_routes.router(room))
    return pages
