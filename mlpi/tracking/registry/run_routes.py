"""Registering what a run has logged."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, MlpiError, NotFound
from mlpi.tracking.registry.deeds import RegistryDeeds, checked_name
from mlpi.tracking.registry.pages import shown
from mlpi.tracking.registry.records import Candidate, model_path
from mlpi.tracking.registry.service import RegistryService
from mlpi.web.render import back_to, render, wants_part, workspace_of

Text = Annotated[str, Form()]
RUN = "/tracking/runs/{run_id}/register"


def router(service: RegistryService, deeds: RegistryDeeds) -> APIRouter:
    """The models of a run, and the form that registers one."""
    routes = APIRouter(include_in_schema=False)

    def registering(
        request: Request,
        run_id: str,
        status: int = 200,
        error: MlpiError | None = None,
        chosen: str = "",
        name: str = "",
    ) -> Response:
        run, candidates = service.candidates(workspace_of(request), run_id)
        return render(
            request,
            f"tracking/models/{'_candidates' if wants_part(request) else 'register'}.html",
            status,
            run=run,
            candidates=candidates,
            names=service.store.names(workspace_of(request)) if candidates else [],
            error=error,
            chosen=chosen,
            name=name,
        )

    @routes.get(RUN)
    def candidates(request: Request, run_id: str) -> Response:
        return registering(request, run_id)

    @routes.post(RUN)
    async def register(
        request: Request, run_id: str, model: Text = "", name: Text = ""
    ) -> Response:
        """model: the key of one of the run's candidates; name: a new or an existing model's."""
        workspace = workspace_of(request)

        async def done() -> str:
            called = checked_name(name)
            chosen, is_new = await anyio.to_thread.run_sync(
                _chosen, service, workspace, run_id, model, called
            )
            number = await deeds.register(
                workspace, called, chosen, run_id, is_new=is_new, actor=actor_of(request)
            )
            return f"{model_path(called)}/versions/{number}"

        try:
            path = await done()
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return await shown(registering, request, run_id, 422, error, model, name)
        return back_to(request, path)

    return routes


def _chosen(
    service: RegistryService, workspace: str, run_id: str, key: str, name: str
) -> tuple[Candidate, bool]:
    """The candidate of a key, and whether the name is a new one. Raises Invalid, NotFound."""
    _, candidates = service.candidates(workspace, run_id)
    chosen = next((one for one in candidates if one.key == key), None)
    if chosen is None:
        raise NotFound("The run has no such model.")
    if service.store.is_prompt(workspace, name):
        raise Invalid(
            f"{name!r} is a prompt.", advice="Choose another name for the model.", field="name"
        )
    return chosen, not service.store.has_name(workspace, name)
