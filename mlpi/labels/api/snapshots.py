"""/api/projects/{id}/exports/: snapshots made, listed, converted, downloaded, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.requests import address_of
from mlpi.labels.api import shapes
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in
from mlpi.labels.api.exports import sent
from mlpi.labels.exporting.chosen import OptionInvalid, chosen_from, view_in
from mlpi.labels.exporting.records import COMPLETED, CREATED, FAILED, IN_PROGRESS
from mlpi.labels.models import LabelExport
from mlpi.labels.room import Room
from mlpi.web.render import principal_of, workspace_of

# Label Studio answers when the snapshot is made, and scripts go on to download it.
PATIENCE_S = 30.0
LOOK_EVERY_S = 0.1
MOST_TASKS = 1_000_000  # of a view
_ASKED = ("task_filter_options", "annotation_filter_options", "serialization_options")


def shown(one: LabelExport) -> dict[str, Any]:
    """A snapshot as Label Studio's API has it, with its sha256."""
    return {
        "title": one.title,
        "id": one.id,
        "created_by": shapes.user_simple(one.created_by_id, one.created_by_name),
        "created_at": shapes.moment(one.created_at),
        "finished_at": shapes.moment(one.finished_at),
        "status": one.status,
        "md5": one.md5,
        "sha256": one.sha256,
        "counters": one.counters or {"task_number": 0},
        "converted_formats": [
            {
                "id": each["id"],
                "status": each["status"],
                "export_type": each["export_type"],
                "traceback": each["error"] or None,
            }
            for each in one.converted
        ],
    }


def router(room: Room) -> APIRouter:
    """Snapshots."""
    api = APIRouter(prefix="/api/projects/{project_id:int}/exports")

    @api.get("/")
    def list_snapshots(request: Request, project_id: int) -> Response:
        found = room.snapshots.page(workspace_of(request), project_id)
        return answer([shown(one) for one in found])

    @api.post("/")
    async def create(request: Request, project_id: int) -> Response:
        fields = await fields_of(request)
        workspace = workspace_of(request)

        def work() -> LabelExport:
            chosen = chosen_from(fields)
            if (view_id := view_in(fields)) is not None:
                chosen = chosen.within(room.views.of_project(workspace, project_id, view_id))
            return room.snapshots.create(
                workspace,
                project_id,
                _title(fields),
                chosen,
                principal_of(request),
                address_of(request),
            )

        def look(export_id: int) -> LabelExport:
            return room.snapshots.get(workspace, project_id, export_id)

        made = await run_in_threadpool(work)
        with anyio.move_on_after(PATIENCE_S):
            while made.status in (CREATED, IN_PROGRESS):
                await anyio.sleep(LOOK_EVERY_S)
                made = await run_in_threadpool(look, made.id)
        return answer({**shown(made), **{name: fields.get(name) for name in _ASKED}}, 201)

    @api.get("/{export_id:int}")
    def get_snapshot(request: Request, project_id: int, export_id: int) -> Response:
        return answer(shown(room.snapshots.get(workspace_of(request), project_id, export_id)))

    @api.delete("/{export_id:int}")
    def remove(request: Request, project_id: int, export_id: int) -> Response:
        room.snapshots.remove(
            workspace_of(request),
            project_id,
            export_id,
            principal_of(request),
            address_of(request),
        )
        return nothing()

    @api.get("/{export_id:int}/download")
    def download(request: Request, project_id: int, export_id: int) -> Response:
        asked = request.query_params
        found = room.snapshots.download(
            workspace_of(request),
            project_id,
            export_id,
            asked.get("exportType") or asked.get("export_type") or "",
            is_raw=flag_in(asked, "raw", default=False),
        )
        return sent(found)

    @api.post("/{export_id:int}/convert")
    async def convert(request: Request, project_id: int, export_id: int) -> Response:
        fields = await fields_of(request)
        name = _format(fields)
        workspace = workspace_of(request)

        def look(conversion: int) -> str:
            found = room.snapshots.get(workspace, project_id, export_id)
            states = [one["status"] for one in found.converted if one["id"] == conversion]
            return str(states[0]) if states else FAILED

        made = await run_in_threadpool(
            room.snapshots.convert,
            workspace,
            project_id,
            export_id,
            name,
            principal_of(request),
            address_of(request),
        )
        state = made["status"]
        with anyio.move_on_after(PATIENCE_S):
            while state not in (COMPLETED, FAILED):
                await anyio.sleep(LOOK_EVERY_S)
                state = await run_in_threadpool(look, made["id"])
        return answer({"export_type": name, "converted_format": made["id"]})

    return api


def _title(fields: Mapping[str, Any]) -> str:
    title = fields.get("title")
    if title is not None and not isinstance(title, str):
        raise OptionInvalid("Not a valid string.", field="title")
    return title or ""


def _format(fields: Mapping[str, Any]) -> str:
    name = fields.get("export_type")
    if not isinstance(name, str) or not name:
        raise OptionInvalid("This field is required.", field="export_type")
    return name
