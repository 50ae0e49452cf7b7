"""/api/projects/{id}/export: a project as a file, at once; and the formats that there are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from mlpi.labels.api.answers import answer
from mlpi.labels.api.asked import flag_in
from mlpi.labels.exporting.chosen import Chosen, task_ids
from mlpi.labels.exporting.service import Outgoing
from mlpi.labels.room import Room
from mlpi.web.render import workspace_of


def router(room: Room) -> APIRouter:
    """Exports at once."""
    api = APIRouter(prefix="/api/projects/{project_id:int}/export")

    @api.get("")
    def export(request: Request, project_id: int) -> Response:
        asked = request.query_params
        flag_in(asked, "download_resources", default=False)  # read, but nothing is fetched
        flag_in(asked, "interpolate_key_frames", default=False)
        is_all = flag_in(asked, "download_all_tasks", default=False)
        chosen = Chosen(
            ids=task_ids(asked.getlist("ids[]") or asked.getlist("ids")),
            has_any=not is_all,
            drafts=True,
        )
        found = room.exports.export(
            workspace_of(request),
            project_id,
            asked.get("exportType") or asked.get("export_type") or "JSON",
            chosen,
            is_raw=flag_in(asked, "raw", default=False),
        )
        return sent(found)

    @api.get("/formats")
    def formats(request: Request, project_id: int) -> Response:
        found = room.exports.formats(workspace_of(request), project_id)
        return answer([one.told(fits=fits) for one, fits in found])

    @api.get("/files")
    def files(request: Request, project_id: int) -> Response:
        """Files that exports at once left behind: none, they are not kept; see /exports/."""
        room.projects.get(workspace_of(request), project_id)
        return answer({"export_files": []})

    return api


def sent(found: Outgoing) -> Response:
    """A file as an answer that streams. Its names are of ASCII."""
    headers = {
        "Content-Disposition": f'attachment; filename="{found.name}"',
        "filename": found.name,  # where Label Studio's pages look for it
        "Cache-Control": "no-store",
    }
    return StreamingResponse(found.parts, media_type=found.media_type, headers=headers)
