"""The tracking pages."""

from __future__ import annotations

import math

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from mlpi.tracking import experiment_routes
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.elsewhere import Elsewhere
from mlpi.tracking.run_page import deed_routes as run_deeds
from mlpi.tracking.run_page import file_routes, page_routes
from mlpi.tracking.run_page.rows import ParquetRows
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.runs import deed_routes
from mlpi.tracking.runs import routes as runs_routes
from mlpi.tracking.runs.service import RunsService
from mlpi.tracking.service import TrackingService
from mlpi.web.render import workspace_of


def router(
    service: TrackingService,
    runs: RunsService,
    deeds: Deeds,
    run_page: RunPage,
    rows: ParquetRows,
    elsewhere: Elsewhere,
) -> APIRouter:
    """The room's pages over its services."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(experiment_routes.router(service, deeds))
    pages.include_router(runs_routes.router(runs, elsewhere.experiment))
    pages.include_router(deed_routes.router(runs, deeds))
    pages.include_router(page_routes.router(run_page, elsewhere.run))
    pages.include_router(file_routes.router(run_page, rows, elsewhere.run))
    pages.include_router(run_deeds.router(run_page, deeds))

    @pages.get("/tracking/runs/{run_id}/metric")
    def metric(request: Request, run_id: str, key: str) -> Response:
        service.require_prepared()
        service.store.run(workspace_of(request), run_id)
        points = service.store.history(run_id, key)
        return JSONResponse(
            {
                "key": key,
                "steps": [step for step, _, _ in points],
                "times": [at / 1000 for _, at, _ in points],
                "values": [_finite(value) for _, _, value in points],
            }
        )

    @pages.get("/tracking/locate")
    def locate(request: Request, experiment: str = "", run: str = "") -> Response:
        """The workspace a link that a client printed leads to; null when it is not the user's."""
        service.require_prepared()
        return JSONResponse({"workspace": elsewhere.located(request, experiment, run)})

    @pages.get("/mlflow")
    def ui() -> Response:
        return RedirectResponse("/mlflow/", 307)

    return pages


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
