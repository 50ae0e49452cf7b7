"""/api/tasks/ and a project's tasks: listed, added one by one, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.errors import Invalid, NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, page_in, required_number
from mlpi.labels.api.manager import asked
from mlpi.labels.flags import number_in
from mlpi.labels.room import Room
from mlpi.labels.tasks import Whole
from mlpi.web.render import principal_of, workspace_of

PAGE, MOST = 100, 1000
ALL = 10_000  # what page_size=-1 may ask for
PROJECT_PAGE = 50


def router(room: Room) -> APIRouter:
    """Tasks."""
    api = APIRouter(prefix="/api")

    def shown(
        request: Request, found: Sequence[Whole], overlap: int, **how: bool
    ) -> list[dict[str, Any]]:
        now, me = room.clock(), principal_of(request).user_id
        return [shapes.whole_task(one, now, me, overlap=overlap, **how) for one in found]

    @api.get("/tasks/")
    async def list_tasks(request: Request) -> Response:
        sent = await fields_of(request)
        return await run_in_threadpool(listed, request, sent)

    def listed(request: Request, sent: Mapping[str, Any]) -> Response:
        query, workspace = request.query_params, workspace_of(request)
        project_id = number_in(query, "project") or number_in(sent, "project")
        view_id = number_in(query, "view") or number_in(sent, "view")
        if not project_id and not view_id:
            raise NotFound("Neither project nor view id specified")
        if not project_id:
            project_id = room.views.get(workspace, view_id or 0).project_id
        page, size = page_in(request, size=PAGE, most=MOST)
        project = room.projects.get(workspace, project_id)
        found = room.grid.numbered(
            workspace,
            project_id,
            *asked(room, workspace, project_id, query, sent),
            limit=size,
            offset=(page - 1) * size,
        )
        if page > 1 and not found.tasks:
            raise NotFound("Invalid page.")
        is_all = query.get("fields") == "all"
        return answer(
            {
                "tasks": shown(request, found.tasks, project.maximum_annotations, is_all=is_all),
                "total": found.total,
                "total_annotations": found.annotations,
                "total_predictions": found.predictions,
            }
        )

    @api.post("/tasks/")
    async def add_task(request: Request) -> Response:
        sent = await fields_of(request)
        project_id = required_number(sent, "project")

        def work() -> dict[str, Any]:
            workspace, principal = workspace_of(request), principal_of(request)
            one = {name: value for name, value in sent.items() if name != "project"}
            added = room.tasks.add(workspace, project_id, [one], principal, keeps_ids=True)
            return shapes.task(room.tasks.get(workspace, added.task_ids[0]).task)

        return answer(await run_in_threadpool(work), 201)

    @api.get("/tasks/{task_id:int}/")
    def get_task(request: Request, task_id: int) -> Response:
        workspace = workspace_of(request)
        found = room.tasks.get(workspace, task_id)
        project = room.projects.get(workspace, found.task.project_id)
        return answer(shown(request, [found], project.maximum_annotations, expands=True)[0])

    @api.put("/tasks/{task_id:int}/")
    @api.patch("/tasks/{task_id:int}/")
    async def change_task(request: Request, task_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            found = room.tasks.change(workspace_of(request), task_id, sent, principal_of(request))
            now = room.clock()
            return {
                **shapes.task(found.task),
                "annotations": [shapes.annotation(one, now) for one in found.annotations],
                "predictions": [shapes.prediction(one, now) for one in found.predictions],
            }

        return answer(await run_in_threadpool(work))

    @api.delete("/tasks/{task_id:int}/")
    def remove_task(request: Request, task_id: int) -> Response:
        workspace = workspace_of(request)
        project_id = room.tasks.get(workspace, task_id).task.project_id
        room.tasks.remove(workspace, project_id, [task_id])
        return nothing()

    _add_of_project(api, room)
    return api


def _add_of_project(api: APIRouter, room: Room) -> None:
    @api.get("/projects/{project_id:int}/tasks/")
    def list_of_project(request: Request, project_id: int) -> Response:
        limit, offset = _part_in(request)
        found = room.tasks.page(
            workspace_of(request), project_id, limit=limit, offset=offset, is_newest_first=True
        )
        if not found.tasks:
            raise NotFound("Not found.")
        if limit == ALL and found.total > ALL:
            raise Invalid(
                f"There are {found.total:,} tasks; {ALL:,} may come at once.",
                advice="Ask for them page by page, or export the project.",
                field="page_size",
            )
        now = room.clock()
        return answer(
            [
                {
                    **shapes.task(one.task),
                    "annotations": [shapes.annotation(each, now) for each in one.annotations],
                    "predictions": [shapes.prediction(each, now) for each in one.predictions],
                }
                for one in found.tasks
            ]
        )

    @api.delete("/projects/{project_id:int}/tasks/")
    def remove_of_project(request: Request, project_id: int) -> Response:
        room.tasks.remove(workspace_of(request), project_id, None)
        return nothing()

    @api.post("/projects/{project_id:int}/tasks/")
    async def add_to_project(request: Request, project_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            workspace, principal = workspace_of(request), principal_of(request)
            added = room.tasks.add(workspace, project_id, [sent], principal, keeps_ids=True)
            return shapes.task(room.tasks.get(workspace, added.task_ids[0]).task)

        return answer(await run_in_threadpool(work), 201)


def _part_in(request: Request) -> tuple[int, int]:
    """(how many, behind how many), by page or by start, as upstream has it for a project's tasks.

    Raises NotFound.
    """
    asked = request.query_params
    if asked.get("page_size") == "-1":
        return ALL, 0
    page, size = page_in(request, size=PROJECT_PAGE, most=MOST)
    start = asked.get("start", "")
    if not start:
        return size, (page - 1) * size
    if not (start.isdecimal() and len(start) < 10) or asked.get("page_size") == "0":
        raise NotFound("Not found.")
    return size, int(start) // size * size
