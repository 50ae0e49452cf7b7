"""What is done to a prompt besides a new version: aliases, tags, deletion."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError
from mlpi.tracking.prompts.deeds import PromptDeeds
from mlpi.web.render import here, principal_of, workspace_of

Text = Annotated[str, Form()]
ONE = "/tracking/prompts/{name}"


def router(
    deeds: PromptDeeds,
    known: Callable[[Request, str], Awaitable[None]],
    one: Callable[..., Response],
) -> APIRouter:
    """known raises NotFound for what is no prompt; one is a prompt's page, which tells errors."""
    pages = APIRouter(include_in_schema=False)

    def go(request: Request, path: str, **query: str) -> Response:
        return RedirectResponse(here(principal_of(request), path, **query), 303)

    @pages.post(ONE + "/aliases")
    async def alias(
        request: Request, name: str, alias: Text = "", version: Annotated[int, Form()] = 0
    ) -> Response:
        await known(request, name)
        try:
            await deeds.set_alias(
                workspace_of(request), name, alias, version, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            error.field = "alias"
            return await run_sync(one, request, name, version or None, None, 422, error, alias)
        return go(request, f"/tracking/prompts/{name}", version=str(version))

    @pages.post(ONE + "/aliases/remove")
    async def unalias(request: Request, name: str, alias: Text = "") -> Response:
        await known(request, name)
        await deeds.remove_alias(workspace_of(request), name, alias, actor=actor_of(request))
        return go(request, f"/tracking/prompts/{name}")

    @pages.post(ONE + "/tags")
    async def tag(
        request: Request,
        name: str,
        key: Text = "",
        value: Text = "",
        version: Annotated[int | None, Form()] = None,
    ) -> Response:
        await known(request, name)
        try:
            await deeds.tag(
                workspace_of(request), name, version, key, value, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            error.field = "key"
            return await run_sync(one, request, name, version, None, 422, error, key)
        return go(request, f"/tracking/prompts/{name}", version=str(version or ""))

    @pages.post(ONE + "/tags/remove")
    async def untag(
        request: Request,
        name: str,
        key: Text = "",
        version: Annotated[int | None, Form()] = None,
    ) -> Response:
        await known(request, name)
        await deeds.untag(workspace_of(request), name, version, key, actor=actor_of(request))
        return go(request, f"/tracking/prompts/{name}", version=str(version or ""))

    @pages.post(ONE + "/delete")
    async def delete(request: Request, name: str) -> Response:
        await known(request, name)
        await deeds.delete(workspace_of(request), name, actor=actor_of(request))
        return go(request, "/tracking/prompts")

    @pages.post(ONE + "/versions/{version}/delete")
    async def delete_version(request: Request, name: str, version: int) -> Response:
        await known(request, name)
        await deeds.delete_version(workspace_of(request), name, version, actor=actor_of(request))
        return go(request, f"/tracking/prompts/{name}")

    return pages
