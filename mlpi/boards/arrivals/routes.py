"""Event files over HTTP: appended piece by piece, resumable at any byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from mlpi.auth.requests import actor_of
from mlpi.boards.arrivals.errors import OffsetWrong, TooLarge, TooSlow
from mlpi.boards.arrivals.service import Arrivals
from mlpi.boards.arrivals.store import Here
from mlpi.errors import Invalid, NotReady
from mlpi.sync.protocol import BEGINNING, CONTENT, FILES, MOST_BYTES, OFFSET
from mlpi.web.errors import respond
from mlpi.web.render import workspace_of

TOGETHER_BYTES = 4 * MOST_BYTES  # of bodies in memory, all requests' together
BODY_S = 300.0  # for one body to arrive


class FileOut(BaseModel):
    """An event file as far as it is here."""

    run: str
    name: str
    size_bytes: int
    upto: int = Field(description="How many bytes `beginning` is about.")
    beginning: str = Field(
        description="'sha256 ' and the base64 of the SHA-256 over the first 4,096 and the last "
        "4,096 of the file's first `upto` bytes, over all of them up to 8,192."
    )


class FilesOut(BaseModel):
    workspace: str
    files: list[FileOut]


class Bodies:
    """Requests' bodies in memory, for each is verified before any of it is written."""

    def __init__(self) -> None:
        self._held_bytes = 0

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[bytearray]:
        """The whole body. Raises TooLarge, TooSlow, NotReady, ClientDisconnect."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MOST_BYTES:
            raise _too_large()
        body = bytearray()
        try:
            try:
                with anyio.fail_after(BODY_S):
                    async for chunk in request.stream():
                        if len(body) + len(chunk) > MOST_BYTES:
                            raise _too_large()
                        if self._held_bytes + len(chunk) > TOGETHER_BYTES:
                            raise NotReady("Too many uploads come at once.", retry_after_s=2)
                        self._held_bytes += len(chunk)
                        body += chunk
            except TimeoutError:
                raise TooSlow(advice=f"Send less than {len(body):,} bytes a request.") from None
            yield body
        finally:
            self._held_bytes -= len(body)


def router(arrivals: Arrivals) -> APIRouter:
    """Routes of files, over their service."""
    api = APIRouter(prefix=FILES, tags=["boards"])
    bodies = Bodies()

    @api.get("", response_model=FilesOut)
    def list_event_files(
        request: Request,
        run: Annotated[str, Query(description="Only this run and those below it.")] = "",
    ) -> FilesOut:
        """Every event file of the workspace, so that a sender can compare many in one request."""
        workspace = workspace_of(request)
        found = arrivals.listed(workspace, run)
        return FilesOut(workspace=workspace, files=[_out(one) for one in found])

    @api.head("/{path:path}", include_in_schema=False)
    @api.get("/{path:path}", response_model=FileOut)
    def event_file_offset(
        request: Request,
        response: Response,
        path: str,
        upto: Annotated[
            int | None, Query(ge=0, description="For `beginning`; unset: the whole file.")
        ] = None,
    ) -> FileOut:
        """How much of a file is here, and whether it is the beginning of the sender's own.

        path is `<run>/<file name>`. The headers say the same, for HEAD: `Upload-Offset` is the
        size in bytes, `Upload-Beginning` the checksum. A file that is not here yet is 404.
        """
        here = arrivals.here(workspace_of(request), path, upto)
        response.headers[OFFSET] = str(here.size_bytes)
        response.headers[BEGINNING] = here.beginning
        response.headers["Cache-Control"] = "no-store"
        return _out(here)

    @api.patch(
        "/{path:path}",
        status_code=204,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {CONTENT: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses={
            408: {"description": "The body did not arrive in time."},
            409: {"description": "The file does not end there; Upload-Offset says where."},
            413: {"description": "More than 16 MB in one request, or more than the quota."},
            460: {"description": "The checksum is another one; nothing was written."},
            507: {"description": "The disk is full."},
        },
    )
    async def append_to_event_file(
        request: Request,
        path: str,
        upload_offset: Annotated[
            int, Header(ge=0, description="Where the piece begins: the file's size here.")
        ],
        upload_checksum: Annotated[
            str, Header(description="`sha256 ` and the base64 of the body's SHA-256.")
        ],
        upload_replace: Annotated[
            bool, Header(description="The piece takes the place of the whole file; offset 0.")
        ] = False,
    ) -> Response:
        """Append the body, 16 MB at most, to a file; the first piece makes file and run.

        path is `<run>/<file name>`; the name holds `tfevents`, or is `mlflow_run_id` with the id
        of the MLflow run that belongs to it. Nothing is written before the checksum is found to be
        right; when the answer comes, the bytes are on the disk. It carries the new `Upload-Offset`.
        After a lost connection ask for the offset and go on from there.
        """
        if request.headers.get("content-type") != CONTENT:
            raise Invalid(f"The Content-Type must be {CONTENT}.", field="content-type")
        workspace, actor = workspace_of(request), actor_of(request)
        try:
            async with bodies.received(request) as body:
                offset = await run_in_threadpool(
                    arrivals.append,
                    workspace,
                    path,
                    upload_offset,
                    body,
                    checksum=upload_checksum,
                    replaces=upload_replace,
                    actor=actor,
                )
        except OffsetWrong as error:
            answer = respond(request, error)
            answer.headers[OFFSET] = str(error.offset)
            return answer
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return Response(status_code=204, headers={OFFSET: str(offset)})

    return api


def _too_large() -> TooLarge:
    return TooLarge(
        f"A request may hold {MOST_BYTES:,} bytes.",
        advice="Send the file in pieces, one after the other.",
    )


def _out(here: Here) -> FileOut:
    return FileOut.model_validate(here, from_attributes=True)
