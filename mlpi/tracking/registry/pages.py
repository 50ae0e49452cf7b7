"""The pages of registered models, which their forms come back to when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from mlpi.errors import MlpiError
from mlpi.tracking.registry import mlmodel
from mlpi.tracking.registry.records import STAGES, Version, model_path
from mlpi.tracking.registry.service import VERSIONS_PAGE, About, IsPrompt, RegistryService
from mlpi.web.markdown import rendered
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of


class Pages:
    """Each page with or without what was wrong in one of its forms."""

    def __init__(self, service: RegistryService) -> None:
        self.service = service

    def models(
        self,
        request: Request,
        q: str = "",
        sort: str = "",
        after: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        name: str = "",
    ) -> Response:
        workspace = workspace_of(request)
        page = self.service.page(workspace, q, sort, after)
        part = "_models" if wants_part(request) else "models"
        return render(
            request,
            f"tracking/{part}.html",
            status,
            page=page,
            q=page.q,
            binned=partial(self.service.binned, workspace),
            error=error,
            name=name,
        )

    def model(
        self,
        request: Request,
        name: str,
        before: int | None = None,
        status: int = 200,
        error: MlpiError | None = None,
        **typed: str,
    ) -> Response:
        """typed: what the user wrote into the form that was wrong, and of which version."""
        workspace, store = workspace_of(request), self.service.store
        try:
            model = self.service.model(workspace, name)
        except IsPrompt:
            return to_prompt(request, name)
        versions = store.versions(workspace, name, before, VERSIONS_PAGE + 1)
        more = len(versions) > VERSIONS_PAGE
        versions = versions[:VERSIONS_PAGE]
        alias = max(model.aliases, key=lambda one: model.aliases[one], default="")
        uri = f"models:/{name}@{alias}" if alias else f"models:/{name}/{model.latest_version}"
        return render(
            request,
            "tracking/models/model.html",
            status,
            model=model,
            versions=versions,
            before=before,
            next_before=versions[-1].version if more else None,
            has_stages=store.has_stages(workspace, name),
            stages=STAGES,
            description=rendered(model.description),
            code=_code(request, uri, ()) if versions and "?" not in name else "",
            quoted=json.dumps(name, ensure_ascii=False),
            error=error,
            typed=typed,
        )

    def version(
        self,
        request: Request,
        name: str,
        number: int,
        status: int = 200,
        error: MlpiError | None = None,
        **typed: str,
    ) -> Response:
        workspace = workspace_of(request)
        try:
            about = self.service.about(workspace, name, number)
        except IsPrompt:
            return to_prompt(request, name)
        before = self.service.store.versions(workspace, name, number, 1)
        return render(
            request,
            "tracking/models/version.html",
            status,
            about=about,
            version=about.version,
            previous=before[0].version if before else None,
            model_path=model_path(name),
            description=rendered(about.version.description),
            codes=_codes(request, about),
            has_stages=self.service.store.has_stages(workspace, name),
            stages=STAGES,
            error=error,
            typed=typed,
        )


async def wrong_in(deed: Awaitable[object]) -> MlpiError | None:
    """Do it; what a form shows when its content was refused."""
    try:
        await deed
    except MlpiError as error:
        if error.status not in (409, 422):
            raise
        return error
    return None


async def shown(page: Callable[..., Response], *args: Any, **typed: Any) -> Response:
    """A page made in a thread: it asks the database, and the artifact store."""
    return await anyio.to_thread.run_sync(partial(page, *args, **typed))


def to_prompt(request: Request, name: str) -> Response:
    """On to the page of a prompt, which MLflow keeps among the models."""
    path = model_path(name).replace("/models/", "/prompts/", 1)
    return RedirectResponse(here(principal_of(request), path), 303)


def _codes(request: Request, about: About) -> list[tuple[str, str]]:
    """(label, Python) for each way to load a version; none when no address leads to it."""
    version = about.version
    flavors = about.file.loadable if about.file else ()
    uris = _uris(version)
    return [(label, _code(request, uri, flavors)) for label, uri in uris]


def _uris(version: Version) -> list[tuple[str, str]]:
    if "?" in version.name:  # MLflow reads the rest of such an address as a query
        return [("By the logged model", f"models:/{version.model_id}")] if version.model_id else []
    named = [(f"By the alias {a}", f"models:/{version.name}@{a}") for a in version.aliases[:3]]
    return [*named, ("By version", f"models:/{version.name}/{version.version}")]


def _code(request: Request, uri: str, flavors: Any) -> str:
    return mlmodel.loading_code(str(request.base_url).rstrip("/"), uri, flavors)
