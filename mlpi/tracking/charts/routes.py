"""Pages of charts, and the data they draw."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from mlpi.errors import Invalid
from mlpi.tracking.charts.choice import ALONG, KINDS, Choice, fields_of
from mlpi.tracking.charts.looks import DASHES
from mlpi.tracking.charts.service import ChartsService
from mlpi.tracking.runs.routes import BASE, query_of
from mlpi.tracking.runs.view import View
from mlpi.web.render import here, principal_of, render, workspace_of

AT = "/tracking/charts"


def router(service: ChartsService) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get(AT)
    def charts(request: Request) -> Response:
        principal = principal_of(request)
        page = service.page(principal, Choice.of(_query(request)))

        def to(path: str = "", **changes: Any) -> str:
            query = page.choice.with_(**changes).query()
            return here(principal, AT + path, **query)

        return render(
            request,
            "tracking/charts.html",
            page=page,
            choice=page.choice,
            kinds=KINDS,
            ways=ALONG,
            dashes="|".join(DASHES),
            to=to,
            ids=",".join(page.choice.ids),
            curve_ids=",".join(page.choice.curve_ids),
        )

    @pages.get(BASE + "/charts")
    def first(request: Request, experiment_id: str) -> Response:
        """The first runs of a table's view: on to their charts."""
        principal = principal_of(request)
        ids = service.first_ids(principal, experiment_id, View.of(query_of(request)))
        if not ids:
            raise Invalid("No run is there to be drawn.", advice="Show others in the table.")
        return RedirectResponse(here(principal, AT, runs=",".join(ids)), 303)

    @pages.get(AT + "/points.json")
    def points(request: Request, key: str = "") -> Response:
        choice = Choice.of(_query(request))
        if not key:
            raise Invalid("No metric is named.", field="key")
        return JSONResponse(service.points(workspace_of(request), choice.ids, key))

    @pages.get(AT + "/values.json")
    def values(request: Request) -> Response:
        query = _query(request)
        found = service.values(workspace_of(request), Choice.of(query).ids, fields_of(query))
        return JSONResponse(found)

    @pages.get(AT + "/data.csv")
    def data(request: Request) -> Response:
        choice = Choice.of(_query(request))
        if choice.kind in ("line", "bar") and not choice.keys:
            raise Invalid("No metric is named.", field="key")
        lines = service.csv(workspace_of(request), choice)
        name = f'attachment; filename="{choice.kind}.csv"'
        return StreamingResponse(
            lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
        )

    return pages


def _query(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.url.query)
