"""The admin's pages: workspaces, users, the audit trail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.errors import MlpiError
from mlpi.house import House
from mlpi.web.render import principal_of, render, wants_part

Text = Annotated[str, Form()]
AUDIT_PAGE = 100


def router(house: House) -> APIRouter:
    """What only an admin may see."""
    pages = APIRouter()

    def workspaces_page(
        request: Request, status: int = 200, error: MlpiError | None = None, **form: str
    ) -> Response:
        found = house.workspaces.page()
        form = {"name": "", "description": "", **form}
        return render(
            request, "settings/workspaces.html", status, found=found, error=error, form=form
        )

    @pages.get("/settings/workspaces")
    def workspaces(request: Request) -> Response:
        return workspaces_page(request)

    @pages.post("/settings/workspaces")
    def add_workspace(request: Request, name: Text = "", description: Text = "") -> Response:
        owner = principal_of(request).name
        try:
            house.workspaces.add(name, description, owner=owner, actor=actor_of(request))
        except MlpiError as error:
            return workspaces_page(request, 422, error, name=name, description=description)
        return RedirectResponse("/settings/workspaces", 303)

    def users_page(
        request: Request, status: int = 200, error: MlpiError | None = None, name: str = ""
    ) -> Response:
        users = house.users.page()
        return render(request, "settings/users.html", status, users=users, error=error, name=name)

    @pages.get("/settings/users")
    def users(request: Request) -> Response:
        return users_page(request)

    @pages.post("/settings/users")
    def add_user(
        request: Request,
        name: Text = "",
        password: Text = "",
        admin: Annotated[bool, Form()] = False,
    ) -> Response:
        try:
            house.users.add(name, password, admin=admin, actor=actor_of(request))
        except MlpiError as error:
            return users_page(request, 422, error, name)
        return RedirectResponse("/settings/users", 303)

    @pages.post("/settings/users/{user}/password")
    def set_password(request: Request, user: str, password: Text = "") -> Response:
        try:
            house.users.set_password(user, password, actor=actor_of(request))
        except MlpiError as error:
            error.field = None  # the page's password field is the new user's
            return users_page(request, 422, error)
        return RedirectResponse("/settings/users", 303)

    def change(request: Request, user: str, deed: str, flag: bool) -> Response:
        method = house.users.set_disabled if deed == "disabled" else house.users.set_admin
        try:
            method(user, flag, actor=actor_of(request))
        except MlpiError as error:
            return users_page(request, 422, error)
        return RedirectResponse("/settings/users", 303)

    @pages.post("/settings/users/{user}/disable")
    def disable(request: Request, user: str) -> Response:
        return change(request, user, "disabled", True)

    @pages.post("/settings/users/{user}/enable")
    def enable(request: Request, user: str) -> Response:
        return change(request, user, "disabled", False)

    @pages.post("/settings/users/{user}/admin")
    def admin(request: Request, user: str, flag: Annotated[bool, Form()] = False) -> Response:
        return change(request, user, "admin", flag)

    @pages.get("/settings/audit")
    def audit(request: Request, before: int | None = None, q: str = "") -> Response:
        entries = house.audit.page(before_id=before, limit=AUDIT_PAGE, search=q)
        template = "settings/_audit.html" if wants_part(request) else "settings/audit.html"
        older = entries[-1].id if len(entries) == AUDIT_PAGE else None
        is_older = before is not None
        return render(request, template, entries=entries, q=q, older=older, is_older=is_older)

    return pages
