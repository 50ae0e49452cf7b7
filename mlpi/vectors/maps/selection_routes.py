"""Selections made on a map: kept, shown, given as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import StreamingResponse

from mlpi.errors import Invalid, NotFound
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.browse.view import Filter
from mlpi.vectors.collection_routes import ONE
from mlpi.vectors.maps.selected import FORMS, written
from mlpi.vectors.records import Condition
from mlpi.vectors.service import VectorsService
from mlpi.web.render import here, principal_of, render, workspace_of

PAGE = 60
LONGEST_URL = 4000
SHOWN = 12  # records of a selection, beneath the map


def router(service: VectorsService) -> APIRouter:
    """A selection is asked for by whoever may look."""
    pages = APIRouter(include_in_schema=False)

    @pages.post(ONE + "/selections")
    def select(
        request: Request, collection_id: str, body: Annotated[Any, Body()] = None
    ) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        ids = _ids(body)
        key = service.selections.put(workspace, collection_id, ids)
        found = service.shelf(workspace).get(collection_id, Condition(ids=ids[:SHOWN]))
        return render(
            request,
            "vectors/map/_selection.html",
            collection=collection,
            key=key,
            count=len(ids),
            records_at=records_page(request, collection_id, ids, key),
            records=found,
            pictures=Pictures(workspace),
        )

    @pages.get(ONE + "/selections/{key}")
    def selection(request: Request, collection_id: str, key: str, page: int = 1) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        ids = service.selections.get(workspace, collection_id, key)
        begin = (max(1, page) - 1) * PAGE
        some = Condition(ids=ids[begin : begin + PAGE])
        found = service.shelf(workspace).get(collection_id, some) if some else []
        return render(
            request,
            "vectors/map/selected.html",
            collection=collection,
            key=key,
            count=len(ids),
            page=max(1, page),
            page_size=PAGE,
            records=found,
            pictures=Pictures(workspace),
        )

    @pages.get(ONE + "/selections/{key}/records.{form}")
    def download(request: Request, collection_id: str, key: str, form: str) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        if form not in FORMS:
            raise NotFound(f"A selection is given as {' or '.join(FORMS)}.")
        ids = service.selections.get(workspace, collection_id, key)
        lines = written(service.shelf(workspace), collection_id, ids, form)
        headers = {"Content-Disposition": f'attachment; filename="{collection.name}.{form}"'}
        return StreamingResponse(lines, media_type=FORMS[form], headers=headers)

    return pages


def records_page(request: Request, collection_id: str, ids: Sequence[str], key: str) -> str:
    """Where the records of a selection are shown: the table of records, if its filter holds them
    all within a URL, or a page of the selection itself.
    """
    at, who = f"/vectors/{collection_id}", principal_of(request)
    url = here(who, at, ids=Filter(ids=tuple(ids)).ids_text)
    return url if len(url) <= LONGEST_URL else here(who, f"{at}/selections/{key}")


def _ids(body: Any) -> Sequence[str]:
    """The ids in what a script sent. Raises Invalid."""
    ids = body.get("ids") if isinstance(body, Mapping) else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise Invalid("ids is not a list of texts.", field="ids")
    return ids
