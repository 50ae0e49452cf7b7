"""The pages of datasets: list, add, profile, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of
from mlpi.checks import options
from mlpi.checks.checkpoints import Checkpoints
from mlpi.checks.datasets import PURPOSE, Datasets
from mlpi.checks.models import Dataset, DatasetKind
from mlpi.checks.suites.service import Suites
from mlpi.errors import Invalid, MlpiError
from mlpi.uploads import Uploads, plain_name
from mlpi.web.render import back_to, here, is_htmx, principal_of, render, workspace_of

Text = Annotated[str, Form()]
PAGE_ROWS = 50
FORM = {"kind": "file", "name": "", "pattern": "", "table": "", "query": ""}


def router(
    datasets: Datasets, uploads: Uploads, checkpoints: Checkpoints, suites: Suites
) -> APIRouter:
    """Everything under /checks/datasets."""
    pages = APIRouter(include_in_schema=False)

    def listing(
        request: Request,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, Any] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        is_part = is_htmx(request) and status == 200
        return render(
            request,
            "checks/_datasets.html" if is_part else "checks/datasets.html",
            status,
            datasets=datasets.page(workspace),
            stored_bytes=datasets.size_bytes(workspace),
            roots=datasets.roots.folders,
            error=error,
            form={**FORM, **(form or {})},
        )

    @pages.get("/checks/datasets")
    def page(request: Request) -> Response:
        return listing(request)

    _add_forms(pages, datasets, uploads, listing)
    _add_pages_of_one(pages, datasets, checkpoints, suites)
    return pages


def _add_pages_of_one(
    pages: APIRouter, datasets: Datasets, checkpoints: Checkpoints, suites: Suites
) -> None:
    """What concerns a single dataset."""

    def detail(
        request: Request,
        dataset: Dataset,
        number: int | None = None,
        status: int = 200,
        error: MlpiError | None = None,
        form: dict[str, Any] | None = None,
    ) -> Response:
        workspace = workspace_of(request)
        versions = datasets.versions(dataset)
        version = datasets.numbered(workspace, dataset, number) if versions else None
        return render(
            request,
            "checks/_dataset.html" if is_htmx(request) and status == 200 else "checks/dataset.html",
            status,
            dataset=dataset,
            versions=versions,
            version=version,
            job=datasets.profiling_job(workspace, dataset, version),
            checkpoints=checkpoints.of_dataset(workspace, dataset.id),
            validations=checkpoints.of_version(version.id) if version else (),
            form=form or {"description": dataset.description, **_shown(dataset.options)},
            error=error,
        )

    @pages.get("/checks/datasets/{dataset_id}")
    def dataset(
        request: Request, dataset_id: int, version: Annotated[int | None, Query()] = None
    ) -> Response:
        return detail(request, datasets.get(workspace_of(request), dataset_id), version)

    @pages.get("/checks/datasets/{dataset_id}/rows")
    def rows(
        request: Request,
        dataset_id: int,
        version: Annotated[int | None, Query()] = None,
        start: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        workspace = workspace_of(request)
        found = datasets.get(workspace, dataset_id)
        shown = datasets.numbered(workspace, found, version)
        preview = shown.preview or {"columns": [], "rows": []}
        return render(
            request,
            "checks/rows.html",
            dataset=found,
            version=shown,
            columns=preview["columns"],
            rows=preview["rows"][start : start + PAGE_ROWS],
            start=start,
            page_rows=PAGE_ROWS,
            kept=len(preview["rows"]),
        )

    @pages.post("/checks/datasets/{dataset_id}")
    async def change(request: Request, dataset_id: int) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        form = {"has_header": "", "ignore_bad_lines": "", "description": "", **form}
        workspace = workspace_of(request)
        found = datasets.get(workspace, dataset_id)
        is_read = found.kind != DatasetKind.SQL
        try:
            datasets.describe(
                workspace,
                dataset_id,
                description=form["description"],
                reading={key: form.get(key, "") for key in options.KNOWN} if is_read else None,
                actor=actor_of(request),
            )
        except MlpiError as error:
            return detail(request, found, None, 422, error, form)
        return back_to(request, f"/checks/datasets/{dataset_id}")

    @pages.post("/checks/datasets/{dataset_id}/refresh")
    def refresh(request: Request, dataset_id: int) -> Response:
        datasets.refresh(workspace_of(request), dataset_id, actor=actor_of(request))
        return back_to(request, f"/checks/datasets/{dataset_id}")

    @pages.post("/checks/datasets/{dataset_id}/remove")
    def remove(request: Request, dataset_id: int) -> Response:
        workspace = workspace_of(request)
        try:
            datasets.remove(workspace, dataset_id, actor=actor_of(request))
        except MlpiError as error:
            return detail(request, datasets.get(workspace, dataset_id), None, 422, error)
        return back_to(request, "/checks/datasets")

    @pages.post("/checks/datasets/versions/{version_id}/propose")
    def propose(request: Request, version_id: int) -> Response:
        """A new suite, and the page on which its expectations are chosen."""
        workspace = workspace_of(request)
        found, _ = datasets.version(workspace, version_id)
        taken = {row.suite.name for row in suites.page(workspace)}
        name = next(one for one in _names(found.name) if one not in taken)
        made = suites.add(workspace, name, actor=actor_of(request))
        page = here(
            principal_of(request), f"/checks/suites/{made.id}/propose", version_id=str(version_id)
        )
        return RedirectResponse(page, 303)

    @pages.post("/checks/datasets/versions/{version_id}/remove")
    def remove_version(request: Request, version_id: int) -> Response:
        found = datasets.remove_version(workspace_of(request), version_id, actor=actor_of(request))
        return back_to(request, f"/checks/datasets/{found.id}")


def _add_forms(
    pages: APIRouter, datasets: Datasets, uploads: Uploads, listing: Callable[..., Response]
) -> None:
    """The three ways to add a dataset; what is refused comes back in its form."""

    @pages.post("/checks/datasets/upload")
    def upload(
        request: Request,
        file: Annotated[UploadFile | None, File()] = None,
        name: Text = "",
    ) -> Response:
        form = {"kind": "file", "name": name}
        try:
            if file is None or not file.filename:
                raise Invalid("Choose a file.", field="file")
            file_name = plain_name(file.filename)
            workspace, size_bytes = workspace_of(request), file.size or 0
            with uploads.received(workspace, PURPOSE, file_name, file.file, size_bytes) as arrived:
                version = datasets.add_file(
                    workspace,
                    name or Path(file_name).stem,
                    file_name,
                    arrived,
                    actor=actor_of(request),
                )
        except MlpiError as error:
            return listing(request, 422, error, form)
        return back_to(request, f"/checks/datasets/{version.dataset_id}")

    @pages.post("/checks/datasets/path")
    def add_path(request: Request, name: Text = "", pattern: Text = "") -> Response:
        try:
            made = datasets.add_path(workspace_of(request), name, pattern, actor=actor_of(request))
        except MlpiError as error:
            form = {"kind": "path", "name": name, "pattern": pattern}
            return listing(request, 422, error, form)
        return back_to(request, f"/checks/datasets/{made.id}")

    @pages.post("/checks/datasets/sql")
    def add_sql(
        request: Request, name: Text = "", url: Text = "", table: Text = "", query: Text = ""
    ) -> Response:
        try:
            made = datasets.add_sql(
                workspace_of(request), name, url, table=table, query=query, actor=actor_of(request)
            )
        except MlpiError as error:
            # The URL may hold a password: it does not travel back.
            form = {"kind": "sql", "name": name, "table": table, "query": query}
            return listing(request, 422, error, form)
        return back_to(request, f"/checks/datasets/{made.id}")


def _names(name: str) -> Iterator[str]:
    """A name, and what to take when it is taken."""
    yield name
    yield from (f"{name[:90]} ({number})" for number in count(2))


def _shown(reading: dict[str, Any]) -> dict[str, str]:
    """Reading options as a form shows them."""
    found = dict.fromkeys(options.KNOWN, "")
    for key, value in reading.items():
        if isinstance(value, bool):
            found[key] = "true" if value else "false"
        elif isinstance(value, list):
            found[key] = ", ".join(value)
        else:
            found[key] = "\\t" if value == "\t" else str(value)
    return found
