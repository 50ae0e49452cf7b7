"""The list of experiments, and what is done to one: create, rename, tag, delete, restore."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError
from mlpi.tracking.deeds import Deeds
from mlpi.tracking.service import TrackingService
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

Text = Annotated[str, Form()]
ONE = "/tracking/experiments/{experiment_id}"


def router(service: TrackingService, deeds: Deeds) -> APIRouter:
    """Pages of experiments."""
    pages = APIRouter(include_in_schema=False)

    def go(request: Request, path: str) -> Response:
        return RedirectResponse(here(principal_of(request), path), 303)

    def page(
        request: Request,
        q: str = "",
        stage: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        name: str = "",
    ) -> Response:
        service.require_prepared()
        is_deleted = stage == "deleted"
        found = service.store.experiments(workspace_of(request), q, is_deleted=is_deleted)
        part = "_experiments" if wants_part(request) else "experiments"
        return render(
            request,
            f"tracking/{part}.html",
            status,
            experiments=found,
            q=q,
            is_deleted=is_deleted,
            binned=partial(service.binned, workspace_of(request)),
            error=error,
            name=name,
        )

    @pages.get("/tracking")
    def experiments(request: Request, q: str = "", stage: str = "") -> Response:
        return page(request, q, stage)

    @pages.post("/tracking/experiments")
    async def create(request: Request, name: Text = "") -> Response:
        try:
            made = await deeds.create_experiment(
                workspace_of(request), name, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return page(request, status=422, error=error, name=name)
        return go(request, f"/tracking/experiments/{made}")

    def one(
        request: Request,
        experiment_id: str,
        status: int = 200,
        error: MlpiError | None = None,
        name: str | None = None,
    ) -> Response:
        service.require_prepared()
        found = service.store.experiment(workspace_of(request), experiment_id)
        name = found.name if name is None else name
        return render(
            request, "tracking/about.html", status, experiment=found, error=error, name=name
        )

    @pages.get(ONE + "/about")
    def about(request: Request, experiment_id: str) -> Response:
        return one(request, experiment_id)

    @pages.post(ONE + "/rename")
    async def rename(request: Request, experiment_id: str, name: Text = "") -> Response:
        try:
            await deeds.rename_experiment(
                workspace_of(request), experiment_id, name, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return one(request, experiment_id, 422, error, name)
        return go(request, f"/tracking/experiments/{experiment_id}")

    @pages.post(ONE + "/tags")
    async def tag(
        request: Request, experiment_id: str, key: Text = "", value: Text = ""
    ) -> Response:
        try:
            await deeds.tag_experiment(
                workspace_of(request), experiment_id, key, value, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            return one(request, experiment_id, 422, error)
        return go(request, f"/tracking/experiments/{experiment_id}/about")

    @pages.post(ONE + "/tags/remove")
    async def untag(request: Request, experiment_id: str, key: Text = "") -> Response:
        await deeds.untag_experiment(
            workspace_of(request), experiment_id, key, actor=actor_of(request)
        )
        return go(request, f"/tracking/experiments/{experiment_id}/about")

    @pages.post(ONE + "/delete")
    async def delete(request: Request, experiment_id: str) -> Response:
        await deeds.delete_experiment(workspace_of(request), experiment_id, actor=actor_of(request))
        return go(request, "/tracking")

    @pages.post(ONE + "/restore")
    async def restore(request: Request, experiment_id: str) -> Response:
        await deeds.restore_experiment(
            workspace_of(request), experiment_id, actor=actor_of(request)
        )
        return go(request, f"/tracking/experiments/{experiment_id}")

    return pages
