"""The current workspace's page: its members and its description."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.requests import actor_of, role_of
from mlpi.auth.roles import ROLE_WORDS
from mlpi.errors import MlpiError
from mlpi.house import House
from mlpi.web.render import back_to, render

Text = Annotated[str, Form()]


def router(house: House) -> APIRouter:
    """Members see the page; owners change what is on it."""
    pages = APIRouter()

    def members_page(
        request: Request,
        status: int = 200,
        *,
        error: MlpiError | None = None,
        user: str = "",
        done: str = "",
    ) -> Response:
        workspace = str(request.scope["workspace"])
        return render(
            request,
            "settings/members.html",
            status,
            members=house.workspaces.members(workspace),
            place=house.workspaces.get(workspace),
            roles=ROLE_WORDS,
            error=error,
            user=user,
            done=done,
        )

    @pages.get("/settings/members")
    def members(request: Request, done: str = "") -> Response:
        return members_page(request, done=done)

    @pages.post("/settings/members")
    def set_member(request: Request, user: Text = "", role: Text = "viewer") -> Response:
        workspace = str(request.scope["workspace"])
        try:
            house.workspaces.set_member(
                workspace, user.strip(), role_of(role), actor=actor_of(request)
            )
        except MlpiError as error:
            return members_page(request, 422, error=error, user=user)
        return back_to(request, "/settings/members")

    @pages.post("/settings/members/{user}/remove")
    def remove_member(request: Request, user: str) -> Response:
        workspace = str(request.scope["workspace"])
        try:
            house.workspaces.remove_member(workspace, user, actor=actor_of(request))
        except MlpiError as error:
            return members_page(request, 422, error=error)
        return back_to(request, "/settings/members")

    @pages.post("/settings/workspace")
    def describe(request: Request, description: Text = "") -> Response:
        workspace = str(request.scope["workspace"])
        try:
            house.workspaces.describe(workspace, description, actor=actor_of(request))
        except MlpiError as error:
            return members_page(request, 422, error=error)
        return back_to(request, "/settings/members", "described")

    return pages
