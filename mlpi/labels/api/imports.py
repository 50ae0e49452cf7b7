"""/api/projects/{id}/import and its kin: tasks and predictions brought in, many at a time."""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from mlpi.errors import Invalid
from mlpi.labels.api.answers import answer
from mlpi.labels.api.asked import TooLarge, fields_of, flag_in
from mlpi.labels.bringing.bringing import Brought, How
from mlpi.labels.bringing.checking import IN_MEMORY_BYTES, ImportRefused
from mlpi.labels.flags import number_in
from mlpi.labels.room import Room
from mlpi.uploads import BLOCK_BYTES, plain_name, require_space
from mlpi.web.render import principal_of, workspace_of

MOST_FILES = 100  # of one request, as in Label Studio
MOST_BYTES = 4 << 30  # of one request
FORM = "application/x-www-form-urlencoded"
Taken = TypeVar("Taken")


def router(room: Room) -> APIRouter:
    """Imports."""
    api = APIRouter(prefix="/api/projects/{project_id:int}")

    @api.post("/import")
    @api.post("/tasks/bulk/")
    async def import_tasks(request: Request, project_id: int) -> Response:
        began = time.monotonic()
        how = How(
            commit=flag_in(request.query_params, "commit_to_project", default=True),
            keeps_ids=flag_in(request.query_params, "return_task_ids", default=False),
            from_fields=_names(request, "preannotated_from_fields"),
        )
        workspace, principal = workspace_of(request), principal_of(request)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            brought = await _with_files(
                request,
                lambda sent: room.bringing.bring_files(workspace, project_id, sent, principal, how),
            )
        elif request.headers.get("content-type", "").startswith(FORM):
            source = io.BytesIO(_inline((await fields_of(request)).get("url")))
            inline = [("inplace.json", source)]
            brought = await run_in_threadpool(
                room.bringing.bring_files, workspace, project_id, inline, principal, how
            )
        else:
            brought = await _with_body(
                request,
                lambda body: room.bringing.bring_json(workspace, project_id, body, principal, how),
            )
        return answer(_shown(brought, began, keeps_ids=how.keeps_ids), 201)

    @api.post("/import/predictions")
    async def import_predictions(request: Request, project_id: int) -> Response:
        workspace, principal = workspace_of(request), principal_of(request)
        created = await _with_body(
            request,
            lambda body: room.bringing.bring_predictions(workspace, project_id, body, principal),
        )
        return answer({"created": created}, 201)

    @api.post("/reimport")
    async def reimport(request: Request, project_id: int) -> Response:
        began = time.monotonic()
        sent = await fields_of(request)
        ids = numbers_in(sent.get("file_upload_ids") or [])
        workspace = workspace_of(request)
        if not ids:
            await run_in_threadpool(room.projects.get, workspace, project_id)
            empty = _shown(Brought(), began, keeps_ids=False)
            return answer({**empty, "found_formats": {}, "duration": 0})
        brought = await run_in_threadpool(
            lambda: room.bringing.reimport(
                workspace,
                project_id,
                ids,
                principal_of(request),
                as_lists=flag_in(sent, "files_as_tasks_list", default=True),
            )
        )
        return answer(_shown(brought, began, keeps_ids=False), 201)

    return api


async def _with_body(request: Request, work: Callable[[BinaryIO], Taken]) -> Taken:
    """A body of any size, as a file. Raises TooLarge, DiskFull."""
    length = request.headers.get("content-length", "")
    size_bytes = int(length) if length.isdecimal() and len(length) < 19 else 0
    _check_size(size_bytes)
    if size_bytes > IN_MEMORY_BYTES:
        await run_in_threadpool(require_space, Path(tempfile.gettempdir()), 2 * size_bytes)
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        waiting, size_bytes = bytearray(), 0
        async for chunk in request.stream():
            waiting += chunk
            size_bytes += len(chunk)
            _check_size(size_bytes)
            if len(waiting) >= BLOCK_BYTES:
                await run_in_threadpool(file.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(file.write, bytes(waiting))
        file.seek(0)
        return await run_in_threadpool(work, cast(BinaryIO, file))


async def _with_files(
    request: Request, work: Callable[[list[tuple[str, BinaryIO]]], Taken]
) -> Taken:
    """A form's files. Raises ImportRefused, TooLarge, DiskFull."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 19:
        _check_size(int(length))
        await run_in_threadpool(require_space, Path(tempfile.gettempdir()), 3 * int(length))
    try:
        async with request.form(max_files=MOST_FILES) as form:
            sent = [
                (plain_name(one.filename or ""), one.file)
                for _, one in form.multi_items()
                if isinstance(one, UploadFile)
            ]
            if not sent:
                raise ImportRefused("load_tasks: No data found in DATA or in FILES")
            return await run_in_threadpool(work, sent)
    except MultiPartException as error:
        raise ImportRefused(error.message) from None


def _check_size(size_bytes: int) -> None:
    if size_bytes > MOST_BYTES:
        raise TooLarge(f"A request may bring {MOST_BYTES:,} bytes.", advice="Send less at a time.")


def _inline(text: object) -> bytes:
    """Tasks that stand in a form's url. Raises Invalid for an address: nothing is fetched."""
    if not isinstance(text, str) or not text.strip():
        raise Invalid('"url" is not found in request data')
    for candidate in (text, text.replace("'", '"')):
        try:
            json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return candidate.encode(errors="replace")
    raise Invalid(
        "mlpi fetches nothing from other hosts.",
        advice="Download the file and send it, or put the tasks into url as JSON.",
        field="url",
    )


def _names(request: Request, name: str) -> list[str]:
    found = request.query_params.getlist(name)
    return [part.strip() for one in found for part in one.split(",") if part.strip()]


def numbers_in(found: object) -> list[int]:
    """A list of whole numbers. Raises Invalid."""
    if not isinstance(found, list):
        raise Invalid('"file_upload_ids" parameter must be a list of integers')
    numbers = [number_in({"file_upload_ids": one}, "file_upload_ids") for one in found]
    return [one for one in numbers if one is not None and abs(one) < 1 << 31]


def _shown(brought: Brought, began: float, *, keeps_ids: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task_count": brought.tasks,
        "annotation_count": brought.annotations,
        "prediction_count": brought.predictions,
        "duration": time.monotonic() - began,
        "file_upload_ids": brought.file_ids,
        "could_be_tasks_list": brought.could_be_list,
        "found_formats": brought.formats or [],
        "data_columns": brought.columns,
    }
    return {**body, "task_ids": brought.task_ids} if keeps_ids else body
