"""The page of a run, and what keeps it live."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.run_page.records import Origin
from mlpi.tracking.run_page.service import RunPage
from mlpi.tracking.run_page.views import RunView
from mlpi.web.render import render, wants_part, workspace_of

Elsewhere = Callable[[Request, str], Response]
ONE = "/tracking/runs/{run_id}"
MOST_ASKED = 40  # metrics in one question for new points


def router(pages_of: RunPage, elsewhere: Elsewhere) -> APIRouter:
    """elsewhere: answers for a run that is not in the request's workspace."""
    pages = APIRouter(include_in_schema=False)
    store, view = pages_of.tracking.store, RunView(pages_of)

    @pages.get(ONE)
    def run(request: Request, run_id: str, path: str = "") -> Response:
        try:
            found = pages_of.run(workspace_of(request), run_id)
        except NotFound:
            return elsewhere(request, run_id)
        if wants_part(request):
            context = view.listed(request, found, path)
            return render(request, "tracking/_artifacts.html", run=found, **context)
        return view.page(request, found, path)

    @pages.get(ONE + "/live")
    def live(request: Request, run_id: str) -> Response:
        """What changes while the run goes on."""
        found = pages_of.run(workspace_of(request), run_id)
        tags = store.tags(run_id)
        return render(
            request,
            "tracking/run/_live.html",
            run=found,
            tags=tags,
            origin=Origin.of_tags(tags),
            **view.boards(request, found, tags),
            **view.measured(found),
        )

    @pages.get(ONE + "/new")
    def new_points(
        request: Request,
        run_id: str,
        key: Annotated[list[str], Query()],
        step: Annotated[list[int], Query()],
        at: Annotated[list[float], Query()],
    ) -> Response:
        """Points after the last one of each metric: key, its step, its time in seconds."""
        if not len(key) == len(step) == len(at) or len(key) > MOST_ASKED:
            raise Invalid(f"Give key, step and at as often as each other, {MOST_ASKED} at most.")
        if any(abs(one) > 2**62 for one in step) or not all(abs(one) < 2**52 for one in at):
            raise Invalid("A step or a time is out of range.")
        found = pages_of.run(workspace_of(request), run_id)
        since = [
            (name, after, round(seconds * 1000))
            for name, after, seconds in zip(key, step, at, strict=True)
        ]
        points = pages_of.store.new_points(run_id, since)
        return JSONResponse(
            {
                "is_running": found.status == "RUNNING",
                "points": {
                    name: {
                        "steps": [point[0] for point in series],
                        "times": [point[1] / 1000 for point in series],
                        "values": [v if math.isfinite(v) else None for _, _, v in series],
                    }
                    for name, series in points.items()
                },
            }
        )

    return pages
