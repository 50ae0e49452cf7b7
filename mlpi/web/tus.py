"""Resumable uploads over HTTP: the tus protocol 1.0.0 (https://tus.io), core with creation.

Any tus client works, and so do a few lines of curl or httpx: POST with Upload-Length makes an
upload, HEAD tells how far it is, PATCH with Upload-Offset goes on from there.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from contextlib import closing
from typing import BinaryIO, TypeVar

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from mlpi.auth.audit import Actor
from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid
from mlpi.uploads import BLOCK_BYTES, Arrived, Upload, Uploads
from mlpi.web.render import workspace_of

VERSION = "1.0.0"
Taken = TypeVar("Taken")
# Takes the whole file over; returns headers that tell the sender what became of it.
Finish = Callable[[Upload, Arrived, Actor], dict[str, str]]


def add_routes(
    api: APIRouter,
    uploads: Uploads,
    *,
    purpose: str,
    path: str,
    check: Callable[[dict[str, str]], None],
    finish: Finish,
) -> None:
    """Routes of one purpose at path. check refuses an upload's details before it begins."""

    @api.post(path, status_code=201)
    async def begin_upload(request: Request) -> Response:
        """Begin. Headers: Upload-Length; Upload-Metadata with filename and what the room asks."""
        details = _metadata(request.headers.get("upload-metadata", ""))
        details.update(request.query_params)
        details.pop("workspace", None)
        name, sha256 = details.pop("filename", ""), details.pop("sha256", "")
        await run_in_threadpool(check, {**details, "filename": name})
        upload = await run_in_threadpool(
            uploads.begin,
            workspace_of(request),
            purpose,
            name,
            _number(request, "upload-length"),
            sha256=sha256,
            details=details,
        )
        headers = {"Location": f"{request.url.path}/{upload.id}", "Upload-Offset": "0"}
        if upload.size_bytes == 0:
            headers |= await run_in_threadpool(end, upload, actor_of(request))
        return _answer(201, **headers)

    @api.get(f"{path}/{{upload_id}}")
    @api.head(f"{path}/{{upload_id}}", include_in_schema=False)
    async def upload_offset(request: Request, upload_id: str) -> Response:
        """How far it is: Upload-Offset of Upload-Length."""
        upload = uploads.get(workspace_of(request), purpose, upload_id)
        length = str(upload.size_bytes)
        headers = {"Upload-Offset": str(uploads.offset(upload)), "Upload-Length": length}
        return _answer(200, **headers, **{"Cache-Control": "no-store"})

    @api.patch(f"{path}/{{upload_id}}", status_code=204)
    async def go_on(request: Request, upload_id: str) -> Response:
        """Append the body at Upload-Offset. What arrived before a lost connection stays."""
        if request.headers.get("content-type") != "application/offset+octet-stream":
            raise Invalid("The Content-Type must be application/offset+octet-stream.")
        upload = uploads.get(workspace_of(request), purpose, upload_id)
        offset = _number(request, "upload-offset")
        with closing(await run_in_threadpool(uploads.open, upload, offset)) as file:
            offset = await write_body(request, file, offset, upload.size_bytes)
        headers = {"Upload-Offset": str(offset)}
        if offset == upload.size_bytes:
            headers |= await run_in_threadpool(end, upload, actor_of(request))
        return _answer(204, **headers)

    @api.delete(f"{path}/{{upload_id}}", status_code=204)
    def give_up(request: Request, upload_id: str) -> Response:
        """Forget it."""
        uploads.forget(uploads.get(workspace_of(request), purpose, upload_id))
        return _answer(204)

    def end(upload: Upload, actor: Actor) -> dict[str, str]:
        arrived = uploads.finish(upload)
        try:
            return finish(upload, arrived, actor)
        finally:
            uploads.forget(upload)


async def receive_whole(
    request: Request,
    uploads: Uploads,
    *,
    purpose: str,
    file_name: str,
    sha256: str,
    take: Callable[[Arrived], Taken],
) -> Taken:
    """A file that is the body of one request; nothing of it stays when the connection is lost."""
    if not request.headers.get("content-length", "").isdecimal():
        raise Invalid("The request must say how long it is.", advice="Send Content-Length.")
    upload = await run_in_threadpool(
        uploads.begin,
        workspace_of(request),
        purpose,
        file_name,
        _number(request, "content-length"),
        sha256=sha256,
    )
    try:
        with closing(await run_in_threadpool(uploads.open, upload, 0)) as file:
            end = await write_body(request, file, 0, upload.size_bytes)
        if end != upload.size_bytes:
            raise Invalid(f"{end} bytes came of {upload.size_bytes}.")
        return await run_in_threadpool(lambda: take(uploads.finish(upload)))
    finally:
        await run_in_threadpool(uploads.forget, upload)


async def write_body(request: Request, file: BinaryIO, offset: int, size_bytes: int) -> int:
    """Append a request's body to a file, synced at its end; the new offset. Raises Invalid."""
    file.seek(offset)
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            offset += len(chunk)
            if offset > size_bytes:
                raise Invalid(f"More bytes came than the {size_bytes} that were announced.")
            waiting += chunk
            if len(waiting) >= BLOCK_BYTES:
                await run_in_threadpool(file.write, bytes(waiting))
                waiting.clear()
    except ClientDisconnect:
        pass  # what came is kept, and the sender asks for the offset
    finally:
        await run_in_threadpool(_sync, file, bytes(waiting))
    return offset


def _sync(file: BinaryIO, rest: bytes) -> None:
    file.write(rest)
    file.flush()
    os.fsync(file.fileno())


def _answer(status: int, **headers: str) -> Response:
    return Response(status_code=status, headers={"Tus-Resumable": VERSION, **headers})


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isdecimal():
        raise Invalid(f"The header {header.title()} must be a number of bytes.", field=header)
    return int(text)


def _metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: "key base64, key base64"."""
    found = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Invalid(
                f"Upload-Metadata: the value of {key[:40]!r} is not base64 of UTF-8 text."
            ) from None
    return found
