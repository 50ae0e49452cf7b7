"""Pages of a collection's records."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.vectors.collection_routes import ONE
from mlpi.vectors.service import VectorsService
from mlpi.web.render import render, wants_part, workspace_of

PAGE_RECORDS = 50


def router(service: VectorsService) -> APIRouter:
    """The table of records."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(ONE)
    def records(request: Request, collection_id: str, page: int = 1) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        page = max(1, page)
        found = service.shelf(workspace).get(
            collection_id,
            limit=PAGE_RECORDS + 1,
            offset=(page - 1) * PAGE_RECORDS,
            vectors=True,
        )
        part = "_records" if wants_part(request) else "records"
        return render(
            request,
            f"vectors/{part}.html",
            collection=collection,
            records=found[:PAGE_RECORDS],
            page=page,
            has_more=len(found) > PAGE_RECORDS,
        )

    return pages
