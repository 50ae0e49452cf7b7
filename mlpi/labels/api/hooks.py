"""/api/webhooks/: webhooks by Label Studio's words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.audit import Actor
from mlpi.auth.requests import address_of
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in
from mlpi.labels.flags import number_in
from mlpi.labels.hooks.actions import ACTIONS
from mlpi.labels.models import LabelWebhook
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Webhooks: list, make, change, remove; what they may be told of."""
    api = APIRouter(prefix="/api/webhooks")

    def shown(one: LabelWebhook) -> dict[str, Any]:
        return {
            "id": one.id,
            "organization": shapes.ORGANIZATION,
            "project": one.project_id,
            "url": one.url,
            "send_payload": one.send_payload,
            "send_for_all_actions": one.send_for_all_actions,
            "headers": room.webhooks.headers(one),
            "is_active": one.is_active,
            "actions": one.actions,
            "consecutive_failures": one.failures,
            "created_at": shapes.moment(one.created_at),
            "updated_at": shapes.moment(one.updated_at),
        }

    @api.get("/")
    def list_webhooks(request: Request) -> Response:
        project_id = number_in(request.query_params, "project")
        found = room.webhooks.all(workspace_of(request), project_id)
        return answer([shown(one) for one in found])

    @api.post("/")
    async def add_webhook(request: Request) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            made, key = room.webhooks.add(workspace_of(request), sent, _actor(request))
            return {**shown(made), "secret": key}

        return answer(await run_in_threadpool(work), 201)

    @api.get("/info/")
    def list_actions(request: Request) -> Response:
        wide = None
        if "organization-only" in request.query_params:
            wide = flag_in(request.query_params, "organization-only", default=False)
        return answer(
            {
                key: {
                    "name": one.name,
                    "description": "",
                    "key": one.key,
                    "organization-only": one.is_wide,
                }
                for key, one in ACTIONS.items()
                if wide is None or one.is_wide == wide
            }
        )

    @api.get("/{webhook_id:int}/")
    def get_webhook(request: Request, webhook_id: int) -> Response:
        return answer(shown(room.webhooks.get(workspace_of(request), webhook_id)))

    @api.put("/{webhook_id:int}/")
    @api.patch("/{webhook_id:int}/")
    async def change_webhook(request: Request, webhook_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            return shown(
                room.webhooks.change(workspace_of(request), webhook_id, sent, _actor(request))
            )

        return answer(await run_in_threadpool(work))

    @api.delete("/{webhook_id:int}/")
    def remove_webhook(request: Request, webhook_id: int) -> Response:
        room.webhooks.remove(workspace_of(request), webhook_id, _actor(request))
        return nothing()

    return api


def _actor(request: Request) -> Actor:
    return Actor(principal_of(request).name, address_of(request))
