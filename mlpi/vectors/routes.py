"""The pages of vectors."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.vectors import collection_routes, record_routes
from mlpi.vectors.service import VectorsService


def router(service: VectorsService) -> APIRouter:
    """The room's pages over its service."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(collection_routes.router(service))
    pages.include_router(record_routes.router(service))
    return pages
