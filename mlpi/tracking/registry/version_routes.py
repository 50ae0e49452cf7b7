"""What is done to a version of a registered model: each form leads back to a page."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.tracking.registry.deeds import RegistryDeeds
from mlpi.tracking.registry.pages import Pages, shown, wrong_in
from mlpi.tracking.registry.records import Version, model_path
from mlpi.tracking.registry.service import RegistryService
from mlpi.web.render import back_to, workspace_of

Text = Annotated[str, Form()]
VERSION = "/tracking/models/{name}/versions/{version}"


def router(service: RegistryService, deeds: RegistryDeeds, pages: Pages) -> APIRouter:
    """Forms of versions. None touches a prompt's."""
    routes = APIRouter(include_in_schema=False)

    async def one(request: Request, name: str, number: int) -> Version:
        return await anyio.to_thread.run_sync(service.version, workspace_of(request), name, number)

    @routes.post(VERSION + "/describe")
    async def describe_version(
        request: Request, name: str, version: int, description: Text = ""
    ) -> Response:
        found = await one(request, name, version)
        workspace = workspace_of(request)
        done = deeds.describe_version(workspace, found, description, actor=actor_of(request))
        error = await wrong_in(done)
        if error:
            return await shown(
                pages.version, request, name, version, 422, error, description=description
            )
        return back_to(request, found.path)

    @routes.post(VERSION + "/tags")
    async def tag_version(
        request: Request, name: str, version: int, key: Text = "", value: Text = ""
    ) -> Response:
        found = await one(request, name, version)
        workspace = workspace_of(request)
        done = deeds.tag_version(workspace, found, key, value, actor=actor_of(request))
        error = await wrong_in(done)
        if error:
            return await shown(
                pages.version, request, name, version, 422, error, key=key, value=value
            )
        return back_to(request, found.path)

    @routes.post(VERSION + "/tags/remove")
    async def untag_version(request: Request, name: str, version: int, key: Text = "") -> Response:
        found = await one(request, name, version)
        await deeds.untag_version(workspace_of(request), found, key, actor=actor_of(request))
        return back_to(request, found.path)

    @routes.post(VERSION + "/alias")
    async def set_alias(
        request: Request,
        name: str,
        version: int,
        alias: Text = "",
        back: Text = "",
        before: Annotated[int | None, Form()] = None,
    ) -> Response:
        """back: "model" when the form stood in the model's list of versions, on the page before."""
        found = await one(request, name, version)
        done = deeds.set_alias(workspace_of(request), found, alias, actor=actor_of(request))
        error = await wrong_in(done)
        in_list = back == "model"
        if error and in_list:
            return await shown(
                pages.model,
                request,
                name,
                before,
                422,
                error,
                alias=alias,
                version=str(version),
            )
        if error:
            return await shown(pages.version, request, name, version, 422, error, alias=alias)
        return back_to(request, model_path(name) if in_list else found.path)

    @routes.post(VERSION + "/stage")
    async def move(
        request: Request, name: str, version: int, stage: Text = "", archive: Text = ""
    ) -> Response:
        found = await one(request, name, version)
        await deeds.move(
            workspace_of(request), found, stage, archives=bool(archive), actor=actor_of(request)
        )
        return back_to(request, found.path)

    @routes.post(VERSION + "/delete")
    async def delete_version(request: Request, name: str, version: int) -> Response:
        found = await one(request, name, version)
        await deeds.delete_version(workspace_of(request), found, actor=actor_of(request))
        return back_to(request, model_path(name))

    return routes
