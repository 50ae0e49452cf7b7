"""The pages of vectors."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.vectors import collection_routes
from mlpi.vectors.browse import deed_routes, one_routes, record_routes, search_routes
from mlpi.vectors.browse.service import Browse
from mlpi.vectors.maps import routes as map_routes
from mlpi.vectors.maps import selection_routes
from mlpi.vectors.maps.service import Maps
from mlpi.vectors.pairs import routes as pair_routes
from mlpi.vectors.pairs.service import Pairs
from mlpi.vectors.service import VectorsService


def router(service: VectorsService, browse: Browse, maps: Maps, pairs: Pairs) -> APIRouter:
    """The room's pages over its service."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(collection_routes.router(service))
    for part in (record_routes, deed_routes, one_routes, search_routes):
        pages.include_router(part.router(browse))
    pages.include_router(map_routes.router(service, maps))
    pages.include_router(selection_routes.router(service))
    pages.include_router(pair_routes.router(service, pairs))
    return pages
