"""/api/projects/{id}/next/: a task for somebody to label."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mlpi.errors import NotFound
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer
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
        if task_id is None:
            raise NotFound(f"There are no tasks for {principal.name}")
        found = room.tasks.get(workspace, task_id)
        body = shapes.next_task(
            found,
            room.clock(),
            principal.user_id,
            overlap=project.maximum_annotations,
            version=project.options.get("model_version", ""),
        )
        body["queue"] = project.sampling
        return answer(body)

    return api
