"""/api/dm/: the data manager's views, columns and deeds on many tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.roles import Role
from mlpi.errors import Invalid, NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, required_number
from mlpi.labels.api.handing import handed
from mlpi.labels.flags import number_in
from mlpi.labels.grid import columns
from mlpi.labels.grid.deeds import DEEDS, Deed
from mlpi.labels.grid.filters import (
    Filters,
    Order,
    Selection,
    read_filters,
    read_order,
    read_selection,
)
from mlpi.labels.grid.views import asked_by, told
from mlpi.labels.projects import config_of
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

SOME = 200  # tasks that are looked at together for one to label


def router(room: Room) -> APIRouter:
    """What the data manager asks."""
    api = APIRouter(prefix="/api/dm")
    _add_views(api, room)
    _add_project(api, room)
    return api


def _add_views(api: APIRouter, room: Room) -> None:
    @api.get("/views/")
    def list_views(request: Request) -> Response:
        found = room.views.all(workspace_of(request), number_in(request.query_params, "project"))
        return answer([told(one) for one in found])

    @api.post("/views/")
    async def add_view(request: Request) -> Response:
        sent = await fields_of(request)
        project_id = required_number(sent, "project")
        made = await run_in_threadpool(
            room.views.add, workspace_of(request), project_id, sent, principal_of(request)
        )
        return answer(told(made), 201)

    @api.delete("/views/reset/")
    async def reset_views(request: Request) -> Response:
        sent = await fields_of(request)
        where = sent if "project" in sent else request.query_params
        project_id = required_number(where, "project")
        await run_in_threadpool(room.views.reset, workspace_of(request), project_id)
        return nothing()

    @api.post("/views/order/")
    async def arrange_views(request: Request) -> Response:
        sent = await fields_of(request)
        project_id, ids = required_number(sent, "project"), sent.get("ids")
        if not isinstance(ids, list) or not all(type(one) is int for one in ids):
            raise Invalid("A list of view ids is required.", field="ids")
        await run_in_threadpool(room.views.arrange, workspace_of(request), project_id, ids)
        return Response(status_code=200)

    @api.get("/views/{view_id:int}/")
    def get_view(request: Request, view_id: int) -> Response:
        return answer(told(room.views.get(workspace_of(request), view_id)))

    @api.put("/views/{view_id:int}/")
    @api.patch("/views/{view_id:int}/")
    async def change_view(request: Request, view_id: int) -> Response:
        sent = await fields_of(request)
        return answer(
            told(await run_in_threadpool(room.views.change, workspace_of(request), view_id, sent))
        )

    @api.delete("/views/{view_id:int}/")
    def remove_view(request: Request, view_id: int) -> Response:
        room.views.remove(workspace_of(request), view_id)
        return nothing()


def _add_project(api: APIRouter, room: Room) -> None:
    @api.get("/columns/")
    def list_columns(request: Request) -> Response:
        workspace, project_id = workspace_of(request), _project_in(request)
        project = room.projects.get(workspace, project_id)
        fields = room.overview.fields(workspace, project_id)
        versions = [one.name for one in room.overview.model_versions(workspace, project_id)]
        return answer(columns.told(config_of(project), fields, versions))

    @api.get("/project/")
    def get_state(request: Request) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        project = room.projects.get(workspace, _project_in(request))
        total, done = room.overview.standing(project, principal.user_id)
        may_edit = principal.can(Role.EDITOR)
        return answer(
            {
                **shapes.project(project, queue_total=total, queue_done=done),
                "can_delete_tasks": may_edit,
                "can_manage_annotations": may_edit,
                "can_manage_tasks": may_edit,
                "source_syncing": False,
                "target_syncing": False,
                "task_count": project.task_count,
                "annotation_count": project.annotation_count + project.skipped_count,
            }
        )

    @api.get("/actions/")
    def list_actions(request: Request) -> Response:
        workspace, project_id = workspace_of(request), _project_in(request)
        offered = room.deeds.offered(workspace, project_id)
        return answer([_action(room, request, project_id, one) for one in offered])

    @api.post("/actions/")
    async def act(request: Request) -> Response:
        sent = await fields_of(request)
        deed, project_id = request.query_params.get("id"), _project_in(request)
        if deed is None:
            raise Invalid("No action id: use ?id=<action-id>.", field="id")

        def work() -> dict[str, Any]:
            workspace = workspace_of(request)
            if deed == "next_task":
                return _next(room, request, project_id, sent)
            filters, _, selection = asked(
                room, workspace, project_id, request.query_params, sent, is_deed=True
            )
            done = room.deeds.go(
                workspace, project_id, deed, filters, selection, principal_of(request), sent
            )
            return _said(deed, done.tasks, done.items)

        return answer(await run_in_threadpool(work))


def asked(
    room: Room,
    workspace: str,
    project_id: int,
    query: Mapping[str, Any],
    sent: Mapping[str, Any],
    *,
    is_deed: bool = False,
) -> tuple[Filters, Order, Selection]:
    """What a request asks for: by a view, by ?query=, or by its body. Raises NotFound, Invalid.

    A list takes "none selected" for "all", as Label Studio does; a deed does not.
    """
    view_id = number_in(query, "view") or number_in(sent, "view")
    if view_id:
        view = room.views.get(workspace, view_id)
        if view.project_id != project_id:
            raise NotFound("Project and View mismatch")
        filters, order, selection = asked_by(view)
        return filters, order, Selection() if selection.is_none and not is_deed else selection
    data: Any = sent
    if query.get("query"):
        try:
            data = json.loads(query["query"])
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise Invalid(
                "It is no JSON object.",
                advice='{"filters": {…}, "ordering": ["-tasks:id"]}, URL-encoded.',
                field="query",
            )
    selection = read_selection(data.get("selectedItems") or query.get("selectedItems"))
    if selection.is_none and not is_deed:
        selection = Selection()
    order = Order() if is_deed else read_order(data.get("ordering"), data)
    return read_filters(data.get("filters")), order, selection


def _next(room: Room, request: Request, project_id: int, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The next task for whoever labels from the grid: in its order, of what it shows."""
    workspace, principal = workspace_of(request), principal_of(request)
    project = room.projects.get(workspace, project_id)
    if not any(sent.get(name) for name in ("filters", "ordering", "selectedItems")):
        task_id = room.queue.next(workspace, project_id, principal)
        return handed(room, project, task_id, principal, project.sampling)
    filters, order, selection = asked(room, workspace, project_id, {}, sent)
    task_id, at = None, 0
    while task_id is None:
        page = room.grid.numbered(
            workspace, project_id, filters, order, selection, limit=SOME, offset=at
        )
        if not page.tasks:
            break
        ids = [one.task.id for one in page.tasks]
        task_id, at = room.queue.first_of(workspace, project_id, principal, ids), at + SOME
    return handed(room, project, task_id, principal, "Data manager")


def _project_in(request: Request) -> int:
    project_id = number_in(request.query_params, "project")
    if project_id is None:
        raise Invalid("This field is required.", field="project")
    return project_id


def _action(room: Room, request: Request, project_id: int, one: Deed) -> dict[str, Any]:
    form = None
    if one.id == "predictions_to_annotations":
        versions = room.overview.model_versions(workspace_of(request), project_id)
        form = _select("model_version", "Choose predictions", [each.name for each in versions])
    if one.id == "delete_tasks_annotations":
        people = room.overview.people(workspace_of(request), project_id)
        options = [{"value": str(each.id), "label": each.name} for each in people]
        form = _select("annotator", "Annotator", options)
    return {
        "id": one.id,
        "title": one.title,
        "order": one.order,
        "permission": one.permission,
        "dialog": {"title": one.title, "text": one.words, "type": "confirm", "form": form},
    }


def _select(name: str, label: str, options: list[Any]) -> list[dict[str, Any]]:
    field = {"type": "select", "name": name, "label": label, "options": options}
    return [{"columnCount": 1, "fields": [field]}]


def _said(deed: str, tasks: int, items: int) -> dict[str, Any]:
    """As Label Studio words it."""
    if deed == "predictions_to_annotations":
        return {"detail": f"Created {items} annotations"}
    word = "Retrieved" if deed == "retrieve_tasks_predictions" else "Deleted"
    if deed in ("assign", "unassign"):
        return {"processed_items": tasks, "detail": f"{DEEDS[deed].title}ed {tasks} tasks"}
    found = {"processed_items": items, "detail": f"{word} {items} {DEEDS[deed].noun}s"}
    return {**found, "reload": False} if deed == "delete_tasks" else found
