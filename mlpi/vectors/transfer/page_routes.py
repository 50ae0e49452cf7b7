"""Pages of imports, exports and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from mlpi.auth.requests import actor_of
from mlpi.errors import Conflict, Invalid, MlpiError
from mlpi.uploads import Uploads, plain_name
from mlpi.vectors.embedders.choice import NONE
from mlpi.vectors.records import SPACES
from mlpi.vectors.service import VectorsService
from mlpi.vectors.transfer.conditions import condition_of
from mlpi.vectors.transfer.formats import ENDINGS, STREAMED
from mlpi.vectors.transfer.looking import Column
from mlpi.vectors.transfer.plan import KINDS
from mlpi.vectors.transfer.service import ACTIVE, PURPOSE, Transfers
from mlpi.web.render import back_to, render, wants_part, workspace_of

Text = Annotated[str, Form()]
AT = "/vectors"
ONE = AT + "/{collection_id}"
MOST_INPUTS = 5000  # in a mapping of a thousand columns
MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
USES = {
    "": "leave out",
    "id": "id",
    "document": "document",
    "vector": "vector",
    "metadata": "metadata",
    "object": "metadata (JSON object)",
    "uri": "URI",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the mapping form."""

    column: Column
    use: str
    key: str
    kind: str


def router(transfers: Transfers, vectors: VectorsService, uploads: Uploads) -> APIRouter:
    """Everything under a collection's tab "Data", and the way to a new collection from a file."""
    pages = APIRouter(include_in_schema=False)
    _add_imports(pages, transfers, vectors, uploads)
    _add_exports(pages, transfers, vectors)
    return pages


def _add_imports(
    pages: APIRouter, transfers: Transfers, vectors: VectorsService, uploads: Uploads
) -> None:
    def new_page(request: Request, status: int = 200, error: MlpiError | None = None) -> Response:
        return render(
            request,
            "vectors/import_new.html",
            status,
            waiting=transfers.uploaded(workspace_of(request)),
            error=error,
            endings=ENDINGS,
        )

    @pages.get(AT + "/import")
    def new(request: Request) -> Response:
        return new_page(request)

    @pages.post(AT + "/import")
    def upload(
        request: Request,
        file: Annotated[UploadFile | None, File()] = None,
        collection: Text = "",
        name: Text = "",
    ) -> Response:
        workspace = workspace_of(request)
        try:
            if file is None or not file.filename:
                raise Invalid("Choose a file.", field="file")
            file_name = plain_name(file.filename)
            transfers.check_name(file_name)
            size_bytes = file.size or 0
            with uploads.received(workspace, PURPOSE, file_name, file.file, size_bytes) as arrived:
                kept = transfers.keep(
                    workspace, file_name, arrived, collection_id=collection, name=name
                )
        except Invalid as error:
            if collection:
                return _data_page(request, transfers, vectors, collection, 422, error)
            return new_page(request, 422, error)
        return back_to(request, f"{AT}/imports/{kept.id}")

    def mapping_page(
        request: Request,
        import_id: str,
        status: int = 200,
        error: MlpiError | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        found = transfers.waiting(workspace, import_id)
        form = form or {}
        into = found.collection
        return render(
            request,
            "vectors/import.html",
            status,
            waiting=found,
            lines=_lines(found.look.shown, found.mapping, form),
            uses=USES,
            kinds=KINDS,
            spaces=SPACES,
            embedder=vectors.embedders.of(workspace, into.id) if into else None,
            options=None if into else vectors.embedders.options_of(workspace),
            error=error,
            form={
                "embedder": NONE,
                "name": found.arrival.name,
                "space": found.arrival.space,
                "prefix": found.mapping["prefix"],
                "bad_rows": "stop",
                **form,
            },
        )

    @pages.get(AT + "/imports/{import_id}")
    def mapping(request: Request, import_id: str) -> Response:
        return mapping_page(request, import_id)

    @pages.post(AT + "/imports/{import_id}")
    async def begin(request: Request, import_id: str) -> Response:
        form = {
            key: str(value) for key, value in (await request.form(max_fields=MOST_INPUTS)).items()
        }
        return await run_in_threadpool(begun, request, import_id, form)

    def begun(request: Request, import_id: str, form: Mapping[str, str]) -> Response:
        try:
            workspace = workspace_of(request)
            found = transfers.waiting(workspace, import_id)
            job = transfers.begin(
                workspace,
                import_id,
                _mapping(found.look.shown, form),
                skips_bad=form.get("bad_rows") == "skip",
                name=form.get("name", ""),
                space=form.get("space", ""),
                embedder=form.get("embedder", NONE),
                actor=actor_of(request),
            )
        except (Invalid, Conflict) as error:
            return mapping_page(request, import_id, 422, error, form)
        return back_to(request, f"{AT}/{job.params['collection']}/data")

    @pages.post(AT + "/imports/{import_id}/remove")
    def remove(request: Request, import_id: str) -> Response:
        gone = transfers.forget(workspace_of(request), import_id)
        page = f"{AT}/{gone.collection_id}/data" if gone.collection_id else f"{AT}/import"
        return back_to(request, page)


def _add_exports(pages: APIRouter, transfers: Transfers, vectors: VectorsService) -> None:
    @pages.get(ONE + "/data")
    def data(
        request: Request,
        collection_id: str,
        where: str = "",
        where_document: str = "",
        ids: str = "",
    ) -> Response:
        """The tab, with a condition that another page leads here with."""
        form = {"where": where, "where_document": where_document, "ids": ids}
        return _data_page(request, transfers, vectors, collection_id, form=form)

    @pages.get(ONE + "/export")
    def export(
        request: Request,
        collection_id: str,
        format: str = STREAMED[0],  # noqa: A002 - the word of the address
        where: str = "",
        where_document: str = "",
        ids: str = "",
    ) -> Response:
        """CSV or JSON Lines, as it is read."""
        workspace = workspace_of(request)
        form = {"where": where, "where_document": where_document, "ids": ids}
        try:
            return streamed(
                transfers, vectors, workspace, collection_id, format, condition_of(**form)
            )
        except Invalid as error:
            return _data_page(request, transfers, vectors, collection_id, 422, error, form)

    @pages.post(ONE + "/exports")
    def begin_export(
        request: Request,
        collection_id: str,
        format: Text = "",  # noqa: A002
        where: Text = "",
        where_document: Text = "",
        ids: Text = "",
    ) -> Response:
        """Parquet or NPY, by a job."""
        form = {"where": where, "where_document": where_document, "ids": ids}
        try:
            transfers.export(
                workspace_of(request),
                collection_id,
                format,
                condition_of(**form),
                actor=actor_of(request),
            )
        except Invalid as error:
            return _data_page(request, transfers, vectors, collection_id, 422, error, form)
        return back_to(request, f"{AT}/{collection_id}/data")

    @pages.get(ONE + "/exports/{job_id}")
    def exported(request: Request, collection_id: str, job_id: int) -> Response:
        path, name = transfers.exported(workspace_of(request), collection_id, job_id)
        return FileResponse(path, filename=name, media_type="application/octet-stream")

    @pages.post(ONE + "/copy")
    def copy(request: Request, collection_id: str, name: Text = "") -> Response:
        try:
            job = transfers.duplicate(
                workspace_of(request), collection_id, name, actor=actor_of(request)
            )
        except (Invalid, Conflict) as error:
            found = vectors.store.one(workspace_of(request), collection_id)
            return render(
                request, "vectors/duplicate.html", 422, collection=found, error=error, name=name
            )
        return back_to(request, f"{AT}/{job.params['collection']}/data")


def _data_page(
    request: Request,
    transfers: Transfers,
    vectors: VectorsService,
    collection_id: str,
    status: int = 200,
    error: MlpiError | None = None,
    form: Mapping[str, str] | None = None,
) -> Response:
    workspace = workspace_of(request)
    collection = vectors.store.one(workspace, collection_id)
    jobs = transfers.lately(workspace, collection_id)
    is_part = wants_part(request) and status == 200
    return render(
        request,
        "vectors/_transfers.html" if is_part else "vectors/data.html",
        status,
        is_part=is_part,
        collection=collection,
        jobs=jobs,
        is_active=any(job.state in ACTIVE for job in jobs),
        downloads={job.id for job in jobs if transfers.has_export(job)},
        goes_on={job.id for job in jobs if transfers.may_go_on(workspace, job)},
        waiting=() if is_part else transfers.uploaded(workspace, collection_id),
        error=error,
        endings=ENDINGS,
        form={"where": "", "where_document": "", "ids": "", **(form or {})},
    )


def streamed(
    transfers: Transfers,
    vectors: VectorsService,
    workspace: str,
    collection_id: str,
    kind: str,
    condition: Any,
) -> Response:
    """An export as an answer that begins when its first part is there."""
    parts = transfers.export_lines(workspace, collection_id, kind, condition)
    name = quote(f"{vectors.store.one(workspace, collection_id).name}.{kind}")
    disposition = f"attachment; filename*=utf-8''{name}"
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
    return StreamingResponse(parts, media_type=MEDIA[kind], headers=headers)


def _lines(
    shown: Sequence[Column], mapping: Mapping[str, Any], form: Mapping[str, str]
) -> list[Line]:
    """The mapping form's lines: what was sent, or a mapping."""
    uses = {mapping[use]: use for use in USES if use and mapping.get(use)}
    found = []
    for index, column in enumerate(shown):
        field = mapping["fields"].get(column.name)
        use = uses.get(column.name, "metadata" if field else "")
        kind = field["kind"] if field else column.guess
        found.append(
            Line(
                column,
                form.get(f"use-{index}", use),
                form.get(f"key-{index}", field["key"] if field else column.name),
                form.get(f"kind-{index}", kind if kind in KINDS else KINDS[0]),
            )
        )
    return found


def _mapping(shown: Sequence[Column], form: Mapping[str, str]) -> dict[str, Any]:
    """A form's mapping as read_plan takes it. Raises Invalid when one use is given twice."""
    found: dict[str, Any] = {"fields": {}, "prefix": form.get("prefix", "")}
    for index, column in enumerate(shown):
        use = form.get(f"use-{index}", "")
        if use == "metadata":
            key, kind = form.get(f"key-{index}", ""), form.get(f"kind-{index}", "")
            found["fields"][column.name] = {"key": key, "kind": kind}
        elif use in USES and use:
            if use in found:
                raise Invalid(
                    f"{found[use]!r} and {column.name!r} cannot both be the {USES[use]}.",
                    field="mapping",
                )
            found[use] = column.name
    return found
