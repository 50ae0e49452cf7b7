"""Imports, exports and copies for scripts, under /api/mlpi."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from mlpi.auth.audit import Actor
from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, NotFound
from mlpi.uploads import Arrived, Upload, Uploads
from mlpi.vectors.embedders.choice import NONE
from mlpi.vectors.records import Condition
from mlpi.vectors.service import VectorsService
from mlpi.vectors.transfer.conditions import condition_of
from mlpi.vectors.transfer.formats import CSV
from mlpi.vectors.transfer.page_routes import streamed
from mlpi.vectors.transfer.service import PURPOSE, Transfers
from mlpi.web import tus
from mlpi.web.render import workspace_of

Where = Annotated[str, Query(description="A filter of metadata as JSON, in Chroma's words.")]
WhereDocument = Annotated[str, Query(description="A filter of documents as JSON.")]
Ids = Annotated[str, Query(description="A JSON list of ids, or one a line.")]


class BegunOut(BaseModel):
    """A job to look at under /api/mlpi/jobs/{job_id}."""

    job_id: int
    collection_id: str


class WaitingOut(BaseModel):
    """A file that was uploaded. mapping: what its columns probably are."""

    import_id: str
    file_name: str
    columns: list[str]
    row_count: int | None
    mapping: dict[str, Any]


class ExportIn(BaseModel):
    """What to export as a file. Without conditions: everything."""

    format: Literal["parquet", "npy"]
    where: dict[str, Any] | None = None
    where_document: dict[str, Any] | None = None
    ids: list[str] | None = None


class CopyIn(BaseModel):
    name: str = Field(description="Of the copy.")


def router(transfers: Transfers, vectors: VectorsService, uploads: Uploads) -> APIRouter:
    """What the tab "Data" of a collection can do."""
    api = APIRouter(prefix="/api/mlpi", tags=["vectors"])
    _add_imports(api, transfers, vectors, uploads)
    _add_exports(api, transfers, vectors)
    return api


def _add_imports(
    api: APIRouter, transfers: Transfers, vectors: VectorsService, uploads: Uploads
) -> None:
    def check(details: dict[str, str]) -> None:
        transfers.check_name(details["filename"])

    def finish(upload: Upload, arrived: Arrived, actor: Actor) -> dict[str, str]:
        del actor
        kept = transfers.keep(
            upload.workspace,
            upload.file_name,
            arrived,
            collection_id=upload.details.get("collection", ""),
            name=upload.details.get("name", ""),
        )
        return {"Content-Location": f"/vectors/imports/{kept.id}", "X-Import": kept.id}

    tus.add_routes(
        api, uploads, purpose=PURPOSE, path="/uploads/vectors", check=check, finish=finish
    )

    @api.get("/imports/vectors/{import_id}")
    def get_import(request: Request, import_id: str) -> WaitingOut:
        """An uploaded file: its columns, and the mapping that is proposed."""
        found = transfers.waiting(workspace_of(request), import_id)
        return WaitingOut(
            import_id=import_id,
            file_name=found.arrival.file_name,
            columns=found.look.columns,
            row_count=found.look.total,
            mapping=dict(found.mapping),
        )

    @api.post("/vectors/{name}/import", status_code=202)
    async def import_records(
        request: Request,
        name: str,
        filename: Annotated[str, Query(description="With the ending that says its format.")] = "",
        upload: Annotated[str, Query(description="An uploaded file's id, X-Import.")] = "",
        mapping: Annotated[
            str, Query(description="JSON, as GET …/imports/vectors/{import_id} proposes it.")
        ] = "",
        bad_rows: Literal["stop", "skip"] = "stop",
        create: Annotated[bool, Query(description="Make the collection if there is none.")] = False,
        space: Annotated[str, Query(description="Its distance: cosine, l2 or ip.")] = "",
        embedder: Annotated[
            str, Query(description="Of a new collection: none, lexical, onnx:… or model:…")
        ] = NONE,
        sha256: str = "",
    ) -> BegunOut:
        """Import a file: the body (`curl -X POST -T notes.csv '…?filename=notes.csv'`), or one
        that was uploaded in parts. Records with a known id are written over."""
        workspace, actor = workspace_of(request), actor_of(request)
        given = _mapping(mapping)
        target = await run_in_threadpool(_target, vectors, workspace, name, create)
        if not upload:
            transfers.check_name(filename)
            kept = await tus.receive_whole(
                request,
                uploads,
                purpose=PURPOSE,
                file_name=filename,
                sha256=sha256,
                take=lambda arrived: transfers.keep(
                    workspace, filename, arrived, collection_id=target
                ),
            )
            upload = kept.id
        job = await run_in_threadpool(
            lambda: transfers.begin(
                workspace,
                upload,
                given,
                skips_bad=bad_rows == "skip",
                into=target,
                name=name,
                space=space,
                embedder=embedder,
                actor=actor,
            )
        )
        return BegunOut(job_id=job.id, collection_id=job.params["collection"])

    @api.post("/vectors/{name}/copy", status_code=202)
    def copy_collection(request: Request, name: str, body: CopyIn) -> BegunOut:
        """Duplicate a collection under another name."""
        workspace = workspace_of(request)
        found = vectors.by_name(workspace, name)
        job = transfers.duplicate(workspace, found.id, body.name, actor=actor_of(request))
        return BegunOut(job_id=job.id, collection_id=job.params["collection"])


def _add_exports(api: APIRouter, transfers: Transfers, vectors: VectorsService) -> None:
    @api.get("/vectors/{name}/export", response_class=Response)
    def export_records(
        request: Request,
        name: str,
        format: Literal["csv", "jsonl"] = CSV,  # type: ignore[assignment] # noqa: A002
        where: Where = "",
        where_document: WhereDocument = "",
        ids: Ids = "",
    ) -> Response:
        """Records with their vectors as CSV or JSON Lines, streamed."""
        workspace = workspace_of(request)
        found = vectors.by_name(workspace, name)
        condition = condition_of(where, where_document, ids)
        return streamed(transfers, vectors, workspace, found.id, format, condition)

    @api.post("/vectors/{name}/exports", status_code=202)
    def begin_export(request: Request, name: str, body: ExportIn) -> BegunOut:
        """Have a Parquet file or a ZIP of NPY and JSON Lines written, by a job."""
        workspace = workspace_of(request)
        found = vectors.by_name(workspace, name)
        job = transfers.export(
            workspace,
            found.id,
            body.format,
            Condition(body.where or None, body.where_document or None, body.ids),
            actor=actor_of(request),
        )
        return BegunOut(job_id=job.id, collection_id=found.id)

    @api.get("/vectors/{name}/exports/{job_id}", response_class=FileResponse)
    def get_export(request: Request, name: str, job_id: int) -> FileResponse:
        """The file of an export; 409 until it is written. It is kept for a day."""
        workspace = workspace_of(request)
        found = vectors.by_name(workspace, name)
        path, file_name = transfers.exported(workspace, found.id, job_id)
        return FileResponse(path, filename=file_name, media_type="application/octet-stream")


def _target(vectors: VectorsService, workspace: str, name: str, is_made: bool) -> str:
    """The collection's id, "" for one that is to be made. Raises NotFound."""
    try:
        return vectors.by_name(workspace, name).id
    except NotFound as error:
        if is_made:
            return ""
        raise NotFound(error.message, advice="Add create=true to have it made.") from None


def _mapping(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"mapping is no JSON: {error}.", field="mapping") from None
    if not isinstance(value, dict):
        raise Invalid("mapping must be a JSON object.", field="mapping")
    return value
