"""Registered models: the list, a model, a version, two versions side by side; and their forms."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.errors import Invalid, NotFound
from mlpi.tracking.elsewhere import Elsewhere
from mlpi.tracking.registry import model_routes, run_routes, version_routes
from mlpi.tracking.registry.deeds import RegistryDeeds
from mlpi.tracking.registry.pages import Pages, to_prompt
from mlpi.tracking.registry.records import model_path
from mlpi.tracking.registry.service import PARTS, IsPrompt, RegistryService
from mlpi.web.render import render, workspace_of

LIST = "/tracking/models"
ONE = LIST + "/{name}"


def router(service: RegistryService, deeds: RegistryDeeds, elsewhere: Elsewhere) -> APIRouter:
    """The registry's pages and forms."""
    routes = APIRouter(include_in_schema=False)
    pages = Pages(service)
    routes.include_router(model_routes.router(service, deeds, pages))
    routes.include_router(version_routes.router(service, deeds, pages))
    routes.include_router(run_routes.router(service, deeds))

    @routes.get(LIST)
    def models(request: Request, q: str = "", sort: str = "", after: str = "") -> Response:
        return pages.models(request, q, sort, after)

    @routes.get(ONE)
    def model(request: Request, name: str, before: int | None = None) -> Response:
        try:
            return pages.model(request, name, before)
        except NotFound as missing:
            return elsewhere.named(request, name, missing)

    @routes.get(ONE + "/versions/{version}")
    def version(request: Request, name: str, version: int) -> Response:
        try:
            return pages.version(request, name, version)
        except NotFound as missing:
            return elsewhere.named(request, name, missing)

    @routes.get(ONE + "/compare")
    def compare(request: Request, name: str, a: int = 0, b: int = 0, same: str = "") -> Response:
        if not a or not b or a == b:
            raise Invalid(
                "Two different versions are needed.",
                advice="Choose one in each column of the model's versions.",
                field="b" if a else "a",
            )
        try:
            found = service.difference(workspace_of(request), name, a, b)
        except IsPrompt:
            return to_prompt(request, name)
        return render(
            request,
            "tracking/models/compare.html",
            found=found,
            name=name,
            model_path=model_path(name),
            parts=PARTS,
            hides_same=same == "no",
        )

    return routes
