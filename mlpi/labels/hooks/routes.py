"""The page of a project's webhooks: list, add, test, and what the last messages were answered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from mlpi.auth.audit import Actor
from mlpi.auth.requests import address_of
from mlpi.errors import MlpiError
from mlpi.jobs.messages import shown_url
from mlpi.labels.hooks.actions import ACTIONS
from mlpi.labels.hooks.webhooks import FAILING
from mlpi.labels.room import Room
from mlpi.web.render import back_to, principal_of, render, workspace_of

AT = "/labels/{project_id}/webhooks"
ONE = AT + "/{webhook_id}"
SHOWN = 10  # messages of each


def router(room: Room) -> APIRouter:
    """Webhooks as a page."""
    pages = APIRouter(include_in_schema=False)

    def page_of(
        request: Request,
        project_id: int,
        status: int = 200,
        error: MlpiError | None = None,
        key: str = "",
        form: dict[str, Any] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        found = room.webhooks.telling(workspace, project_id)
        return render(
            request,
            "labels/webhooks.html",
            status,
            project=project,
            webhooks=[
                (one, shown_url(one.url), room.webhooks.deliveries(workspace, one.id, SHOWN))
                for one in found
            ],
            actions={name: one for name, one in ACTIONS.items() if not one.is_wide},
            failing=FAILING,
            form=form or {"url": "", "actions": [], "send_payload": True},
            error=error,
            key=key,
            done=request.query_params.get("done", ""),
        )

    def at(project_id: int) -> str:
        return AT.format(project_id=project_id)

    @pages.get(AT)
    def webhooks(request: Request, project_id: int) -> Response:
        return page_of(request, project_id)

    @pages.post(AT)
    def add_webhook(
        request: Request,
        project_id: int,
        url: Annotated[str, Form()] = "",
        actions: Annotated[list[str] | None, Form()] = None,
        send_payload: Annotated[bool, Form()] = False,
    ) -> Response:
        form = {"url": url.strip(), "actions": actions or [], "send_payload": send_payload}
        sent = {**form, "project": project_id, "send_for_all_actions": not actions}
        try:
            _, key = room.webhooks.add(workspace_of(request), sent, _actor(request))
        except MlpiError as error:
            if error.status not in (400, 422):
                raise
            return page_of(request, project_id, 422, error, form=form)
        return page_of(request, project_id, key=key)

    @pages.post(ONE + "/test")
    def test_webhook(request: Request, project_id: int, webhook_id: int) -> Response:
        room.webhooks.test(workspace_of(request), webhook_id)
        return back_to(request, at(project_id), done="tested")

    @pages.post(ONE + "/switch")
    def switch_webhook(
        request: Request,
        project_id: int,
        webhook_id: int,
        is_active: Annotated[bool, Form()] = False,
    ) -> Response:
        change = {"is_active": is_active}
        room.webhooks.change(workspace_of(request), webhook_id, change, _actor(request))
        return back_to(request, at(project_id))

    @pages.post(ONE + "/remove")
    def remove_webhook(request: Request, project_id: int, webhook_id: int) -> Response:
        room.webhooks.remove(workspace_of(request), webhook_id, _actor(request))
        return back_to(request, at(project_id))

    @pages.post(ONE + "/deliveries/{delivery_id}")
    def send_again(
        request: Request, project_id: int, webhook_id: int, delivery_id: int
    ) -> Response:
        room.webhooks.send_again(workspace_of(request), webhook_id, delivery_id)
        return back_to(request, at(project_id), done="again")

    return pages


def _actor(request: Request) -> Actor:
    return Actor(principal_of(request).name, address_of(request))
