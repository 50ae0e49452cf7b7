"""/api/templates/, sample tasks, copies of projects, and what somebody labeled last."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.requests import address_of
from mlpi.errors import Invalid
from mlpi.labels.api.answers import answer
from mlpi.labels.api.asked import fields_of, flag_in
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.config.reading import read_config
from mlpi.labels.room import Room
from mlpi.labels.templates.answers import sample_results
from mlpi.labels.templates.catalogue import GROUPS, TEMPLATES
from mlpi.labels.templates.sampling import sample_data
from mlpi.web.render import principal_of, workspace_of


def router(room: Room) -> APIRouter:
    """Templates and copies."""
    api = APIRouter(prefix="/api")

    @api.get("/templates/")
    def list_templates() -> Response:
        templates = [
            {
                "title": one.title,
                "type": "community",
                "group": one.group,
                "image": "",
                "details": f"<p>{one.words}</p>",
                "config": one.config,
                "name": one.key,
            }
            for one in TEMPLATES
        ]
        return answer({"templates": templates, "groups": list(GROUPS)})

    @api.post("/projects/{project_id:int}/sample-task/")
    async def sample_task(request: Request, project_id: int) -> Response:
        sent = await fields_of(request)
        config = sent.get("label_config")
        if not isinstance(config, str) or not config.strip():
            raise Invalid("Label config is not set or is empty", field="label_config")
        is_whole = flag_in(sent, "include_annotation_and_prediction", default=False)

        def work() -> dict[str, Any]:
            room.projects.get(workspace_of(request), project_id)
            parsed = read_config(config)
            data = sample_data(parsed)
            return _answered(parsed, data, principal_of(request).user_id) if is_whole else data

        return answer({"sample_task": await run_in_threadpool(work)})

    @api.post("/projects/{project_id:int}/duplicate/")
    async def duplicate(request: Request, project_id: int) -> Response:
        sent = await fields_of(request)
        for name in ("mode", "title"):
            if not isinstance(sent.get(name), str) or not sent[name].strip():
                raise Invalid("This field is required.", field=name)
        description = sent.get("description")

        def work() -> dict[str, Any]:
            made = room.copies.duplicate(
                workspace_of(request),
                project_id,
                principal_of(request),
                mode=sent["mode"],
                title=sent["title"],
                description=description if isinstance(description, str) else None,
                address=address_of(request),
            )
            return {"id": made.id}

        return answer(await run_in_threadpool(work), 201)

    @api.get("/projects/{project_id:int}/label-stream-history/")
    def stream_history(request: Request, project_id: int) -> Response:
        found = room.copies.history(workspace_of(request), project_id, principal_of(request))
        return answer([{"taskId": task, "annotationId": said} for task, said in found])

    return api


def _answered(config: LabelConfig, data: dict[str, Any], user_id: int) -> dict[str, Any]:
    """The sample task with a sample annotation and prediction."""
    said = sample_results(config, data)
    annotation = {
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": 0.0,
        "result_count": len(said),
        "completed_by": user_id,
        "result": said,
    }
    guess = {
        "model_version": "sample model version",
        "score": 0.0,
        "result": sample_results(config, data),
    }
    return {"data": data, "annotations": [annotation], "predictions": [guess]}
