"""mlpi's own JSON API under /api/mlpi."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from mlpi import version
from mlpi.auth.requests import actor_of, role_of
from mlpi.component import Components
from mlpi.house import House
from mlpi.system.machine import Machine
from mlpi.web.render import principal_of

RoleWord = Literal["viewer", "editor", "owner"]


class Me(BaseModel):
    """Who the credentials of this request are, and where."""

    user: str
    is_admin: bool
    workspace: str | None
    role: RoleWord | None
    workspaces: dict[str, RoleWord] = Field(description="Every workspace, with the role in it.")


class WorkspaceOut(BaseModel):
    name: str
    description: str
    role: RoleWord


class WorkspaceIn(BaseModel):
    name: str = Field(description="2–63 of a–z, 0–9 and -.")
    description: str = ""


class MemberOut(BaseModel):
    user: str
    role: RoleWord


class MemberIn(BaseModel):
    role: RoleWord


class TokenOut(BaseModel):
    id: int
    workspace: str
    role: RoleWord
    label: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class UserIn(BaseModel):
    name: str
    password: str
    is_admin: bool = False


class UserOut(BaseModel):
    name: str
    is_admin: bool
    is_disabled: bool
    created_at: datetime


class AuditOut(BaseModel):
    id: int
    at: datetime
    actor: str
    action: str
    target: str
    workspace: str
    address: str


class ComponentOut(BaseModel):
    state: Literal["ready", "starting", "failed"]
    detail: str


class Status(BaseModel):
    """The service and its machine."""

    version: str
    host: str
    cpu_percent: float
    temperature_c: float | None
    process_bytes: int
    memory_used_bytes: int
    memory_total_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    components: dict[str, ComponentOut]


def router(house: House, components: Components, machine: Machine) -> APIRouter:
    """Everything of mlpi's own that a script may want."""
    api = APIRouter(prefix="/api/mlpi")

    @api.get("/me", tags=["you"])
    def me(request: Request) -> Me:
        """Who you are with these credentials."""
        principal = principal_of(request)
        return Me(
            user=principal.name,
            is_admin=principal.is_admin,
            workspace=principal.workspace,
            role=principal.role.word if principal.role else None,
            workspaces={name: role.word for name, role in principal.roles.items()},
        )

    @api.get("/status", tags=["instance"])
    def status() -> Status:
        """How the service and its machine are."""
        figures = machine.figures()
        return Status(
            version=version(),
            host=figures.host,
            cpu_percent=figures.cpu_percent,
            temperature_c=figures.temperature_c,
            process_bytes=figures.process_bytes,
            memory_used_bytes=figures.memory_used_bytes,
            memory_total_bytes=figures.memory_total_bytes,
            disk_free_bytes=figures.disk_free_bytes,
            disk_total_bytes=figures.disk_total_bytes,
            components={
                name: ComponentOut(state=one.state.value, detail=one.detail)
                for name, one in components.health().items()
            },
        )

    @api.get("/workspaces", tags=["workspaces"])
    def workspaces(request: Request) -> list[WorkspaceOut]:
        """The workspaces you are a member of."""
        described = house.identity.workspaces()
        return [
            WorkspaceOut(name=name, description=described.get(name, ""), role=role.word)
            for name, role in sorted(principal_of(request).roles.items())
        ]

    @api.post("/workspaces", status_code=201, tags=["workspaces"])
    def add_workspace(request: Request, body: WorkspaceIn) -> WorkspaceOut:
        """Create a workspace that you own. For admins."""
        owner = principal_of(request).name
        made = house.workspaces.add(
            body.name, body.description, owner=owner, actor=actor_of(request)
        )
        return WorkspaceOut(name=made.name, description=made.description, role="owner")

    @api.get("/members", tags=["workspaces"])
    def members(request: Request) -> list[MemberOut]:
        """The members of the current workspace."""
        found = house.workspaces.members(request.scope["workspace"])
        return [MemberOut(user=one.user.name, role=one.role.word) for one in found]

    @api.put("/members/{user}", tags=["workspaces"])
    def set_member(request: Request, user: str, body: MemberIn) -> MemberOut:
        """Add a member to the current workspace, or change a role. For owners."""
        workspace = request.scope["workspace"]
        house.workspaces.set_member(workspace, user, role_of(body.role), actor=actor_of(request))
        return MemberOut(user=user, role=body.role)

    @api.delete("/members/{user}", status_code=204, tags=["workspaces"])
    def remove_member(request: Request, user: str) -> None:
        """Remove a member from the current workspace. For owners."""
        house.workspaces.remove_member(request.scope["workspace"], user, actor=actor_of(request))

    @api.get("/tokens", tags=["you"])
    def tokens(request: Request) -> list[TokenOut]:
        """Your tokens for the current workspace."""
        principal = principal_of(request)
        found = house.tokens.page(user=principal.name)
        return [
            TokenOut(
                id=token.id,
                workspace=token.workspace.name,
                role=token.role.word,
                label=token.label,
                hint=token.hint,
                created_at=token.created_at,
                expires_at=token.expires_at,
                last_used_at=token.last_used_at,
            )
            for token in found
            if token.workspace.name == principal.workspace
        ]

    @api.delete("/tokens/{token_id}", status_code=204, tags=["you"])
    def revoke(request: Request, token_id: int) -> None:
        """Revoke one of your tokens."""
        house.tokens.revoke(token_id, user=principal_of(request).name, actor=actor_of(request))

    @api.get("/users", tags=["instance"])
    def users() -> list[UserOut]:
        """All users. For admins."""
        return [UserOut.model_validate(one, from_attributes=True) for one in house.users.page()]

    @api.post("/users", status_code=201, tags=["instance"])
    def add_user(request: Request, body: UserIn) -> UserOut:
        """Create a user. For admins."""
        user = house.users.add(
            body.name, body.password, admin=body.is_admin, actor=actor_of(request)
        )
        return UserOut.model_validate(user, from_attributes=True)

    @api.get("/audit", tags=["instance"])
    def audit(
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        q: str = "",
    ) -> list[AuditOut]:
        """Who did what, newest first; before is the id to go on from. For admins."""
        found = house.audit.page(before_id=before, limit=limit, search=q)
        return [AuditOut.model_validate(one, from_attributes=True) for one in found]

    return api
