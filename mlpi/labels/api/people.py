"""Who one is, who there is, and which version this is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mlpi import version
from mlpi.house import House
from mlpi.labels.api import accounts, shapes
from mlpi.labels.api.answers import answer, numbered
from mlpi.labels.api.asked import page_in
from mlpi.web.errors import LABEL_VERSION
from mlpi.web.render import principal_of, workspace_of

# What Label Studio's community edition grants everybody; here roles decide, at the door.
_PERMISSIONS = [
    f"{thing}.{deed}"
    for thing in ("projects", "tasks", "annotations", "predictions", "labels", "views", "webhooks")
    for deed in ("create", "view", "change", "delete")
]

PAGE, MOST = 20, 1000
_ORGANIZATION = {"id": shapes.ORGANIZATION, "title": "mlpi", "contact_info": None}


def router(house: House) -> APIRouter:
    """People and versions."""
    api = APIRouter()
    api.include_router(accounts.router(house))

    def people(request: Request) -> list[dict[str, Any]]:
        return accounts.members_of(house.workspaces, request)

    @api.get("/api/current-user/")
    @api.get("/api/current-user/whoami")
    def whoami(request: Request) -> Response:
        principal = principal_of(request)
        me = shapes.user(principal.user_id, principal.name)
        return answer({**me, "permissions": _PERMISSIONS})

    @api.get("/api/organizations/")
    def list_organizations(request: Request) -> Response:
        workspace_of(request)
        return answer([_ORGANIZATION])

    @api.get("/api/organizations/{number:int}")
    def get_organization(request: Request, number: int) -> Response:
        accounts.only_ours(number)
        mine = people(request)
        created = min((one["date_joined"] for one in mine if one["date_joined"]), default=None)
        return answer({**_ORGANIZATION, "created_at": created, "created_by": None})

    @api.get("/api/organizations/{number:int}/memberships")
    def list_memberships(request: Request, number: int) -> Response:
        accounts.only_ours(number)
        mine = people(request)
        page, size = page_in(request, size=PAGE, most=MOST)
        shown = [
            {"id": one["id"], "organization": number, "user": one}
            for one in mine[(page - 1) * size : page * size]
        ]
        return numbered(request, shown, total=len(mine), page=page, size=size)

    @api.get("/api/current-user/hotkeys/")
    def hotkeys(request: Request) -> Response:
        """Keys are the configuration's here, not a person's."""
        workspace_of(request)
        return answer({"custom_hotkeys": {}})

    @api.get("/api/health")
    def health() -> Response:
        """What `/health` answers to Label Studio's clients; to others it is MLflow's."""
        return answer({"status": "UP"})

    @api.get("/api/version")
    @api.get("/api/version/")
    def versions() -> Response:
        package = {"version": LABEL_VERSION, "short_version": LABEL_VERSION.rpartition(".")[0]}
        return answer(
            {
                "release": LABEL_VERSION,
                "label-studio-os-package": {**package, "latest_version_from_pypi": LABEL_VERSION},
                "edition": "Community",
                "mlpi": version(),
            }
        )

    return api
