"""The pages of prompts."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError, NotFound
from mlpi.tracking.elsewhere import Elsewhere
from mlpi.tracking.prompts import deed_routes, template
from mlpi.tracking.prompts.deeds import PromptDeeds
from mlpi.tracking.prompts.draft import ROLES, Draft, messages_of
from mlpi.tracking.prompts.records import Message
from mlpi.tracking.prompts.store import PromptStore
from mlpi.tracking.service import TrackingService
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of

Text = Annotated[str, Form()]
Texts = Annotated[list[str] | None, Form()]
ONE = "/tracking/prompts/{name}"
EMPTY_MESSAGES = 2  # offered below those there are
_FIRST = (Message("system", ""), Message("user", ""))


def _typed(
    kind: Text = "text",
    text: Text = "",
    role: Texts = None,
    content: Texts = None,
    message: Text = "",
    model: Text = "",
    response_format: Text = "",
) -> Draft:
    """The version of a form. Raises Invalid for a strange role."""
    messages = messages_of(role or (), content or ())
    kind = "chat" if kind == "chat" else "text"
    return Draft(kind, text, messages, message, model, response_format)


Typed = Annotated[Draft, Depends(_typed)]


def router(
    service: TrackingService, store: PromptStore, deeds: PromptDeeds, elsewhere: Elsewhere
) -> APIRouter:
    """The list of prompts, one prompt, and what is done to it."""
    pages = APIRouter(include_in_schema=False)

    def go(request: Request, path: str, **query: str) -> Response:
        return RedirectResponse(here(principal_of(request), path, **query), 303)

    def listed(
        request: Request,
        q: str = "",
        after: str = "",
        status: int = 200,
        error: MlpiError | None = None,
        name: str = "",
        draft: Draft | None = None,
    ) -> Response:
        service.require_prepared()
        found, next_after = store.page(workspace_of(request), q.strip(), after)
        return render(
            request,
            f"tracking/{'_prompts' if wants_part(request) else 'prompts'}.html",
            status,
            prompts=found,
            next_after=next_after,
            after=after,
            q=q,
            binned=partial(service.binned, workspace_of(request)),
            error=error,
            name=name,
            **_editor(draft or Draft()),
        )

    @pages.get("/tracking/prompts")
    def prompts(request: Request, q: str = "", after: str = "") -> Response:
        return listed(request, q, after)

    @pages.post("/tracking/prompts")
    async def create(request: Request, draft: Typed, name: Text = "") -> Response:
        try:
            made = await deeds.create(workspace_of(request), name, draft, actor=actor_of(request))
        except MlpiError as error:
            if error.status not in (409, 422):
                raise
            return listed(request, status=422, error=error, name=name, draft=draft)
        return go(request, f"/tracking/prompts/{made}")

    @pages.get(ONE)
    def prompt(
        request: Request, name: str, version: int | None = None, against: int | None = None
    ) -> Response:
        try:
            return one(request, name, version, against)
        except NotFound as missing:
            return elsewhere.named(request, name, missing)

    def one(
        request: Request,
        name: str,
        version: int | None = None,
        against: int | None = None,
        status: int = 200,
        error: MlpiError | None = None,
        given: str = "",
    ) -> Response:
        service.require_prepared()
        workspace = workspace_of(request)
        found = store.prompt(workspace, name)
        number = version or found.latest
        shown = store.version(workspace, name, number) if number else None
        other = store.version(workspace, name, against) if against and shown else None
        return render(
            request,
            "tracking/prompt.html",
            status,
            prompt=found,
            versions=store.versions(workspace, name),
            shown=shown,
            other=other,
            lines=template.compared(other.lines, shown.lines) if other and shown else None,
            variables=template.variables(shown.text) if shown else [],
            pieces=template.pieces,
            error=error,
            given=given,
        )

    @pages.get(ONE + "/new")
    def new(request: Request, name: str, version: int | None = None) -> Response:
        service.require_prepared()
        workspace = workspace_of(request)
        found = store.prompt(workspace, name)
        number = version or found.latest
        draft = Draft.of(store.version(workspace, name, number)) if number else Draft()
        return _edit(request, name, draft)

    @pages.post(ONE + "/versions")
    async def add(request: Request, name: str, draft: Typed) -> Response:
        await known(request, name)
        try:
            number = await deeds.add_version(
                workspace_of(request), name, draft, actor=actor_of(request)
            )
        except MlpiError as error:
            if error.status != 422:
                raise
            return _edit(request, name, draft, 422, error)
        return go(request, f"/tracking/prompts/{name}", version=str(number))

    async def known(request: Request, name: str) -> None:
        """Raises NotFound for a model's name: it is not to be changed by way of prompts."""
        service.require_prepared()
        await run_sync(store.prompt, workspace_of(request), name)

    pages.include_router(deed_routes.router(deeds, known, one))
    return pages


def _edit(
    request: Request, name: str, draft: Draft, status: int = 200, error: MlpiError | None = None
) -> Response:
    return render(
        request, "tracking/prompt_new.html", status, name=name, error=error, **_editor(draft)
    )


def _editor(draft: Draft) -> dict[str, object]:
    """What the fields of a version need."""
    kept = draft.messages or _FIRST
    rows = (*kept, *[Message("user", "")] * (EMPTY_MESSAGES if draft.messages else 0))
    return {"draft": draft, "rows": rows, "roles": ROLES}
