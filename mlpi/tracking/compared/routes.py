"""The part of a comparison that shows artifacts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from mlpi.errors import NotReady
from mlpi.tracking.compared.service import FileComparisons
from mlpi.tracking.runs.view import run_ids
from mlpi.web.render import render, wants_part, workspace_of


def router(files: FileComparisons) -> APIRouter:
    pages = APIRouter(include_in_schema=False)

    @pages.get("/tracking/compare/files")
    def compared(request: Request, runs: str = "", path: str = "") -> Response:
        ids = run_ids(runs)
        try:
            found = files.of(workspace_of(request), ids, path)
        except NotReady:
            found = None  # the page says so; it can be asked again
        part = "_compared" if wants_part(request) else "compared"
        return render(request, f"tracking/{part}.html", found=found, ids=",".join(ids), chosen=path)

    return pages
