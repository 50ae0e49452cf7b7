"""What is done to a registered model: each form leads back to its page."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.tracking.registry.deeds import RegistryDeeds
from mlpi.tracking.registry.pages import Pages, shown, wrong_in
from mlpi.tracking.registry.records import model_path
from mlpi.tracking.registry.service import RegistryService
from mlpi.web.render import back_to, workspace_of

Text = Annotated[str, Form()]
ONE = "/tracking/models/{name}"


def router(service: RegistryService, deeds: RegistryDeeds, pages: Pages) -> APIRouter:
    """Forms of models. None touches a prompt."""
    routes = APIRouter(include_in_schema=False)

    async def known(request: Request, name: str) -> str:
        await anyio.to_thread.run_sync(service.model, workspace_of(request), name)
        return workspace_of(request)

    @routes.post("/tracking/models")
    async def create(request: Request, name: Text = "") -> Response:
        made = deeds.create(workspace_of(request), name, actor=actor_of(request))
        error = await wrong_in(made)
        if error:
            return await shown(pages.models, request, status=422, error=error, name=name)
        return back_to(request, model_path(name.strip()))

    @routes.post(ONE + "/rename")
    async def rename(request: Request, name: str, new: Text = "") -> Response:
        workspace = await known(request, name)
        error = await wrong_in(deeds.rename(workspace, name, new, actor=actor_of(request)))
        if error:
            return await shown(pages.model, request, name, status=422, error=error, new=new)
        return back_to(request, model_path(new.strip()))

    @routes.post(ONE + "/describe")
    async def describe(request: Request, name: str, description: Text = "") -> Response:
        workspace = await known(request, name)
        done = deeds.describe(workspace, name, description, actor=actor_of(request))
        error = await wrong_in(done)
        if error:
            return await shown(
                pages.model, request, name, status=422, error=error, description=description
            )
        return back_to(request, model_path(name))

    @routes.post(ONE + "/tags")
    async def tag(request: Request, name: str, key: Text = "", value: Text = "") -> Response:
        workspace = await known(request, name)
        error = await wrong_in(deeds.tag(workspace, name, key, value, actor=actor_of(request)))
        if error:
            return await shown(
                pages.model, request, name, status=422, error=error, key=key, value=value
            )
        return back_to(request, model_path(name))

    @routes.post(ONE + "/tags/remove")
    async def untag(request: Request, name: str, key: Text = "") -> Response:
        workspace = await known(request, name)
        await deeds.untag(workspace, name, key, actor=actor_of(request))
        return back_to(request, model_path(name))

    @routes.post(ONE + "/aliases/remove")
    async def remove_alias(
        request: Request, name: str, alias: Text = "", version: Text = ""
    ) -> Response:
        workspace = await known(request, name)
        await deeds.remove_alias(workspace, name, alias, actor=actor_of(request))
        at = f"/versions/{version}" if version.isdecimal() else ""
        return back_to(request, model_path(name) + at)

    @routes.post(ONE + "/delete")
    async def delete(request: Request, name: str) -> Response:
        workspace = await known(request, name)
        await deeds.delete(workspace, name, actor=actor_of(request))
        return back_to(request, "/tracking/models")

    return routes
