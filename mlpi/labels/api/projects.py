"""/api/projects/: projects by Label Studio's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.requests import address_of
from mlpi.auth.roles import Principal
from mlpi.errors import Invalid
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing, numbered
from mlpi.labels.api.asked import fields_of, page_in
from mlpi.labels.config.reading import read_config
from mlpi.labels.models import LabelProject
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

PAGE, MOST = 30, 1000
COUNTS = (
    *("id", "task_number", "finished_task_number", "total_predictions_number"),
    *("total_annotations_number", "num_tasks_with_annotations", "useful_annotation_number"),
    *("ground_truth_number", "skipped_annotations_number"),
)


def router(room: Room) -> APIRouter:
    """Projects: list, make, change, remove."""
    api = APIRouter(prefix="/api/projects")

    def shown(one: LabelProject, principal: Principal) -> dict[str, Any]:
        total, done = room.overview.standing(one, principal.user_id)
        return shapes.project(one, queue_total=total, queue_done=done)

    def page_of(request: Request) -> tuple[Sequence[dict[str, Any]], int, int, int]:
        page, size = page_in(request, size=PAGE, most=MOST)
        found = room.projects.page(
            workspace_of(request),
            limit=size,
            offset=(page - 1) * size,
            title=request.query_params.get("title", ""),
            ids=_ids(request.query_params.get("ids", "")),
            order=request.query_params.get("ordering", "").split(","),
        )
        principal = principal_of(request)
        return [shown(one, principal) for one in found.projects], found.total, page, size

    @api.get("/")
    def list_projects(request: Request) -> Response:
        results, total, page, size = page_of(request)
        if request.query_params.get("include"):
            asked = {"id", *request.query_params["include"].split(",")}
            results = [{k: v for k, v in one.items() if k in asked} for one in results]
        return numbered(request, results, total=total, page=page, size=size)

    @api.get("/counts/")
    def list_counts(request: Request) -> Response:
        results, total, page, size = page_of(request)
        counts = [{name: one[name] for name in COUNTS} for one in results]
        return numbered(request, counts, total=total, page=page, size=size)

    @api.post("/")
    async def add_project(request: Request) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            principal = principal_of(request)
            return shown(
                room.projects.add(workspace_of(request), sent, principal, address_of(request)),
                principal,
            )

        return answer(await run_in_threadpool(work), 201)

    @api.post("/validate/")
    async def validate_config(request: Request) -> Response:
        read_config(_config_in(await fields_of(request)))
        return nothing()

    @api.get("/{project_id:int}/")
    def get_project(request: Request, project_id: int) -> Response:
        found = room.projects.get(workspace_of(request), project_id)
        return answer(shown(found, principal_of(request)))

    @api.put("/{project_id:int}/")
    @api.patch("/{project_id:int}/")
    async def change_project(request: Request, project_id: int) -> Response:
        sent = await fields_of(request)

        def work() -> dict[str, Any]:
            principal = principal_of(request)
            changed = room.projects.change(
                workspace_of(request), project_id, sent, principal, address_of(request)
            )
            return shown(changed, principal)

        return answer(await run_in_threadpool(work))

    @api.delete("/{project_id:int}/")
    def remove_project(request: Request, project_id: int) -> Response:
        room.projects.remove(
            workspace_of(request), project_id, principal_of(request), address_of(request)
        )
        return nothing()

    @api.post("/{project_id:int}/validate/")
    async def validate_for_project(request: Request, project_id: int) -> Response:
        config = _config_in(await fields_of(request))

        def work() -> bool:
            project = room.projects.get(workspace_of(request), project_id)
            lost = room.projects.changes(workspace_of(request), project_id, config)
            lost.refuse()
            return read_config(config).parsed() != read_config(project.label_config).parsed()

        return answer({"config_essential_data_has_changed": await run_in_threadpool(work)})

    return api


def _ids(text: str) -> list[int]:
    """Numbers with commas between. Raises Invalid."""
    try:
        return [int(one) for one in text.split(",") if one.strip()]
    except ValueError:
        raise Invalid("Enter whole numbers with commas between.", field="ids") from None


def _config_in(sent: dict[str, Any]) -> str:
    config = sent.get("label_config")
    if not isinstance(config, str) or not config.strip():
        raise Invalid("Label config is not set or is empty", field="label_config")
    return config
