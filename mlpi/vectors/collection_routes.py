"""Pages of collections: the list, and what is done to one as a whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError
from mlpi.vectors.embedders.choice import NONE
from mlpi.vectors.records import SPACES
from mlpi.vectors.service import VectorsService
from mlpi.web.render import back_to, render, wants_part, workspace_of

Text = Annotated[str, Form()]
AT = "/vectors"
ONE = AT + "/{collection_id}"


def router(service: VectorsService) -> APIRouter:
    """The list of collections, and the page about one."""
    pages = APIRouter(include_in_schema=False)

    def page(
        request: Request,
        q: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        part = "_collections" if wants_part(request) else "collections"
        workspace = workspace_of(request)
        is_whole = part == "collections"
        return render(
            request,
            f"vectors/{part}.html",
            status,
            collections=service.store.page(workspace, q),
            embedders=service.embedders.all(workspace),
            options=service.embedders.options_of(workspace) if is_whole else None,
            q=q,
            spaces=SPACES,
            error=error,
            form=form or {"name": "", "space": SPACES[0], "embedder": NONE},
        )

    @pages.get(AT)
    def collections(request: Request, q: str = "") -> Response:
        return page(request, q.strip())

    @pages.post(AT)
    def create(
        request: Request, name: Text = "", space: Text = SPACES[0], embedder: Text = NONE
    ) -> Response:
        try:
            made = service.create(
                workspace_of(request), name, space, actor=actor_of(request), embedder=embedder
            )
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            form = {"name": name, "space": space, "embedder": embedder}
            return page(request, status=422, error=error, form=form)
        return back_to(request, f"{AT}/{made}")

    def about_page(
        request: Request,
        collection_id: str,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        found = service.store.one(workspace, collection_id)
        return render(
            request,
            "vectors/about.html",
            status,
            collection=found,
            embedder=service.embedders.of(workspace, collection_id),
            options=service.embedders.options_of(workspace),
            error=error,
            form={"name": found.name, "key": "", "value": "", **(form or {})},
        )

    @pages.get(ONE + "/care")
    def care(request: Request, collection_id: str) -> Response:
        found = service.store.one(workspace_of(request), collection_id)
        return render(request, "vectors/_care.html", collection=found)

    @pages.get(ONE + "/about")
    def about(request: Request, collection_id: str) -> Response:
        return about_page(request, collection_id)

    @pages.post(ONE + "/rename")
    def rename(request: Request, collection_id: str, name: Text = "") -> Response:
        try:
            service.rename(workspace_of(request), collection_id, name, actor=actor_of(request))
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return about_page(request, collection_id, 422, error, {"name": name})
        return back_to(request, f"{AT}/{collection_id}/about")

    @pages.post(ONE + "/metadata")
    def describe(
        request: Request, collection_id: str, key: Text = "", value: Text = ""
    ) -> Response:
        try:
            service.describe(
                workspace_of(request), collection_id, key, value, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            form = {"key": key, "value": value}
            return about_page(request, collection_id, 422, error, form)
        return back_to(request, f"{AT}/{collection_id}/about")

    @pages.post(ONE + "/embedder")
    def embedder(request: Request, collection_id: str, embedder: Text = NONE) -> Response:
        try:
            service.choose_embedder(
                workspace_of(request), collection_id, embedder, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            return about_page(request, collection_id, 422, error)
        return back_to(request, f"{AT}/{collection_id}/about")

    @pages.post(ONE + "/remove")
    def remove(request: Request, collection_id: str) -> Response:
        service.remove(workspace_of(request), collection_id, actor=actor_of(request))
        return back_to(request, AT)

    return pages
