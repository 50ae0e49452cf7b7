"""The files of a run: the tree with a viewer beside it, the bytes, a folder as a ZIP."""

from __future__ import annotations

import posixpath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from starlette.background import BackgroundTask

from mlpi.auth.requests import actor_of
from mlpi.errors import Invalid, NotFound
from mlpi.tracking.run_page.files import Files, Item
from mlpi.tracking.run_page.page_routes import ONE, Elsewhere
from mlpi.tracking.run_page.rows import ParquetRows
from mlpi.tracking.run_page.service import RunPage, tree
from mlpi.tracking.run_page.tables import PAGE_ROWS
from mlpi.tracking.run_page.viewers import BY_ADDRESS, SHOWN_TYPES, Shown, is_pdf, kind_of, shown
from mlpi.tracking.run_page.views import pictures
from mlpi.web.markdown import rendered
from mlpi.web.render import here, principal_of, render, wants_part, workspace_of


def router(pages_of: RunPage, rows: ParquetRows, elsewhere: Elsewhere) -> APIRouter:
    """elsewhere: answers for a run that is not in the request's workspace."""
    pages = APIRouter(include_in_schema=False)

    @pages.get(ONE + "/files")
    def browse(
        request: Request,
        run_id: str,
        path: str = "",
        model: str = "",
        at: Annotated[int, Query(ge=0, le=2**53)] = 0,
        row: Annotated[int, Query(ge=1, le=2**53)] = 1,
        job: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> Response:
        workspace = workspace_of(request)
        try:
            run = pages_of.run(workspace, run_id)
        except NotFound:
            return elsewhere(request, run_id)
        files = pages_of.files(workspace, run_id, model)
        item = files.item(path)
        branches, left_out = tree(files, item.path)
        reading = rows.reading(workspace, job, run_id, item.path) if job else None
        return render(
            request,
            "tracking/run/_files.html" if wants_part(request) else "tracking/run/files.html",
            run=run,
            experiment=pages_of.tracking.store.experiment(workspace, run.experiment_id),
            item=item,
            model=model,
            models=pages_of.store.logged_models(run_id),
            branches=branches,
            left_out=left_out,
            page_rows=PAGE_ROWS,
            reading=reading,
            **_seen(request, run_id, model, files, item, at, row),
        )

    def _seen(
        request: Request, run_id: str, model: str, files: Files, item: Item, at: int, row: int
    ) -> dict[str, Any]:
        """The viewer of a file, or what lies in a folder."""
        if item.is_dir:
            return {"view": Shown("folder"), "inside": files.listed(item.path), "html": ""}
        size_bytes = item.size_bytes or 0
        if kind_of(item.name) in BY_ADDRESS and size_bytes:
            # The browser asks for it; of another store, fetching it twice is saved.
            return {"view": Shown(kind_of(item.name)), "inside": (), "html": ""}
        with files.opened(item.path) as local:
            view = shown(local, item.name, size_bytes, at=at, row=row)
        html: Any = ""
        folder = posixpath.dirname(item.path)
        if view.kind == "markdown":
            html = rendered(view.data["text"], pictures(request, run_id, model, folder))
        elif view.kind == "notebook":
            html = [rendered(cell.text) for cell in view.data["cells"]]
        return {"view": view, "inside": (), "html": html}

    @pages.get(ONE + "/artifact")
    def artifact(
        request: Request, run_id: str, path: str, model: str = "", download: str = ""
    ) -> Response:
        """The bytes, or the part of them that Range names.

        The door's policy lets nothing in them reach our pages. What no viewer asks for is sent to
        be saved.
        """
        files = pages_of.files(workspace_of(request), run_id, model)
        name = posixpath.basename(path.rstrip("/")) or "file"
        kind = SHOWN_TYPES.get(posixpath.splitext(name)[1].lower())
        return _sent(files, path, name, None if download else kind)

    @pages.get(ONE + "/pdf")
    def pdf(request: Request, run_id: str, path: str, model: str = "") -> Response:
        """A PDF for the browser's own viewer, which does not work inside of a sandbox."""
        files = pages_of.files(workspace_of(request), run_id, model)
        with files.opened(path) as local:
            if not is_pdf(local):
                raise Invalid("This file is no PDF.")
        return _sent(files, path, posixpath.basename(path), "application/pdf")

    @pages.get(ONE + "/files.zip")
    def packed(request: Request, run_id: str, path: str = "", model: str = "") -> Response:
        """A folder, packed while it is sent."""
        files = pages_of.files(workspace_of(request), run_id, model)
        folder = files.item(path)
        if not folder.is_dir:
            raise Invalid("Only a folder is packed; a file can be downloaded as it is.")
        items = list(files.walk(folder.path))
        name = (folder.name or run_id[:8]).encode("ascii", "replace").decode()
        name = "".join("_" if char in '"\\?/' or char < " " else char for char in name)
        return StreamingResponse(
            files.packed(items, folder.path),
            media_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name}.zip"'},
        )

    @pages.post(ONE + "/files/rows")
    def read_rows(
        request: Request,
        run_id: str,
        path: str,
        model: str = "",
        start: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> Response:
        """Have a worker read rows of a Parquet file; the page waits for them."""
        workspace = workspace_of(request)
        job = rows.ask(workspace, run_id, model, path, start, actor=actor_of(request))
        query = {"path": path, "model": model, "job": str(job.id)}
        return RedirectResponse(
            here(principal_of(request), f"/tracking/runs/{run_id}/files", **query), 303
        )

    return pages


def _sent(files: Files, path: str, name: str, media_type: str | None) -> Response:
    """A file with this type, or to be saved when there is none."""
    local, done = files.fetched(path)
    return FileResponse(
        local,
        media_type=media_type or "application/octet-stream",
        filename=name,
        content_disposition_type="inline" if media_type else "attachment",
        background=BackgroundTask(done),
    )
