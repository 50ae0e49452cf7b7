"""The page of a collection's duplicates and outliers."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, MlpiError
from mlpi.vectors.browse.pictures import Pictures
from mlpi.vectors.collection_routes import ONE
from mlpi.vectors.maps.selection_routes import records_page
from mlpi.vectors.pairs.service import PAGE, SAMPLES, Pairs
from mlpi.vectors.service import VectorsService
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

PAIRS = ONE + "/pairs"
Text = Annotated[str, Form()]


def router(service: VectorsService, pairs: Pairs) -> APIRouter:
    """The report, making it, and deleting one of a pair."""
    pages = APIRouter(include_in_schema=False)

    def page_of(
        request: Request,
        collection_id: str,
        within: str,
        page: int,
        status: int = 200,
        error: MlpiError | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        state = pairs.state(workspace, collection)
        context: dict[str, Any] = {"found": None, "records": {}}
        page = max(1, page)
        if state.facts is not None:
            try:
                at = _distance(within) if within else state.facts.usual
            except Invalid as wrong:
                status, error, at = 422, wrong, state.facts.usual
            found = pairs.found(workspace, collection, at, page=page)
            context["found"] = found
            context["records"] = found.records
        return render(
            request,
            f"vectors/pairs/{'_report' if wants_part(request) else 'pairs'}.html",
            status,
            collection=collection,
            state=state,
            samples=SAMPLES,
            within=within,
            page=page,
            page_size=PAGE,
            error=error,
            pictures=Pictures(workspace),
            **context,
        )

    @pages.get(PAIRS)
    def show(request: Request, collection_id: str, within: str = "", page: int = 1) -> Response:
        return page_of(request, collection_id, within.strip(), page)

    @pages.post(PAIRS)
    def start(
        request: Request, collection_id: str, sample: Annotated[int, Form()] = SAMPLES[0]
    ) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        pairs.start(workspace, collection, sample, actor=actor_of(request))
        return _back(request, collection_id)

    @pages.post(PAIRS + "/cancel")
    def cancel(request: Request, collection_id: str) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        pairs.cancel(workspace, collection, actor=actor_of(request))
        return _back(request, collection_id)

    @pages.post(PAIRS + "/group")
    def group(request: Request, collection_id: str, mark: Text = "") -> Response:
        """The records of a group as a selection, shown in the table of records."""
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        ids = pairs.group(collection, mark)
        key = service.selections.put(workspace, collection_id, ids)
        return RedirectResponse(records_page(request, collection_id, ids, key), 303)

    @pages.post(PAIRS + "/remove")
    def remove(
        request: Request,
        collection_id: str,
        id: Text = "",  # noqa: A002
        within: Text = "",
        page: Annotated[int, Form()] = 1,
    ) -> Response:
        workspace = workspace_of(request)
        collection = service.store.one(workspace, collection_id)
        pairs.remove(workspace, collection, id, actor=actor_of(request))
        return _back(request, collection_id, within, page)

    return pages


def _back(request: Request, collection_id: str, within: str = "", page: int = 1) -> Response:
    query = {"within": within, "page": str(page) if page > 1 else ""}
    to = here(principal_of(request), f"/vectors/{collection_id}/pairs", **query)
    return RedirectResponse(to, 303)


def _distance(text: str) -> float:
    """Raises Invalid."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Invalid(
            f"{text[:40]!r} is no distance.", advice="Use a number such as 0.05.", field="within"
        )
    return value
