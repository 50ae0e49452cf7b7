"""The table of an experiment's runs, its chooser, downloads, marks and saved views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.runs.filter import COMPARATORS, DATASET_KEYS, NUMERIC_ATTRIBUTES, TEXT_ATTRIBUTES
from mlpi.tracking.runs.marks import COLOURS
from mlpi.tracking.runs.service import RunsService, spot
from mlpi.tracking.runs.view import PAGE_SIZES, SPANS_S, STATES, View, inside, run_ids
from mlpi.web.render import here, is_htmx, principal_of, render, wants_part, workspace_of

BASE = "/tracking/experiments/{experiment_id}"
HABITS = "mlpi_runs"  # a cookie of each experiment's own path
HABITS_S = 180 * 86400
HABITS_CHARS = 3000  # browsers keep 4096 bytes of a cookie

Elsewhere = Callable[[Request, str], Response]


def router(service: RunsService, elsewhere: Elsewhere) -> APIRouter:
    """elsewhere answers for an experiment of another of the user's workspaces."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(BASE)
    def experiment(request: Request, experiment_id: str) -> Response:
        at = f"/tracking/experiments/{experiment_id}"
        query = query_of(request)
        if "reset" in query:
            back = RedirectResponse(here(principal_of(request), at), 303)
            back.delete_cookie(HABITS, at)
            return back
        is_plain = not set(query) - {"workspace"}
        habits = request.cookies.get(HABITS, "")
        remembered = _remembered(habits)
        if is_plain and remembered and not is_htmx(request):
            return RedirectResponse(here(principal_of(request), at, **remembered), 303)
        view = View.of(query)
        if view.saved_id is not None and set(query) <= {"view", "workspace"}:
            saved = service.saved.get(workspace_of(request), experiment_id, view.saved_id)
            view = View.of({**parse_qs(saved.query), "view": [str(view.saved_id)]})
        try:
            table = service.table(principal_of(request), experiment_id, view)
        except NotFound:
            return elsewhere(request, experiment_id)
        response = render(
            request,
            f"tracking/{'_runs' if wants_part(request) else 'experiment'}.html",
            422 if table.error else 200,
            table=table,
            view=view,
            spot=spot(view.q, table.error) if table.error else None,
            experiment=table.experiment,
            tags=table.experiment.tags,
            has_traces=not wants_part(request) and service.store.has_traces(int(experiment_id)),
            **_addresses(request, at, view),
            **_CHOICES,
        )
        if not is_plain and not table.error and "refresh" not in query:
            if wants_part(request):
                # The address without what the form left empty.
                url = here(principal_of(request), at, **view.query())
                response.headers["HX-Push-Url"] = url
            _remember(response, at, view.habits(), habits)
        return response

    @pages.get(BASE + "/columns")
    def columns(request: Request, experiment_id: str, every: str = "") -> Response:
        view = View.of(query_of(request))
        keys = service.keys(workspace_of(request), experiment_id, view, of_all=bool(every))
        known = {one.text for one in keys}
        return render(
            request,
            f"tracking/{'_columns' if wants_part(request) else 'columns'}.html",
            experiment=service.experiment(workspace_of(request), experiment_id),
            view=view,
            keys=keys,
            others=[one for one in view.columns if one.text not in known],
            is_every=bool(every),
            **_addresses(request, f"/tracking/experiments/{experiment_id}", view),
        )

    @pages.get(BASE + "/keys.json")
    def keys(request: Request, experiment_id: str) -> Response:
        """What the filter's completion offers."""
        found = service.keys(workspace_of(request), experiment_id, View())
        own = [f"attributes.{key}" for key in (*TEXT_ATTRIBUTES, *NUMERIC_ATTRIBUTES)]
        given = [f"datasets.{key}" for key in DATASET_KEYS]
        return JSONResponse(
            {"keys": [*(one.text for one in found), *own, *given], "comparators": COMPARATORS}
        )

    @pages.get(BASE + "/runs.csv")
    def download(request: Request, experiment_id: str) -> Response:
        lines = service.csv(principal_of(request), experiment_id, View.of(query_of(request)))
        name = f'attachment; filename="experiment-{experiment_id}-runs.csv"'
        return StreamingResponse(
            lines, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
        )

    @pages.get(BASE + "/runs.parquet")
    def parquet(request: Request, experiment_id: str) -> Response:
        chunks = service.parquet(principal_of(request), experiment_id, View.of(query_of(request)))
        name = f'attachment; filename="experiment-{experiment_id}-runs.parquet"'
        return StreamingResponse(
            chunks,
            media_type="application/vnd.apache.parquet",
            headers={"Content-Disposition": name},
        )

    @pages.get("/tracking/compare")
    def compare(
        request: Request,
        run: Annotated[list[str] | None, Query()] = None,
        runs: str = "",
        same: str = "",
    ) -> Response:
        ids = run_ids(",".join([*(run or ()), runs]))
        found = service.compare(workspace_of(request), ids)
        return render(
            request,
            "tracking/compare.html",
            found=found,
            ids=",".join(row.run.id for row in found.rows),
            missing=len(ids) - len(found.rows),
            hides_same=same == "no",
        )

    return pages


_CHOICES: Mapping[str, Any] = {
    "states": STATES,
    "spans": tuple(SPANS_S),
    "sizes": PAGE_SIZES,
    "colours": range(1, COLOURS + 1),
}


def query_of(request: Request) -> dict[str, list[str]]:
    """The query of the address, what is empty too."""
    return parse_qs(request.url.query, keep_blank_values=True)


def _addresses(request: Request, at: str, view: View) -> dict[str, Any]:
    """What the templates make links with: to(view), and to(view, "/runs.csv")."""
    principal = principal_of(request)

    def to(some: View, path: str = "", **more: str) -> str:
        return here(principal, at + path, **some.query(), **more)

    # What a form must carry along that asks for something else of the same view.
    carried = [(name, value) for name, values in view.query().items() for value in values]
    return {"at": at, "to": to, "carried": carried, "inside": inside}


def _remembered(habits: str) -> dict[str, list[str]]:
    """The query of the last visit; empty when the cookie is nothing of ours."""
    try:
        return parse_qs(View.of(parse_qs(habits)).habits())
    except Invalid:
        return {}


def _remember(response: Response, at: str, habits: str, before: str) -> None:
    if habits == before or len(habits) > HABITS_CHARS:
        return
    if habits:
        response.set_cookie(
            HABITS, habits, max_age=HABITS_S, path=at, httponly=True, samesite="lax"
        )
    else:
        response.delete_cookie(HABITS, at)
