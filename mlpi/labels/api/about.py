"""What is known about a project: its summary, its models, its people."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.errors import Invalid
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer
from mlpi.labels.api.asked import fields_of
from mlpi.labels.config.reading import read_config
from mlpi.labels.room import Room
from mlpi.web.render import workspace_of


def router(room: Room) -> APIRouter:
    """What one asks about a project."""
    api = APIRouter(prefix="/api/projects")

    @api.get("/{project_id:int}/summary/")
    def summarise(request: Request, project_id: int) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        fields = room.overview.fields(workspace, project_id)
        labels = room.overview.labels(workspace, project_id)
        keys = {
            f"{name}|{','.join(control.to_names)}|{control.type}": sum(labels.counts[name].values())
            for name, control in read_config(project.label_config).controls.items()
            if name in labels.counts
        }
        return answer(
            {
                "project": project.id,
                "created_at": shapes.moment(project.created_at),
                "all_data_columns": fields,
                "common_data_columns": [
                    name for name, count in fields.items() if count == max(fields.values())
                ],
                "created_annotations": keys,
                "created_labels": labels.counts,
                "created_labels_drafts": {},
            }
        )

    @api.get("/{project_id:int}/model-versions/")
    def list_model_versions(request: Request, project_id: int) -> Response:
        found = room.overview.model_versions(workspace_of(request), project_id)
        if request.query_params.get("extended", "").lower() not in ("true", "1"):
            return answer({one.name: one.predictions for one in found})
        static = [
            {
                "model_version": one.name,
                "count": one.predictions,
                "latest": shapes.moment(one.latest_at),
            }
            for one in found
        ]
        return answer({"static": static, "live": None})

    @api.delete("/{project_id:int}/model-versions/")
    async def remove_model_version(request: Request, project_id: int) -> Response:
        version = (await fields_of(request)).get("model_version")
        if not isinstance(version, str) or not version:
            raise Invalid("model_version param is required", field="non_field_errors")
        gone = await run_in_threadpool(
            room.annotations.remove_predictions, workspace_of(request), project_id, version
        )
        return answer({"deleted_predictions": gone})

    @api.get("/{project_id:int}/annotators/")
    def list_annotators(request: Request, project_id: int) -> Response:
        found = room.overview.people(workspace_of(request), project_id)
        return answer([shapes.user_simple(one.id, one.name) for one in found])

    return api
