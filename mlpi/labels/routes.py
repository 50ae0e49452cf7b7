"""The pages of labeling."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.labels import project_routes
from mlpi.labels.guessing import page_routes as model_pages
from mlpi.labels.room import Room


def router(room: Room) -> APIRouter:
    """The room's pages over its services."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(project_routes.router(room))
    pages.include_router(model_pages.router(room))
    return pages
