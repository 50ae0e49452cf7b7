"""The dashboard, the shell's small requests, and the API's documentation page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from mlpi import paths
from mlpi.auth.requests import local_path
from mlpi.component import Card, Components
from mlpi.errors import NotFound
from mlpi.house import House
from mlpi.system.machine import Machine
from mlpi.web.attention import notices
from mlpi.web.render import THEME_COOKIE, THEMES, principal_of, render, wants_part

YEAR_S = 365 * 86400


def router(house: House, components: Components, machine: Machine) -> APIRouter:
    """What belongs to no component."""
    pages = APIRouter(include_in_schema=False)

    def home(request: Request, template: str) -> Response:
        principal = principal_of(request)
        figures = machine.figures()
        cards = components.cards(principal)
        cards.append(Card("system/_card.html", {"machine": figures}))
        return render(
            request,
            template,
            cards=cards,
            notices=notices(components.health(), figures),
            description=house.identity.workspaces().get(principal.workspace or "", ""),
        )

    @pages.get("/")
    def dashboard(request: Request) -> Response:
        return home(request, "dashboard.html")

    @pages.get("/_cards")
    def dashboard_part(request: Request) -> Response:
        return home(request, "_cards.html")

    @pages.get("/search")
    def search(request: Request, q: str = "") -> Response:
        words = q.strip()
        principal = principal_of(request)
        hits = components.hits(principal, words) if words else []
        template = "_search.html" if wants_part(request) else "search.html"
        return render(request, template, hits=hits, words=words)

    @pages.post("/workspace")
    def switch(
        request: Request,
        name: Annotated[str, Form()],
        next: Annotated[str, Form()] = "/",  # noqa: A002 - the field's word
    ) -> Response:
        principal = principal_of(request)
        if name not in principal.roles:
            raise NotFound(f"There is no workspace {name!r}, or you are not a member of it.")
        if principal.session_id is not None:
            house.sessions.set_workspace(principal.session_id, name)
            house.identity.forget()
        return RedirectResponse(local_path(next), 303)

    @pages.post("/theme")
    def theme(
        choice: Annotated[str, Form()],
        next: Annotated[str, Form()] = "/",  # noqa: A002
    ) -> Response:
        response = RedirectResponse(local_path(next), 303)
        if choice in THEMES:
            response.set_cookie(THEME_COOKIE, choice, max_age=YEAR_S, samesite="lax")
        return response

    @pages.get("/docs")
    def docs(request: Request) -> Response:
        return render(request, "docs.html")

    @pages.get("/docs/openapi.json")
    def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    @pages.get("/favicon.ico")
    def favicon() -> Response:
        icon = (paths.STATIC / "favicon.svg").read_bytes()
        return Response(
            icon, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"}
        )

    return pages
