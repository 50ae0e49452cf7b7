"""/api/projects/{id}/next/: a task for somebody to label."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mlpi.auth.roles import Principal
from mlpi.errors import NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer
from mlpi.labels.models import LabelProject
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Tasks handed out."""
    api = APIRouter(prefix="/api")

    @api.get("/projects/{project_id:int}/next/")
    def next_task(request: Request, project_id: int) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        project = room.projects.get(workspace, project_id)
        task_id = room.queue.next(workspace, project_id, principal)
        return answer(handed(room, project, task_id, principal, project.sampling))

    return api


def handed(
    room: Room, project: LabelProject, task_id: int | None, principal: Principal, queue: str
) -> dict[str, Any]:
    """A task as it is handed out. queue: by which order. Raises NotFound without one."""
    if task_id is None:
        raise NotFound(f"There are no tasks for {principal.name}")
    body = shapes.next_task(
        room.tasks.get(project.workspace, task_id),
        room.clock(),
        principal.user_id,
        overlap=project.maximum_annotations,
        version=project.options.get("model_version", ""),
    )
    return {**body, "queue": queue}
