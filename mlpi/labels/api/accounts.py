"""/api/users/ and memberships: mlpi's accounts and members by Label Studio's words.

Accounts are the whole instance's, so an admin makes and disables them, logged in: a token opens
one workspace and never carries the admin flag. Who is in the workspace is its owners' to say.
"""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.requests import actor_of
from mlpi.auth.roles import Role
from mlpi.auth.workspaces import Workspaces
from mlpi.errors import Conflict, Forbidden, Invalid, MlpiError, NotFound
from mlpi.house import House
from mlpi.labels.addresses import name_of
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of
from mlpi.web.render import principal_of, workspace_of


class ReadOnly(MlpiError):
    """This cannot be changed."""

    status = 405


def members_of(workspaces: Workspaces, request: Request) -> list[dict[str, Any]]:
    """The workspace's members, as users."""
    found = workspaces.members(workspace_of(request))
    return [shapes.user(one.user.id, one.user.name, one.user.created_at) for one in found]


def only_ours(number: int) -> None:
    """There is one organisation here. Raises NotFound for any other."""
    if number != shapes.ORGANIZATION:
        raise NotFound("Not found.")


def router(house: House) -> APIRouter:
    """Users: list, make, look at, disable; members."""
    api = APIRouter(prefix="/api")

    def one(request: Request, user_id: int) -> dict[str, Any]:
        for member in members_of(house.workspaces, request):
            if member["id"] == user_id:
                return member
        raise NotFound(f"There is no user {user_id} in this workspace.")

    @api.get("/users/")
    def list_users(request: Request) -> Response:
        return answer(members_of(house.workspaces, request))

    @api.post("/users/")
    async def add_user(request: Request) -> Response:
        """A member who can log in once an admin has given them a password."""
        _only_admin(request)
        address = (await fields_of(request)).get("email")
        if not isinstance(address, str) or not address.strip():
            raise Invalid("This field is required.", field="email")
        name = name_of(address.strip())

        def work() -> dict[str, Any]:
            actor = actor_of(request)
            try:
                house.users.add(name, secrets.token_urlsafe(32), actor=actor)
            except Conflict:
                raise Invalid("user with this email already exists.", field="email") from None
            house.workspaces.set_member(workspace_of(request), name, Role.EDITOR, actor=actor)
            return one(request, house.users.get(name).id)

        return answer(await run_in_threadpool(work), 201)

    @api.get("/users/{user_id:int}/")
    def get_user(request: Request, user_id: int) -> Response:
        return answer(one(request, user_id))

    @api.patch("/users/{user_id:int}/")
    async def change_user(request: Request, user_id: int) -> Response:
        """An account has a name alone: what Label Studio keeps besides it cannot be set."""
        sent = await fields_of(request)
        found = await run_in_threadpool(one, request, user_id)
        for field in sent:
            if field == "email":
                raise ReadOnly("Cannot update read-only field: email")
            if field in found and sent[field] != found[field]:
                raise Invalid("An account here has a name alone.", field=field)
        return answer(found)

    @api.delete("/users/{user_id:int}/")
    def remove_user(request: Request, user_id: int) -> Response:
        """Accounts are not deleted, for what they did stays: this one is disabled."""
        _only_admin(request)
        if user_id == principal_of(request).user_id:
            raise Forbidden("This is your own account.")
        name = one(request, user_id)["username"]
        house.workspaces.remove_member(workspace_of(request), name, actor=actor_of(request))
        house.users.set_disabled(name, True, actor=actor_of(request))
        return nothing()

    _add_memberships(api, house)
    return api


def _add_memberships(api: APIRouter, house: House) -> None:
    at = "/organizations/{number:int}/memberships/{user_id:int}/"

    def shown(request: Request, number: int, user_id: int) -> dict[str, Any]:
        only_ours(number)
        for member in house.workspaces.members(workspace_of(request)):
            if member.user_id == user_id:
                return {
                    "user": user_id,
                    "organization": number,
                    "contributed_projects_count": 0,
                    "annotations_count": 0,
                    "created_at": shapes.moment(member.created_at),
                    "username": member.user.name,
                }
        raise NotFound(f"There is no user {user_id} in this workspace.")

    @api.get(at)
    def get_membership(request: Request, number: int, user_id: int) -> Response:
        found = shown(request, number, user_id)
        del found["username"]
        return answer(found)

    @api.delete(at)
    def remove_membership(request: Request, number: int, user_id: int) -> Response:
        name = shown(request, number, user_id)["username"]
        if user_id == principal_of(request).user_id:
            raise ReadOnly("User cannot soft delete self")
        house.workspaces.remove_member(workspace_of(request), name, actor=actor_of(request))
        return nothing()


def _only_admin(request: Request) -> None:
    """Raises Forbidden."""
    if not principal_of(request).is_admin:
        raise Forbidden(
            "Accounts are made and disabled by an admin, logged in: a token never carries that.",
            advice="Use /settings/users, or `mlpi user`.",
        )
