"""Uploaded files and those on this server: file-uploads, /data/upload/…, /data/local-files/."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from mlpi.errors import Invalid
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of, flag_in
from mlpi.labels.api.imports import numbers_in
from mlpi.labels.bringing.local import AT as LOCAL
from mlpi.labels.bringing.rows import ending_of
from mlpi.labels.bringing.types import type_of
from mlpi.labels.models import LabelFile
from mlpi.labels.room import Room
from mlpi.uploads import plain_name
from mlpi.web.render import principal_of, workspace_of

FOREVER = "private, max-age=31536000, immutable"  # a file's address is its own for good
FOR_NOW = "private, max-age=60"


def router(room: Room) -> APIRouter:
    """Files that were uploaded, and those that tasks name on this server."""
    api = APIRouter()
    files = room.bringing.files

    def shown(one: LabelFile) -> dict[str, Any]:
        file = files.url(one).removeprefix("/data/")
        return {"id": one.id, "file": file, "size": one.size_bytes}

    @api.get("/api/projects/{project_id:int}/file-uploads")
    def list_files(request: Request, project_id: int) -> Response:
        workspace = workspace_of(request)
        project = room.projects.get(workspace, project_id)
        ids: list[int] | None = _ids(request)
        if flag_in(request.query_params, "all", default=bool(project.options.get("is_draft"))):
            ids = None
        return answer([shown(one) for one in files.of(workspace, project_id, ids)])

    @api.delete("/api/projects/{project_id:int}/file-uploads")
    async def remove_files(request: Request, project_id: int) -> Response:
        sent = (await fields_of(request)).get("file_upload_ids")
        ids = None if sent is None else numbers_in(sent)
        gone = await run_in_threadpool(files.remove, workspace_of(request), project_id, ids)
        return answer({"deleted": gone})

    @api.get("/api/import/file-upload/{file_id:int}")
    def get_file(request: Request, file_id: int) -> Response:
        return answer(shown(files.get(workspace_of(request), file_id)))

    @api.put("/api/import/file-upload/{file_id:int}")
    @api.patch("/api/import/file-upload/{file_id:int}")
    async def change_file(request: Request, file_id: int) -> Response:
        """Another content, under the same number."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            found = await run_in_threadpool(files.get, workspace_of(request), file_id)
            if "file" in await fields_of(request):
                raise Invalid("The submitted data was not a file.", field="file")
            return answer(shown(found))
        async with request.form(max_files=1) as form:
            sent = form.get("file")
            if not isinstance(sent, UploadFile):
                raise Invalid("No file was submitted.", field="file")
            name = plain_name(sent.filename or "")
            ending_of(name)
            changed = await run_in_threadpool(
                files.replace, workspace_of(request), file_id, name, sent.file
            )
        return answer(shown(changed))

    @api.delete("/api/import/file-upload/{file_id:int}")
    def remove_file(request: Request, file_id: int) -> Response:
        workspace = workspace_of(request)
        found = files.get(workspace, file_id)
        files.remove(workspace, found.project_id, [found.id])
        return nothing()

    @api.get("/data/upload/{project_id:int}/{key}")
    def uploaded(request: Request, project_id: int, key: str) -> Response:
        found = files.stored(project_id, key, principal_of(request))
        kind, is_shown = type_of(found.path.name)
        return FileResponse(
            found.path,
            media_type=kind,
            filename=found.name,
            content_disposition_type="inline" if is_shown else "attachment",
            headers={"Cache-Control": FOREVER},
        )

    @api.get(LOCAL)
    def local(request: Request) -> Response:
        """A file under an allowed folder."""
        workspace_of(request)
        path = room.local.find(request.query_params.get("d", ""))
        kind, is_shown = type_of(path.name)
        return FileResponse(
            path,
            media_type=kind,
            filename=path.name,
            content_disposition_type="inline" if is_shown else "attachment",
            headers={"Cache-Control": FOR_NOW},
        )

    return api


def _ids(request: Request) -> list[int]:
    """ids=[1,2], ids=1,2 and ids=1&ids=2 are the same. Raises Invalid."""
    found: list[Any] = []
    for text in request.query_params.getlist("ids"):
        try:
            one = json.loads(text if text.startswith("[") else f"[{text}]")
        except (ValueError, RecursionError):
            raise Invalid("Enter whole numbers with commas between.", field="ids") from None
        found += one
    return numbers_in(found)
