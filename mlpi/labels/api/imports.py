"""/api/projects/{id}/import: tasks brought in, many at a time."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.labels.api.answers import answer
from mlpi.labels.api.asked import body_of, flag_in
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Imports."""
    api = APIRouter(prefix="/api")

    @api.post("/projects/{project_id:int}/import")
    async def import_tasks(request: Request, project_id: int) -> Response:
        began = time.monotonic()
        sent = await body_of(request)
        keeps_ids = flag_in(request.query_params, "return_task_ids", default=False)
        coming = sent if isinstance(sent, list) else [sent]

        def work() -> dict[str, Any]:
            workspace, principal = workspace_of(request), principal_of(request)
            checked = room.tasks.checked(workspace, project_id, coming)
            added = room.tasks.add_checked(
                workspace, project_id, checked, principal, keeps_ids=keeps_ids
            )
            body: dict[str, Any] = {
                "task_count": added.tasks,
                "annotation_count": added.annotations,
                "prediction_count": added.predictions,
                "duration": time.monotonic() - began,
                "file_upload_ids": [],
                "could_be_tasks_list": False,
                "found_formats": [],
                "data_columns": [],
            }
            return {**body, "task_ids": added.task_ids} if keeps_ids else body

        return answer(await run_in_threadpool(work), 201)

    return api
