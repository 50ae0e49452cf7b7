"""The page of a collection's map, what its script asks for, and selections made on it."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import NotFound
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.collection_routes import ONE
from mlpi.vectors.maps.service import Maps
from mlpi.vectors.records import Condition
from mlpi.vectors.service import VectorsService
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

MAP = ONE + "/map"
Text = Annotated[str, Form()]


def router(service: VectorsService, maps: Maps) -> APIRouter:
    """The map, its data, its computations."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(MAP)
    def show(request: Request, collection_id: str, by: str = "pca", field: str = "") -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        by = by if by in maps.ways else "pca"
        context: dict[str, Any] = {
            "collection": collection,
            "by": by,
            "field": field,
            "state": maps.state(workspace, collection, by),
            "ways": maps.ways,
        }
        if wants_part(request):
            return render(request, "vectors/map/_layout.html", **context)
        fields = maps.fields(collection)
        return render(
            request, "vectors/map/map.html", fields=fields, has_umap="umap" in maps.ways, **context
        )

    @pages.post(MAP)
    def start(request: Request, collection_id: str, by: Text = "", field: Text = "") -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        maps.start(workspace, collection, by, actor=actor_of(request))
        return _back(request, collection_id, by, field)

    @pages.post(MAP + "/cancel")
    def cancel(request: Request, collection_id: str, by: Text = "", field: Text = "") -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        maps.cancel(workspace, collection, by, actor=actor_of(request))
        return _back(request, collection_id, by, field)

    @pages.get(MAP + "/data")
    def data(request: Request, collection_id: str, by: str = "pca", field: str = "") -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        found = maps.data(workspace, collection, by, field)
        return Response(orjson.dumps(found), media_type="application/json")

    @pages.get(MAP + "/table")
    def table(request: Request, collection_id: str, by: str = "pca", field: str = "") -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        lines = maps.table(workspace, collection, by, field)
        name = f"{collection.name}-{by}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(lines, media_type="text/csv", headers=headers)

    @pages.get(MAP + "/record")
    def record(request: Request, collection_id: str, id: str = "") -> Response:  # noqa: A002
        workspace = workspace_of(request)
        service.store.one(workspace, collection_id)
        found = service.shelf(workspace).get(collection_id, Condition(ids=[id])) if id else []
        if not found:
            raise NotFound("This record is gone.")
        return render(
            request, "vectors/map/_record.html", one=found[0], pictures=Pictures(workspace)
        )

    return pages


def _back(request: Request, collection_id: str, by: str, field: str) -> Response:
    page = here(principal_of(request), f"/vectors/{collection_id}/map", by=by, field=field)
    return RedirectResponse(page, 303)
