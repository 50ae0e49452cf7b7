"""What is done to the runs of a table: marks, saved views, tags, deletion, restoring."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.runs.routes import BASE, query_of
from mlpi.tracking.runs.service import RunsService
from mlpi.tracking.runs.view import View, run_ids
from mlpi.web.render import here, principal_of, workspace_of

Text = Annotated[str, Form()]
Ids = Annotated[list[str] | None, Form()]


def router(service: RunsService, deeds: Deeds) -> APIRouter:
    """Forms; each leads back to the view that its address carries."""
    pages = APIRouter(include_in_schema=False)

    def back(request: Request, experiment_id: str, view: View) -> Response:
        at = f"/tracking/experiments/{experiment_id}"
        return RedirectResponse(here(principal_of(request), at, **view.query()), 303)

    @pages.post(BASE + "/marks")
    def mark(
        request: Request, experiment_id: str, deed: Text = "", run: Ids = None, colour: Text = "0"
    ) -> Response:
        view = View.of(query_of(request))
        principal = principal_of(request)
        service.experiment(workspace_of(request), experiment_id)
        if deed.startswith("colour-"):
            deed, _, colour = deed.partition("-")
        marks = service.marks(principal, experiment_id, view)
        marks = marks.after(deed, _chosen(run), int(colour) if colour.isdecimal() else -1)
        service.saved.keep_marks(principal, experiment_id, marks)
        return back(request, experiment_id, view.with_(saved_id=None, after=view.after))

    @pages.post(BASE + "/views")
    def save(request: Request, experiment_id: str, name: Text = "") -> Response:
        view = View.of(query_of(request))
        principal = principal_of(request)
        service.experiment(workspace_of(request), experiment_id)
        marks = service.marks(principal, experiment_id, view)
        saved_id = service.saved.save(
            principal, experiment_id, name, view, marks, actor=actor_of(request)
        )
        at = f"/tracking/experiments/{experiment_id}"
        return RedirectResponse(here(principal, at, view=str(saved_id)), 303)

    @pages.post(BASE + "/views/{view_id}/remove")
    def remove(request: Request, experiment_id: str, view_id: int) -> Response:
        principal = principal_of(request)
        service.saved.remove(principal, experiment_id, view_id, actor=actor_of(request))
        return back(request, experiment_id, View())

    @pages.post(BASE + "/runs/tag")
    async def tag(
        request: Request, experiment_id: str, run: Ids = None, key: Text = "", value: Text = ""
    ) -> Response:
        ids = _chosen(run)
        await deeds.tag_runs(workspace_of(request), ids, key, value, actor=actor_of(request))
        return back(request, experiment_id, View.of(query_of(request)))

    @pages.post(BASE + "/runs/delete")
    async def delete(request: Request, experiment_id: str, run: Ids = None) -> Response:
        ids = _chosen(run)
        await deeds.delete_runs(workspace_of(request), ids, actor=actor_of(request))
        return back(request, experiment_id, View.of(query_of(request)))

    @pages.post(BASE + "/runs/restore")
    async def restore(request: Request, experiment_id: str, run: Ids = None) -> Response:
        ids = _chosen(run)
        await deeds.restore_runs(workspace_of(request), ids, actor=actor_of(request))
        return back(request, experiment_id, View.of(query_of(request)))

    return pages


def _chosen(run: list[str] | None) -> list[str]:
    return run_ids(",".join(run or ()))
